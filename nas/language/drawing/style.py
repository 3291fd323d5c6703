"""What the SVG and the PNG share: colours, lines of text in a box, arrows, and where headings and rules go.

Colours tell kinds of operations apart (pale tints of Okabe & Ito's palette, made for all kinds of colour vision); blue curves
are connections that skip a part of the network; a thick frame marks its outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from nas.language.drawing.boxes import FACTS_SIZE, NOTES_SIZE, TITLE_SIZE, Box
from nas.language.drawing.captions import KINDS
from nas.language.drawing.layout import BAND_SIZE, HEADING_SIZE, MARGIN, Layout
from nas.language.drawing.routing import Edge, Path, Point

FILL = {
    "input": "#e9e9ec",
    "convolution": "#cfe4f5",
    "down": "#fbe3b5",
    "up": "#cdebdd",
    "merge": "#ecd3e6",
    "dense": "#f8d2bd",
    "pointwise": "#f6f3c4",
    "other": "#f7f7f7",
}
INK, SOFT_INK, FRAME, RULE = "#1c2430", "#56606e", "#8a94a3", "#e3e6ea"
_FLOW, _SKIP = "#6b7583", "#2f6db5"
_ARROW = 7.0  # length in pixels
_LINE = 15.0  # from one line of text to the next


class Words(NamedTuple):
    """A line of text. `x`, `y`: its left end, or its centre if `centred`, at half the height of its capitals."""

    x: float
    y: float
    text: str
    size: float
    colour: str = INK
    bold: bool = False
    centred: bool = False


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
    """A box's lines, centred in it."""
    lines = [(box.title, TITLE_SIZE, INK), (box.notes, NOTES_SIZE, SOFT_INK), (box.facts, FACTS_SIZE, INK)]
    lines = [line for line in lines if line[0]]
    first = box.y + box.height / 2 - _LINE * (len(lines) - 1) / 2
    for k, (text, size, colour) in enumerate(lines):
        yield Words(box.x + box.width / 2, first + _LINE * k, text, size, colour, bold=k == 0, centred=True)


def rules(plan: Layout) -> Iterator[float]:
    """The heights of the lines between bands."""
    for above, below in zip(plan.bands, plan.bands[1:], strict=False):
        yield (above.y + above.height + below.y) / 2


def frame_of(box: Box) -> tuple[float, str]:
    """Width and colour of a box's frame."""
    return (2.2, INK) if box.output else (1.0, FRAME)


def colour_of(edge: Edge) -> str:
    return _SKIP if edge.skip else _FLOW


def with_arrow(edge: Edge) -> tuple[Path, list[Point]]:
    """The curve, shortened to the foot of its arrow, and the arrow's three corners."""
    *curve, before, tip = edge.path
    length = math.dist(before, tip) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    foot = (tip[0] - dx * _ARROW, tip[1] - dy * _ARROW)
    half = _ARROW * 0.45
    return (*curve, before, foot), [tip, (foot[0] - dy * half, foot[1] + dx * half), (foot[0] + dy * half, foot[1] - dx * half)]
