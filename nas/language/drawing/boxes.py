"""From nodes to boxes: what stands as one rectangle in a picture of a network, and what it says.

A run of nodes that work on one tensor, such as convolution, normalization, activation, is one box. In a large network whole
blocks are (see folding.py), with their layers listed, and a block that is repeated is a pile of boxes.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nas.language.drawing.captions import flops_of, joint_kind, kind_of, notes_of, size_of, title_of
from nas.language.drawing.folding import Fold, Step, fold
from nas.language.drawing.lettering import fitted, text_width
from nas.language.drawing.picture import INK, SOFT_INK
from nas.language.graph import Graph, Node

TITLE_SIZE, NOTES_SIZE, FACTS_SIZE = 12.0, 10.0, 10.5  # font sizes in pixels
LINE_HEIGHT = 15.0
PADDING = 9.0
PILE = 4.0  # how far each further box of a pile shows
CHIP = 14.0  # room for the coloured square before a line
_LOWEST, _NARROWEST, _WIDEST = 52.0, 112.0, 250.0
_MOST_LISTED = 8  # layers of a block

Run = list[Node]


class Line(NamedTuple):
    """A line of text in a box. `chip`: the colour of a square before it; `indent` in pixels."""

    text: str
    size: float = FACTS_SIZE
    colour: str = INK
    bold: bool = False
    chip: str | None = None
    indent: float = 0.0

    @property
    def width(self) -> float:
        """Room it takes, in pixels."""
        return text_width(self.text, self.size, self.bold) + self.indent + (CHIP if self.chip else 0.0)


@dataclasses.dataclass
class Box:
    """One rectangle, in pixels.

    Attributes:
        names: what it stands for: nodes of a network or steps of a space, in order.
        kind: one of `captions.KINDS`.
        lines: its text, cut to fit.
        grid: its resolution as text, "40x40".
        level: how many times its resolution is half of the network's input; below zero if it is larger.
        sources: indices of the boxes that it reads, in the order of its inputs.
        output: an output of the network is made here.
        tooltip: everything that did not fit.
        piled: drawn as a pile: it is repeated.
        dashed: it may be absent.
        bypasses: the sources that are read only where something optional is absent.
        centred: the text is; otherwise it begins at the left.
        x, y: upper left corner.
    """

    names: tuple[str, ...]
    kind: str
    lines: tuple[Line, ...]
    grid: str
    level: int
    sources: tuple[int, ...]
    output: bool = False
    tooltip: str = ""
    piled: bool = False
    dashed: bool = False
    bypasses: frozenset[int] = frozenset()
    centred: bool = True
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        self.width = self.width or max(_NARROWEST, max(line.width for line in self.lines) + 2 * PADDING)
        self.height = self.height or max(_LOWEST, LINE_HEIGHT * len(self.lines) + 9.0)

    @property
    def title(self) -> str:
        """Its first line."""
        return self.lines[0].text

    def end(self, step: int) -> tuple[float, float]:
        """The middle of the lower (1) or upper (-1) edge."""
        return self.x + self.width / 2, self.y + (self.height if step > 0 else 0.0)

    def side(self, step: int) -> tuple[float, float]:
        """The middle of the right (1) or left (-1) edge."""
        return self.x + (self.width if step > 0 else 0.0), self.y + self.height / 2


def make_boxes(graph: Graph, blocks: bool) -> list[Box]:
    """The boxes of a network in topological order, not yet placed. `blocks`: one for each block, not each layer."""
    runs = merge_runs(graph)
    number = {node.name: k for k, run in enumerate(runs) for node in run}
    sources = [tuple(dict.fromkeys(number[source] for source in run[0].inputs)) for run in runs]
    levels = _levels(graph, runs, sources)
    steps = [
        Step(
            text=" ".join((title_of(main), *_around(run, main), size_of(run[-1].shape))),
            level=levels[k],
            sources=sources[k],
            output=run[-1].name in graph.outputs,
            path=main.path,
        )
        for k, (run, main) in enumerate((run, main_of(run)) for run in runs)
    ]
    folds = fold(steps) if blocks else [Fold(k, k + 1, 1, 1, "") for k in range(len(steps))]
    place = {k: i for i, f in enumerate(folds) for k in range(f.start, f.stop)}
    boxes = []
    for i, f in enumerate(folds):
        reads = dict.fromkeys(place[s] for step in steps[f.start : f.stop] for s in step.sources)
        last = steps[f.stop - 1]
        before = max((steps[s].level for s in steps[f.start].sources), default=0)
        members = runs[f.start : f.stop]
        shape = members[-1][-1].shape
        boxes.append(
            Box(
                names=tuple(node.name for run in members for node in run),
                kind=joint_kind((kind_of(main_of(run)) for run in members), last.level - before),
                lines=_layer(members[0], members, f.times) if f.period == 1 else _block(f, members),
                grid=size_of(shape[:-1]) if len(shape) > 1 else "",
                level=last.level,
                sources=tuple(s for s in reads if s != i),
                output=any(step.output for step in steps[f.start : f.stop]),
                tooltip="\n".join(f"{node.path}: {node.call or 'Input'}" for run in members for node in run),
                piled=f.times > 1,
            )
        )
    return boxes


def _levels(graph: Graph, runs: Sequence[Run], sources: Sequence[tuple[int, ...]]) -> list[int]:
    """The level of every run. What gates an image, such as squeeze-and-excite, stands beside it, though it has no grid."""
    reference = max((graph.nodes[name].shape[:-1] for name in graph.inputs), key=math.prod)
    positions = [math.prod(run[-1].shape[:-1]) for run in runs]
    gates = [False] * len(runs)
    for k in reversed(range(len(runs))):
        joins = gates[k] or (positions[k] > 1 and len(sources[k]) > 1)
        for source in sources[k]:
            gates[source] |= joins and positions[source] == 1 and bool(sources[source])
    levels: list[int] = []
    for run, gate, reads in zip(runs, gates, sources, strict=True):
        levels.append(max(levels[s] for s in reads) if gate else level_of(run[-1].shape[:-1], reference))
    return levels


def merge_runs(graph: Graph) -> list[Run]:
    """Nodes that work one after the other on one tensor that nobody else reads, around one main operation each."""
    readers = Counter(source for node in graph.nodes.values() for source in node.inputs)
    runs: list[Run] = []
    run_of: dict[str, Run] = {}
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


def main_of(run: Run) -> Node:
    """The operation that the others of a run come before or after."""
    return next((node for node in run if not _follows(node)), run[0])


def level_of(grid: tuple[int, ...], reference: tuple[int, ...]) -> int:
    """log2 of the ratio of sides. Positions are counted, so that (100, 64) stands where (10, 10, 64) does."""
    return round(math.log2(math.prod(reference) / max(1, math.prod(grid))) / max(1, len(reference)))


def _follows(node: Node) -> bool:
    return kind_of(node) == "pointwise"


def _around(run: Run, main: Node) -> tuple[str, ...]:
    split = run.index(main)
    notes = notes_of(main, run[:split], run[split + 1 :])
    return (notes,) if notes else ()


def _in_order(run: Run) -> list[str]:
    """A run's operations as they are applied: "relu", "Conv 3x3, 16", "BatchNorm"."""
    main = main_of(run)
    split = run.index(main)
    own = notes_of(main, [], [])
    around = [title_of(node) for node in run]
    return [*around[: split + 1], *([own] if own else []), *around[split + 1 :]]


