"""The picture as SVG, for reports and notebooks: one element, nothing outside referred to, a tooltip on every box."""

from __future__ import annotations

from html import escape

from nas.language.drawing.boxes import Box
from nas.language.drawing.layout import layout
from nas.language.drawing.routing import Edge
from nas.language.drawing.style import (
    FILL,
    FRAME,
    INK,
    RULE,
    Words,
    colour_of,
    frame_of,
    rules,
    with_arrow,
    words_around,
    words_in,
)
from nas.language.graph import Graph

_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


def draw_svg(graph: Graph, title: str = "", width: float | None = None) -> str:
    """The network as one `<svg>` element. All text from the graph is escaped.

    Args:
        graph: the network.
        title: a heading, also what screen readers say.
        width: displayed width in pixels; the default shows text at its natural size.
    """
    plan = layout(graph, title)
    scale = (width or plan.width) / plan.width
    size = (
        f'width="{plan.width * scale:.0f}" height="{plan.height * scale:.0f}" viewBox="0 0 {plan.width:.0f} {plan.height:.0f}"'
    )
    spoken = escape(title or f"Network of {len(graph)} operations")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{spoken}" font-family="{_FONT}" fill="{INK}">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for y in rules(plan):
        lines.append(f'<line x1="0" x2="{plan.width:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{RULE}" stroke-dasharray="4 4"/>')
    for kind, (x, y) in plan.legend.items():
        lines.append(f'<rect x="{x:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="3" fill="{FILL[kind]}" stroke="{FRAME}"/>')
    lines += [_words(words) for words in words_around(plan)]
    lines += [_edge(edge) for edge in plan.edges]
    lines += [_box(box, graph) for box in plan.boxes]
    return "\n".join([*lines, "</svg>"])


def _words(words: Words) -> str:
    weight = ' font-weight="bold"' if words.bold else ""
    anchor = ' text-anchor="middle"' if words.centred else ""
    colour = f' fill="{words.colour}"' if words.colour != INK else ""
    baseline = words.y + words.size * 0.36  # half the height of capitals; viewers differ on `dominant-baseline`
    place = f'x="{words.x:.1f}" y="{baseline:.1f}" font-size="{words.size:g}"'
    return f"<text {place}{colour}{weight}{anchor}>{escape(words.text)}</text>"


def _edge(edge: Edge) -> str:
    ((x, y), *curve), arrow = with_arrow(edge)
    path = f"M{x:.1f} {y:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in curve)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in arrow)
    colour = colour_of(edge)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/><polygon points="{corners}" fill="{colour}"/>'


def _box(box: Box, graph: Graph) -> str:
    """A rectangle with its text; the tooltip lists the nodes in it with all their arguments."""
    width, colour = frame_of(box)
    nodes = [graph.nodes[name] for name in box.names]
    tooltip = "\n".join(f"{node.path}: {node.call or 'Input'}" for node in nodes)
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    rectangle = f'<rect {place} rx="6" fill="{FILL[box.kind]}" stroke="{colour}" stroke-width="{width}"/>'
    return f"<g><title>{escape(tooltip)}</title>{rectangle}{''.join(map(_words, words_in(box)))}</g>"
