"""From nodes to boxes: a run of nodes that work on one tensor, such as convolution, normalization, activation, is one box."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from nas.language.drawing.captions import fitted, flops_of, kind_of, notes_of, size_of, text_width, title_of
from nas.language.graph import Graph, Node

TITLE_SIZE, NOTES_SIZE, FACTS_SIZE = 12.0, 10.0, 10.5  # font sizes in pixels
BOX_HEIGHT = 52.0
_PADDING = 9.0
_NARROWEST, _WIDEST = 112.0, 240.0


@dataclasses.dataclass
class Box:
    """A run of nodes as one rectangle, in pixels.

    Attributes:
        names: of the nodes, in order.
        kind: one of `captions.KINDS`.
        title, notes, facts: its lines of text, cut to fit; notes can be empty.
        grid: its resolution as text, "40x40".
        level: how many times its resolution is half of the network's input; below zero if it is larger.
        sources: indices of the boxes that it reads, in the order of its inputs.
        output: the last of its nodes is an output of the network.
        x, y: upper left corner.
    """

    names: tuple[str, ...]
    kind: str
    title: str
    notes: str
    facts: str
    grid: str
    level: int
    sources: tuple[int, ...]
    output: bool
    width: float
    height: float = BOX_HEIGHT
    x: float = 0.0
    y: float = 0.0

    def end(self, step: int) -> tuple[float, float]:
        """The middle of the lower (1) or upper (-1) edge."""
        return self.x + self.width / 2, self.y + (self.height if step > 0 else 0.0)

    def side(self, step: int) -> tuple[float, float]:
        """The middle of the right (1) or left (-1) edge."""
        return self.x + (self.width if step > 0 else 0.0), self.y + self.height / 2


def make_boxes(graph: Graph) -> list[Box]:
    """The boxes of a network in topological order, all of one width, not yet placed."""
    runs = _merge_runs(graph)
    number = {node.name: k for k, run in enumerate(runs) for node in run}
    grids = [graph.nodes[name].shape[:-1] for name in graph.inputs]
    reference = max(grids, key=math.prod)
    boxes = [_make_box(run, graph, number, reference) for run in runs]
    width = max(box.width for box in boxes)
    for box in boxes:
        box.width = width
    return boxes


def _merge_runs(graph: Graph) -> list[list[Node]]:
    """Nodes that work one after the other on one tensor that nobody else reads, around one main operation each."""
    readers = Counter(source for node in graph.nodes.values() for source in node.inputs)
    runs: list[list[Node]] = []
    run_of: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        run = run_of[node.inputs[0]] if len(node.inputs) == 1 else []
        private = bool(run) and run[-1].call is not None and readers[run[-1].name] == 1 and run[-1].name not in graph.outputs
        if private and (_follows(node) or all(_follows(earlier) for earlier in run)):
            run.append(node)
        else:
            run = [node]
            runs.append(run)
        run_of[node.name] = run
    return runs


def _follows(node: Node) -> bool:
    return kind_of(node) == "pointwise"


def _make_box(run: Sequence[Node], graph: Graph, number: dict[str, int], reference: tuple[int, ...]) -> Box:
    main = next((node for node in run if not _follows(node)), run[0])
    split = run.index(main)
    last = run[-1]
    flops = sum(node.cost.flops for node in run)
    room = _WIDEST - 2 * _PADDING
    title = fitted(title_of(main), room, TITLE_SIZE, bold=True)
    notes = fitted(notes_of(main, run[:split], run[split + 1 :]), room, NOTES_SIZE)
    facts = fitted(size_of(last.shape) + (f", {flops_of(flops)}" if flops else ""), room, FACTS_SIZE)
    text = max(text_width(title, TITLE_SIZE, bold=True), text_width(notes, NOTES_SIZE), text_width(facts, FACTS_SIZE))
    return Box(
        names=tuple(node.name for node in run),
        kind=kind_of(main),
        title=title,
        notes=notes,
        facts=facts,
        grid=size_of(last.shape[:-1]) if len(last.shape) > 1 else "",
        level=_level(last.shape[:-1], reference),
        sources=tuple(dict.fromkeys(number[source] for source in run[0].inputs)),
        output=last.name in graph.outputs,
        width=max(_NARROWEST, text + 2 * _PADDING),
    )


def _level(grid: tuple[int, ...], reference: tuple[int, ...]) -> int:
    """log2 of the ratio of sides. Positions are counted, so that (100, 64) stands where (10, 10, 64) does."""
    return round(math.log2(math.prod(reference) / max(1, math.prod(grid))) / max(1, len(reference)))
