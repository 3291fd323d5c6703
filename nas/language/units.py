"""Units: the independent decisions of a space, each counted exactly and numbered from 0.

A space is a product of units, and a unit is one of three: a `Real` number, a `Choice` of one candidate, or a `Group`, k
candidates taken from n at once. Candidates hold spaces of their own, so units form a tree, and everything exact about a
space folds over it:

- size: a product over the units of a space, a sum over the candidates of a choice, and for a group the symmetric polynomial
  of the candidates' sizes that fits its rules: elementary where candidates are distinct, complete homogeneous where a sorted
  group may repeat them (PyGlove's own recursion for these is exponential; here it is a table of n x k numbers);
- index <-> options: mixed radix, the last unit least significant. This is the order of PyGlove's `iter_dna`;
- draws: each option with probability proportional to the number of points below it, so that points, not decisions, are
  equally likely. Where a unit has fewer than 2^63 points draws are exact; beyond, and for each step of a sorted or distinct
  group, a probability is off by less than 2^-62.

A real number counts as one point: in a continuous space "uniform" is uniform over the discrete part, then over each range.
"""

from __future__ import annotations

import abc
import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

Space: TypeAlias = "tuple[Unit, ...]"
"""The units of one (sub)space, in pre-order; their sizes multiply."""

Values: TypeAlias = "list[Any]"
"""One point while it is written: per slot the option as `int`, the number as `float`, or -1 where it is inactive."""

RESOLUTION = 1 << 63  # draws are integers below this, the most that numpy's int64 generator gives


