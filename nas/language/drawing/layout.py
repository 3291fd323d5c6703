"""Where everything stands in a picture of a network, in pixels.

Each resolution has a band, full resolution on top, half of it below, and so on. Stacks of boxes stand in their bands and move
to the right as the network proceeds: the encoder goes down on the left, the decoder comes up on the right, and skip
connections cross between them. A network whose resolution never changes is one stack, read downward.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from nas.language.drawing.boxes import FACTS_SIZE, Box, make_boxes
from nas.language.drawing.captions import KINDS
from nas.language.drawing.lettering import text_width
from nas.language.drawing.picture import Point
from nas.language.drawing.routing import LANE_GAP, Edge, route
from nas.language.drawing.stacks import ROW_GAP, Stack, make_stacks
from nas.language.graph import Graph

BAND_SIZE, HEADING_SIZE = 11.0, 15.0  # font sizes in pixels
MARGIN = 20.0
MANY_LAYERS = 32  # boxes; a network that would have more is drawn block by block
_BAND_GAP = 40.0
_SHIFT = 44.0  # from one stack to the next in another band
_STACK_GAP = 84.0  # between stacks in the same band: room for skip connections


@dataclasses.dataclass
class Band:
    """All boxes of one resolution.

    Attributes:
        label: names it, "40x40"; empty where there is no grid.
        y, height: its place.
        middles: of its rows, counted from its floor.
    """

    label: str
    y: float
    height: float
    middles: list[float]


@dataclasses.dataclass
class Layout:
    """A picture, y downward from its upper edge. `legend`: where the entry of each kind of box begins (left, middle)."""

    width: float
    height: float
    title: str
    boxes: list[Box]
    edges: list[Edge]
    bands: list[Band]
    legend: dict[str, Point]


def layout(graph: Graph, title: str = "", detail: str = "auto") -> Layout:
    """Boxes of a network that do not overlap and hold their text, and edges between them. `detail`: see `draw_network`."""
    graph = graph.live()
    boxes = make_boxes(graph, blocks=detail == "blocks")
    if detail == "auto" and len(boxes) > MANY_LAYERS:
        boxes = make_boxes(graph, blocks=True)
    return arrange(boxes, title)


def arrange(boxes: list[Box], title: str = "") -> Layout:
    """Boxes in topological order, placed and connected."""
    for box in boxes:
        box.width = max(other.width for other in boxes)
    stacks = make_stacks(boxes)
    top = MARGIN + (HEADING_SIZE + 14.0 if title else 0.0)
    bands = _make_bands(stacks, boxes, top)
    _place(stacks, boxes, bands)
    edges = route(stacks, boxes)
    reach = max(x for edge in edges for x, _ in edge.path) if edges else 0.0
    right = max(reach, *(box.x + box.width for box in boxes)) + LANE_GAP / 2 + MARGIN
    width = max(right, text_width(title, HEADING_SIZE, bold=True) + 2 * MARGIN)
    bottom = max(band.y + band.height for band in bands.values())
    legend, height = _make_legend(boxes, width, bottom + _BAND_GAP)
    return Layout(width, height, title, boxes, edges, list(bands.values()), legend)


def _make_bands(stacks: Sequence[Stack], boxes: Sequence[Box], top: float) -> dict[int, Band]:
    """Level -> band, from top to bottom, each high enough for its highest stack."""
    bands: dict[int, Band] = {}
    for level in sorted({stack.level for stack in stacks}):
        heights: dict[int, float] = {}
        for stack in stacks:
            if stack.level == level:
                for index in stack.row:
                    row = stack.rows_above_floor(index)
                    heights[row] = max(heights.get(row, 0.0), boxes[index].height)
        height = sum(heights.values()) + ROW_GAP * max(heights)
        floor, middles = top + height, []
        for row in range(max(heights) + 1):
            middles.append(floor - heights.get(row, 0.0) / 2)
            floor -= heights.get(row, 0.0) + ROW_GAP
        grids = Counter(box.grid for box in boxes if box.level == level)
        bands[level] = Band(grids.most_common(1)[0][0], top, height, middles)
        top += height + _BAND_GAP
    return bands


def _place(stacks: Sequence[Stack], boxes: Sequence[Box], bands: dict[int, Band]) -> None:
    """Sets the position of every stack and box."""
    lane_width = boxes[0].width + LANE_GAP
    left = MARGIN + max(text_width(band.label, BAND_SIZE) for band in bands.values()) + LANE_GAP / 2 + MARGIN
    for k, stack in enumerate(stacks):
        beside = [other.right + _STACK_GAP for other in stacks[:k] if other.level == stack.level]
        after = [_after(stacks[k - 1], stack, boxes, lane_width)] if k else []
        stack.x = max([left, *beside, *after])
        stack.right = stack.x + stack.lanes * lane_width - LANE_GAP
        for index in stack.row:
            boxes[index].x = stack.x + stack.lane[index] * lane_width
            boxes[index].y = bands[stack.level].middles[stack.rows_above_floor(index)] - boxes[index].height / 2


def _after(before: Stack, stack: Stack, boxes: Sequence[Box], lane_width: float) -> float:
    """The left edge of a stack so that its way in lies to the right of the way out of the stack before it."""
    way = [(source, index) for index in stack.row for source in boxes[index].sources if source in before.row]
    source, index = way[0] if way else (next(iter(before.row)), next(iter(stack.row)))
    if before.up == stack.up:
        entry = boxes[source].x + _SHIFT
    else:  # at a turn the edge leaves sideways
        entry = before.right - boxes[index].width / 2 + _SHIFT
    return entry - stack.lane[index] * lane_width


def _make_legend(boxes: Sequence[Box], width: float, y: float) -> tuple[dict[str, Point], float]:
    """Where the entries of the legend begin, and the height of the picture with it."""
    legend: dict[str, Point] = {}
    x = MARGIN
    shown = {box.kind for box in boxes} | {line.chip for box in boxes for line in box.lines if line.chip}
    for kind, name in KINDS.items():
        if kind in shown:
            needed = 20.0 + text_width(name, FACTS_SIZE) + 16.0
            if x + needed > width and x > MARGIN:
                x, y = MARGIN, y + 20.0
            legend[kind] = (x, y)
            x += needed
    return legend, y + MARGIN
