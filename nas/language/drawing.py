"""A picture of a network, as SVG for reports and notebooks and as PNG for everything else, both from one `layout`.

Colours tell kinds of operations apart (after Okabe & Ito's palette for all kinds of colour vision), the thick frame marks the
network's outputs, blue curves are connections that skip a part of the network.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path

from nas.language.captions import KINDS
from nas.language.graph import Graph
from nas.language.layout import BAND_SIZE, FACTS_SIZE, HEADING_SIZE, NOTES_SIZE, TITLE_SIZE, Box, Edge, Layout, Point, layout

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
_INK, _SOFT_INK, _FRAME, _FLOW, _SKIP, _RULE = "#1c2430", "#56606e", "#8a94a3", "#6b7583", "#2f6db5", "#e3e6ea"
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
_ARROW = 7.0  # pixels
_SHARPNESS = 2  # PNG pixels per pixel of the layout


def draw_svg(graph: Graph, title: str = "", width: float | None = None) -> str:
    """The network as one `<svg>` element with text, tooltips and no references to anything outside.

    Args:
        graph: the network.
        title: a heading, also what screen readers say.
        width: displayed width in pixels; the default shows text at its natural size.
    """
    plan = layout(graph, title)
    scale = (width or plan.width) / plan.width
    size = f'width="{plan.width * scale:.0f}" height="{plan.height * scale:.0f}" viewBox="0 0 {plan.width:.0f} {plan.height:.0f}"'
    spoken = escape(title or f"Network of {len(graph)} operations")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{spoken}" font-family="{_FONT}" fill="{_INK}">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    if title:
        x, y = _heading_place(plan)
        lines.append(_svg_text(x, y, title, HEADING_SIZE, bold=True))
    for x, y, label in _band_labels(plan):
        lines.append(_svg_text(x, y, label, BAND_SIZE, colour=_SOFT_INK))
    for y in _rules(plan):
        lines.append(f'<line x1="0" x2="{plan.width:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_RULE}" stroke-dasharray="4 4"/>')
    lines += [_svg_edge(edge) for edge in plan.edges]
    lines += [_svg_box(box, graph) for box in plan.boxes]
    for kind, (x, y) in plan.legend.items():
        lines.append(f'<rect x="{x:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="3" fill="{FILL[kind]}" stroke="{_FRAME}"/>')
        lines.append(_svg_text(x + 18, y, KINDS[kind], FACTS_SIZE, colour=_SOFT_INK))
    return "\n".join([*lines, "</svg>"])


def draw_png(graph: Graph, path: str | os.PathLike[str], title: str = "") -> Path:
    """Writes the network as a PNG, two pixels for each of the SVG's; returns its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path as Curve

    plan = layout(graph, title)
    dpi = 72.0 * _SHARPNESS  # one pixel of the layout is one point
    figure = Figure(figsize=(plan.width / 72, plan.height / 72), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, plan.width)
    axes.set_ylim(plan.height, 0)
    axes.axis("off")

    def write(x: float, y: float, text: str, size: float, colour: str = _INK, bold: bool = False, centre: bool = False) -> None:
        axes.text(
            x,
            y,
            text,
            size=size,
            color=colour,
            weight="bold" if bold else "normal",
            ha="center" if centre else "left",
            va="center_baseline",
            parse_math=False,
            family="DejaVu Sans",
        )

    def rectangle(x: float, y: float, width: float, height: float, radius: float, fill: str, line: float, colour: str) -> None:
        style = f"round,pad=0,rounding_size={radius}"
        axes.add_patch(FancyBboxPatch((x, y), width, height, style, facecolor=fill, edgecolor=colour, linewidth=line))

    if title:
        write(*_heading_place(plan), title, HEADING_SIZE, bold=True)
    for x, y, label in _band_labels(plan):
        write(x, y, label, BAND_SIZE, _SOFT_INK)
    for y in _rules(plan):
        axes.plot([0, plan.width], [y, y], color=_RULE, linewidth=1, dashes=(4, 4))
    for edge in plan.edges:
        colour = _SKIP if edge.skip else _FLOW
        codes = [Curve.MOVETO, *[Curve.CURVE4] * (len(edge.path) - 1)]
        line, head = _with_arrow(edge)
        axes.add_patch(PathPatch(Curve(line, codes), facecolor="none", edgecolor=colour, linewidth=1.5))
        axes.add_patch(Polygon(head, closed=True, facecolor=colour, edgecolor="none"))
    for box in plan.boxes:
        rectangle(box.x, box.y, box.width, box.height, 6, FILL[box.kind], *_frame(box))
        for y, text, size, bold, colour in _lines_of(box):
            write(box.x + box.width / 2, y, text, size, colour, bold, centre=True)
    for kind, (x, y) in plan.legend.items():
        rectangle(x, y - 6, 12, 12, 3, FILL[kind], 1, _FRAME)
        write(x + 18, y, KINDS[kind], FACTS_SIZE, _SOFT_INK)
    path = Path(path)
    figure.savefig(path, format="png", dpi=dpi)
    return path


