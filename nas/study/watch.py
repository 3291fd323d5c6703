"""What passes between a study and a training while it runs: the learning curve, the word to stop, and a checkpoint.

An evaluator that trains (`GradualEvaluator`) tells its `Watch` after each epoch what it measured. The study has said beforehand
what a curve must have reached by then (`Controller.bars`); a training that falls behind ends there, with what it measured last.
So nothing has to be sent to a worker that is training, and a trial that is run again after a crash ends at the same epoch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from nas.study.fidelity import AS_SET, Fidelity
from nas.study.objective import Objective
from nas.study.trial import Measurement


class Stopped(Exception):
    """Raised by `Watch.report` to end a training before its time; the message is the reason."""


@dataclasses.dataclass(frozen=True)
class Assignment:
    """How a trial is evaluated: everything but the architecture.

    Attributes:
        fidelity: how thoroughly.
        seed: of everything random in it.
        bars: epoch -> score that the best of the curve must have reached by then (`Objective.score`: larger is better).
        curve, found: the learning curve and the measurements of the trial that it continues.
        checkpoint: a directory where training keeps its state and goes on from what is there; None: it is not kept.
    """

    fidelity: Fidelity = AS_SET
    seed: int = 0
    bars: Mapping[int, float] = dataclasses.field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    found: Mapping[str, Measurement] = dataclasses.field(default_factory=dict)
    checkpoint: Path | None = None


class Watch:
    """Hears a learning curve and ends a training that falls behind.

    Args:
        objective: whose values make the curve; None: nobody listens.
        assignment: what was said beforehand.
        found: what was measured of the architecture before, which an objective of several metrics needs.

    Attributes:
        checkpoint: as in the assignment.
        last: what was reported last.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        assignment: Assignment = Assignment(),
        found: Mapping[str, Measurement] | None = None,
    ):
        self.checkpoint = assignment.checkpoint
        self.last: dict[str, Measurement] = {}
        self._objective, self._bars, self._found = objective, assignment.bars, dict(found or {})
        self._values = dict(assignment.curve)

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """(epoch, value of the objective), by epoch."""
        return tuple(sorted(self._values.items()))

    def recall(self, epoch: int, measurements: Mapping[str, Measurement]) -> None:
        """Takes up an epoch that was trained before an interruption, or in the trial that is continued."""
        self.last = dict(measurements)
        if self._objective is not None:
            value = self._objective.value_in({**self._found, **measurements})
            if math.isfinite(value):
                self._values[epoch] = value

    def report(self, epoch: int, measurements: Mapping[str, Measurement]) -> None:
        """Takes note of what was measured after an epoch, counted from 1.

        Raises:
            Stopped: the best of the curve so far is worse than what others had reached.
        """
        self.recall(epoch, measurements)
        if self._objective is None or epoch not in self._bars or not self._values:
            return
        best = max(self._values.values(), key=self._objective.score)
        if self._objective.score(best) < self._bars[epoch]:
            bar = self._bars[epoch] * (-1 if self._objective.goal == "minimize" else 1)
            raise Stopped(f"{self._objective.metric} {best:.4g} after epoch {epoch}, behind the median of {bar:.4g}")
