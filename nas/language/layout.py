"""Where everything stands in a picture of a network.

An encoder-decoder is drawn as the U it is. Each resolution has a band, full resolution on top, half below, and so on. Nodes
that follow each other at one resolution form a stack in that band; stacks move to the right as the network proceeds. On the
way down a stack is read from top to bottom, on the way up from bottom to top, and skip connections cross from left to right.
Parallel branches stand side by side in lanes. A network whose resolution never changes is one stack, read downward.

A run of nodes on one tensor (convolution, normalization, activation) is one box.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from nas.language.captions import KINDS, fitted, flops_of, kind_of, notes_of, size_of, text_width, title_of
from nas.language.graph import Graph, Node

TITLE_SIZE, NOTES_SIZE, FACTS_SIZE, BAND_SIZE, HEADING_SIZE = 12.0, 10.0, 10.5, 11.0, 15.0  # font sizes in pixels

_BOX_HEIGHT, _PADDING = 52.0, 9.0
_NARROWEST, _WIDEST = 112.0, 240.0  # of boxes
_ROW_GAP, _LANE_GAP = 20.0, 46.0
_BAND_GAP = 40.0
_SHIFT = 44.0  # from one stack to the next in another band
_STACK_GAP = 84.0  # between stacks in the same band: room for skip connections
_MARGIN = 20.0
_MOST_ROWS = 10  # a longer stack is continued in a new one beside it

Point = tuple[float, float]


@dataclasses.dataclass
class Box:
    """A run of nodes in one rectangle. `x`, `y`: upper left corner in pixels. `names`: the nodes; `output`: a network output."""

    names: tuple[str, ...]
    kind: str
    title: str
    notes: str
    facts: str
    output: bool
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = _BOX_HEIGHT


@dataclasses.dataclass
class Edge:
    """A tensor on its way between boxes, by their indices.

    `path`: a start point, then three points (two controls, one end) for each cubic Bezier curve.
    `skip`: it jumps over parts of the network.
    """

    source: int
    target: int
    skip: bool
    path: tuple[Point, ...]


@dataclasses.dataclass
class Band:
    """All boxes of one resolution; `label` says which."""

    label: str
    y: float
    height: float


@dataclasses.dataclass
class Layout:
    """A picture in pixels, y downward. `legend`: kind of boxes -> where its entry starts (left, middle)."""

    width: float
    height: float
    title: str
    boxes: list[Box]
    edges: list[Edge]
    bands: list[Band]
    legend: dict[str, Point]


@dataclasses.dataclass
class _Stack:
    """Boxes in succession at one level. `row` and `lane` place them; rows count in the direction of reading."""

    level: int
    up: bool
    row: dict[int, int] = dataclasses.field(default_factory=dict)
    lane: dict[int, int] = dataclasses.field(default_factory=dict)
    lift: int = 0  # rows between the stack and the bottom of its band
    x: float = 0.0
    right: float = 0.0

    @property
    def rows(self) -> int:
        return 1 + max(self.row.values())

    def is_free(self, box: int, step: int) -> bool:
        """Whether nothing stands above (`step` -1) or below (1) a box in its lane."""
        ahead = -step if self.up else step
        return not any(
            self.lane[other] == self.lane[box] and (self.row[other] - self.row[box]) * ahead > 0
            for other in self.row
            if other != box
        )


def layout(graph: Graph, title: str = "") -> Layout:
    """Boxes without overlaps, with text that fits them, and edges as curves."""
    graph = graph.live()
    runs = _merge_runs(graph)
    boxes = [_make_box(run, graph) for run in runs]
    width = max(box.width for box in boxes)
    for box in boxes:
        box.width = width
    sources = _connections(runs)
    stacks = _stack(_levels(graph, runs), sources)
    for stack in stacks:
        _assign_lanes(stack, stacks, sources)
    top = _MARGIN + (HEADING_SIZE + 14.0 if title else 0.0)
    bands = _place(stacks, boxes, runs, sources, top)
    edges = _route(stacks, boxes, sources)
    right = max(box.x + box.width for box in boxes) + _MARGIN + _LANE_GAP / 2
    right = max(right, _MARGIN * 2 + text_width(title, HEADING_SIZE, bold=True))
    bottom = max(box.y + box.height for box in boxes) + _BAND_GAP
    legend, height = _legend(boxes, right, bottom)
    return Layout(right, height, title, boxes, edges, bands, legend)


# -- boxes -------------------------------------------------------------------------------------------------------------------


def _merge_runs(graph: Graph) -> list[list[Node]]:
    """Nodes that work one after the other on one tensor that nobody else reads, around one main operation each."""
    readers = Counter(source for node in graph.nodes.values() for source in node.inputs)
    runs: list[list[Node]] = []
    run_of: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        run = run_of.get(node.inputs[0]) if len(node.inputs) == 1 else None
        alone = run is not None and run[-1].call is not None and readers[run[-1].name] == 1 and run[-1].name not in graph.outputs
        if run is not None and alone and (_follows(node) or all(_follows(earlier) for earlier in run)):
            run.append(node)
        else:
            run = [node]
            runs.append(run)
        run_of[node.name] = run
    return runs


def _follows(node: Node) -> bool:
    return kind_of(node) == "pointwise"


def _make_box(run: Sequence[Node], graph: Graph) -> Box:
    main = next((node for node in run if not _follows(node)), run[0])
    before = run[: run.index(main)]
    notes = notes_of(main, [*before, *run[len(before) + 1 :]])
    flops = sum(node.cost.flops for node in run)
    facts = size_of(run[-1].shape) + (f", {flops_of(flops)}" if flops else "")
    room = _WIDEST - 2 * _PADDING
    title, notes = fitted(title_of(main), room, TITLE_SIZE, bold=True), fitted(notes, room, NOTES_SIZE)
    facts = fitted(facts, room, FACTS_SIZE)
    text = max(text_width(title, TITLE_SIZE, bold=True), text_width(notes, NOTES_SIZE), text_width(facts, FACTS_SIZE))
    names = tuple(node.name for node in run)
    width = max(_NARROWEST, text + 2 * _PADDING)
    return Box(names, kind_of(main), title, notes, facts, run[-1].name in graph.outputs, width=width)


def _connections(runs: Sequence[Sequence[Node]]) -> list[list[int]]:
    """For each box the boxes it reads, in the order of its inputs."""
    number = {node.name: k for k, run in enumerate(runs) for node in run}
    return [list(dict.fromkeys(number[source] for source in run[0].inputs)) for run in runs]


# -- stacks ------------------------------------------------------------------------------------------------------------------


def _levels(graph: Graph, runs: Sequence[Sequence[Node]]) -> list[int]:
    """How many times each box's resolution is half of the input's: 0 at the input's, 1 at half of it; below zero if larger."""
    reference = max((graph.nodes[name].shape for name in graph.inputs), key=lambda shape: math.prod(shape[:-1]))
    axes = max(1, len(reference) - 1)
    positions = [math.prod(run[-1].shape[:-1]) for run in runs]
    return [round(math.log2(math.prod(reference[:-1]) / max(1, n)) / axes) for n in positions]


