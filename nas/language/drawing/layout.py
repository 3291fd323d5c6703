"""Where everything stands in a picture of a network, in pixels.

Each resolution has a band, full resolution on top, half of it below, and so on. Stacks of boxes stand in their bands and move
to the right as the network proceeds: the encoder goes down on the left, the decoder comes up on the right, and skip
connections cross between them. A network whose resolution never changes is one stack, read downward.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from nas.language.drawing.boxes import BOX_HEIGHT, FACTS_SIZE, Box, make_boxes
from nas.language.drawing.captions import KINDS, text_width
from nas.language.drawing.routing import LANE_GAP, ROW_GAP, Edge, Point, route
from nas.language.drawing.stacks import Stack, make_stacks
from nas.language.graph import Graph

BAND_SIZE, HEADING_SIZE = 11.0, 15.0  # font sizes in pixels
MARGIN = 20.0
_BAND_GAP = 40.0
_SHIFT = 44.0  # from one stack to the next in another band
_STACK_GAP = 84.0  # between stacks in the same band: room for skip connections


@dataclasses.dataclass
class Band:
    """All boxes of one resolution; `label` names it, "40x40", or is empty where there is none."""

    label: str
    y: float
    height: float


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


def layout(graph: Graph, title: str = "") -> Layout:
    """Boxes that do not overlap and hold their text, and edges between them."""
    boxes = make_boxes(graph.live())
    stacks = make_stacks(boxes)
    top = MARGIN + (HEADING_SIZE + 14.0 if title else 0.0)
    bands = _make_bands(stacks, boxes, top)
    _place(stacks, boxes, bands)
    right = max(box.x + box.width for box in boxes) + LANE_GAP / 2 + MARGIN
    width = max(right, text_width(title, HEADING_SIZE, bold=True) + 2 * MARGIN)
    bottom = max(band.y + band.height for band in bands.values())
    legend, height = _make_legend(boxes, width, bottom + _BAND_GAP)
    return Layout(width, height, title, boxes, route(stacks, boxes), list(bands.values()), legend)


def _make_bands(stacks: Sequence[Stack], boxes: Sequence[Box], top: float) -> dict[int, Band]:
    """Level -> band, from top to bottom, each high enough for its highest stack."""
    bands: dict[int, Band] = {}
    for level in sorted({stack.level for stack in stacks}):
        rows = max(stack.rows for stack in stacks if stack.level == level)
        height = rows * (BOX_HEIGHT + ROW_GAP) - ROW_GAP
        grids = Counter(box.grid for box in boxes if box.level == level)
        bands[level] = Band(grids.most_common(1)[0][0], top, height)
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
        band = bands[stack.level]
        for index in stack.row:
            boxes[index].x = stack.x + stack.lane[index] * lane_width
            floor = band.y + band.height - BOX_HEIGHT
            boxes[index].y = floor - stack.rows_above_floor(index) * (BOX_HEIGHT + ROW_GAP)


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
    for kind, name in KINDS.items():
        if any(box.kind == kind for box in boxes):
            needed = 20.0 + text_width(name, FACTS_SIZE) + 16.0
            if x + needed > width and x > MARGIN:
                x, y = MARGIN, y + 20.0
            legend[kind] = (x, y)
            x += needed
    return legend, y + MARGIN
