"""What was found: measurements with their unit, device and spread, and the trial that carries them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from nas.study.fidelity import AS_SET, Fidelity
from nas.study.objective import Constraint, Objective

State = Literal["queued", "running", "completed", "infeasible", "failed", "stopped"]
"""queued: asked, not begun. running: claimed by a worker. completed: every evaluator answered and every constraint holds.
infeasible: a constraint is broken or an evaluator refused, with the reason. failed: an exception, with its traceback.
stopped: ended before its time because it fell behind, with what was measured last."""

FINISHED: tuple[State, ...] = ("completed", "infeasible", "failed", "stopped")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One number and what it takes to trust it.

    Attributes:
        value: the number.
        unit: its unit (`ms`, `bytes`, `FLOPs`, `` for a pure number).
        device: what it was measured on, or "" for arithmetic.
        runtime: with which runtime and settings.
        spread: standard deviation or half-width over repeats, in the same unit; None: measured once.
        n: how many repeats.
        low, high: an interval in which the number is to be expected; the evaluator says which and at what confidence.
        note: what should be known before it is believed; "": nothing.
    """

    value: float
    unit: str = ""
    device: str = ""
    runtime: str = ""
    spread: float | None = None
    n: int = 1
    low: float | None = None
    high: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults; NaN and infinities as strings, so that any JSON reader takes it."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}
        return {k: repr(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        known = {f.name for f in dataclasses.fields(cls)}
        numbers = {k: float(data[k]) for k in ("value", "spread", "low", "high") if data.get(k) is not None}
        return cls(**{k: v for k, v in data.items() if k in known} | numbers)


@dataclasses.dataclass(frozen=True)
class StageVerdict:
    """What one evaluator of the chain said of a trial.

    Attributes:
        stage: the evaluator's name.
        verdict: passed (it answered, and the constraints on what it measured hold), infeasible, failed or stopped. What comes
            after another verdict than passed was not asked.
        seconds: what it took.
        reason: why it did not pass.
    """

    stage: str
    verdict: Literal["passed", "infeasible", "failed", "stopped"]
    seconds: float
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One architecture's way through a study.

    Attributes:
        id: from 1, in the order of asking.
        decisions: name -> chosen value, for the active decisions (plain JSON).
        fingerprint: equal for architectures that compute the same function family.
        state: see `State`.
        measurements: metric -> Measurement, as far as evaluation came.
        seed: the seed of everything random in its evaluation.
        reason: why it is infeasible, failed or stopped.
        started, finished: seconds since the epoch; None where it has not happened.
        worker: which process evaluated it.
        fidelity: how thoroughly it is judged, beside the study's own setting. An architecture can have a trial at each.
        parent: id of the trial at a lower fidelity whose training it continues; it then has the same seed.
        curve: (epoch, value of the first objective), as far as an evaluator reported it.
        stages: what each evaluator that was asked said, in their order.
    """

    id: int
    decisions: Mapping[str, Any]
    fingerprint: str
    state: State = "queued"
    measurements: Mapping[str, Measurement] = dataclasses.field(default_factory=dict)
    seed: int = 0
    reason: str = ""
    started: float | None = None
    finished: float | None = None
    worker: str = ""
    fidelity: Fidelity = AS_SET
    parent: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    stages: tuple[StageVerdict, ...] = ()

    def value(self, metric: str) -> float:
        """The value of a metric; NaN where it was not measured."""
        found = self.measurements.get(metric)
        return found.value if found else math.nan

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED


def rank_key(trial: Trial, objective: Objective, constraints: Sequence[Constraint]) -> tuple[int, float]:
    """A sort key, larger is better: completed trials by objective, then infeasible by how little they violate, then failed.

    Deb et al. 2002, constrained domination: feasible before infeasible, less violation before more. A stopped trial counts by
    what it measured last: it was stopped because that is poor.
    """
    value = objective.value_of(trial)
    if trial.state in ("completed", "stopped") and not math.isnan(value):
        return 2, objective.score(value)
    if trial.state == "infeasible":
        violations = [c.violation(trial.value(c.metric)) for c in constraints if c.metric in trial.measurements]
        return 1, -sum(violations) if violations and sum(violations) else -math.inf
    return 0, 0.0
