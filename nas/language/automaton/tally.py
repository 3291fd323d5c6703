"""How many points of a circuit have which cost: exact counts over equal steps of cost.

For each node, `Tally` counts its points by what they cost above the node's cheapest point, in steps. All counts of a node are
one whole number: count k stands in bits [k * width, (k + 1) * width), so distributions are added by adding numbers, a dearer
branch is a shift, and independent parts multiply (Kronecker substitution). Counts never overflow and are never rounded.

Costs need not fall on a step. Then, each time a sum goes on at a branch, what that branch costs above the cheapest one is
rounded. Down: nothing within the budget is lost. Up: nothing beyond it is counted. Nearest: for histograms. With a step that
divides all these differences (`common_step`) nothing is rounded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nas.language.automaton.circuit import TRUE, Branch, Circuit, Product
from nas.language.automaton.folds import Point, Prices, least, most, slacks

LIMB = 32  # bits; counts are a multiple of it wide, so that numpy can take them apart
SPARSE = 256  # a factor with at most so many different costs is multiplied in cost by cost

Rounding = Literal["down", "up", "nearest"]


def common_step(circuit: Circuit, prices: Prices) -> int:
    """The largest step on which no cost is rounded; 0 where all points cost the same."""
    low = least(circuit, prices)
    step = 0
    for number, node in enumerate(circuit.nodes):
        if not isinstance(node, Product):
            step = math.gcd(step, *(prices[branch.bundle] + low[branch.child] - low[number] for branch in node))
    return step


def cells(circuit: Circuit, prices: Prices, limit: int, step: int) -> int:
    """How many counts a tally with these arguments has, of all nodes together."""
    low, high = least(circuit, prices), most(circuit, prices)
    spans = (min(b - a, slack) for a, b, slack in zip(low, high, slacks(circuit, prices, low, limit), strict=True))
    return sum(span // step + 1 for span in spans)


class Tally:
    """The points of each node, counted by cost.

    Args:
        circuit: what is counted.
        prices: of its bundles.
        limit: dearer points are left out (but for what rounding lets pass); None: none are.
        step: of cost, at least 1.
        rounding: of costs between two steps.
        keep: keep the counts of all nodes, to draw points from; otherwise of the root only.
        exists: only whether there are points of a cost, counts of 0 and 1: takes a small part of the time and the memory.

    Attributes:
        low: least cost of each node.
        rounded: how often the cost of a point is rounded, at most.
    """

    def __init__(
        self,
        circuit: Circuit,
        prices: Prices,
        limit: int | None,
        step: int,
        rounding: Rounding = "down",
        *,
        keep: bool = True,
        exists: bool = False,
    ):
        self.circuit, self.prices, self.step = circuit, prices, step
        self._added = {"down": 0, "up": step - 1, "nearest": step // 2}[rounding]
        self._exists = exists
        self.low = least(circuit, prices)
        rounded = self._count_roundings()
        self.rounded = rounded[-1]
        self._lengths = self._measure(limit, rounded if rounding != "down" else None)
        self._width = 1 if exists else LIMB * -(-(circuit.count().bit_length() + 1) // LIMB)
        self._terms: dict[int, list[tuple[int, int]]] = {}
        self._weights: dict[int, np.ndarray] = {}
        self._counts: dict[int, int] = {}
        self._count(keep)

    def shift(self, number: int, branch: Branch) -> int:
        """By how many steps a branch of a sum is dearer than the cheapest."""
        extra = self.prices[branch.bundle] + self.low[branch.child] - self.low[number]
        return (extra + self._added) // self.step

    @property
    def total(self) -> int:
        """How many points there are within the limit, as rounded."""
        return self._counts[len(self.circuit.nodes) - 1] % ((1 << self._width) - 1)  # the sum of the digits to base 2^width

    def terms(self, number: int | None = None) -> list[tuple[int, int]]:
        """(steps above the least, count) wherever a node, by default the root, has points."""
        number = len(self.circuit.nodes) - 1 if number is None else number
        if number not in self._terms:
            self._terms[number] = self._take_apart(number)
        return self._terms[number]

    def weights(self, number: int) -> np.ndarray:
        """The counts of a node as floats, with a 0 at the end for costs that are out of range."""
        if number not in self._weights:
            limbs = self._limbs(number)
            weights = limbs @ (2.0 ** (LIMB * np.arange(limbs.shape[1])))
            self._weights[number] = np.append(weights, 0.0)
        return self._weights[number]

    def find(self, steps: int) -> Point:
        """Some point that costs so many steps above the least (there must be one)."""
        decisions: list[tuple[int, int]] = []
        bundles: list[int] = []
        agenda = [(len(self.circuit.nodes) - 1, steps)]
        while agenda:
            number, left = agenda.pop()
            node = self.circuit.nodes[number]
            if isinstance(node, Product):
                a, b = sorted(node, key=self._lengths.__getitem__)
                spent = next(spent for spent, _ in self.terms(a) if self._has(b, left - spent))
                agenda += [(a, spent), (b, left - spent)]
                continue
            branch = next(b for b in node if self._has(b.child, left - self.shift(number, b)))
            decisions += branch.assignment
            bundles.append(branch.bundle)
            if branch.child:
                agenda.append((branch.child, left - self.shift(number, branch)))
        return Point(tuple(decisions), tuple(bundles))

    def _has(self, number: int, steps: int) -> bool:
        """Whether a node has points that cost so many steps above its least."""
        return steps >= 0 and bool(self._counts[number] >> (steps * self._width) & ((1 << self._width) - 1))

    # -- counting --------------------------------------------------------------------------------------------------------

    def _count_roundings(self) -> list[int]:
        """How often a point of each node is rounded, at most."""
        rounded = [0]
        for number, node in enumerate(self.circuit.nodes[1:], 1):
            if isinstance(node, Product):
                rounded.append(rounded[node.left] + rounded[node.right])
            else:
                extras = (self.prices[b.bundle] + self.low[b.child] - self.low[number] for b in node)
                rounded.append(max(bool(e % self.step) + rounded[b.child] for e, b in zip(extras, node, strict=True)))
        return rounded

    def _measure(self, limit: int | None, raised: Sequence[int] | None) -> list[int]:
        """How many steps of cost each node has: as many as its points span, and rounding adds, or as they may spend."""
        high = most(self.circuit, self.prices)
        lengths = [(b - a) // self.step + 1 for a, b in zip(self.low, high, strict=True)]
        if raised is not None:
            lengths = [length + more for length, more in zip(lengths, raised, strict=True)]
        if limit is None:
            return lengths
        spend = slacks(self.circuit, self.prices, self.low, limit)
        return [min(length, slack // self.step + 1) for length, slack in zip(lengths, spend, strict=True)]

    def _count(self, keep: bool) -> None:
        waiting = Counter(child for node in self.circuit.nodes for child in _children(node))
        for number, node in enumerate(self.circuit.nodes):
            if number == TRUE:
                count = 1
            elif isinstance(node, Product):
                count = self._multiply(node)
            else:
                count = self._add(number, node)
            size = self._lengths[number] * self._width
            if count.bit_length() > size:
                count &= (1 << size) - 1
            self._counts[number] = count
            for child in () if keep else _children(node):
                waiting[child] -= 1
                if not waiting[child]:
                    del self._counts[child]
                    self._terms.pop(child, None)

    def _add(self, number: int, node: Sequence[Branch]) -> int:
        total = 0
        for branch in node:
            shift = self.shift(number, branch)
            if shift < self._lengths[number]:
                shifted = self._counts[branch.child] << (shift * self._width)
                total = total | shifted if self._exists else total + shifted
        return total

    def _multiply(self, node: Product) -> int:
        a, b = node
        if self._lengths[a] > self._lengths[b]:
            a, b = b, a
        terms = self.terms(a)
        if len(terms) > SPARSE and len(self.terms(b)) < len(terms):
            a, b = b, a
            terms = self.terms(a)
        other, width, total = self._counts[b], self._width, 0
        if self._exists:
            for steps, _ in terms:
                total |= other << steps
        elif len(terms) > SPARSE:
            total = self._counts[a] * other
        else:
            for steps, count in terms:
                total += (other * count) << (steps * width)
        return total

    def _take_apart(self, number: int) -> list[tuple[int, int]]:
        if self._exists:
            data = self._counts[number].to_bytes(self._lengths[number] // 8 + 1, "little")
            bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
            return [(steps, 1) for steps in np.flatnonzero(bits).tolist()]
        limbs = self._limbs(number)
        found = np.flatnonzero(limbs.any(axis=1))
        return [(k, int.from_bytes(row.tobytes(), "little")) for k, row in zip(found.tolist(), limbs[found], strict=True)]

    def _limbs(self, number: int) -> np.ndarray:
        """The counts of a node as rows of 32-bit digits, the lowest first."""
        data = self._counts[number].to_bytes(self._lengths[number] * self._width // 8, "little")
        return np.frombuffer(data, dtype="<u4").reshape(-1, self._width // LIMB)


def _children(node: Sequence[Branch] | Product) -> list[int]:
    return list(node) if isinstance(node, Product) else [branch.child for branch in node if branch.child]