def _stack(levels: Sequence[int], sources: Sequence[Sequence[int]]) -> list[_Stack]:
    """Successive boxes of one level, in rows by how many boxes lie between them and the start of the stack."""
    stacks: list[_Stack] = []
    for box, level in enumerate(levels):
        stack = stacks[-1] if stacks and stacks[-1].level == level else None
        row = 1 + max((stack.row[s] for s in sources[box] if s in stack.row), default=-1) if stack else 0
        if stack is None or row >= _MOST_ROWS:
            stack = _Stack(level, up=bool(stacks) and (stacks[-1].level > level or (stacks[-1].level == level and stacks[-1].up)))
            stacks.append(stack)
            row = 0
        stack.row[box] = row
    for stack in stacks:  # what begins a branch stands right before the box that reads it, not at the start of the stack
        for box in reversed(stack.row):
            own = [stack.row[other] for other in stack.row if box in sources[other]]
            if own and not any(s in stack.row for s in sources[box]):
                stack.row[box] = min(own) - 1
    return stacks


def _assign_lanes(stack: _Stack, stacks: Sequence[_Stack], sources: Sequence[Sequence[int]]) -> None:
    """Each box goes below (above) the first box it reads, else into the next free lane.

    What only reads a skip connection comes in from the left, so it stands left of the others.
    """
    stack_of = {box: other for other in stacks for box in other.row}
    taken: set[tuple[int, int]] = set()
    for box in sorted(stack.row, key=lambda b: (stack.row[b], b)):
        row = stack.row[box]
        above = [stack.lane[s] for s in sources[box] if s in stack.lane]
        from_skip = bool(sources[box]) and all(stack_of[s] is not stack and stack_of[s].level == stack.level for s in sources[box])
        step = -1 if from_skip and not above and len(stack.row) > 1 else 1
        lane = above[0] if above else min(step, 0)
        while (row, lane) in taken:
            lane += step
        taken.add((row, lane))
        stack.lane[box] = lane
    leftmost = min(stack.lane.values())
    for box in stack.lane:
        stack.lane[box] -= leftmost


