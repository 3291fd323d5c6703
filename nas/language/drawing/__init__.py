"""A picture of a network: an encoder-decoder as the U that it is.

    captions   what a box says, and how much room words take
    boxes      runs of nodes become boxes, each at a level of resolution
    stacks     boxes in rows and lanes
    routing    edges as curves round the boxes
    layout     `layout`: everything in pixels
    svg, png   `draw_svg`, `draw_png`: two renderings of one layout

Example:
    >>> from nas.language.graph import Graph, Node
    >>> from nas.language.operation import KerasCall, OpCost
    >>> image = Node("image", "image", None, (), (8, 8, 3), OpCost())
    >>> conv = Node("conv", "conv", KerasCall("Conv2D", filters=4, kernel_size=1), ("image",), (8, 8, 4), OpCost(768, 1792, 16))
    >>> picture = draw_svg(Graph({"image": image, "conv": conv}, ["image"], ["conv"]))
    >>> "Conv 1x1, 4" in picture, "8x8x4, 1.8 kFLOPs" in picture
    (True, True)
"""

from nas.language.drawing.layout import layout
from nas.language.drawing.png import draw_png
from nas.language.drawing.svg import draw_svg

__all__ = ["draw_png", "draw_svg", "layout"]
