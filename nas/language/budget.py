"""A space within a budget: only the architectures that cost no more than the given limits.

    small = within(space, flops=100e6, params=500e3)
    small.size_bracket                      # how many there are
    small.sample(seed=0, n=10)              # uniform among them
    small.cheapest("params").architecture
    small.histogram("flops", bins=40)

It is not a filter: the space is compiled to an automaton and counted by cost, so that one architecture in a billion is drawn as
fast as one in two (selection.py says how, and what is exact). The result has the face of a `SearchSpace`, its genome that of a
`Genome` that stays within the budget, and controllers and studies take it as they take any space.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyglove as pg

from nas.errors import DecisionError, SpaceError
from nas.language.architecture import Architecture
from nas.language.automaton.batch import Pricer
from nas.language.automaton.compiler import Automaton, compile_space
from nas.language.costing import Metric, Rule, find_metric, read_limits
from nas.language.feasible_genome import FeasibleGenome
from nas.language.operation import Shape
from nas.language.selection import Selection, Size
from nas.language.summaries import Extreme, Histogram, extreme, histogram

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


def within(
    space: SearchSpace, *, rules: Mapping[str, Rule] | None = None, automaton: Automaton | None = None, **limits: float
) -> FeasibleSpace:
    """The architectures of a space that cost at most the limits.

    Args:
        space: a network.
        rules: metric -> what each operation adds to it, for metrics beyond FLOPs, MACs and parameters: `{"latency_ms": rule}`.
            A rule is called as `rule(call, input_shapes, output_shape)`; `costing.table_rule` makes one of a table.
        automaton: of the space, where it was made before.
        limits: metric -> the most that an architecture may cost: `flops=100e6, params=2e6, latency_ms=5`. None at all: every
            architecture that builds.

    Raises:
        UserError: no architecture is within the limits, or a metric is not additive.
        TooEntangled: the space is too large to compile (see `compile_space`).

    Example:
        >>> from search_spaces.colorizer import colorizer
        >>> small = within(colorizer, flops=60e6)
        >>> small.size_bracket.high / colorizer.size < 1e-8
        True
        >>> small.sample(seed=0).cost().flops <= 60e6
        True
    """
    if isinstance(space, FeasibleSpace):
        return space.within(rules=rules, **limits)
    found = FeasibleSpace(space, limits, rules, automaton)
    found.selection  # noqa: B018 -- so that a mistake is raised here
    return found


class FeasibleSpace:
    """The architectures of a space within limits. Made by `within`. Its architectures belong to the whole space.

    Attributes:
        space: the whole space.
        limits: metric -> the most that an architecture may cost.
        name, inputs, reference, description: of the whole space.
    """

    is_network = True

    def __init__(
        self,
        space: SearchSpace,
        limits: Mapping[str, float],
        rules: Mapping[str, Rule] | None = None,
        automaton: Automaton | None = None,
    ):
        self.space, self.limits, self._rules = space, dict(limits), dict(rules or {})
        self._bounds = read_limits(limits, self._rules)
        self.name, self.inputs, self.reference, self.description = space.name, space.inputs, space.reference, space.description
        self._given = automaton

    @functools.cached_property
    def automaton(self) -> Automaton:
        """Of the whole space."""
        return self._given or compile_space(self.space)

    @functools.cached_property
    def selection(self) -> Selection:
        """What counts and draws."""
        return Selection(self.automaton, self.space.genome.program, self._bounds)

    @functools.cached_property
    def genome(self) -> FeasibleGenome:
        """The decisions as flat arrays; only points within the limits are drawn and varied."""
        return FeasibleGenome(self.space.genome, self.selection.draw, self.fits, self.selection.listed)

    # -- how many --------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int | None:
        """The exact number of architectures where they are few enough to be numbered; None otherwise: see `size_bracket`."""
        return self.genome.size

    @property
    def size_bracket(self) -> Size:
        """How many architectures there are: at least and at most, and whether that is certain or a 99% interval."""
        return self.selection.size

    def exact_size(self) -> int:
        """The exact number of architectures under at most one limit; may take up to a minute.

        Raises:
            UserError: several limits, or costs in too fine steps.
        """
        return self.selection.exact_size()

    @property
    def share(self) -> tuple[float, float]:
        """The share of the whole space's points: at least and at most, as `size_bracket`."""
        points = self.space.genome.program.points
        return self.size_bracket.low / points, self.size_bracket.high / points

    # -- its points ------------------------------------------------------------------------------------------------------

    def sample(self, seed: int | None = None, n: int | None = None) -> Any:
        """One architecture drawn uniformly from those within the limits, or a list of `n`."""
        rows = self.genome.sample(np.random.default_rng(seed), 1 if n is None else n)
        architectures = [Architecture(self.space, row) for row in rows]
        return architectures[0] if n is None else architectures

    def architecture(self, point: int | Mapping[str, Any] | np.ndarray | pg.DNA) -> Architecture:
        """The architecture at an index of this space, or any of the whole space by decisions, vector or `pg.DNA`.

        Whether the latter is within the limits is what `architecture in space` says.

        Raises:
            DecisionError: the point is not in the space.
        """
        if isinstance(point, int | np.integer) and not isinstance(point, bool):
            if self.size is None or not 0 <= point < self.size:
                expected = (
                    "decisions: there are too many to number" if self.size is None else f"an index from 0 to {self.size - 1}"
                )
                raise DecisionError(f"no architecture {point}", path=self.name, received=int(point), expected=expected)
            return Architecture(self.space, self.genome.unrank(int(point)))
        return self.space.architecture(point)

    def fits(self, vectors: np.ndarray) -> np.ndarray:
        """Which points, (n, width), build and are within the limits, (n,)."""
        priced = self._pricer.price(vectors)
        return priced.builds & (priced.costs <= np.array([bound for _, bound in self._bounds], dtype=np.int64)).all(axis=1)

    def __contains__(self, architecture: Architecture) -> bool:
        return bool(self.fits(architecture.vector[None])[0])

    @functools.cached_property
    def _pricer(self) -> Pricer:
        return Pricer.of(self.automaton, self.space, [metric for metric, _ in self._bounds])

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
        return find_metric(name, self._rules)

    # -- the face of a space ---------------------------------------------------------------------------------------------

    @property
    def hyper(self) -> Any:
        """The PyGlove value of the whole space."""
        return self.space.hyper

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the first input."""
        return self.space.input_shape

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the first output, where all architectures agree on it."""
        return self.space.output_shape

    @functools.cached_property
    def digest(self) -> str:
        """Identifies the space and the limits."""
        text = f"{self.space.digest} {sorted((metric.name, bound) for metric, bound in self._bounds)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @functools.cached_property
    def baselines(self) -> Mapping[str, Architecture]:
        """The named points that are within the limits."""
        return {name: point for name, point in self.space.baselines.items() if point in self}

    def within(self, *, rules: Mapping[str, Rule] | None = None, **limits: float) -> FeasibleSpace:
        """The architectures that are within these limits too."""
        tighter = {name: min(limit, self.limits.get(name, limit)) for name, limit in limits.items()}
        return within(self.space, rules=self._rules | dict(rules or {}), automaton=self.automaton, **self.limits | tighter)

    def __iter__(self) -> Iterator[Architecture]:
        if self.size is None:
            raise SpaceError("too many architectures to list", path=self.name, hint="Use sample()")
        return (self.architecture(i) for i in range(self.size))

    def __reduce__(self) -> Any:
        return FeasibleSpace, (self.space, self.limits, self._rules)

    def __repr__(self) -> str:
        asked = ", ".join(f"{name} <= {limit:,}" for name, limit in self.limits.items()) or "no limits"
        return f"FeasibleSpace({self.space.name} with {asked})"
