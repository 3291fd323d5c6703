"""Architectures as numbers that a model can learn from.

What is told of an architecture, for any space:

    decisions   one-hot over what is decided. Decisions that are the same at the same place of two candidates (`kernel_size` of
                a convolution and of the separable convolution beside it) share their columns; inactive ones are zero. Options
                that are numbers also have a thermometer: 3 is nearer to 5 than to 7.
    counts      how often each option is taken among decisions that have the same options (three convolutions of six edges),
                wherever they stand
    costs       logarithms of FLOPs and parameters, as exact arithmetic says (nas/language/automaton/points.py). They see what
                decisions hide: an operation that nothing reads costs nothing

One-hot encodings of decisions are what White et al. 2020 ("A Study on Encodings for Neural Architecture Search") call the
adjacency encoding; counts and costs are cheap global features beside it, with the part that zero-cost proxies and path
encodings have elsewhere.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.errors import SpaceError, UserError
from nas.language.automaton.forms import TooEntangled
from nas.language.automaton.points import PointPricer
from nas.language.costing import COUNTED, find_metric
from nas.language.naming import name_decisions
from nas.language.program import Slot
from nas.language.space import SearchSpace
from nas.language.units import Real

PARTS = 8  # steps of the thermometer of a number
SCALED_BY = 512  # points that say how costs are spread
FARTHEST = 3.0  # standard deviations from the median, for costs


@dataclasses.dataclass(frozen=True)
class Features:
    """What a model sees of n architectures, a row of each array for each.

    Attributes:
        decisions: (n, columns) one-hot and thermometers; rows of architectures with d active decisions have a norm of about d.
        counts: (n, options) shares of the decisions.
        costs: (n, 0 to 2) standard deviations from the median of the space, at most 3.
    """

    decisions: np.ndarray
    counts: np.ndarray
    costs: np.ndarray

    def __len__(self) -> int:
        return len(self.decisions)

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Squared norms of the rows of `decisions`, (n,)."""
        return (self.decisions.astype(np.float64) ** 2).sum(axis=1)

    @functools.cached_property
    def count_sizes(self) -> np.ndarray:
        """Squared norms of the rows of `counts`, (n,)."""
        return (self.counts**2).sum(axis=1)

    def take(self, rows: Any) -> Features:
        """Those of some rows."""
        return Features(self.decisions[rows], self.counts[rows], self.costs[rows])


def joined(parts: Sequence[Features]) -> Features:
    """Several batches as one."""
    decisions, counts, costs = zip(*((part.decisions, part.counts, part.costs) for part in parts), strict=True)
    return Features(np.concatenate(decisions), np.concatenate(counts), np.concatenate(costs))


