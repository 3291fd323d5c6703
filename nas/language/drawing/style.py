"""What a picture looks like: colours, lines of text in a box, arrows, and where headings and rules go.

Colours tell kinds of operations apart (pale tints of Okabe & Ito's palette, made for all kinds of colour vision); blue curves
are connections that skip a part of the network; a thick frame marks its outputs; a pile of boxes is one that is repeated; what
is dashed may be absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nas.language.drawing.boxes import CHIP, FACTS_SIZE, LINE_HEIGHT, PADDING, PILE, Box
from nas.language.drawing.captions import KINDS
from nas.language.drawing.layout import BAND_SIZE, HEADING_SIZE, MARGIN, Layout
from nas.language.drawing.picture import (
    FRAME,
    INK,
    SOFT_INK,
    Bezier,
    Curve,
    Group,
    Mark,
    Picture,
    Point,
    Polygon,
    Rectangle,
    Words,
)
from nas.language.drawing.routing import Edge, straight

FILL = {
    "input": "#e9e9ec",
    "convolution": "#cfe4f5",
    "down": "#fbe3b5",
    "up": "#cdebdd",
    "merge": "#ecd3e6",
    "dense": "#f8d2bd",
    "pointwise": "#f6f3c4",
    "other": "#f7f7f7",
    "block": "#f2f4fa",
}
RULE = "#e3e6ea"
FLOW, _SKIP = "#6b7583", "#2f6db5"
_ARROW = 7.0  # length in pixels


def paint(plan: Layout, spoken: str) -> Picture:
    """A layout as marks, from the back to the front. `spoken`: what screen readers say."""
    marks: list[Mark | Group] = [Curve(straight((0.0, y), (plan.width, y)), RULE, 1.0, dashed=True) for y in rules(plan)]
    marks += [Rectangle(x, y - 6.0, 12.0, 12.0, FILL[kind], radius=3.0) for kind, (x, y) in plan.legend.items()]
    marks += words_around(plan)
    marks += [Group(box.tooltip, tuple(marks_of(box))) for box in plan.boxes]
    for edge in plan.edges:  # over the boxes: an arrow into a pile ends at its front
        line, arrow = with_arrow(edge)
        colour = _SKIP if edge.skip else FLOW
        marks += [Curve(line, colour, dashed=edge.dashed), Polygon(tuple(arrow), colour)]
    return Picture(plan.width, plan.height, spoken, tuple(marks))


def marks_of(box: Box) -> Iterator[Mark]:
    line, frame = (2.2, INK) if box.output else (1.0, FRAME)
    for k in (2, 1, 0) if box.piled else (0,):
        place = (box.x + k * PILE, box.y - k * PILE, box.width, box.height)
        yield Rectangle(*place, FILL[box.kind], line=line, frame=frame, dashed=box.dashed)
    for chip, words in zip(box.lines, words_in(box), strict=True):
        if chip.chip:
            yield Rectangle(words.x - CHIP, words.y - 4.5, 9.0, 9.0, FILL.get(chip.chip, chip.chip), radius=2.0)
        yield words


def words_around(plan: Layout) -> Iterator[Words]:
    """The heading, the bands' labels and the legend's text."""
    if plan.title:
        yield Words(MARGIN, MARGIN + 4.0, plan.title, HEADING_SIZE, bold=True)
    for band in plan.bands:
        if band.label:
            yield Words(MARGIN, band.y + band.height / 2, band.label, BAND_SIZE, SOFT_INK)
    for kind, (x, y) in plan.legend.items():
        yield Words(x + 18.0, y, KINDS[kind], FACTS_SIZE, SOFT_INK)


def words_in(box: Box) -> Iterator[Words]:
    """A box's lines: centred, or where it is a list, beginning at the left."""
    y = box.y + box.height / 2 - LINE_HEIGHT * (len(box.lines) - 1) / 2
    listed = not box.centred or any(line.chip for line in box.lines)
    for line in box.lines:
        x = box.x + PADDING + line.indent + (CHIP if line.chip else 0.0) if listed else box.x + box.width / 2
        yield Words(x, y, line.text, line.size, line.colour, line.bold, centred=not listed)
        y += LINE_HEIGHT


def rules(plan: Layout) -> Iterator[float]:
    """The heights of the lines between bands."""
    for above, below in zip(plan.bands, plan.bands[1:], strict=False):
        yield (above.y + above.height + below.y) / 2


def with_arrow(edge: Edge) -> tuple[Bezier, list[Point]]:
    """The curve, shortened to the foot of its arrow, and the arrow's three corners."""
    *curve, before, tip = edge.path
    length = math.dist(before, tip) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    foot = (tip[0] - dx * _ARROW, tip[1] - dy * _ARROW)
    half = _ARROW * 0.45
    return (*curve, before, foot), [tip, (foot[0] - dy * half, foot[1] + dx * half), (foot[0] + dy * half, foot[1] - dx * half)]
