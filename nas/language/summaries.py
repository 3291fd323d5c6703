"""What the architectures within limits cost: the cheapest, the dearest, and how the others are spread between.

Where a figure is exact it says so; where it is not, it comes with how far it can be off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.language.architecture import Architecture
from nas.language.automaton import folds
from nas.language.automaton.batch import Pricer
from nas.language.automaton.tally import Tally, common_step
from nas.language.costing import Metric
from nas.language.selection import Selection

if TYPE_CHECKING:
    from nas.language.budget import Budget

STEPS = 4_096  # of cost in a histogram
BITS = 1 << 32  # to tell whether there are architectures of each cost: 512 MB
DRAWN = 4_000  # architectures drawn where costs are not counted
ONE = 1 << 20  # a multiplier of 1
MULTIPLIER_BITS = 40  # the largest multiplier is 2^40
PRECISION = 1 << 12  # of the multiplier


@dataclasses.dataclass(frozen=True)
class Extreme:
    """The cheapest or the dearest architecture.

    Attributes:
        architecture: whose `decisions` say what it is.
        value: its cost.
        bound: no architecture within the limits goes beyond this; equal to `value` where the answer is exact.
    """

    architecture: Architecture
    value: float
    bound: float

    @property
    def exact(self) -> bool:
        return self.value == self.bound


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How many architectures there are in each range of a cost.

    Attributes:
        edges: (bins + 1,) ends of the ranges, each from one edge up to the next, the last one included.
        counts: architectures in each range.
        blur: an architecture may be counted so far from its cost, because costs were rounded to steps; 0: exact.
        sampled: how many architectures the counts were estimated from; 0: counted.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    blur: float = 0.0
    sampled: int = 0

    @property
    def exact(self) -> bool:
        return not self.blur and not self.sampled


def histogram(budget: Budget, metric: Metric, bins: int) -> Histogram:
    """How a space is spread over a cost: counted, where no other cost is limited, else estimated from draws."""
    selection = budget.selection
    prices = metric.prices(budget.automaton)
    circuit = selection.circuit
    low, high = folds.least(circuit, prices)[-1], folds.most(circuit, prices)[-1]
    high = min([high, *(limit for each, limit in selection.limits if each == metric)])
    edges = tuple((low + (high - low) * i / bins) / metric.grain for i in range(bins + 1))
    if selection.points is not None:
        return Histogram(edges, _binned([(point.cost(prices), 1) for point in selection.points], low, high, bins))
    if all(each == metric for each, _ in selection.limits):
        common = max(common_step(circuit, prices), 1)
        step = common * max(1, -(-(high - low) // (STEPS * common)))
        tally = Tally(circuit, prices, None, step, "nearest", keep=False)
        costs = [(low + steps * step, count) for steps, count in tally.terms()]
        counts = _binned([(cost, count) for cost, count in costs if cost <= high], low, high, bins)
        return Histogram(edges, counts, metric.value(tally.rounded * (step // 2)))
    _, drawn = selection.draw_with_costs(np.random.default_rng(0), DRAWN, prices)
    worth = (selection.size.low + selection.size.high) // 2
    counts = _binned([(cost, 1) for cost in drawn.tolist()], low, high, bins)
    return Histogram(edges, tuple(worth * count // DRAWN for count in counts), sampled=DRAWN)


def _binned(costs: Iterable[tuple[int, int]], low: int, high: int, bins: int) -> tuple[int, ...]:
    counts = [0] * bins
    for cost, count in costs:
        counts[min((cost - low) * bins // max(high - low, 1), bins - 1)] += count
    return tuple(counts)


# -- the cheapest and the dearest ----------------------------------------------------------------------------------------------


def extreme(budget: Budget, metric: Metric, sign: int) -> Extreme:
    """The point within a budget with the least (`sign` 1) or the most (-1) of a cost.

    Exact where few points are left, where the limits do not matter to it, and for the most of the one cost that is limited.
    Otherwise the best point found, with a bound on all others.
    """
    selection = budget.selection
    prices = metric.prices(budget.automaton)
    point: folds.Point | None
    if selection.points is not None:
        point = min(selection.points, key=lambda each: sign * each.cost(prices))
    else:
        point = folds.cheapest_point(selection.circuit, [sign * price for price in prices])
    if not selection.admits(point):
        is_limit = [each for each, _ in selection.limits] == [metric]
        point = _dearest(selection, prices) if sign < 0 and is_limit else None
    if point is not None:
        value = bound = point.cost(prices)
        vector = selection.vector(point)
    else:
        found, bound = _trade_off(selection, prices, sign)
        if sign < 0:
            bound = min([bound, *(limit for each, limit in selection.limits if each == metric)])
        vector, value = _climbed(budget, metric, sign, found)
    return Extreme(Architecture(budget.space, vector), metric.value(value), metric.value(bound))


def _dearest(selection: Selection, prices: Sequence[int]) -> folds.Point | None:
    """The dearest point within a limit on the same cost; None where costs are too fine to tell them all apart."""
    common = max(common_step(selection.circuit, prices), 1)
    limit = selection.limits[0][1]
    steps = (limit - folds.least(selection.circuit, prices)[-1]) // common
    if steps * len(selection.circuit.nodes) > BITS:
        return None
    tally = Tally(selection.circuit, prices, limit, common, exists=True)
    return tally.find(tally.terms()[-1][0])


def _trade_off(selection: Selection, prices: Sequence[int], sign: int) -> tuple[np.ndarray, int]:
    """A good vector within the limits, and a bound on the cost of all (from below for `sign` 1, from above for -1).

    With any multiplier m >= 0, the least of sign * cost + m * (weighted sum - its limit) over all points is a bound (Lagrange
    multipliers; Everett 1963). The multiplier is halved in between points within the weighted limit and points beyond it.
    """
    vectors, costs = selection.draw_with_costs(np.random.default_rng(0), DRAWN, prices)
    first = int((sign * costs).argmin())
    found, least_found = vectors[first], sign * int(costs[first])
    bounds = []
    low, high = 0, ONE << MULTIPLIER_BITS
    while high - low > 1 + low // PRECISION:
        multiplier = (low + high) // 2 if low else max(1, high // 1024)
        mixed = [sign * price * ONE + multiplier * weight for price, weight in zip(prices, selection.weighted, strict=True)]
        point = folds.cheapest_point(selection.circuit, mixed)
        bounds.append(-((multiplier * selection.limit - point.cost(mixed)) // ONE))
        if point.cost(selection.weighted) <= selection.limit:
            high = multiplier
        else:
            low = multiplier
        if selection.admits(point) and sign * point.cost(prices) < least_found:
            found, least_found = selection.vector(point), sign * point.cost(prices)
    return found, sign * max(bounds)


def _climbed(budget: Budget, metric: Metric, sign: int, vector: np.ndarray) -> tuple[np.ndarray, int]:
    """From one point to its best neighbour as long as that is better; the point where it ends and its cost."""
    pricer = Pricer(budget.space, [metric])
    value = sign * int(pricer.price(vector[None]).costs[0, 0])
    while len(around := budget.genome.neighbours(vector)):
        costs = sign * pricer.price(around).costs[:, 0]
        if costs.min() >= value:
            break
        vector, value = around[costs.argmin()], int(costs.min())
    return vector, sign * value
