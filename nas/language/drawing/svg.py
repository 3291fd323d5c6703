"""A picture as SVG, for reports and notebooks: one element, nothing outside referred to, no scripts, a tooltip on every box."""

from __future__ import annotations

from html import escape

from nas.language.drawing.picture import INK, Curve, Group, Mark, Picture, Polygon, Rectangle, Words

_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


def svg_of(picture: Picture, width: float | None = None) -> str:
    """The picture as one `<svg>` element, `width` pixels wide."""
    scale = (width or picture.width) / picture.width
    size = f'width="{picture.width * scale:.0f}" height="{picture.height * scale:.0f}"'
    box = f'viewBox="0 0 {picture.width:.0f} {picture.height:.0f}"'
    spoken = escape(picture.title)
    style = f'role="img" aria-label="{spoken}" font-family="{_FONT}" fill="{INK}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} {style}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for mark in picture.marks:
        if isinstance(mark, Group):
            lines.append(f"<g><title>{escape(mark.tooltip)}</title>{''.join(map(_mark, mark.marks))}</g>")
        else:
            lines.append(_mark(mark))
    return "\n".join([*lines, "</svg>"])


def _mark(mark: Mark) -> str:
    if isinstance(mark, Words):
        return _words(mark)
    if isinstance(mark, Rectangle):
        return _rectangle(mark)
    if isinstance(mark, Curve):
        return _curve(mark)
    return _polygon(mark)


def _words(words: Words) -> str:
    weight = ' font-weight="bold"' if words.bold else ""
    anchor = ' text-anchor="middle"' if words.centred else ""
    colour = f' fill="{words.colour}"' if words.colour != INK else ""
    baseline = words.y + words.size * 0.36  # half the height of capitals; viewers differ on `dominant-baseline`
    place = f'x="{words.x:.1f}" y="{baseline:.1f}" font-size="{words.size:g}"'
    return f"<text {place}{colour}{weight}{anchor}>{escape(words.text)}</text>"


def _rectangle(mark: Rectangle) -> str:
    place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}" rx="{mark.radius:g}"'
    dashes = ' stroke-dasharray="5 4"' if mark.dashed else ""
    return f'<rect {place} fill="{mark.fill}" stroke="{mark.frame}" stroke-width="{mark.line:g}"{dashes}/>'


def _curve(mark: Curve) -> str:
    (x, y), *more = mark.path
    path = f"M{x:.1f} {y:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in more)
    dashes = ' stroke-dasharray="5 4"' if mark.dashed else ""
    return f'<path d="{path}" fill="none" stroke="{mark.colour}" stroke-width="{mark.line:g}"{dashes}/>'


def _polygon(mark: Polygon) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.corners)
    return f'<polygon points="{corners}" fill="{mark.colour}"/>'
