"""The picture as PNG, for everything that does not show SVG; drawn by Matplotlib's Agg, no display needed."""

from __future__ import annotations

import os
from pathlib import Path

from nas.language.drawing.layout import layout
from nas.language.drawing.style import FILL, FRAME, RULE, Words, colour_of, frame_of, rules, with_arrow, words_around, words_in
from nas.language.graph import Graph

_SHARPNESS = 2  # pixels of the file for each pixel of the layout
_MOST_PIXELS = 2**15  # on a side; Agg refuses 2**16


def draw_png(graph: Graph, path: str | os.PathLike[str], title: str = "") -> Path:
    """Writes the network to `path`, at twice the resolution of the SVG. Returns the path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path as Curve

    plan = layout(graph, title)
    sharpness = min(_SHARPNESS, _MOST_PIXELS / max(plan.width, plan.height))
    # At 72 dots an inch a pixel of the layout is a point, the unit of Matplotlib's fonts and lines
    figure = Figure(figsize=(plan.width / 72, plan.height / 72), dpi=72 * sharpness, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, plan.width)
    axes.set_ylim(plan.height, 0)
    axes.axis("off")

    def rectangle(x: float, y: float, width: float, height: float, radius: float, fill: str, line: float, colour: str) -> None:
        rounded = f"round,pad=0,rounding_size={radius}"
        axes.add_patch(FancyBboxPatch((x, y), width, height, rounded, facecolor=fill, edgecolor=colour, linewidth=line))

    def write(words: Words) -> None:
        axes.text(
            words.x,
            words.y,
            words.text,
            size=words.size,
            color=words.colour,
            weight="bold" if words.bold else "normal",
            ha="center" if words.centred else "left",
            va="center_baseline",
            family="DejaVu Sans",
            parse_math=False,  # a node may be called "$x$"
        )

    for y in rules(plan):
        axes.plot([0, plan.width], [y, y], color=RULE, linewidth=1, dashes=(4, 4), zorder=0)
    for kind, (x, y) in plan.legend.items():
        rectangle(x, y - 6, 12, 12, 3, FILL[kind], 1, FRAME)
    for words in words_around(plan):
        write(words)
    for edge in plan.edges:
        line, arrow = with_arrow(edge)
        codes = [Curve.MOVETO, *[Curve.CURVE4] * (len(line) - 1)]
        colour = colour_of(edge)
        axes.add_patch(PathPatch(Curve(line, codes), facecolor="none", edgecolor=colour, linewidth=1.5))
        axes.add_patch(Polygon(arrow, closed=True, facecolor=colour, edgecolor="none"))
    for box in plan.boxes:
        rectangle(box.x, box.y, box.width, box.height, 6, FILL[box.kind], *frame_of(box))
        for words in words_in(box):
            write(words)
    path = Path(path)
    figure.savefig(path, format="png", dpi=figure.dpi)
    return path
