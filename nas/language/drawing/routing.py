"""From connections to curves: the direct way, or where that leads through a box, the way round it through a gap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from nas.language.drawing.boxes import Box
from nas.language.drawing.stacks import Stack

ROW_GAP, LANE_GAP = 20.0, 46.0  # between boxes, in pixels
_CORNER = 14.0  # radius
_BESIDE = 12.0  # how far from a box's corner edges round a corner come and go; skip connections use the middle

Point = tuple[float, float]
Path = tuple[Point, ...]
"""A start point, then three points (two controls and an end) for each cubic Bezier curve."""


@dataclasses.dataclass
class Edge:
    """A tensor on its way between two boxes, given by their indices. `skip`: it jumps over a part of the network."""

    source: int
    target: int
    skip: bool
    path: Path


def route(stacks: Sequence[Stack], boxes: Sequence[Box]) -> list[Edge]:
    """One edge for each pair of boxes that are connected."""
    place = {index: k for k, stack in enumerate(stacks) for index in stack.row}
    edges = []
    for target, box in enumerate(boxes):
        for source in box.sources:
            a, b = stacks[place[source]], stacks[place[target]]
            if a is b:
                skip = a.row[target] - a.row[source] > 1
                path = _within_stack(a, source, target, boxes)
            else:
                skip = place[target] - place[source] > 1
                path = _between_stacks(a, b, source, target, boxes)
            edges.append(Edge(source, target, skip, path))
    return edges


def _within_stack(stack: Stack, source: int, target: int, boxes: Sequence[Box]) -> Path:
    """Straight ahead in its lane, along its side past other boxes, or round one corner into another lane."""
    a, b = boxes[source], boxes[target]
    step = -1 if stack.up else 1
    rows = stack.row[target] - stack.row[source]
    if stack.lane[source] == stack.lane[target]:
        if rows == 1:
            return _straight(a.end(step), b.end(-step))
        outward = -step  # skip connections leave to the right of the way down and arrive left of the way up
        bulge = outward * min(LANE_GAP / 2, 14.0 + 3.0 * rows) * 4 / 3
        start, end = a.side(outward), b.side(outward)
        return start, (start[0] + bulge, start[1]), (end[0] + bulge, end[1]), end
    toward = 1 if b.x > a.x else -1
    off = step * (a.height / 2 - _BESIDE)
    leaves, arrives = (a.side(toward)[0], a.side(toward)[1] + off), (b.side(-toward)[0], b.side(-toward)[1] - off)
    sideways_first = _polyline(leaves, (b.end(-step)[0], leaves[1]), b.end(-step))
    ahead_first = _polyline(a.end(step), (a.end(step)[0], arrives[1]), arrives)
    return _first_clear([sideways_first, ahead_first], a, b, boxes)


def _between_stacks(a: Stack, b: Stack, source: int, target: int, boxes: Sequence[Box]) -> Path:
    """From below or above where nothing else stands there, else from the source's right side to the target's left side."""
    start, end = boxes[source].side(1), boxes[target].side(-1)
    if a.level == b.level:
        reach = max(24.0, (end[0] - start[0]) * 0.4)
        direct = (start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)
    else:
        step = 1 if b.level > a.level else -1  # 1: downward
        vertical_start = a.up == (step < 0) and a.is_free(source, step)
        vertical_end = b.is_free(target, -step)
        start = boxes[source].end(step) if vertical_start else start
        end = boxes[target].end(-step) if vertical_end else end
        rise, run = abs(end[1] - start[1]) * 0.5, max(24.0, abs(end[0] - start[0]) * 0.5)
        first = (start[0], start[1] + step * rise) if vertical_start else (start[0] + run, start[1])
        second = (end[0], end[1] - step * rise) if vertical_end else (end[0] - run, end[1])
        direct = (start, first, second, end)
    return _first_clear([direct, *_detours(boxes[source], boxes[target])], boxes[source], boxes[target], boxes)


def _detours(a: Box, b: Box) -> Iterator[Path]:
    """From the right side to the left side by way of the gaps above and below either box."""
    start, end = a.side(1), b.side(-1)
    left, right = start[0] + LANE_GAP / 2, end[0] - LANE_GAP / 2
    for box in (a, b):
        for gap in (box.y + box.height + ROW_GAP / 2, box.y - ROW_GAP / 2):
            yield _polyline(start, (left, start[1]), (left, gap), (right, gap), (right, end[1]), end)


def _first_clear(paths: Sequence[Path], a: Box, b: Box, boxes: Sequence[Box]) -> Path:
    """The first path that crosses no box but the two it connects; the first of all if there is none."""
    others = [box for box in boxes if box is not a and box is not b]
    return next((path for path in paths if not crosses(path, others)), paths[0])


def crosses(path: Path, boxes: Sequence[Box], samples: int = 16) -> bool:
    """Whether a curve passes through any box, judged by points along it."""
    points = list(_points_along(path, samples))
    return any(b.x < x < b.x + b.width and b.y < y < b.y + b.height for b in boxes for x, y in points)


def _points_along(path: Path, samples: int) -> Iterator[Point]:
    """Points of each Bezier curve, at equal steps of its parameter."""
    for k in range(0, len(path) - 3, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = path[k : k + 4]
        for t in (i / samples for i in range(samples + 1)):
            w0, w1, w2, w3 = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3, w0 * y0 + w1 * y1 + w2 * y2 + w3 * y3


def _straight(start: Point, end: Point) -> Path:
    return start, _toward(start, end, 1 / 3), _toward(start, end, 2 / 3), end


def _polyline(start: Point, *more: Point) -> Path:
    """Straight lines with rounded corners."""
    *corners, end = more
    path: list[Point] = [start]
    for corner, after in zip(corners, more[1:], strict=True):
        for point in (path[-1], after):
            near = _toward(corner, point, min(0.5, _CORNER / (math.dist(corner, point) or 1.0)))
            path += [corner, corner, near] if point is after else _straight(path[-1], near)[1:]
    return (*path, *_straight(path[-1], end)[1:])


def _toward(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
