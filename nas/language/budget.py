"""A budget: the architectures of a space that cost no more than given limits. `space.within(...)` is a space again.

    small = space.within(flops=100e6, params=500e3)
    small.size_bracket                      # how many there are
    small.sample(seed=0, n=10)              # uniform among them
    small.cheapest("params").architecture
    small.histogram("flops", bins=40)

It is not a filter: the space is compiled to an automaton and counted by cost, so that one architecture in a billion is drawn as
fast as one in two (selection.py says how, and what is exact). A space without limits has a budget as well, which every
architecture meets: it says what the space costs.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import UserError
from nas.language.automaton.compiler import Automaton
from nas.language.automaton.points import PointPricer
from nas.language.costing import Metric, Rule, find_metric, read_limits
from nas.language.feasible_genome import FeasibleGenome
from nas.language.selection import Selection, Size
from nas.language.summaries import Extreme, Histogram, extreme, histogram

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


def within(space: SearchSpace, *, rules: Mapping[str, Rule] | None = None, **limits: float) -> SearchSpace:
    """`space.within(rules=rules, **limits)`, for whoever prefers a function."""
    return space.within(rules=rules, **limits)


class Budget:
    """Limits on what an architecture costs, and what follows from them. `space.budget` makes it.

    Args:
        space: the space without limits, a network.
        limits: metric -> the most that an architecture may cost.
        rules: metric -> what each operation adds to it, for metrics beyond FLOPs, MACs and parameters.

    Raises:
        UserError: a metric is not additive, or a limit is not a number.
    """

    def __init__(self, space: SearchSpace, limits: Mapping[str, float], rules: Mapping[str, Rule]):
        self.space, self.limits, self.rules = space, dict(limits), dict(rules)
        self._bounds = read_limits(limits, rules)

    @property
    def automaton(self) -> Automaton:
        """Of the whole space."""
        return self.space.automaton

    @functools.cached_property
    def selection(self) -> Selection:
        """What counts and draws.

        Raises:
            UserError: no architecture is within the limits.
            TooEntangled: the space is too large to compile, or has more than 2^960 points.
        """
        return Selection(self.automaton, self.space.genome.program, self._bounds)

    @functools.cached_property
    def genome(self) -> FeasibleGenome:
        """The decisions as flat arrays; only points within the limits are drawn and varied."""
        return FeasibleGenome(self.space.plain_genome, _Drawn(self), self.fits)

    def fits(self, vectors: np.ndarray) -> np.ndarray:
        """Which points, (n, width), are allowed, build and are within the limits, (n,)."""
        priced = self._pricer.price(vectors)
        between = self.space.genome.program.rules
        allowed = between.meets(vectors) if between else True
        return (
            allowed
            & priced.builds
            & (priced.costs <= np.array([bound for _, bound in self._bounds], dtype=np.int64)).all(axis=1)
        )

    @functools.cached_property
    def _pricer(self) -> PointPricer:
        return PointPricer(self.space, [metric for metric, _ in self._bounds])

    # -- how many --------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> Size:
        """How many architectures there are: at least and at most, and whether that is certain or a 99% interval."""
        return self.selection.size

    @functools.cached_property
    def known_size(self) -> int | None:
        """The exact number where it is known or counted in two seconds or so; None otherwise."""
        return self.selection.exact_size() if self.selection.is_quick else None

    def exact_size(self) -> int:
        """The exact number of architectures under at most one limit; may take up to a minute.

        Raises:
            UserError: several limits, or costs in too fine steps.
        """
        return self.selection.exact_size()

    # -- what they cost --------------------------------------------------------------------------------------------------

    def cheapest(self, metric: str) -> Extreme:
        """The architecture with the least of an additive cost, and how sure that is."""
        return extreme(self, self.metric(metric), 1)

    def dearest(self, metric: str) -> Extreme:
        """The architecture with the most of an additive cost within the limits, and how sure that is."""
        return extreme(self, self.metric(metric), -1)

    def histogram(self, metric: str, bins: int = 50) -> Histogram:
        """How the architectures are distributed over an additive cost."""
        return histogram(self, self.metric(metric), bins)

    def metric(self, name: str) -> Metric:
        """The additive metric of that name, with its rule. Raises `UserError` where there is none."""
        return find_metric(name, self.rules)

    def tightened(self, limits: Mapping[str, float], rules: Mapping[str, Rule]) -> Budget:
        """These limits and others: of two on one metric the lower."""
        tighter = {name: min(limit, self.limits.get(name, limit)) for name, limit in limits.items()}
        return Budget(self.space, self.limits | tighter, self.rules | dict(rules))

    @functools.cached_property
    def digest(self) -> str:
        """Identifies the space and the limits."""
        text = f"{self.space.digest} {sorted((metric.name, bound) for metric, bound in self._bounds)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def __str__(self) -> str:
        return ", ".join(f"{name} <= {limit:,}" for name, limit in self.limits.items())


class _Drawn:
    """The points within a budget; numbered where they are few enough to be listed."""

    def __init__(self, budget: Budget):
        self._budget = budget

    @property
    def size(self) -> int | None:
        listed = self._budget.selection.listed
        return None if listed is None else len(listed)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self._budget.selection.draw(rng, n)

    def unrank(self, index: int) -> np.ndarray:
        """Point number `index`, in the order of the whole space's points."""
        listed = self._listed()
        if not 0 <= index < len(listed):
            expected = f"0 to {len(listed) - 1}"
            raise UserError(f"{index!r} is not an architecture's index", path="index", received=index, expected=expected)
        return listed[index].copy()

    def rank(self, vector: np.ndarray) -> int:
        self._listed()
        return self._numbers[np.asarray(vector).tobytes()]

    @functools.cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {vector.tobytes(): i for i, vector in enumerate(self._listed())}

    def _listed(self) -> np.ndarray:
        listed = self._budget.selection.listed
        if listed is None:
            raise UserError("too many points fit to number them", path="index", hint="Draw with `sample`")
        return listed
