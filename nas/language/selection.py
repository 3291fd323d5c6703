"""The points of an automaton within limits: how many there are, and uniform draws.

`Selection` picks what suits:

- a few points are listed;
- one limit: points are tallied by cost in steps, rounded down, which lets a few pass that are over the limit. The bracket of
  the size comes from counting with costs rounded down and up; it closes where the steps lose nothing;
- several limits: points are drawn from those within one weighted sum of the limits (tilting.py) and the others dropped. The
  size is the exact count of the former times the share that is kept, estimated from draws.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.errors import UserError
from nas.language.automaton import folds
from nas.language.automaton.circuit import Circuit
from nas.language.automaton.compiler import Automaton
from nas.language.automaton.draws import Drawer, Drawn
from nas.language.automaton.forms import TooEntangled
from nas.language.automaton.tally import Tally, cells, common_step
from nas.language.automaton.tilting import combine
from nas.language.costing import Metric
from nas.language.intervals import wilson
from nas.language.program import Program

STEPS = 4_096  # of cost, from the cheapest architecture to the limit
CELLS = 1 << 24  # counts that are kept, of all nodes together: 256 MB for 10^35 points
QUICK_CELLS = 1 << 24  # counts that are worked out for an exact size without being asked: about two seconds
EXACT_CELLS = 1 << 28  # counts that are worked out for an exact size: up to a minute
LISTED = 2_000  # points that are listed rather than drawn
PROBES = 4_000  # draws that estimate which share of them is within all limits
Z99 = 2.576  # normal quantile of a two-sided 99% interval
BITS = 960  # of the number of points, so that it is a finite float
BATCH = 1 << 14  # points drawn together where few of them are within all limits
HOPELESS = 100_000  # draws, none of which is within all limits


class Size(NamedTuple):
    """How many points there are.

    Attributes:
        low, high: at least and at most; equal where the size is known exactly.
        certain: False: a 99% confidence interval.
    """

    low: int
    high: int
    certain: bool = True

    @property
    def exact(self) -> bool:
        return self.certain and self.low == self.high


class Selection:
    """Points of an automaton within limits.

    Args:
        automaton: of the space.
        program: of its genome.
        limits: each metric with the most that a point may cost, in grains. None: all points that build.

    Attributes:
        circuit: the automaton's, without branches that no point within one of the limits takes.
        prices: of its bundles, for each limit.
        weighted, limit: prices and one limit that every point within the limits meets.
        tally: of the points within that.

    Raises:
        UserError: no point is within the limits.
    """

    def __init__(self, automaton: Automaton, program: Program, limits: Sequence[tuple[Metric, int]]):
        if not automaton.count:
            raise UserError("no architecture builds", path="within", hint="prove(space) says where it fails")
        if automaton.count.bit_length() > BITS:
            raise TooEntangled(f"the space has more than 2^{BITS} points, too many to weigh", received=automaton.count)
        self._program = program
        self.limits = tuple(limits)
        self.prices = [metric.prices(automaton) for metric, _ in limits]
        self.circuit = self._restricted(automaton.circuit)
        self.weighted, self.limit = [0] * len(self.circuit.bundles), 0
        if limits:
            bounds = [limit for _, limit in limits]
            self.weighted, self.limit = combine(self.circuit, list(zip(self.prices, bounds, strict=True)))
        self.tally = Tally(self.circuit, self.weighted, self.limit, self._step(STEPS))
        self._drawer = self._make_drawer()
        if self.points is not None and not self.points:
            self._refuse("no architecture is within all limits at once")

    def _restricted(self, circuit: Circuit) -> Circuit:
        """The circuit without branches that one of the limits rules out by itself."""
        for i, ((metric, limit), prices) in enumerate(zip(self.limits, self.prices, strict=True)):
            cheapest = folds.least(circuit, prices)[-1]
            if cheapest > limit:
                others = " within the other limits" if i else ""
                self._refuse(f"the least {metric.name} of any architecture{others} is {metric.value(cheapest):,}")
            circuit = folds.restrict(circuit, prices, limit)
        return circuit

    @functools.cached_property
    def points(self) -> list[folds.Point] | None:
        """All points, where they are few."""
        if self.tally.total > LISTED or self._program.continuous:
            return None
        within = [(prices, limit) for prices, (_, limit) in zip(self.prices, self.limits, strict=True)]
        return list(folds.points(self.circuit, within))

    @functools.cached_property
    def listed(self) -> np.ndarray | None:
        """All points as vectors, (size, width), in the order of the genome, where they are few."""
        if self.points is None:
            return None
        rows = np.array([self.vector(point) for point in self.points]).reshape(-1, self._program.width)
        return rows[np.lexsort(rows.T[::-1])]

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points, (n, width), each equally likely, with replacement."""
        if self.listed is not None:
            return self.listed[rng.integers(len(self.listed), size=n)]
        return self._draw(rng, n, self._drawer)[0]

    def draw_with_costs(self, rng: np.random.Generator, n: int, prices: folds.Prices) -> tuple[np.ndarray, np.ndarray]:
        """`n` points, (n, width), and what they cost by some other prices, (n,)."""
        return self._draw(rng, n, self._make_drawer(prices))

    def _draw(self, rng: np.random.Generator, n: int, drawer: Drawer) -> tuple[np.ndarray, np.ndarray]:
        options, costs = [], []
        missing, tried = n, 0
        while missing > 0:
            drawn = drawer.draw(rng, max(missing + missing // 8 + 1, min(tried, BATCH)))
            kept = np.flatnonzero(self._within(drawn))[:missing]
            options.append(drawn.options[kept])
            costs.append(drawn.costs[kept, -1] if drawn.costs.shape[1] else np.zeros(kept.size, dtype=np.int64))
            missing, tried = missing - kept.size, tried + len(drawn.options)
            if missing == n and tried > HOPELESS:
                self._refuse(
                    f"none of {tried:,} architectures drawn is within all limits, and at most {self.tally.total:,} are"
                )
        return self._with_floats(np.concatenate(options), rng), np.concatenate(costs)

    def _make_drawer(self, *others: folds.Prices) -> Drawer:
        prices = [*self.prices, *others]
        columns = np.array(prices, dtype=np.int64).reshape(len(prices), len(self.circuit.bundles)).T
        return Drawer(self.tally, self._program.width, columns)

    def admits(self, point: folds.Point) -> bool:
        """Whether a point is within all limits."""
        return all(point.cost(prices) <= limit for prices, (_, limit) in zip(self.prices, self.limits, strict=True))

    def vector(self, point: folds.Point) -> np.ndarray:
        """A point as a vector of the genome; floats at their low end."""
        options = np.full(self._program.width, -1, dtype=np.int64)
        for slot, option in point.decisions:
            options[slot] = option
        values = [
            slot.low if slot.kind == "float" and option >= 0 else option
            for slot, option in zip(self._program.slots, options.tolist(), strict=True)
        ]
        return self._program.vectors([values])[0]

    def _within(self, drawn: Drawn) -> np.ndarray:
        limits = np.array([limit for _, limit in self.limits], dtype=np.int64)
        return np.asarray((drawn.costs[:, : limits.size] <= limits).all(axis=1))

    def _with_floats(self, options: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Points of the genome: active floats drawn along their scale."""
        if not self._program.continuous:
            return options
        points = options.astype(self._program.dtype)
        for unit in self._program.units.values():
            if self._program.slots[unit.first].kind == "float":
                active = np.flatnonzero(options[:, unit.first] >= 0)
                points[active, unit.first] = unit.draw(rng, active.size)[:, 0]
        return points

    # -- how many --------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def size(self) -> Size:
        """How many points there are (a float counts as one)."""
        most = self.tally.total
        if self.listed is not None:
            return Size(len(self.listed), len(self.listed))
        if len(self.limits) < 2:
            if not self.tally.rounded:
                return Size(most, most)
            up = Tally(self.circuit, self.weighted, self.limit, self.tally.step, "up", keep=False)
            return Size(up.total, most)
        share = float(self._within(self._drawer.draw(np.random.default_rng(0), PROBES)).mean())
        low, high = wilson(share, PROBES, Z99)
        return Size(math.floor(most * low), math.ceil(most * high), certain=False)

    @property
    def is_quick(self) -> bool:
        """Whether the exact size is known, or counted in two seconds or so."""
        return self.size.exact or (len(self.limits) < 2 and self._exact_cells <= QUICK_CELLS)

    def exact_size(self) -> int:
        """How many points there are, exactly, for at most one limit. Takes seconds to a minute.

        Raises:
            UserError: several limits, or costs in too fine steps.
        """
        if self.size.exact:
            return self.size.low
        fine = self._exact_cells > EXACT_CELLS
        if len(self.limits) > 1 or fine:
            problem = "costs in so fine steps" if fine else "several limits"
            raise UserError(f"{problem} are not counted exactly", path="exact_size", hint="Use size_bracket")
        return Tally(self.circuit, self.weighted, self.limit, self._common, keep=False).total

    @functools.cached_property
    def _exact_cells(self) -> int:
        return cells(self.circuit, self.weighted, self.limit, self._common)

    @functools.cached_property
    def _common(self) -> int:
        return max(common_step(self.circuit, self.weighted), 1)

    def _step(self, steps: int) -> int:
        """A step that rounds nothing if that makes few enough steps and counts, else a multiple of it."""
        span = self.limit - folds.least(self.circuit, self.weighted)[-1]
        step = self._common * max(1, -(-span // (steps * self._common)))
        return step * -(-cells(self.circuit, self.weighted, self.limit, step) // CELLS)

    def _refuse(self, problem: str) -> None:
        asked = ", ".join(f"{metric.name}={metric.value(limit):,}" for metric, limit in self.limits)
        raise UserError(problem, path="within", received=asked, hint="Allow more")