class Unit(abc.ABC):
    """One independent decision and all that hangs below it.

    Attributes:
        slots: where its decisions stand in a vector: one slot, or k for a group.
        first: the first of them.
        inner: `inner[p][option]` is the space that the p-th slot opens by choosing `option`.
        size: how many points it has, everything below included.
        leaf: one slot and nothing below it, so that its index is its value.
    """

    __slots__ = ("first", "inner", "leaf", "size", "slots")

    def __init__(self, slots: Sequence[int], inner: Sequence[Sequence[Space]], size: int, leaf: bool = False):
        self.slots = tuple(slots)
        self.first = self.slots[0]
        self.inner = tuple(tuple(options) for options in inner)
        self.size = size
        self.leaf = leaf

    @abc.abstractmethod
    def split(self, index: int) -> list[tuple[int, int]]:
        """For each slot, its option and the index within the space which that option opens."""

    @abc.abstractmethod
    def rank(self, values: Values) -> int:
        """The inverse of `write`: which of its `size` points stands in `values`."""

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` draws of its own slots, (n, slots)."""

    def write(self, index: int, values: Values, rng: np.random.Generator | None) -> None:
        """Writes its point number `index`; real numbers are drawn, or take their low end where `rng` is None."""
        for slot, options, (option, rest) in zip(self.slots, self.inner, self.split(index), strict=True):
            values[slot] = option
            if options[option]:
                write(options[option], rest, values, rng)


class Real(Unit):
    """A number in [low, high] on a linear, `log` or `rlog` (reverse logarithmic) scale, as PyGlove defines them."""

    __slots__ = ("high", "low", "scale")

    def __init__(self, slot: int, low: float, high: float, scale: str | None):
        super().__init__([slot], [()], size=1)
        self.low, self.high, self.scale = low, high, scale

    def split(self, index: int) -> list[tuple[int, int]]:
        raise AssertionError("a real number has no options")

    def rank(self, values: Values) -> int:
        return 0

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return np.array([self.at(u) for u in rng.random(n).tolist()]).reshape(n, 1)

    def write(self, index: int, values: Values, rng: np.random.Generator | None) -> None:
        values[self.first] = self.low if rng is None else self.at(rng.random())

    def at(self, position: float) -> float:
        """The number at `position` along its scale, from 0 for `low` to 1 for `high`; positions outside are clipped."""
        low, high = self.low, self.high
        if not 0.0 < position < 1.0:
            return low if position <= 0.0 else high
        if self.scale == "log":
            number = low * (high / low) ** position
        elif self.scale == "rlog":
            number = low + high - low * (high / low) ** (1.0 - position)
        else:
            number = low + (high - low) * position
        return min(max(number, low), high)  # rounding can step over an end

    def position(self, number: float) -> float:
        """The inverse of `at`."""
        low, high = self.low, self.high
        if low == high:
            return 0.0
        if self.scale == "log":
            return math.log(number / low) / math.log(high / low)
        if self.scale == "rlog":
            return 1.0 - math.log((low + high - number) / low) / math.log(high / low)
        return (number - low) / (high - low)


class Choice(Unit):
    """One of n candidates."""

    __slots__ = ("_edges", "_offsets", "options")

    def __init__(self, slot: int, spaces: Sequence[Space]):
        weights = [size_of(space) for space in spaces]
        self.options = len(spaces)
        super().__init__([slot], [spaces], size=sum(weights), leaf=not any(spaces))
        self._offsets = [0, *itertools.accumulate(weights[:-1])]
        self._edges = _edges(weights)

    def split(self, index: int) -> list[tuple[int, int]]:
        option = bisect_right(self._offsets, index) - 1
        return [(option, index - self._offsets[option])]

    def rank(self, values: Values) -> int:
        option = values[self.first]
        return self._offsets[option] + rank(self.inner[0][option], values)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return _draw(self._edges, rng, (n, 1))


class Group(Unit):
    """k of n candidates. `distinct`: none twice; `sorted`: in the candidates' order. The two are independent."""

    __slots__ = ("_edges", "_skip", "_table", "_weights", "distinct", "options", "sorted")

    def __init__(self, slots: Sequence[int], spaces: Sequence[Sequence[Space]], *, distinct: bool, sorted: bool):
        weights = [size_of(space) for space in spaces[0]]
        k = len(slots)
        self.options, self.distinct, self.sorted = len(weights), distinct, sorted
        self._weights = weights
        self._table = ways(weights, k, distinct)
        self._edges = _edges(weights)
        self._skip = _chances_to_skip(self._table)
        size = self._table[0][k] if sorted else self._table[0][k] * math.factorial(k) if distinct else sum(weights) ** k
        super().__init__(slots, spaces, size)

    def split(self, index: int) -> list[tuple[int, int]]:
        options: list[int] = []
        parts = []
        for _ in self.slots:
            for option, after in self._continuations(options):
                block = self._weights[option] * after
                if index < block:
                    break
                index -= block
            within, index = divmod(index, after)
            options.append(option)
            parts.append((option, within))
        return parts

    def rank(self, values: Values) -> int:
        options: list[int] = []
        index = 0
        for slot, spaces in zip(self.slots, self.inner, strict=True):
            chosen = values[slot]
            for option, after in self._continuations(options):
                if option == chosen:
                    break
                index += self._weights[option] * after
            index += rank(spaces[chosen], values) * after
            options.append(chosen)
        return index

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        if not (self.distinct or self.sorted):
            return _draw(self._edges, rng, (n, len(self.slots)))
        picked = self._draw_sorted(rng, n)
        return picked if self.sorted else rng.permuted(picked, axis=1)

    def _continuations(self, prefix: list[int]) -> Iterator[tuple[int, int]]:
        """Options of the next slot, each with the number of ways to fill the slots after it."""
        left = len(self.slots) - len(prefix) - 1
        weights = self._weights
        if self.sorted:
            for option in range(prefix[-1] + self.distinct if prefix else 0, self.options):
                yield option, self._table[option + self.distinct][left]
        elif self.distinct:
            free = [option for option in range(self.options) if option not in prefix]
            orders = math.factorial(left)
            sums = ways([weights[option] for option in free], left, distinct=True)[0]
            for option in free:
                without = 1  # e_r(free - option) = e_r(free) - w * e_(r-1)(free - option)
                for total in sums[1:]:
                    without = total - weights[option] * without
                yield option, orders * without
        else:
            after = sum(weights) ** left
            for option in range(self.options):
                yield option, after

    def _draw_sorted(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Walks along the candidates of all `n` draws at once: at candidate j with r still to pick, pick it or pass on."""
        k = len(self.slots)
        picked = np.zeros((n, k), dtype=np.int64)
        at, left = np.zeros(n, dtype=np.int64), np.full(n, k)
        rows = np.arange(n)
        while rows.size:
            j, r = at[rows], left[rows]
            take = rng.integers(RESOLUTION, size=rows.size) >= self._skip[j, r]
            picked[rows[take], k - r[take]] = j[take]
            left[rows] -= take
            at[rows] += 1 if self.distinct else ~take
            rows = rows[left[rows] > 0]
        return picked


def size_of(space: Space) -> int:
    """How many points a space has; a real number counts as one."""
    return math.prod(unit.size for unit in space)


def write(space: Space, index: int, values: Values, rng: np.random.Generator | None) -> None:
    """Writes point number `index` of a space into its slots; slots that stay inactive are left alone."""
    for unit in reversed(space):
        index, digit = divmod(index, unit.size)
        if unit.leaf:
            values[unit.first] = digit
        else:
            unit.write(digit, values, rng)


def rank(space: Space, values: Values) -> int:
    """The inverse of `write`."""
    index = 0
    for unit in space:
        index = index * unit.size + (values[unit.first] if unit.leaf else unit.rank(values))
    return index


def below(bound: int, rng: np.random.Generator) -> int:
    """A uniform integer in [0, bound), exact for a bound of any length."""
    if bound <= RESOLUTION:
        return int(rng.integers(bound))
    bits = (bound - 1).bit_length()
    while True:  # rejected less than half of the time
        drawn = int.from_bytes(rng.bytes((bits + 7) // 8), "little") >> (-bits % 8)
        if drawn < bound:
            return drawn


def ways(weights: Sequence[int], k: int, distinct: bool) -> list[list[int]]:
    """`table[j][r]`: the weighted number of sorted ways to pick r of the candidates from j on.

    Elementary symmetric polynomials where candidates are distinct, complete homogeneous ones where they may repeat. Only sums
    and products of weights are taken, so that anything with `+` and `*` (a histogram of costs, say) can stand for a number.
    """
    table = [[1] + [0] * k]
    for weight in reversed(weights):
        row = [1]
        for r in range(1, k + 1):
            row.append(table[0][r] + weight * (table[0][r - 1] if distinct else row[r - 1]))
        table.insert(0, row)
    return table


def _chances_to_skip(table: list[list[int]]) -> np.ndarray:
    """`[j, r]`: the probability, in units of 1 / RESOLUTION, that candidate j is not picked while r > 0 are still to pick."""
    return np.array(
        [
            [0] + [skip * RESOLUTION // both if both else 0 for skip, both in zip(after[1:], here[1:], strict=True)]
            for here, after in itertools.pairwise(table)
        ]
    )


def _edges(weights: Sequence[int]) -> np.ndarray | int:
    """What `_draw` needs: upper edges of each option but the last and the number of steps; for equal weights the count."""
    if len(set(weights)) == 1:
        return len(weights)
    total = sum(weights)
    steps = min(total, RESOLUTION)
    *edges, _ = itertools.accumulate(weights)
    return np.array([edge * steps // total for edge in edges] + [steps - 1])


def _draw(edges: np.ndarray | int, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    if isinstance(edges, int):
        return rng.integers(edges, size=shape)
    return np.searchsorted(edges[:-1], rng.integers(edges[-1], endpoint=True, size=shape), side="right")
