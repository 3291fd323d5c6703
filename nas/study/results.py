"""Which trials are worth a look: the best, the Pareto front, and a study on disk seen without its space."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.study.directory import driver_of
from nas.study.objective import Constraint, Objective
from nas.study.store import Stage, Store
from nas.study.trial import Trial


def better(best: Trial | None, trial: Trial, objective: Objective) -> Trial | None:
    """The better of two trials; only completed ones count, a higher fidelity before a lower, the first of equals stays."""
    if trial.state != "completed":
        return best
    if best is None or _merit(trial, objective) > _merit(best, objective):
        return trial
    return best


def ranked(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    """Completed trials, the best first; of an architecture with several, the one at the highest fidelity."""
    completed = sorted((t for t in trials if t.state == "completed"), key=lambda t: _merit(t, objective), reverse=True)
    first: dict[str, Trial] = {}
    for trial in completed:
        first.setdefault(trial.fingerprint, trial)
    return list(first.values())


def comparable(trials: Iterable[Trial]) -> list[Trial]:
    """Completed trials at the highest fidelity at which there are any: those at lower ones say less, and something else."""
    completed = [t for t in trials if t.state == "completed"]
    highest = max((t.fidelity.thoroughness for t in completed), default=())
    return [t for t in completed if t.fidelity.thoroughness == highest]


def _merit(trial: Trial, objective: Objective) -> tuple[tuple[float, ...], float]:
    return trial.fidelity.thoroughness, objective.score(objective.value_of(trial))


def best_trial(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The best completed trial by one objective; None if none is completed."""
    best: Trial | None = None
    for trial in trials:
        best = better(best, trial, objective)
    return best


def pareto_front(trials: Iterable[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """Completed trials that no other beats in all objectives at once, the best by the first objective first.

    Trials at lower fidelities than the highest are left out. A trial is dominated if another is at least as good everywhere and
    better somewhere; of equal ones the first stays.
    """
    completed = comparable(trials)
    if not completed:
        return []
    scores = np.array([[o.score(o.value_of(t)) for o in objectives] for t in completed])
    # In lexicographic order (stable) whoever dominates comes first, so each needs comparing only with the front so far.
    order = np.lexsort(-scores.T[::-1])
    front: list[int] = []
    for i in order:
        if not front or not (scores[front] >= scores[i]).all(axis=1).any():
            front.append(int(i))
    return [completed[i] for i in front]


def table_columns(
    objectives: Sequence[Objective], constraints: Sequence[Constraint], trials: Sequence[Trial] = ()
) -> dict[str, Callable[[Trial], float]]:
    """What a table of trials shows, by name: each objective, what a reward is made of, and what constraints bound; epochs where
    they differ from trial to trial."""
    metrics = [metric for objective in objectives for metric in objective.metrics] + [c.metric for c in constraints]
    columns: dict[str, Callable[[Trial], float]] = {objective.metric: objective.value_of for objective in objectives}
    columns |= {m: functools.partial(Trial.value, metric=m) for m in metrics if m not in columns}
    if any(trial.fidelity.epochs is not None for trial in trials):
        columns["epochs"] = lambda trial: math.nan if trial.fidelity.epochs is None else trial.fidelity.epochs
    return columns


@dataclasses.dataclass(frozen=True)
class StudyView:
    """A study on disk as it was when it was read; made by `Study.open`. Nothing of it can be changed.

    Attributes:
        directory: where it is.
        space: name, reference, size (digits, exact) and digest of the space.
        settings: objectives, constraints, controller, evaluators, seed, fidelity, as plain JSON.
        notes: what its maker wrote beside them.
        trials: by id.
        stages: results of what followed the search, by name.
        driver: pid of the process that was running it, or None.
    """

    directory: Path
    space: Mapping[str, Any]
    settings: Mapping[str, Any]
    notes: Mapping[str, Any]
    trials: list[Trial]
    stages: Mapping[str, Stage]
    driver: int | None

    @classmethod
    def read(cls, directory: str | os.PathLike[str]) -> StudyView:
        """Reads a study, also while another process runs it.

        Raises:
            StudyError: there is none, or it cannot be read.
        """
        with Store(directory, read_only=True) as store:
            assert store.directory is not None
            return cls(
                directory=store.directory,
                space=store.meta("space"),
                settings=store.meta("settings"),
                notes=store.meta("notes") or {},
                trials=store.trials(),
                stages=store.stages(),
                driver=driver_of(store.directory),
            )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return tuple(Objective.from_json(o) for o in self.settings["objectives"])

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return tuple(Constraint(**c) for c in self.settings["constraints"])

    def best(self) -> Trial | None:
        """The best completed trial by the first objective; None if none is completed."""
        return best_trial(self.trials, self.objectives[0])

    def pareto_front(self) -> list[Trial]:
        """Non-dominated completed trials over all objectives, the best by the first one first."""
        return pareto_front(self.trials, self.objectives)
