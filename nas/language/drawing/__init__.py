"""Pictures: an encoder-decoder as the U that it is, and a space with its choices.

Reading order (each file imports only from those above it):

    picture      a picture as marks; `.svg()`, `.html()`, `.save("x.png")`, by svg and png
    lettering    how much room words take
    captions     what is said about a layer
    folding      which layers of a large network are one block, which blocks one pile
    boxes        runs of layers become boxes, each at a level of resolution
    stacks       boxes in rows and lanes
    corridors    ways round boxes
    routing      edges as curves
    layout       everything in pixels
    style        everything as marks
    network      `draw_network`: an architecture
    telling      what a box says about an operation with open choices
    steps        the steps of a space, as they are drawn
    outline      a tree of decisions, for spaces of plain values
    space        `draw_space`: a space

Example:
    >>> from nas.language.graph import Graph, Node
    >>> from nas.language.operation import KerasCall, OpCost
    >>> image = Node("image", "image", None, (), (8, 8, 3), OpCost())
    >>> conv = Node("conv", "conv", KerasCall("Conv2D", filters=4, kernel_size=1), ("image",), (8, 8, 4), OpCost(768, 1792, 16))
    >>> picture = draw_network(Graph({"image": image, "conv": conv}, ["image"], ["conv"])).svg()
    >>> "Conv 1x1, 4" in picture, "8x8x4, 1.8 kFLOPs" in picture
    (True, True)
"""

from nas.language.drawing.network import draw_network
from nas.language.drawing.picture import Picture
from nas.language.drawing.space import draw_space

__all__ = ["Picture", "draw_network", "draw_space"]