class Encoding:
    """The features of one space.

    Args:
        space: any; costs are left out where it has none or is too large to compile.

    Attributes:
        roles: how many decisions count as different ones.
        counted, priced: how many columns `counts` and `costs` have.
        metrics: the costs that are known exactly, before anything is measured.
    """

    def __init__(self, space: SearchSpace):
        program = space.genome.program
        self._program = program
        self._role_of = _roles(program.slots, program.twins)
        self._labels = _labels(space)
        roles = sorted(set(self._role_of))
        self.roles = len(roles)
        self._numbers = {i: unit for i, unit in program.units.items() if isinstance(unit, Real)}
        self._columns: dict[int, int] = {}  # role -> first one-hot column
        self._heights: dict[int, np.ndarray] = {}  # role -> height of each option's thermometer, from 0 to 1
        self._thermometers: dict[int, tuple[int, int]] = {}  # role -> first column, steps
        width = 0
        for role in roles:
            self._columns[role] = width
            width += program.slots[role].options
            heights = _heights(self._labels[role])
            steps = PARTS if role in self._numbers else len(heights) - 1
            if heights.size:
                self._heights[role] = heights
            if heights.size or role in self._numbers:
                self._thermometers[role] = (width, steps)
                width += steps
        self._width = width
        counts, self.counted = self._count(roles)
        self._is_choice = np.array([slot.kind == "choice" for slot in program.slots], dtype=bool)
        self._first_column = np.array([self._columns[role] for role in self._role_of], dtype=np.int64)
        self._first_count = np.array([counts.get(role, -1) for role in self._role_of], dtype=np.int64)
        self._amount = np.array([math.sqrt(0.5) if role in self._heights else 1.0 for role in self._role_of])
        self._scaled = [(i, role) for i, role in enumerate(self._role_of) if role in self._thermometers]
        self._pricer = _pricer(space)
        self.metrics: tuple[str, ...] = COUNTED if self._pricer is not None else ()
        self._varies = np.zeros(0, dtype=np.int64)
        if self._pricer is not None:
            drawn = self._logarithms(self.prices(space.genome.sample(np.random.default_rng(0), SCALED_BY)))
            low, middle, high = np.quantile(
                drawn, [0.1, 0.5, 0.9], axis=0
            )  # a network of nothing but zeros costs 0: no moments
            self._varies = np.flatnonzero(high > low)
            self._middle, self._spread = middle[self._varies], (high - low)[self._varies] / 2.56
        self.priced = len(self._varies)

    def features(self, vectors: np.ndarray, prices: np.ndarray | None = None) -> Features:
        """What a model sees of (n, width) points; `prices` saves computing them again."""
        active = self._program.active(vectors)
        rows, slots = np.nonzero(active & self._is_choice)
        options = vectors[rows, slots].astype(np.int64)
        decisions = np.zeros((len(vectors), self._width), dtype=np.float32)  # the large one
        decisions[rows, self._first_column[slots] + options] = self._amount[slots]
        for i, role in self._scaled:
            here = np.flatnonzero(active[:, i])
            self._fill(decisions, here, role, self._height(i, role, vectors[here, i]))
        shared = self._first_count[slots] >= 0
        at = rows[shared] * self.counted + self._first_count[slots[shared]] + options[shared]
        counts = np.bincount(at, minlength=len(vectors) * self.counted).reshape(len(vectors), self.counted)
        return Features(decisions, counts / math.sqrt(max(1, self.roles)), self._standardized(vectors, prices))

    def prices(self, vectors: np.ndarray) -> np.ndarray:
        """The exact `metrics` of (n, width) points, (n, metrics)."""
        if self._pricer is None:
            return np.zeros((len(vectors), 0))
        return self._pricer.price(vectors).costs.astype(float)

    def _height(self, slot: int, role: int, values: np.ndarray) -> np.ndarray:
        """Where values stand on their scale, from 0 to 1."""
        if slot in self._numbers:
            return np.array([self._numbers[slot].position(value) for value in values.tolist()])
        return self._heights[role][values.astype(np.int64)]

    def _fill(self, decisions: np.ndarray, rows: np.ndarray, role: int, heights: np.ndarray) -> None:
        """Thermometers: the two ends of a scale are as far apart as two options, with the one-hot columns if there are any."""
        first, steps = self._thermometers[role]
        filled = np.clip(heights[:, None] * steps - np.arange(steps), 0, 1) * 2 - 1
        decisions[rows, first : first + steps] = filled * (
            (0.5 if role in self._heights else math.sqrt(0.5)) / math.sqrt(steps)
        )

    def _standardized(self, vectors: np.ndarray, prices: np.ndarray | None) -> np.ndarray:
        if self._pricer is None:
            return np.zeros((len(vectors), 0))
        logarithms = self._logarithms(self.prices(vectors) if prices is None else prices)
        return np.clip((logarithms[:, self._varies] - self._middle) / self._spread, -FARTHEST, FARTHEST)

    @staticmethod
    def _logarithms(prices: np.ndarray) -> np.ndarray:
        """Of FLOPs and parameters; multiply-adds say nothing more."""
        return np.log1p(prices[:, [COUNTED.index("flops"), COUNTED.index("params")]])

    def _count(self, roles: Sequence[int]) -> tuple[dict[int, int], int]:
        """Role -> first column of its counts, for roles that share their options with another; and how many columns."""
        groups: list[list[int]] = []
        for role in roles:
            labels = self._labels[role]
            same = (group for group in groups if _alike(self._labels[group[0]], labels))
            group = next(same, None)
            if group is None:
                groups.append([role])
            else:
                group.append(role)
        columns: dict[int, int] = {}
        width = 0
        for group in groups:
            if len(group) > 1 and self._labels[group[0]]:
                columns |= dict.fromkeys(group, width)
                width += len(self._labels[group[0]])
        return columns, width


def _roles(slots: Sequence[Slot], twins: Mapping[Any, Mapping[int, int]]) -> list[int]:
    """For each slot, the first of those that make the same decision at the same place of other candidates."""
    first = list(range(len(slots)))

    def find(i: int) -> int:
        while first[i] != i:
            i = first[i]
        return i

    for pairs in twins.values():
        for new, old in pairs.items():
            for a, b in zip(slots[new].group, slots[old].group, strict=True):
                low, high = sorted((find(a), find(b)))
                first[high] = low
    return [find(i) for i in range(len(slots))]


def _labels(space: SearchSpace) -> list[list[Any]]:
    """What the options of each slot are called."""
    named = {}
    if space.is_network:
        named = {identity: labels for identity, _, labels in name_decisions(space.whole.hyper)}
    out = []
    for slot in space.genome.slots:
        whole = slot.id.rsplit("[", 1)[0] if len(slot.group) > 1 else slot.id
        out.append(list(named.get(slot.id) or named.get(whole) or slot.literals or range(slot.options)))
    return out


def _heights(labels: Sequence[Any]) -> np.ndarray:
    """Each option's place among three or more that are numbers, from 0 to 1; empty where they are not."""
    if len(labels) < 3 or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in labels):
        return np.zeros(0)
    return np.argsort(np.argsort(labels, kind="stable"), kind="stable") / (len(labels) - 1)


def _alike(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two decisions have the same options, up to half of them (a layer's "none" where its neighbour has "identity")."""
    return len(a) == len(b) and 2 * sum(x == y for x, y in zip(a, b, strict=True)) >= len(a)


def _pricer(space: SearchSpace) -> PointPricer | None:
    if not space.is_network:
        return None
    try:
        metrics = [find_metric(name) for name in COUNTED]
        return PointPricer(space, metrics)
    except (TooEntangled, SpaceError, UserError):  # too large to compile, or an operation without a cost rule
        return None