def _layer(run: Run, members: Sequence[Run], times: int) -> tuple[Line, ...]:
    """A run's operation, what else happens to its tensor, and its size and cost."""
    main = main_of(run)
    room = _WIDEST - 2 * PADDING
    title = fitted((f"{times}x " if times > 1 else "") + title_of(main), room, TITLE_SIZE, bold=True)
    notes = [Line(fitted(text, room, NOTES_SIZE), NOTES_SIZE, SOFT_INK) for text in _around(run, main)]
    return Line(title, TITLE_SIZE, bold=True), *notes, _facts(members)


def _block(f: Fold, members: Sequence[Run]) -> tuple[Line, ...]:
    """A block's name, its layers (equal ones counted, those of one repetition), and its size and cost."""
    room = _WIDEST - 2 * PADDING
    title = fitted((f"{f.times}x " if f.times > 1 else "") + f.name, room, TITLE_SIZE, bold=True)
    said = [" · ".join(_in_order(run)) for run in members[: f.period]]
    kinds = dict(zip(said, (kind_of(main_of(run)) for run in members), strict=False))
    listed = [
        Line(fitted(f"{n}x {text}" if n > 1 else text, room - CHIP, NOTES_SIZE), NOTES_SIZE, SOFT_INK, chip=kinds[text])
        for text, n in Counter(said).items()
    ]
    if len(listed) > _MOST_LISTED:
        rest = len(listed) - _MOST_LISTED + 1
        listed = [*listed[: _MOST_LISTED - 1], Line(f"and {rest} more", NOTES_SIZE, SOFT_INK)]
    return Line(title, TITLE_SIZE, bold=True), *listed, _facts(members)


def _facts(members: Sequence[Run]) -> Line:
    """ "40x40x64, 1.2 MFLOPs": what comes out and what all of it costs."""
    flops = sum(node.cost.flops for run in members for node in run)
    text = size_of(members[-1][-1].shape) + (f", {flops_of(flops)}" if flops else "")
    return Line(fitted(text, _WIDEST - 2 * PADDING, FACTS_SIZE))
