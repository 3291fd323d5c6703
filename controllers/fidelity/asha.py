"""ASHA: asynchronous successive halving (Li et al. 2020, algorithm 2). The first choice among schedules.

Use it whenever training is what costs: nobody waits for the end of a round, so any number of workers stays busy. Whenever a
slot is free, the highest rung is looked at first: is anyone among the best 1/reduction of those judged there, and not promoted
yet? Else a new architecture begins at the lowest rung.

Li et al. count every result of a rung. Here infeasible and failed trials do not count: they were not trained, so they say
nothing about how good a training has to be. With a budget that a tenth of the space meets, the rung would otherwise promote
whoever is feasible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.fidelity.multi_fidelity import Entry, MultiFidelity, Schedule, best_first
from controllers.ranking import is_feasible, read_merit
from nas.study.interfaces import Controller


class ASHA(MultiFidelity):
    """Asynchronous successive halving over any controller.

    Args:
        over: the controller inside; None: regularized evolution.
        epochs: of each rung, growing.
        reduction: one in so many is promoted.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: a setting out of range.
    """

    name = "asha"

    def __init__(self, over: Controller | None = None, epochs: Sequence[int] = (1, 3, 9), reduction: int = 3, seed: int = 0):
        super().__init__(over, epochs, reduction, seed)

    def schedule(self) -> Schedule:
        return Rungs(len(self.epochs), self.reduction)


class Rungs(Schedule):
    """Every result of every rung but the highest, and who has been promoted.

    Args:
        rungs: how many.
        reduction: one in so many is promoted.
    """

    def __init__(self, rungs: int, reduction: int):
        self._reduction = reduction
        self._judged: list[dict[str, Entry]] = [{} for _ in range(rungs - 1)]
        self._promoted: list[dict[str, None]] = [{} for _ in range(rungs - 1)]  # in order, unlike a set
        self._best: list[list[Entry] | None] = [None] * (rungs - 1)  # the best 1/reduction, until the rung changes

    def promote(self) -> tuple[Entry, int] | None:
        for rung in reversed(range(len(self._judged))):
            for entry in self._top(rung):
                if entry.key not in self._promoted[rung]:
                    self._promoted[rung][entry.key] = None
                    return entry, rung + 1
        return None

    def enter(self, key: str) -> int:
        return 0

    def record(self, entry: Entry, rung: int) -> None:
        if rung > 0:  # also one that was never proposed here: of an earlier study
            self._promoted[rung - 1].setdefault(entry.key)
        if rung < len(self._judged) and is_feasible(entry.merit) and entry.key not in self._judged[rung]:
            self._judged[rung][entry.key] = entry
            self._best[rung] = None

    def withdraw(self, key: str) -> None:
        """Nobody is awaited."""

    def close(self) -> None:
        """Nobody waits for a rung to be full."""

    def state(self) -> dict[str, Any]:
        return {
            "judged": [[list(entry) for entry in rung.values()] for rung in self._judged],
            "promoted": [list(rung) for rung in self._promoted],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for rung, rows in enumerate(state["judged"]):
            self._judged[rung] = {key: Entry(key, vector, read_merit(found)) for key, vector, found in rows}
            self._promoted[rung] = dict.fromkeys(state["promoted"][rung])
            self._best[rung] = None

    def _top(self, rung: int) -> list[Entry]:
        found = self._best[rung]
        if found is None:
            entries = list(self._judged[rung].values())
            found = self._best[rung] = best_first(entries)[: len(entries) // self._reduction]
        return found