# -- positions ---------------------------------------------------------------------------------------------------------------


def _place(
    stacks: Sequence[_Stack],
    boxes: Sequence[Box],
    runs: Sequence[Sequence[Node]],
    sources: Sequence[Sequence[int]],
    top: float,
) -> list[Band]:
    """Sets x and y of all boxes and returns the bands, from top to bottom."""
    width = boxes[0].width
    bands: dict[int, Band] = {}
    for level in sorted({stack.level for stack in stacks}):
        rows = max(stack.rows for stack in stacks if stack.level == level)
        height = rows * (_BOX_HEIGHT + _ROW_GAP) - _ROW_GAP
        grids = Counter(size_of(runs[box][-1].shape[:-1]) for stack in stacks if stack.level == level for box in stack.row)
        (label, _), *_ = grids.most_common(1)
        bands[level] = Band("" if label == "scalar" else label, top, height)
        top += height + _BAND_GAP
    left = _MARGIN + max(text_width(band.label, BAND_SIZE) for band in bands.values()) + _MARGIN + _LANE_GAP / 2
    for k, stack in enumerate(stacks):
        stack.lift = _lift(stack, stacks, sources)
        beside = [other.right + _STACK_GAP for other in stacks[:k] if other.level == stack.level]
        stack.x = max([stacks[k - 1].x + _SHIFT if k else left, *beside])
        stack.right = stack.x + (1 + max(stack.lane.values())) * (width + _LANE_GAP) - _LANE_GAP
        band = bands[stack.level]
        for box, row in stack.row.items():
            rows_below = stack.lift + (row if stack.up else stack.rows - 1 - row)
            boxes[box].x = stack.x + stack.lane[box] * (width + _LANE_GAP)
            boxes[box].y = band.y + band.height - _BOX_HEIGHT - rows_below * (_BOX_HEIGHT + _ROW_GAP)
    return list(bands.values())


def _lift(stack: _Stack, stacks: Sequence[_Stack], sources: Sequence[Sequence[int]]) -> int:
    """By how many rows a stack on the way down is raised so that its first skip connection runs level, as far as there is room."""
    beside = [other for other in stacks if other.level == stack.level]
    room = max(other.rows for other in beside) - stack.rows
    for other in beside:
        for target, row in other.row.items():
            for source in sources[target]:
                if other.up and not stack.up and source in stack.row:
                    return min(max(0, row - (stack.rows - 1 - stack.row[source])), room)
    return 0


