"""NSGA-II: a population that spreads along the front of compromises between objectives (Deb et al. 2002).

Use it for several objectives, such as accuracy and latency, when the whole front is wanted rather than one point of it. Parents
win binary tournaments: the better front wins, within a front the less crowded one (the crowded-comparison operator, section
III-B). Children come from crossover and mutation of the genome. Constraints count by constrained domination (section VI): a
feasible member dominates any infeasible one, and of two infeasible ones the one with less violation. With one objective it is a
genetic algorithm that keeps the best.

What was chosen here beyond the paper:

- There are no generations: each told trial joins, and the worst member leaves, the most crowded one of the last front. So
  workers never wait for each other, and a good trial is a parent at once (the steady-state form; Durillo et al. 2009 find it
  better on most problems).
- A child whose network is known already is drawn anew, so no duplicates take up room in the population.
- Candidates that are likely to break a constraint are left out (feasibility.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from controllers.checks import check_number, check_whole
from controllers.feasibility import Feasibility
from controllers.fronts import crowding, fronts
from controllers.memory import Memory
from controllers.ranking import Merit, is_failed, merit, read_merit
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

ROUNDS = 8  # broods that are all known, before a point is drawn from the whole space
BROOD = 16  # children among which to choose where feasibility differs
FEW = 4  # made at once where it does not


class Member(NamedTuple):
    """One of the population: its decisions as a vector of the genome, and how good it is."""

    vector: np.ndarray
    merit: Merit


class NSGA2(Controller):
    """Non-dominated sorting with crowding.

    Args:
        seed: the same seed and the same tells give the same proposals.
        population: how many members live.
        start: random architectures before the first child, at most `population`.
        crossover: probability that a child has two parents.

    Raises:
        UserError: a setting out of range.
    """

    name = "nsga2"

    def __init__(self, seed: int = 0, population: int = 20, start: int = 20, crossover: float = 0.9):
        self.seed = check_whole("NSGA2(seed)", seed, 0)
        self.population = check_whole("NSGA2(population)", population, 2)
        self.start = check_whole("NSGA2(start)", start, 1)
        self.crossover = check_number("NSGA2(crossover)", crossover, 0, 1)
        if self.start > self.population:
            raise UserError(
                f"{start} is more than the population",
                path="NSGA2(start)",
                received=start,
                expected=f"at most the population, {population}",
            )

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._feasibility = Feasibility(space, constraints)
        self._members: list[Member] = []  # in the order of their tells
        self._places: list[int] | None = None
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        settings = {"population": self.population, "start": self.start, "crossover": self.crossover}
        return {"name": self.name, "seed": self.seed, **settings}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is None:
                continue
            self._feasibility.learn(vector, trial)
            if not is_failed(found):
                # One that is judged more thoroughly now takes the place of its former self.
                self._members = [member for member in self._members if not np.array_equal(member.vector, vector)]
                self._members.append(Member(vector, found))
                places = standing([member.merit for member in self._members])
                if len(self._members) > self.population:
                    self._members.pop(places.index(max(places)))
                self._places = None

    def state(self) -> dict[str, Any]:
        members = [{"vector": member.vector.tolist(), "merit": member.merit} for member in self._members]
        return self._memory.state() | {"members": members, "feasibility": self._feasibility.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._feasibility.restore(state["feasibility"])
        dtype = self.space.genome.program.dtype
        self._members = [Member(np.array(m["vector"], dtype=dtype), read_merit(m["merit"])) for m in state["members"]]
        self._places = None

    def _propose(self) -> Architecture | None:
        if len(self._members) >= self.start and self._can_mutate:
            size = BROOD if self._feasibility.is_active else FEW
            for _ in range(ROUNDS * BROOD // size):
                child = self._feasibility.admit(self._memory, self._brood(size), self._mutate)
                if child is not None:
                    return child
        return self._feasibility.draw(self._memory)

    def _brood(self, n: int) -> np.ndarray:
        """Children, (n, width): of two parents or one; those of one parent, and half of the others, are mutated."""
        genome, rng = self.space.genome, self._memory.rng
        first, second = self._parents(n), self._parents(n)
        crossed = rng.random(n) < self.crossover
        children = np.where(crossed[:, None], genome.crossover(first, second, rng), first)
        mutated = ~crossed | (rng.random(n) < 0.5)
        if mutated.any():
            children[mutated] = self._mutate(children[mutated])
        return children

    def _mutate(self, vectors: np.ndarray) -> np.ndarray:
        return self.space.genome.mutate(vectors, self._memory.rng)

    def _parents(self, n: int) -> np.ndarray:
        """Winners of `n` binary tournaments, (n, width)."""
        if self._places is None:
            self._places = standing([member.merit for member in self._members])
        places = np.array(self._places)
        drawn = self._memory.rng.integers(len(places), size=(n, 2))
        winners = np.where(places[drawn[:, 0]] <= places[drawn[:, 1]], drawn[:, 0], drawn[:, 1])
        return np.array([self._members[i].vector for i in winners])


def standing(merits: Sequence[Merit]) -> list[int]:
    """The place of each in the crowded-comparison order, from 0: by front, then by crowding; of equals the older first."""
    scores = np.array([[score for _, score in merit] for merit in merits])
    tiers = np.array([[tier for tier, _ in merit] for merit in merits])
    ranks = np.empty_like(scores)  # per objective, tier before score
    for column in range(scores.shape[1]):
        keys = np.stack([tiers[:, column], scores[:, column]])
        ranks[:, column] = np.unique(keys, axis=1, return_inverse=True)[1].ravel()
    levels = fronts(ranks)
    distances = np.empty(len(merits))
    for level in range(levels.max() + 1):
        distances[levels == level] = crowding(scores[levels == level])
    order = np.lexsort((np.arange(len(merits)), -distances, levels))
    places = np.empty(len(merits), dtype=int)
    places[order] = np.arange(len(merits))
    return places.tolist()
