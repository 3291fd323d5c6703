"""The tree-structured Parzen estimator (Bergstra et al. 2011, section 4): what good trials decided more often than others.

Use it where a proposal must be cheap and decisions act mostly each for itself. The best tenth of the told trials gives one
density for each decision, l, all others give another one, g. Candidates are drawn from l, from the root of the space down to
what is active, and the one with the largest product of l / g is proposed: expected improvement grows with it (eq. 10).

What is as in Optuna, whose sampler most people know: the tenth is at most 25 trials, a prior of one trial is spread evenly over
the options, the first trials are drawn at random, and proposals that are not told yet count among the others (so that a batch
spreads).

What is not, and why there is one here at all: Optuna's takes 60 ms for a proposal in a space of 96 conditional decisions after
100 trials, and in NAS-Bench-201 three of ten are repeats. Here densities are counts, a table of decisions x options
(a number is one of `CELLS` cells, smoothed), so that drawing and rating all candidates are a few array operations; and the best
candidate that is not known is taken. Likely feasible ones are preferred (feasibility.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from controllers.checks import check_whole
from controllers.feasibility import Feasibility
from controllers.memory import Memory
from controllers.nsga2 import standing
from controllers.ranking import Merit, is_failed, merit, read_merit
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.program import INACTIVE, Slot
from nas.language.space import SearchSpace
from nas.language.units import Real
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

GOOD_SHARE, GOOD_MOST = 0.1, 25  # of the told trials, those that count as good
PRIOR = 1.0  # trials that the prior counts for
CELLS = 32  # of the range of a number
SPREAD = 0.08  # of that range: standard deviation of what one trial says about numbers around its own
CAUTION = 4.0  # power of the probability of being feasible
ROUNDS = 3  # of candidates that are all known, before those around the good ones are tried
STEPS = 60
KEPT_MOST, KEPT_LEAST, KEPT_BEST = 400, 250, 50  # told trials: the best and the newest


class Told(NamedTuple):
    """A trial: its point, the same as options and cells, and how it did; None: not told yet."""

    vector: np.ndarray
    cells: np.ndarray
    merit: Merit | None


class TPE(Controller):
    """A tree-structured Parzen estimator.

    Args:
        seed: the same seed and the same tells give the same proposals.
        startup: trials drawn at random before anything is modelled.
        candidates: points that compete for each proposal.

    Raises:
        UserError: a setting out of range.
    """

    name = "tpe"

    def __init__(self, seed: int = 0, startup: int = 10, candidates: int = 64):
        self.seed = check_whole("TPE(seed)", seed, 0)
        self.startup = check_whole("TPE(startup)", startup, 1)
        self.candidates = check_whole("TPE(candidates)", candidates, 1)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._feasibility = Feasibility(space, constraints)
        self._densities = Densities(space.genome.slots)
        self._told: list[Told] = []
        self._order: list[int] | None = None  # places of judged trials in `_told`, the best first
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed, "startup": self.startup, "candidates": self.candidates}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is not None:
                self._feasibility.learn(vector, trial)
                self._forget(vector)
                self._add(vector, found)
                self._order = None
                self._thin_out()

    def state(self) -> dict[str, Any]:
        trials = [{"vector": told.vector.tolist(), "merit": told.merit} for told in self._told]
        return self._memory.state() | {"trials": trials, "feasibility": self._feasibility.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._feasibility.restore(state["feasibility"])
        dtype = self.space.genome.program.dtype
        merits = [None if row["merit"] is None else read_merit(row["merit"]) for row in state["trials"]]
        self._told, self._order = [], None
        for row, found in zip(state["trials"], merits, strict=True):
            self._add(np.array(row["vector"], dtype=dtype), found)

    # -- what is known ---------------------------------------------------------------------------------------------------

    def _add(self, vector: np.ndarray, found: Merit | None) -> None:
        self._told.append(Told(vector, self._densities.cells(vector[None])[0], found))

    def _forget(self, vector: np.ndarray) -> None:
        """Its earlier self: what was proposed, or judged less thoroughly."""
        point = vector.tobytes()
        self._told = [told for told in self._told if told.vector.tobytes() != point]

    def _ranked(self) -> list[int]:
        """Places of the judged trials in `_told`, the best first, the older first of equals."""
        if self._order is None:
            judged = [(place, told.merit) for place, told in enumerate(self._told) if told.merit is not None]
            if len(self.objectives) == 1:
                ordered = sorted(judged, key=lambda pair: pair[1], reverse=True)
            else:
                places = standing([found for _, found in judged]) if judged else []
                ordered = [judged[i] for i in np.argsort(places, kind="stable")]
            self._order = [place for place, _ in ordered]
        return self._order

    def _thin_out(self) -> None:
        if len(self._told) <= KEPT_MOST:
            return
        kept = {place for place, told in enumerate(self._told) if told.merit is None}
        kept |= set(self._ranked()[:KEPT_BEST]) | set(sorted(self._ranked())[KEPT_BEST - KEPT_LEAST :])
        self._told = [told for place, told in enumerate(self._told) if place in kept]
        self._order = None

    # -- proposals -------------------------------------------------------------------------------------------------------

    def _propose(self) -> Architecture | None:
        architecture = self._modelled() if len(self._ranked()) >= self.startup else None
        architecture = architecture or self._feasibility.draw(self._memory)
        if architecture is not None:
            self._add(np.array(architecture.vector), None)
        return architecture

    def _modelled(self) -> Architecture | None:
        ranked = self._ranked()
        good = ranked[: min(math.ceil(GOOD_SHARE * len(ranked)), GOOD_MOST)]
        cells = np.array([told.cells for told in self._told])
        is_good = np.zeros(len(cells), dtype=bool)
        is_good[good] = True
        more, less = (self._densities.estimate(cells[side]) for side in (is_good, ~is_good))
        for _ in range(ROUNDS):
            candidates = self._candidates(more)
            scores = self._densities.score(candidates, np.log(more) - np.log(less))
            if self._feasibility.is_active:
                scores = scores + CAUTION * np.log(np.maximum(self._feasibility.probability(candidates), 1e-300))
            for i in np.argsort(-scores, kind="stable"):
                architecture = self._admit(candidates[i])
                if architecture is not None:
                    return architecture
        vector = self._told[good[0]].vector
        for _ in range(STEPS if self._can_mutate and self.space.genome.size != 1 else 0):
            vector = self.space.genome.mutate(vector, self._memory.rng)
            architecture = self._admit(vector)
            if architecture is not None:
                return architecture
        return None

    def _admit(self, vector: np.ndarray) -> Architecture | None:
        return self._memory.admit(vector) if self._feasibility.admits(vector) else None

    def _candidates(self, density: np.ndarray) -> np.ndarray:
        """Points drawn from a density that keep the rules of manyofs and of the space, (at most `candidates`, width)."""
        genome, densities = self.space.genome, self._densities
        drawn = densities.draw(density, self.candidates, self._memory.rng).astype(genome.program.dtype)
        for i, parent in densities.nested:
            drawn[drawn[:, parent[0]] != parent[1], i] = INACTIVE
        return drawn[genome.fits(drawn)] if isinstance(genome, FeasibleGenome) else drawn


class Densities:
    """Densities of decisions, as tables of probabilities: (slots, options or cells).

    Args:
        slots: of a genome.
    """

    def __init__(self, slots: Sequence[Slot]):
        self._slots = slots
        self._reals = {i: Real(i, slot.low, slot.high, slot.scale) for i, slot in enumerate(slots) if slot.kind == "float"}
        self._options = np.array([CELLS if i in self._reals else slot.options for i, slot in enumerate(slots)])
        self._exists = np.arange(self._options.max(initial=1)) < self._options[:, None]
        self._grouped = [i for i, slot in enumerate(slots) if len(slot.group) > 1]
        self.nested = [(i, slot.parent) for i, slot in enumerate(slots) if slot.parent is not None]
        distance = np.subtract.outer(np.arange(CELLS), np.arange(CELLS)) / CELLS
        kernel = np.exp(-0.5 * (distance / SPREAD) ** 2)
        self._kernel = kernel / kernel.sum(axis=1, keepdims=True)

    def cells(self, vectors: np.ndarray) -> np.ndarray:
        """Points as options and cells, (n, slots) integers; -1 where a slot is inactive."""
        found = np.array(vectors, dtype=float)
        for i, real in self._reals.items():
            parent = self._slots[i].parent
            active = np.ones(len(found), dtype=bool) if parent is None else vectors[:, parent[0]] == parent[1]
            found[~active, i] = INACTIVE
            found[active, i] = [min(CELLS - 1, int(CELLS * real.position(value))) for value in vectors[active, i].tolist()]
        return found.astype(int)

    def estimate(self, cells: np.ndarray) -> np.ndarray:
        """The density of some points."""
        width, options = self._exists.shape
        places = np.arange(width) * (options + 1) + 1 + cells  # the first column takes what is inactive
        counts = np.bincount(places.ravel(), minlength=width * (options + 1)).reshape(width, -1)[:, 1:].astype(float)
        for i in self._reals:
            counts[i, :CELLS] = counts[i, :CELLS] @ self._kernel
        smoothed = np.where(self._exists, counts + PRIOR / np.maximum(self._options, 1)[:, None], 0.0)
        found = smoothed / smoothed.sum(axis=1, keepdims=True)
        return np.where(self._exists, found, 1.0)  # of no option, so that its logarithm is harmless

    def draw(self, density: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Points, (n, slots), with every slot decided, inactive or not."""
        steps = np.where(self._exists, density, 0.0).cumsum(axis=1)[:, :-1]
        found = (rng.random((n, len(self._slots), 1)) > steps).sum(axis=2)
        found = np.minimum(found, self._options - 1).astype(float if self._reals else int)
        for i, real in self._reals.items():
            found[:, i] = [real.at((cell + shift) / CELLS) for cell, shift in zip(found[:, i], rng.random(n), strict=True)]
        for i in self._grouped:
            first = self._slots[i].group[0]
            for row in found:
                row[i] = nearest_allowed(int(row[i]), self._slots[i], [int(before) for before in row[first:i][self._same(i)]])
        return found

    def score(self, vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
        """The sum over active slots of what a table says of their option or cell, (n,)."""
        cells = self.cells(vectors)
        return np.where(cells >= 0, table[np.arange(len(self._slots)), cells], 0.0).sum(axis=1)

    def _same(self, i: int) -> list[int]:
        """Where the elements of its manyof before slot i stand, from the first of them."""
        group = self._slots[i].group
        return [j - group[0] for j in group if j < i]


def nearest_allowed(wanted: int, slot: Slot, before: Sequence[int]) -> int:
    """The option of an element of a manyof that is closest to the wanted one and keeps the rules after those before it."""
    low, high = 0, slot.options - 1
    if slot.sorted:
        low = max(before, default=0) + (1 if slot.distinct and before else 0)
        if slot.distinct:
            high -= len(slot.group) - len(before) - 1  # room for those that follow
    allowed = [o for o in range(low, high + 1) if not (slot.distinct and o in before)]
    return min(allowed, key=lambda option: (abs(option - wanted), option))
