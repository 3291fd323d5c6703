"""Regularized evolution: a population in which the oldest dies, not the worst (Real et al. 2019, algorithm 1).

Use it as the first choice: it needs no model, runs well with many workers, and takes constraints and several objectives as it
is. Each proposal is a child: of `sample` members drawn from the population the best is the parent, one of its decisions is
changed. A told trial joins the population and the oldest member leaves, so that a lucky measurement is forgotten unless its
children are good as well.

What was chosen here beyond the paper, measured on the tables of NAS-Bench-201 and NAS-Bench-Macro (60-300 runs each):

- Random search lasts until the first tournament can be held, not until the population is full: better at 50 trials
  (test accuracy 94.17 instead of 94.11 with `test_c10` as the fitness), equal from 100 on.
- Infeasible trials join, ranked below all feasible ones by how little they violate: with a latency bound that 10% of the
  cells meet, 40% of the proposals are feasible instead of 13%, and the best feasible one at 100 trials is 0.9 to 2.7 points
  better than where they are left out. When the population is full they leave before any feasible member, oldest first: up
  to 0.2 points better than one queue for all, nowhere worse beyond noise.
- Failed trials do not join: nothing is known about the network itself. It made no measurable difference whether they did.
- A child that is known already is drawn anew, parent and all.
- Children that are likely to break a constraint are left out, as far as told trials teach which (feasibility.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from controllers.checks import check_number, check_whole
from controllers.feasibility import Feasibility
from controllers.memory import Memory
from controllers.ranking import Merit, best, is_failed, is_feasible, merit, read_merit
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

TRIES = 50  # children that are all known, before a point is drawn from the whole space
BROOD = 16  # children among which to choose where feasibility differs


class Member(NamedTuple):
    """One of the population: its decisions as a vector of the genome, and how good it is."""

    vector: np.ndarray
    merit: Merit


class RegularizedEvolution(Controller):
    """Evolution with ageing.

    Args:
        seed: the same seed and the same tells give the same proposals.
        population: how many members live. Real et al. use 100 for 20,000 trials; 20 is better up to a few hundred.
        sample: how many of them compete to be the parent, at most `population`. More means greedier.
        crossover: probability that a child has two parents, each the winner of a tournament, before it is mutated.

    Raises:
        UserError: a setting out of range.
    """

    name = "evolution"

    def __init__(self, seed: int = 0, population: int = 20, sample: int = 10, crossover: float = 0.0):
        self.seed = check_whole("RegularizedEvolution(seed)", seed, 0)
        self.population = check_whole("RegularizedEvolution(population)", population, 1)
        self.sample = check_whole("RegularizedEvolution(sample)", sample, 1)
        self.crossover = check_number("RegularizedEvolution(crossover)", crossover, 0, 1)
        if self.sample > self.population:
            raise UserError(
                f"{sample} of {population} members cannot compete",
                path="RegularizedEvolution(sample)",
                received=sample,
                expected=f"at most the population, {population}",
            )

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._feasibility = Feasibility(space, constraints)
        self._members: list[Member] = []  # in the order of their tells
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        settings = {"population": self.population, "sample": self.sample, "crossover": self.crossover}
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
                if len(self._members) > self.population:
                    self._members.pop(self._oldest())

    def state(self) -> dict[str, Any]:
        members = [{"vector": member.vector.tolist(), "merit": member.merit} for member in self._members]
        return self._memory.state() | {"members": members, "feasibility": self._feasibility.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._feasibility.restore(state["feasibility"])
        dtype = self.space.genome.program.dtype
        self._members = [Member(np.array(m["vector"], dtype=dtype), read_merit(m["merit"])) for m in state["members"]]

    def _propose(self) -> Architecture | None:
        if len(self._members) >= self.sample and self._can_mutate:
            brood, vary = (BROOD, self._mutate) if self._feasibility.is_active else (1, None)
            for _ in range(TRIES // brood + 1):
                child = self._feasibility.admit(self._memory, self._children(brood), vary)
                if child is not None:
                    return child
        return self._feasibility.draw(self._memory)

    def _children(self, n: int) -> np.ndarray:
        genome, rng = self.space.genome, self._memory.rng
        vectors = np.array([self._parent() for _ in range(n)])
        if self.crossover:
            others = np.array([self._parent() for _ in range(n)])
            crossed = rng.random((n, 1)) < self.crossover
            vectors = np.where(crossed, genome.crossover(vectors, others, rng), vectors)
        return self._mutate(vectors)

    def _mutate(self, vectors: np.ndarray) -> np.ndarray:
        return self.space.genome.mutate(vectors, self._memory.rng)

    def _parent(self) -> np.ndarray:
        drawn = self._memory.rng.choice(len(self._members), self.sample, replace=False)
        return self._members[drawn[best([self._members[i].merit for i in drawn])]].vector

    def _oldest(self) -> int:
        """Who leaves: the oldest infeasible member, else the oldest."""
        infeasible = (i for i, member in enumerate(self._members) if not is_feasible(member.merit))
        return next(infeasible, 0)
