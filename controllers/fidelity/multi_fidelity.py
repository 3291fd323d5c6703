"""Multi-fidelity search as a layer: the controller inside proposes architectures, a schedule says who is judged further.

New architectures are judged at a low fidelity (few epochs). Who does well is proposed again at the next one, and its training
continues. The controller inside is told every trial; of an architecture it learns again whenever it is judged more thoroughly
(`Memory.learn`). So what it has in hand are values at the highest fidelity that each architecture has reached. They are not
strictly comparable, but they err on the right side: who went further was among the best below, and has had more training.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from controllers.checks import check_whole
from controllers.layer import Layer
from controllers.ranking import Merit, merit
from nas.errors import DecisionError, UserError
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Controller, Proposal
from nas.study.trial import Trial


class Entry(NamedTuple):
    """What a schedule knows of an architecture at a rung.

    Attributes:
        key: its fingerprint.
        vector: its decisions, as a row of the genome in plain numbers.
        merit: how it did.
    """

    key: str
    vector: list[float]
    merit: Merit


class Schedule(abc.ABC):
    """Who is judged further. Rungs are numbered from 0, the lowest fidelity."""

    @abc.abstractmethod
    def promote(self) -> tuple[Entry, int] | None:
        """The next one to judge further and its new rung, taken down as asked; None: nobody at the moment."""

    @abc.abstractmethod
    def enter(self, key: str) -> int:
        """A new architecture is judged; returns its rung."""

    @abc.abstractmethod
    def record(self, entry: Entry, rung: int) -> None:
        """A judgement, in any order; the same one again changes nothing."""

    @abc.abstractmethod
    def withdraw(self, key: str) -> None:
        """An architecture that was judged elsewhere, at another fidelity: its result is not awaited any more."""

    @abc.abstractmethod
    def close(self) -> None:
        """The controller inside has no new architectures at the moment."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """Plain JSON."""

    @abc.abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""


class MultiFidelity(Layer):
    """A layer with a schedule.

    Args:
        over: the controller inside; None: regularized evolution.
        epochs: of each rung, growing. Each is a whole training's length so far: a promotion from 3 to 9 trains 6 more.
        reduction: one in so many is judged further.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: a setting out of range, or the controller inside decides about fidelities itself.
    """

    def __init__(self, over: Controller | None, epochs: Sequence[int], reduction: int, seed: int):
        super().__init__(over, seed)
        path = type(self).__name__
        self.epochs = tuple(check_whole(f"{path}(epochs)", e, 1) for e in epochs)
        if len(self.epochs) < 2 or list(self.epochs) != sorted(set(self.epochs)):
            raise UserError(
                f"{epochs!r} are no rungs", path=f"{path}(epochs)", received=epochs, expected="two or more, growing: (1, 3, 9)"
            )
        self.reduction = check_whole(f"{path}(reduction)", reduction, 2)
        if self.over.fidelities:
            problem = f"{type(self.over).__name__} decides about fidelities itself"
            raise UserError(problem, path=f"{path}(over)", received=over, hint="Give the controller that is inside it")
        self._rungs = {Fidelity(epochs=e, horizon=self.epochs[-1]): rung for rung, e in enumerate(self.epochs)}

    @abc.abstractmethod
    def schedule(self) -> Schedule:
        """A fresh schedule."""

    @property
    def fidelities(self) -> Sequence[Fidelity]:  # type: ignore[override]
        return tuple(self._rungs)

    def begin(self) -> None:
        self._schedule = self.schedule()

    def settings(self) -> dict[str, Any]:
        return {"epochs": list(self.epochs), "reduction": self.reduction}

    def ask(self, n: int = 1) -> list[Proposal]:
        """Promotions first, then new architectures. Fewer than `n`: nobody is to be promoted before more is told."""
        found: list[Proposal] = []
        while len(found) < n and (proposal := self._promotion() or self._new() or self._promotion()) is not None:
            found.append(proposal)
        return found

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if trial.is_finished:
                self._learn(trial)
        self.over.tell(trials)

    def memory(self) -> dict[str, Any]:
        return self._schedule.state()

    def recall(self, memory: Mapping[str, Any]) -> None:
        self._schedule = self.schedule()
        self._schedule.restore(memory)

    def _learn(self, trial: Trial) -> None:
        rung = self._rungs.get(trial.fidelity)
        if rung is None:
            self._schedule.withdraw(trial.fingerprint)
            return
        try:
            vector = self.space.genome.encode(trial.decisions).tolist()
        except DecisionError:  # of another space
            return
        self._schedule.record(Entry(trial.fingerprint, vector, merit(trial, self.objectives, self.constraints)), rung)

    def _promotion(self) -> Proposal | None:
        promoted = self._schedule.promote()
        if promoted is None:
            return None
        entry, rung = promoted
        vector = np.array(entry.vector, dtype=self.space.genome.program.dtype)
        return Proposal(self.space.architecture(vector), self.fidelities[rung])

    def _new(self) -> Proposal | None:
        for proposed in self.over.ask(1):
            assert not isinstance(proposed, Proposal), "the controller inside has no fidelities"
            return Proposal(proposed, self.fidelities[self._schedule.enter(proposed.fingerprint)])
        self._schedule.close()
        return None


def best_first(entries: Sequence[Entry]) -> list[Entry]:
    """By merit, equals in their order; with several objectives by how many others dominate."""
    if not entries or len(entries[0].merit) == 1:
        return sorted(entries, key=lambda entry: entry.merit, reverse=True)
    # Places instead of (tier, score) pairs, objective by objective, so that comparing is numpy's.
    columns = [[entry.merit[i] for entry in entries] for i in range(len(entries[0].merit))]
    places = np.array([[sorted(set(column)).index(pair) for pair in column] for column in columns]).T
    beaten = [int(((places >= row).all(axis=1) & (places > row).any(axis=1)).sum()) for row in places]
    return [entries[i] for i in np.argsort(beaten, kind="stable")]
