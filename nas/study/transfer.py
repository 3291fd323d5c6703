"""What an earlier study knows that is of use to a new one, also where the two search different spaces.

Decisions are matched by name. What the new space does not know, or does not offer, is dropped and counted; what the earlier one
did not decide takes the first option. Then there are two kinds of trials:

- Those of the same network (equal fingerprints), measured in the same way: their results hold here. The controller is told
  them, and nothing is trained.
- All others: what was measured is not what would be measured here. The best of them are tried first.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import DecisionError
from nas.study.objective import Objective
from nas.study.results import ranked
from nas.study.trial import Trial

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What is taken over.

    Attributes:
        told: trials whose results hold here.
        given: architectures to try first, the best one first.
        dropped: decision -> in how many trials it did not fit.
        lost: trials of which nothing could be taken over.
    """

    told: list[Trial]
    given: list[Architecture]
    dropped: Mapping[str, int]
    lost: int

    def __str__(self) -> str:
        parts = [f"{len(self.told)} results taken over", f"{len(self.given)} architectures to try first"]
        if self.dropped:
            most = sorted(self.dropped.items(), key=lambda item: (-item[1], item[0]))
            named = ", ".join(f"{name} ({n})" for name, n in most[:3]) + (", ..." if len(most) > 3 else "")
            parts.append(f"{sum(self.dropped.values())} decisions did not fit: {named}")
        if self.lost:
            parts.append(f"{self.lost} trials did not fit at all")
        return "; ".join(parts)


def transfer(
    trials: Iterable[Trial],
    space: SearchSpace,
    objective: Objective,
    holds: Callable[[Trial], bool] = lambda trial: True,
    most: int = 10,
) -> Transfer:
    """Fits the finished trials of an earlier study to a space.

    Args:
        trials: of the earlier study.
        space: of the new one.
        objective: by which the earlier trials are ranked.
        holds: whether what a trial measured would be measured in the same way here.
        most: architectures to try first.
    """
    finished = [trial for trial in trials if trial.is_finished]
    told: list[Trial] = []
    dropped: Counter[str] = Counter()
    fitted: dict[int, Architecture] = {}  # by identity: trials of several studies can share ids
    lost = 0
    for trial in finished:
        vector, misfits = fit(space, trial.decisions)
        dropped.update(misfits)
        if vector is None:
            lost += 1
            continue
        architecture = space.architecture(vector)
        if architecture.fingerprint == trial.fingerprint and holds(trial):
            told.append(dataclasses.replace(trial, decisions=architecture.decisions))
        else:
            fitted[id(trial)] = architecture
    known = {trial.fingerprint for trial in told}
    given: dict[str, Architecture] = {}
    for trial in ranked(finished, objective):
        if id(trial) in fitted:
            architecture = fitted[id(trial)]
            if architecture.fingerprint not in known and architecture in space:
                given.setdefault(architecture.fingerprint, architecture)
    return Transfer(told, list(given.values())[:most], dict(dropped), lost)


def fit(space: SearchSpace, decisions: Mapping[str, Any]) -> tuple[np.ndarray | None, list[str]]:
    """The point of a space that agrees with as many of the decisions as it can, and the names of the others.

    None where they break a rule between decisions.
    """
    kept, misfits = dict(decisions), list[str]()
    while True:
        try:
            return space.genome.encode(kept, first_by_default=True), misfits
        except DecisionError as error:
            name = next((n for n in _names(error.path) if n in kept), None)
            if name is None:
                return None, misfits
            del kept[name]
            misfits.append(name)


def _names(path: str) -> Sequence[str]:
    """A decision's name, and for an element of a manyof that of the whole: `ops[1]`, `ops`."""
    return path, path.rpartition("[")[0]