# -- what both pictures share ------------------------------------------------------------------------------------------------


def _heading_place(plan: Layout) -> Point:
    return 20.0, 24.0


def _band_labels(plan: Layout) -> Iterator[tuple[float, float, str]]:
    """Each band's resolution at its left, at half its height."""
    for band in plan.bands:
        if band.label:
            yield 20.0, band.y + band.height / 2, band.label


def _rules(plan: Layout) -> Iterator[float]:
    """Heights of the lines between bands."""
    for above, below in zip(plan.bands, plan.bands[1:], strict=False):
        yield (above.y + above.height + below.y) / 2


def _frame(box: Box) -> tuple[float, str]:
    """Width and colour of a box's frame."""
    return (2.2, _INK) if box.output else (1.0, _FRAME)


def _lines_of(box: Box) -> list[tuple[float, str, float, bool, str]]:
    """Of each line of text in a box: its middle's height, the text, font size, bold, colour."""
    lines = [(box.title, TITLE_SIZE, True, _INK), (box.notes, NOTES_SIZE, False, _SOFT_INK), (box.facts, FACTS_SIZE, False, _INK)]
    lines = [line for line in lines if line[0]]
    step = 15.0
    first = box.y + box.height / 2 - step * (len(lines) - 1) / 2
    return [(first + step * k, *line) for k, line in enumerate(lines)]


def _with_arrow(edge: Edge) -> tuple[list[Point], list[Point]]:
    """The curve shortened to the foot of its arrow, and the arrow's three corners."""
    *curve, before, tip = edge.path
    length = math.dist(before, tip) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    foot = (tip[0] - dx * _ARROW, tip[1] - dy * _ARROW)
    half = _ARROW * 0.45
    corners = [tip, (foot[0] - dy * half, foot[1] + dx * half), (foot[0] + dy * half, foot[1] - dx * half)]
    return [*curve, before, foot], corners


# -- SVG ---------------------------------------------------------------------------------------------------------------------


def _svg_text(x: float, y: float, text: str, size: float, colour: str = _INK, bold: bool = False, centre: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    anchor = ' text-anchor="middle"' if centre else ""
    baseline = y + size * 0.36  # half the height of capitals: viewers differ on dominant-baseline
    return f'<text x="{x:.1f}" y="{baseline:.1f}" font-size="{size:g}" fill="{colour}"{weight}{anchor}>{escape(text)}</text>'


def _svg_edge(edge: Edge) -> str:
    line, head = _with_arrow(edge)
    colour = _SKIP if edge.skip else _FLOW
    (x, y), *rest = line
    curve = f"M{x:.1f} {y:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in rest)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in head)
    return (
        f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<polygon points="{corners}" fill="{colour}"/>'
    )


def _svg_box(box: Box, graph: Graph) -> str:
    """A rectangle with its text; the tooltip lists the nodes in it."""
    line, colour = _frame(box)
    tooltip = "\n".join(f"{graph.nodes[n].path}: {graph.nodes[n].call or 'Input'}" for n in box.names)
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    middle = box.x + box.width / 2
    text = "".join(_svg_text(middle, y, words, size, ink, bold, centre=True) for y, words, size, bold, ink in _lines_of(box))
    rectangle = f'<rect {place} rx="6" fill="{FILL[box.kind]}" stroke="{colour}" stroke-width="{line}"/>'
    return f"<g><title>{escape(tooltip)}</title>{rectangle}{text}</g>"
