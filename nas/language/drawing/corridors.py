"""The way round boxes: the shortest path along the gaps between them, with few bends and little shared with other edges.

A search (Hart et al. 1968, A*) on the grid of the lines that run along the boxes' sides and middles; used where no simple curve
from box to box is free.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nas.language.drawing.boxes import PILE, Box
from nas.language.drawing.picture import Point

_BEND, _SHARED = 40.0, 1.0  # costs in pixels: of a bend, and of each pixel where another tensor's edge runs
_CLEARANCE = 4.0
_SAME = 3.0  # lines that are as near to each other as this are one line

Side = tuple[int, int]
"""A side of a box as the direction in which edges leave it: (0, 1) is below, (1, 0) at the right."""


class Corridors:
    """The free lines between the boxes of one picture.

    Args:
        boxes: placed.
        row_gap, lane_gap: pixels between boxes one below another, and side by side.
    """

    def __init__(self, boxes: Sequence[Box], row_gap: float, lane_gap: float):
        self._reach = (lane_gap / 2, row_gap / 2)
        self._xs = _lines(
            x for b in boxes for x in (b.x - lane_gap / 2, b.x + b.width / 2, b.x + b.width + lane_gap / 2, b.x - lane_gap / 4)
        )
        self._ys = _lines(y for b in boxes for y in (b.y - row_gap / 2, b.y + b.height / 2, b.y + b.height + row_gap / 2))
        # Whether the piece from a crossing to the next, to the right or downward, is free
        self._right = np.ones((len(self._xs), len(self._ys)), dtype=bool)
        self._down = np.ones((len(self._xs), len(self._ys)), dtype=bool)
        for box in boxes:
            pile = 2 * PILE if box.piled else 0.0
            left, right = box.x - _CLEARANCE, box.x + box.width + pile + _CLEARANCE
            top, bottom = box.y - pile - _CLEARANCE, box.y + box.height + _CLEARANCE
            columns = slice(bisect.bisect_right(self._xs, left), bisect.bisect_left(self._xs, right))
            rows = slice(bisect.bisect_right(self._ys, top), bisect.bisect_left(self._ys, bottom))
            self._right[max(0, columns.start - 1) : columns.stop, rows] = False
            self._down[columns, max(0, rows.start - 1) : rows.stop] = False
        self._used: dict[tuple[int, int, bool], set[int]] = {}

    def way(self, number: int, a: Box, b: Box, leaving: Mapping[Side, float], arriving: Mapping[Side, float]) -> list[Point]:
        """Corners of a path from box `a` (of index `number`) to box `b`; empty where there is none.

        Args:
            leaving, arriving: side of the box -> what it costs to use it, in pixels.
        """
        ends = {self._beside(b, side): (side, cost) for side, cost in arriving.items()}
        goal = (b.x + b.width / 2, b.y + b.height / 2)
        order = itertools.count()  # ties are broken by age, so pictures do not depend on anything else
        heap: list[tuple[float, int, float, tuple[int, int], Side, tuple | None]] = []
        for side, cost in leaving.items():
            at = self._beside(a, side)
            heapq.heappush(heap, (cost + self._distance(at, goal), next(order), cost, at, side, None))
        best: dict[tuple[tuple[int, int], Side], float] = {}
        while heap:
            _, _, cost, at, heading, trail = heapq.heappop(heap)
            if heading == (0, 0):
                return self._corners(number, a, b, trail)
            if best.get((at, heading), float("inf")) <= cost:
                continue
            best[at, heading] = cost
            trail = (at, heading, trail)
            if at in ends:
                side, extra = ends[at]
                total = cost + extra + (0.0 if side == (-heading[0], -heading[1]) else _BEND)
                heapq.heappush(heap, (total, next(order), total, at, (0, 0), (side, trail)))
            for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                there = (at[0] + step[0], at[1] + step[1])
                if step == (-heading[0], -heading[1]) or not self._is_free(at, there):
                    continue
                length = abs(self._xs[there[0]] - self._xs[at[0]]) + abs(self._ys[there[1]] - self._ys[at[1]])
                others = self._used.get(_piece(at, there), set()) - {number}
                total = cost + length * (1.0 + _SHARED * bool(others)) + (0.0 if step == heading else _BEND)
                if best.get((there, step), float("inf")) > total:
                    heapq.heappush(heap, (total + self._distance(there, goal), next(order), total, there, step, trail))
        return []

    def _beside(self, box: Box, side: Side) -> tuple[int, int]:
        """The crossing next to the middle of a box's side."""
        x = box.x + box.width / 2 + side[0] * (box.width / 2 + self._reach[0])
        y = box.y + box.height / 2 + side[1] * (box.height / 2 + self._reach[1])
        return _nearest(self._xs, x), _nearest(self._ys, y)

    def _distance(self, at: tuple[int, int], goal: Point) -> float:
        return max(0.0, abs(self._xs[at[0]] - goal[0]) + abs(self._ys[at[1]] - goal[1]) - 400.0)

    def _is_free(self, at: tuple[int, int], there: tuple[int, int]) -> bool:
        column, row = min(at[0], there[0]), min(at[1], there[1])
        if not (column >= 0 and row >= 0 and max(at[0], there[0]) < len(self._xs) and max(at[1], there[1]) < len(self._ys)):
            return False
        return bool(self._right[column, row] if at[1] == there[1] else self._down[column, row])

    def _corners(self, number: int, a: Box, b: Box, trail: tuple | None) -> list[Point]:
        """The path that a trail of crossings describes, and remembers it as used."""
        assert trail is not None
        arrival, trail = trail
        crossings: list[tuple[int, int]] = []
        departure: Side = arrival
        while trail is not None:
            at, departure, trail = trail
            crossings.insert(0, at)
        for at, there in itertools.pairwise(crossings):
            self._used.setdefault(_piece(at, there), set()).add(number)
        points = [(self._xs[i], self._ys[j]) for i, j in crossings]
        first, last = _middle(a, departure), _middle(b, arrival)
        # Lines are shared by boxes that are almost level: meet the middle of this box's side exactly
        points[0] = (first[0], points[0][1]) if departure[0] == 0 else (points[0][0], first[1])
        if len(points) > 1:
            points[-1] = (last[0], points[-1][1]) if arrival[0] == 0 else (points[-1][0], last[1])
        corners = [first]
        for point, after in itertools.pairwise([*points, last]):
            before = corners[-1]
            straight = (abs(before[0] - point[0]) < 0.5 and abs(point[0] - after[0]) < 0.5) or (
                abs(before[1] - point[1]) < 0.5 and abs(point[1] - after[1]) < 0.5
            )
            if not straight:
                corners.append(point)
        return [*corners, last]


def _middle(box: Box, side: Side) -> Point:
    return box.x + box.width / 2 * (1 + side[0]), box.y + box.height / 2 * (1 + side[1])


def _lines(places: Iterable[float]) -> list[float]:
    """Sorted, without those that hardly differ from the one before."""
    lines: list[float] = []
    for place in sorted(places):
        if not lines or place - lines[-1] > _SAME:
            lines.append(place)
    return lines


def _nearest(lines: Sequence[float], place: float) -> int:
    k = bisect.bisect_left(lines, place)
    near = [i for i in (k - 1, k) if 0 <= i < len(lines)]
    return min(near, key=lambda i: abs(lines[i] - place))


def _piece(at: tuple[int, int], there: tuple[int, int]) -> tuple[int, int, bool]:
    """The name of the piece of a line between two neighbouring crossings."""
    return min(at[0], there[0]), min(at[1], there[1]), at[1] == there[1]
