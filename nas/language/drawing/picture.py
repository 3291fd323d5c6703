"""A picture as a list of marks (rectangles, curves, words), which SVG and PNG render alike. Units are pixels, y runs down."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

from nas.errors import UserError

INK, SOFT_INK, FRAME = "#1c2430", "#56606e", "#8a94a3"
NOTEBOOK_WIDTH = 1000  # pixels; a wider picture is scaled down to it

Point = tuple[float, float]
Bezier = tuple[Point, ...]
"""A start point, then three points (two controls and an end) for each cubic Bezier curve."""


class Words(NamedTuple):
    """A line of text. `x`, `y`: its left end, or its centre if `centred`, at half the height of its capitals."""

    x: float
    y: float
    text: str
    size: float
    colour: str = INK
    bold: bool = False
    centred: bool = False


class Rectangle(NamedTuple):
    """A rectangle with rounded corners; `line` is the width of its frame."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 6.0
    line: float = 1.0
    frame: str = FRAME
    dashed: bool = False


class Curve(NamedTuple):
    """A line along Bezier curves."""

    path: Bezier
    colour: str
    line: float = 1.5
    dashed: bool = False


class Polygon(NamedTuple):
    """A filled polygon, such as the head of an arrow."""

    corners: tuple[Point, ...]
    colour: str


Mark = Words | Rectangle | Curve | Polygon


class Group(NamedTuple):
    """Marks that belong together, with a tooltip where the format has tooltips."""

    tooltip: str
    marks: tuple[Mark, ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """What `draw_network` and `draw_space` return.

    Attributes:
        width, height: in pixels.
        title: what screen readers say.
        marks: from the back to the front.
    """

    width: float
    height: float
    title: str
    marks: tuple[Mark | Group, ...]

    def svg(self, width: float | None = None) -> str:
        """One `<svg>` element, `width` pixels wide (None: text at its natural size). All text is escaped."""
        from nas.language.drawing.svg import svg_of

        return svg_of(self, width)

    def html(self) -> str:
        """The picture for a notebook: no scripts, nothing loaded from elsewhere, at most `NOTEBOOK_WIDTH` pixels wide."""
        return f'<div style="max-width:{NOTEBOOK_WIDTH}px;overflow-x:auto">{self.svg(min(self.width, NOTEBOOK_WIDTH))}</div>'

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the picture to `path`, as its suffix says: .svg, or .png at twice the resolution. Returns the path.

        Raises:
            UserError: another suffix, or a place where nothing can be written.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".png"):
            found = path.suffix or "no suffix"
            raise UserError(f"{found} is not a picture format", path=str(path), received=str(path), expected=".svg or .png")
        try:
            if path.suffix == ".svg":
                path.write_text(self.svg(), encoding="utf-8")
            else:
                from nas.language.drawing.png import write_png

                write_png(self, path)
        except OSError as error:
            raise UserError(f"cannot write there ({error.strerror})", path=str(path), hint="Choose another place") from None
        return path
