"""A picture as PNG, for everything that does not show SVG; drawn by Matplotlib's Agg, no display needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.language.drawing.picture import Curve, Group, Mark, Picture, Rectangle, Words

_SHARPNESS = 2  # pixels of the file for each pixel of the picture
_MOST_PIXELS = 2**15  # on a side; Agg refuses 2**16
_DASHES = (0, (3.3, 2.7))  # in widths of a line of 1.5: the SVG's 5 and 4 pixels


def write_png(picture: Picture, path: Path) -> None:
    """Writes the picture, at twice its resolution."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sharpness = min(_SHARPNESS, _MOST_PIXELS / max(picture.width, picture.height))
    # At 72 dots an inch a pixel of the picture is a point, the unit of Matplotlib's fonts and lines
    figure = Figure(figsize=(picture.width / 72, picture.height / 72), dpi=72 * sharpness, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.axis("off")
    marks = [m for mark in picture.marks for m in (mark.marks if isinstance(mark, Group) else (mark,))]
    for order, mark in enumerate(marks):
        artist = _artist(mark)
        artist.set_zorder(order)  # from the back to the front, whatever it is
        axes.add_artist(artist)
    figure.savefig(path, format="png", dpi=figure.dpi)


def _artist(mark: Mark) -> Any:
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path as Outline
    from matplotlib.text import Text

    if isinstance(mark, Words):
        return Text(
            mark.x,
            mark.y,
            mark.text,
            size=mark.size,
            color=mark.colour,
            weight="bold" if mark.bold else "normal",
            ha="center" if mark.centred else "left",
            va="center_baseline",
            family="DejaVu Sans",
            parse_math=False,  # a node may be called "$x$"
        )
    if isinstance(mark, Rectangle):
        return FancyBboxPatch(
            (mark.x, mark.y),
            mark.width,
            mark.height,
            f"round,pad=0,rounding_size={mark.radius}",
            facecolor=mark.fill,
            edgecolor=mark.frame,
            linewidth=mark.line,
            linestyle=_DASHES if mark.dashed else "-",
        )
    if isinstance(mark, Curve):
        codes = [Outline.MOVETO, *[Outline.CURVE4] * (len(mark.path) - 1)]
        style = {"linewidth": mark.line, "linestyle": _DASHES if mark.dashed else "-"}
        return PathPatch(Outline(mark.path, codes), facecolor="none", edgecolor=mark.colour, **style)
    return Polygon(mark.corners, closed=True, facecolor=mark.colour, edgecolor="none")
