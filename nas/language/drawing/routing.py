"""From connections to curves: the direct way, or where that leads through a box, the way round it through a gap."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from nas.language.drawing.boxes import PILE, Box
from nas.language.drawing.corridors import Corridors
from nas.language.drawing.picture import Bezier, Point
from nas.language.drawing.stacks import ROW_GAP, Stack

LANE_GAP = 46.0  # between boxes side by side, in pixels
_CORNER = 14.0  # radius
_BESIDE = 12.0  # how far from a box's corner edges round a corner come and go; skip connections use the middle


@dataclasses.dataclass
class Edge:
    """A tensor on its way between two boxes, given by their indices.

    Attributes:
        skip: it jumps over a part of the network.
        dashed: it is taken only where something optional is absent.
    """

    source: int
    target: int
    skip: bool
    dashed: bool
    path: Bezier


def route(stacks: Sequence[Stack], boxes: Sequence[Box]) -> list[Edge]:
    """One edge for each pair of boxes that are connected."""
    return _Router(stacks, boxes).edges()


class _Router:
    def __init__(self, stacks: Sequence[Stack], boxes: Sequence[Box]):
        self.stacks, self.boxes = stacks, boxes
        self.place = {index: k for k, stack in enumerate(stacks) for index in stack.row}
        self.edges_of = np.array([extent(box) for box in boxes])

    def edges(self) -> list[Edge]:
        return [self._edge(source, target) for target, box in enumerate(self.boxes) for source in box.sources]

    def _edge(self, source: int, target: int) -> Edge:
        a, b = self.stacks[self.place[source]], self.stacks[self.place[target]]
        if a is b:
            skip = a.row[target] - a.row[source] > 1
            paths = _within_stack(a, source, target, self.boxes)
        else:
            skip = self.place[target] - self.place[source] > 1
            paths = _between_stacks(a, b, source, target, self.boxes)
        path = next((path for path in paths if self._is_clear(path, source, target)), None)
        path = path or self._way_round(a, b, source, target) or paths[0]
        return Edge(source, target, skip, source in self.boxes[target].bypasses, path)

    def _is_clear(self, path: Bezier, source: int, target: int) -> bool:
        """Whether a curve passes through no box but the two it connects."""
        others = np.delete(self.edges_of, [source, target], axis=0)
        return not crosses(path, others)

    def _way_round(self, a: Stack, b: Stack, source: int, target: int) -> Bezier | None:
        """Along the gaps between the boxes: out ahead or at a side, in from behind or at a side."""
        ahead, behind = (0, -1 if a.up else 1), (0, 1 if b.up else -1)
        leaving = {ahead: 0.0, (1, 0): 5.0, (-1, 0): 10.0}
        arriving = {behind: 0.0, (1, 0): 10.0, (-1, 0): 5.0}
        corners = self.corridors.way(source, self.boxes[source], self.boxes[target], leaving, arriving)
        return _polyline(*corners) if corners else None

    @functools.cached_property
    def corridors(self) -> Corridors:
        return Corridors(self.boxes, ROW_GAP, LANE_GAP)


def _within_stack(stack: Stack, source: int, target: int, boxes: Sequence[Box]) -> list[Bezier]:
    """Straight ahead in its lane, along its side past other boxes, or round one corner into another lane."""
    a, b = boxes[source], boxes[target]
    step = -1 if stack.up else 1
    rows = stack.row[target] - stack.row[source]
    if stack.lane[source] == stack.lane[target]:
        if rows == 1:
            return [straight(a.end(step), b.end(-step))]
        outward = -step  # skip connections leave to the right of the way down and arrive left of the way up
        bulge = outward * min(LANE_GAP / 2, 14.0 + 3.0 * rows) * 4 / 3
        start, end = a.side(outward), b.side(outward)
        return [(start, (start[0] + bulge, start[1]), (end[0] + bulge, end[1]), end)]
    toward = 1 if b.x > a.x else -1
    leaves = (a.side(toward)[0], a.side(toward)[1] + step * (a.height / 2 - _BESIDE))
    arrives = (b.side(-toward)[0], b.side(-toward)[1] - step * (b.height / 2 - _BESIDE))
    sideways_first = _polyline(leaves, (b.end(-step)[0], leaves[1]), b.end(-step))
    ahead_first = _polyline(a.end(step), (a.end(step)[0], arrives[1]), arrives)
    return [sideways_first, ahead_first]


def _between_stacks(a: Stack, b: Stack, source: int, target: int, boxes: Sequence[Box]) -> list[Bezier]:
    """From below or above where nothing else stands there, else from the source's right side to the target's left side."""
    start, end = boxes[source].side(1), boxes[target].side(-1)
    if a.level == b.level:
        reach = max(24.0, (end[0] - start[0]) * 0.4)
        return [(start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)]
    step = 1 if b.level > a.level else -1  # 1: downward
    vertical_start = a.up == (step < 0) and a.is_free(source, step)
    vertical_end = b.is_free(target, -step)
    start = boxes[source].end(step) if vertical_start else start
    end = boxes[target].end(-step) if vertical_end else end
    rise, run = abs(end[1] - start[1]) * 0.5, max(24.0, abs(end[0] - start[0]) * 0.5)
    first = (start[0], start[1] + step * rise) if vertical_start else (start[0] + run, start[1])
    second = (end[0], end[1] - step * rise) if vertical_end else (end[0] - run, end[1])
    return [(start, first, second, end)]


def crosses(path: Bezier, extents: np.ndarray, samples: int = 50) -> bool:
    """Whether a curve passes through any box, judged by points along it. `extents`: (boxes, left top right bottom)."""
    points = np.array(path)
    t = np.linspace(0.0, 1.0, samples)[:, None, None]
    p0, p1, p2, p3 = points[0:-3:3], points[1:-2:3], points[2:-1:3], points[3::3]
    along = ((1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3).reshape(-1, 1, 2)
    return bool(((extents[:, :2] < along) & (along < extents[:, 2:])).all(axis=2).any())


def extent(box: Box) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box, its pile included."""
    pile = 2 * PILE if box.piled else 0.0
    return box.x, box.y - pile, box.x + box.width + pile, box.y + box.height


def straight(start: Point, end: Point) -> Bezier:
    return start, _toward(start, end, 1 / 3), _toward(start, end, 2 / 3), end


def _polyline(start: Point, *more: Point) -> Bezier:
    """Straight lines with rounded corners."""
    *corners, end = more
    path: list[Point] = [start]
    for corner, after in zip(corners, more[1:], strict=True):
        for point in (path[-1], after):
            near = _toward(corner, point, min(0.5, _CORNER / (math.dist(corner, point) or 1.0)))
            path += [corner, corner, near] if point is after else straight(path[-1], near)[1:]
    return (*path, *straight(path[-1], end)[1:])


def _toward(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
