"""`draw_network`: a picture of one architecture."""

from __future__ import annotations

from typing import Literal

from nas.language.drawing.layout import layout
from nas.language.drawing.picture import Picture
from nas.language.drawing.style import paint
from nas.language.graph import Graph


def draw_network(graph: Graph, title: str = "", detail: Literal["auto", "layers", "blocks"] = "auto") -> Picture:
    """A network as boxes by resolution: encoder down, decoder up, skips across.

    Args:
        graph: the network.
        title: a heading, also what screen readers say.
        detail: "layers": a box for each layer with what follows it on the same tensor; "blocks": a box for each block, repeated
            ones as a pile; "auto": blocks where there would be more than 32 boxes.
    """
    return paint(layout(graph, title, detail), title or f"Network of {len(graph)} operations")