def _legend(boxes: Sequence[Box], width: float, y: float) -> tuple[dict[str, Point], float]:
    """Where the entries of the legend start, and the height of the picture with it."""
    legend: dict[str, Point] = {}
    x = _MARGIN
    for kind in KINDS:
        if any(box.kind == kind for box in boxes):
            needed = 20.0 + text_width(KINDS[kind], FACTS_SIZE) + 16.0
            if x + needed > width and x > _MARGIN:
                x, y = _MARGIN, y + 20.0
            legend[kind] = (x, y)
            x += needed
    return legend, y + _MARGIN


# -- edges -------------------------------------------------------------------------------------------------------------------


def _route(stacks: Sequence[_Stack], boxes: Sequence[Box], sources: Sequence[Sequence[int]]) -> list[Edge]:
    place = {box: k for k, stack in enumerate(stacks) for box in stack.row}
    edges = []
    for target, read in enumerate(sources):
        for source in read:
            a, b = stacks[place[source]], stacks[place[target]]
            if a is b:
                skip = a.row[target] - a.row[source] > 1
                path = _within_stack(a, source, target, boxes)
            else:
                skip = place[target] - place[source] > 1
                path = _between_stacks(a, b, source, target, boxes)
            edges.append(Edge(source, target, skip, path))
    return edges


def _within_stack(stack: _Stack, source: int, target: int, boxes: Sequence[Box]) -> tuple[Point, ...]:
    """Straight to the next row; past other boxes along the side of the lane."""
    a, b = boxes[source], boxes[target]
    between = range(stack.row[source] + 1, stack.row[target])
    passed = any(stack.row[box] in between and stack.lane[box] == stack.lane[source] for box in stack.row)
    if passed:
        outward = 1 if stack.up else -1  # skip connections leave to the right of the way down and arrive left of the way up
        bulge = outward * min(_LANE_GAP / 2, 14.0 + 3.0 * len(between)) * 4 / 3
        start, end = _side(a, outward), _side(b, outward)
        return start, (start[0] + bulge, start[1]), (end[0] + bulge, end[1]), end
    step = -1 if stack.up else 1
    start, end = _end(a, step), _end(b, -step)
    turn = (start[0], end[1] - step * _ROW_GAP)  # down (or up) its own lane first, so that it passes no other box
    bend = step * _ROW_GAP * 0.6
    return start, start, turn, turn, (turn[0], turn[1] + bend), (end[0], end[1] - bend), end


def _between_stacks(a: _Stack, b: _Stack, source: int, target: int, boxes: Sequence[Box]) -> tuple[Point, ...]:
    """From below or above the source to the target where nothing stands in between, else from its right side to the left side."""
    if a.level == b.level:
        start, end = _side(boxes[source], 1), _side(boxes[target], -1)
        reach = max(24.0, (end[0] - start[0]) * 0.4)
        return start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end
    step = 1 if b.level > a.level else -1  # 1: downward
    vertical_start = a.up == (step < 0) and a.is_free(source, step)
    vertical_end = b.is_free(target, -step)
    start = _end(boxes[source], step) if vertical_start else _side(boxes[source], 1)
    end = _end(boxes[target], -step) if vertical_end else _side(boxes[target], -1)
    rise, run = abs(end[1] - start[1]) * 0.5, max(24.0, abs(end[0] - start[0]) * 0.5)
    first = (start[0], start[1] + step * rise) if vertical_start else (start[0] + run, start[1])
    second = (end[0], end[1] - step * rise) if vertical_end else (end[0] - run, end[1])
    return start, first, second, end


def _end(box: Box, step: int) -> Point:
    """The middle of the lower (1) or upper (-1) edge."""
    return box.x + box.width / 2, box.y + (box.height if step > 0 else 0.0)


def _side(box: Box, step: int) -> Point:
    """The middle of the right (1) or left (-1) edge."""
    return box.x + (box.width if step > 0 else 0.0), box.y + box.height / 2
