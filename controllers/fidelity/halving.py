"""Successive halving and Hyperband: rounds of judging all and keeping the best.

Successive halving (Karnin et al. 2013; Jamieson & Talwalkar 2016, figure 1): n architectures are trained for a few epochs, the
best n/reduction of them further, and so on. Which fraction is kept is decided when all of a rung are judged. Use it to have
equal rounds that can be compared; ASHA finds as good networks and never waits.

Hyperband (Li et al. 2018, algorithm 1) cycles through brackets that start at different rungs: the first starts many at the
lowest, the last a few at the highest. Use it where short trainings may mislead: at worst it is as slow as training all fully,
times the number of brackets.

    epochs (1, 3, 9), reduction 3      bracket 1: 9 x 1, 3 x 3, 1 x 9      bracket 2: 5 x 3, 1 x 9      bracket 3: 3 x 9

While a rung waits for its last results the next bracket begins, so that workers stay busy. Infeasible and failed trials end
their way there; the number that is kept stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.checks import check_whole
from controllers.fidelity.multi_fidelity import Entry, MultiFidelity, Schedule, best_first
from controllers.ranking import is_failed, is_feasible, read_merit
from nas.study.interfaces import Controller


class SuccessiveHalving(MultiFidelity):
    """Rounds of successive halving over any controller.

    Args:
        over: the controller inside; None: regularized evolution.
        epochs: of each rung, growing.
        reduction: one in so many is kept.
        size: architectures in a round; None: as many as leave one at the highest rung.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: a setting out of range.
    """

    name = "successive-halving"

    def __init__(
        self,
        over: Controller | None = None,
        epochs: Sequence[int] = (1, 3, 9),
        reduction: int = 3,
        size: int | None = None,
        seed: int = 0,
    ):
        super().__init__(over, epochs, reduction, seed)
        least = self.reduction ** (len(self.epochs) - 1)
        self.size = least if size is None else check_whole("SuccessiveHalving(size)", size, least)

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"size": self.size}

    def schedule(self) -> Schedule:
        return Brackets([(0, self.size)], len(self.epochs), self.reduction)


class Hyperband(MultiFidelity):
    """Hyperband over any controller.

    Args:
        over: the controller inside; None: regularized evolution.
        epochs: of each rung, growing; Hyperband's are `reduction` times as long each.
        reduction: one in so many is kept.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: a setting out of range.
    """

    name = "hyperband"

    def __init__(self, over: Controller | None = None, epochs: Sequence[int] = (1, 3, 9), reduction: int = 3, seed: int = 0):
        super().__init__(over, epochs, reduction, seed)

    def schedule(self) -> Schedule:
        brackets = len(self.epochs)
        # Li et al. 2018, algorithm 1, line 3: n = ceil((s_max + 1) / (s + 1) * eta^s), where s rungs follow the first
        starts = [
            (rung, math.ceil(brackets / (brackets - rung) * self.reduction ** (brackets - rung - 1)))
            for rung in range(brackets)
        ]
        return Brackets(starts, brackets, self.reduction)


class Bracket:
    """One round: who is judged at which rung, and how they did.

    Args:
        start: the rung it begins at.
        size: how many begin.
        rungs: how many rungs there are.
    """

    def __init__(self, start: int, size: int, rungs: int):
        self.start, self.size = start, size
        self.asked: list[dict[str, None]] = [{} for _ in range(rungs)]
        self.judged: list[dict[str, Entry]] = [{} for _ in range(rungs)]
        self.waiting: list[tuple[Entry, int]] = []  # to be promoted
        self.rung = start  # whose results are awaited

    @property
    def is_full(self) -> bool:
        return len(self.asked[self.start]) >= self.size

    def advance(self, reduction: int) -> bool:
        """Takes the step to the next rung where all results are there; whether there was one to take."""
        if self.waiting or not self.is_full or self.judged[self.rung].keys() != self.asked[self.rung].keys():
            return False
        if self.rung + 1 == len(self.asked):
            return False
        kept = self.size // reduction ** (self.rung + 1 - self.start)
        entries = [self.judged[self.rung][key] for key in self.asked[self.rung]]  # in the order of asking, not of results
        best = [entry for entry in best_first(entries) if is_feasible(entry.merit)][:kept]
        self.rung += 1
        self.waiting = [(entry, self.rung) for entry in best]
        return True

    @property
    def is_over(self) -> bool:
        done = self.judged[self.rung].keys() == self.asked[self.rung].keys()
        return self.is_full and not self.waiting and done and (self.rung + 1 == len(self.asked) or not self.asked[self.rung])


class Brackets(Schedule):
    """Rounds that follow each other.

    Args:
        starts: the rung and the size of each bracket; after the last the first comes again.
        rungs: how many rungs there are.
        reduction: one in so many is kept.
    """

    def __init__(self, starts: Sequence[tuple[int, int]], rungs: int, reduction: int):
        self._starts, self._rungs, self._reduction = list(starts), rungs, reduction
        self._begun = 0
        self._open: list[Bracket] = []

    def promote(self) -> tuple[Entry, int] | None:
        for bracket in self._open:
            if bracket.waiting:
                entry, rung = bracket.waiting.pop(0)
                bracket.asked[rung][entry.key] = None
                return entry, rung
        return None

    def enter(self, key: str) -> int:
        if not self._open or self._open[-1].is_full:
            self._open.append(Bracket(*self._starts[self._begun % len(self._starts)], self._rungs))
            self._begun += 1
        bracket = self._open[-1]
        bracket.asked[bracket.start][key] = None
        return bracket.start

    def record(self, entry: Entry, rung: int) -> None:
        for bracket in self._open:
            if entry.key in bracket.asked[rung]:
                known = bracket.judged[rung].get(entry.key)
                if known is None or (is_failed(known.merit) and not is_failed(entry.merit)):
                    bracket.judged[rung][entry.key] = entry
        self._advance()

    def withdraw(self, key: str) -> None:
        for bracket in self._open:
            if key in bracket.asked[bracket.rung] and key not in bracket.judged[bracket.rung]:
                del bracket.asked[bracket.rung][key]
                bracket.size -= bracket.rung == bracket.start
        self._advance()

    def close(self) -> None:
        if self._open and not self._open[-1].is_full:
            self._open[-1].size = len(self._open[-1].asked[self._open[-1].start])
            self._advance()

    def _advance(self) -> None:
        for bracket in self._open:
            while bracket.advance(self._reduction):
                pass
        self._open = [bracket for bracket in self._open if not bracket.is_over]

    def state(self) -> dict[str, Any]:
        return {
            "begun": self._begun,
            "open": [
                {
                    "start": bracket.start,
                    "size": bracket.size,
                    "rung": bracket.rung,
                    "asked": [list(rung) for rung in bracket.asked],
                    "judged": [[list(entry) for entry in rung.values()] for rung in bracket.judged],
                    "waiting": [[list(entry), rung] for entry, rung in bracket.waiting],
                }
                for bracket in self._open
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._begun, self._open = int(state["begun"]), []
        for stored in state["open"]:
            bracket = Bracket(stored["start"], stored["size"], self._rungs)
            bracket.rung = stored["rung"]
            bracket.asked = [dict.fromkeys(keys) for keys in stored["asked"]]
            bracket.judged = [{row[0]: _entry(row) for row in rows} for rows in stored["judged"]]
            bracket.waiting = [(_entry(row), rung) for row, rung in stored["waiting"]]
            self._open.append(bracket)


def _entry(row: Sequence[Any]) -> Entry:
    key, vector, found = row
    return Entry(key, vector, read_merit(found))
