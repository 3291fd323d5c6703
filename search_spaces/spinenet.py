"""`spinenet`: scale-permuted backbones (Du et al. 2020, "SpineNet: Learning Scale-Permuted Backbone for Recognition and
Localization", CVPR), as image classifiers.

After a stem and two blocks at level 2 (a quarter of the image) come ten intermediate blocks and five output blocks. Each has a
level of its own, 2 to 7 (level L is the image made 2^L times smaller), so that features grow and shrink along the network; the
outputs are levels 3 to 7, in any order. A block adds two of the blocks before it, each resampled to its level and width: a 1x1
convolution narrows, a strided convolution and pooling make smaller or copying makes larger, a 1x1 convolution widens. What no
block has read is added to the output block of its shape. The five outputs, brought to one width and to level 3, are averaged,
pooled and classified.

The space: two of the blocks before each, bottleneck or residual (He et al. 2016) for each, a level for each intermediate
block, an order of the outputs: (16! * 15! / 2^15) * 2^15 * 6^10 * 5! = 1.99e35 points. The paper permutes a list of levels and
then shifts them, which in the end is a level for each position. So does the form of the space for Vertex AI, whose 4.84e38
points count blocks of equal levels as different, have eleven intermediate blocks, and let these read only the four before.

`baselines["spinenet"]` is the paper's network, here SpineNet-49: 22.1 M parameters (without the moving statistics of
normalizations) and 3.5 G multiply-adds. `SIZES` has the arguments of the smaller and larger ones, such as SpineNet-96:
`make_spinenet(**SIZES["96"]).baselines["spinenet"]`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import nas
from nas import layers as L
from nas.errors import SpaceError
from nas.language.fields import Function, PerAxis, Positive
from search_spaces.cell_blocks import part
from search_spaces.mobile_blocks import classifier
from search_spaces.scale_blocks import Fuse, after_reading, all_different, by_level, enlarge, grid_of, two_of

FILTERS = {2: 64, 3: 128, 4: 256, 5: 256, 6: 256, 7: 256}
"""Level -> width of a residual block; bottlenecks give out four times as many channels."""

STEM_BLOCKS = 2
INTERMEDIATES = 10
OUTPUT_LEVELS = (3, 4, 5, 6, 7)

SPINENET = (
    (2, "bottleneck", (0, 1)),
    (4, "residual", (0, 1)),
    (3, "bottleneck", (2, 3)),
    (4, "bottleneck", (2, 4)),
    (6, "residual", (3, 5)),
    (4, "bottleneck", (3, 5)),
    (5, "residual", (6, 7)),
    (7, "residual", (6, 8)),
    (5, "bottleneck", (8, 9)),
    (5, "bottleneck", (8, 10)),
    (4, "bottleneck", (5, 10)),
    (3, "bottleneck", (4, 10)),
    (5, "bottleneck", (7, 12)),
    (7, "bottleneck", (5, 14)),
    (6, "bottleneck", (12, 14)),
)
"""(level, kind, the two blocks it reads) of each block after the stem, numbered from 2; the last five are outputs."""

SIZES: dict[str, dict[str, Any]] = {
    "49S": {"scale": 0.65, "endpoints": 128},
    "49": {},
    "96": {"repeats": 2},
    "143": {"repeats": 3, "alpha": 1.0},
    "190": {"repeats": 4, "alpha": 1.0, "scale": 1.3, "endpoints": 512},
}
"""Arguments of `make_spinenet`."""


def from_blocks(blocks: Sequence[tuple[int, str, tuple[int, int]]]) -> dict[str, Any]:
    """The decisions that make these blocks: (level, kind, the two blocks it reads) for each after the stem."""
    decisions: dict[str, Any] = {}
    for number, (level, kind, inputs) in enumerate(blocks, start=STEM_BLOCKS):
        first, second = sorted(inputs)
        decisions |= {f"level{number}": level, f"kind{number}": kind, f"first{number}": first, f"second{number}": second}
    return decisions


# -- operations --------------------------------------------------------------------------------------------------------------


def width_of(level: int, scale: float) -> int:
    return int(FILTERS[level] * scale)


def block_at(shape: Sequence[int], image: Sequence[int], scale: float) -> tuple[int, str]:
    """Width and kind of the block that gives out a shape."""
    width = width_of(next(level for level in FILTERS if grid_of(image, level) == tuple(shape[:-1])), scale)
    return width, "bottleneck" if shape[-1] == 4 * width else "residual"


class Resample(nas.Operation):
    """What a block gives out, with the grid and the channels of another block.

    Args:
        level, kind: of the block that reads it.
        image: (height, width) of the network's input.
        scale: of all widths.
        alpha: how much of the width is kept while the grid changes.
        activation: between convolutions.

    Grids that 2 does not divide are rounded up; what is copied beyond the larger grid is cut off.
    """

    level: Literal[2, 3, 4, 5, 6, 7]
    kind: Literal["bottleneck", "residual"]
    image: PerAxis
    scale: float
    alpha: float
    activation: Function

    def wire(self, net: Any, *inputs: Any) -> Any:
        x, target = inputs[0], grid_of(self.image, self.level)
        kept = max(1, int(block_at(x.shape, self.image, self.scale)[0] * self.alpha))
        x = convolve(net, x, "narrow", self.activation, filters=kept, kernel_size=1)
        if x.shape[:-1] > target:
            x = convolve(net, x, "shrink", self.activation, filters=kept, kernel_size=3, strides=2)
            while x.shape[:-1] > target:
                x = net.apply(part(L.MaxPooling2D, pool_size=3, strides=2), x, name="pool")
        elif x.shape[:-1] < target:
            x = enlarge(net, x, target)
        filters = width_of(self.level, self.scale) * (4 if self.kind == "bottleneck" else 1)
        return convolve(net, x, "widen", None, filters=filters, kernel_size=1)


class Blocks(nas.Operation):
    """Residual or bottleneck blocks (He et al. 2016), whichever gives out the shape that comes in; the shape stays.

    Args:
        repeats: how many in a row.
        image, scale, activation: as in `Resample`.
    """

    repeats: Positive
    image: PerAxis
    scale: float
    activation: Function

    def wire(self, net: Any, *inputs: Any) -> Any:
        width, kind = block_at(inputs[0].shape, self.image, self.scale)
        x = net.apply(part(L.Activation, function=self.activation), inputs[0], name="act")
        for i in range(self.repeats):
            x = residual(net, x, width, kind, self.activation, f"block{i}")
        return x


class StemBlocks(nas.Operation):
    """Bottlenecks at level 2, the first of which widens. (height, width, channels) -> (height, width, 4 * filters)."""

    filters: Positive
    repeats: Positive
    activation: Function

    def wire(self, net: Any, *inputs: Any) -> Any:
        x = inputs[0]
        for i in range(self.repeats):
            x = residual(net, x, self.filters, "bottleneck", self.activation, f"block{i}")
        return x


def residual(net: Any, x: Any, width: int, kind: str, activation: str, name: str) -> Any:
    """A block of He et al. 2016: two 3x3 convolutions, or one between two 1x1; the input is projected where channels differ."""
    filters = 4 * width if kind == "bottleneck" else width
    kernels = ((width, 1), (width, 3), (filters, 1)) if kind == "bottleneck" else ((width, 3), (filters, 3))
    y = x
    for i, (channels, kernel) in enumerate(kernels):
        function = activation if i < len(kernels) - 1 else None
        y = convolve(net, y, f"{name}_{i}", function, filters=channels, kernel_size=kernel)
    if x.shape[-1] != filters:
        x = convolve(net, x, f"{name}_shortcut", None, filters=filters, kernel_size=1)
    return net.apply(
        part(L.Activation, function=activation), net.apply(part(L.Add), y, x, name=f"{name}_sum"), name=f"{name}_act"
    )


def convolve(net: Any, x: Any, name: str, activation: str | None, **fields: Any) -> Any:
    """A convolution without bias, batch normalization, and perhaps an activation."""
    x = net.apply(part(L.Conv2D, use_bias=False, **fields), x, name=name)
    x = net.apply(part(L.BatchNormalization), x, name=f"{name}_norm")
    return net.apply(part(L.Activation, function=activation), x, name=f"{name}_act") if activation else x


# -- the network -------------------------------------------------------------------------------------------------------------


@nas.family
def make_spinenet(
    input: tuple[int, int, int] = (224, 224, 3),
    classes: int | None = 1000,
    intermediates: int = INTERMEDIATES,
    scale: float = 1.0,
    alpha: float = 0.5,
    repeats: int = 1,
    endpoints: int = 256,
    activation: str = "relu",
) -> nas.SearchSpace:
    """The SpineNet space for other images, classes and sizes of the network.

    Args:
        input: (height, width, channels), height and width at least 128, so that all levels differ.
        classes: probabilities of the output; None: there are five outputs, the features of levels 3 to 7, for detection.
        intermediates: blocks between the stem and the five outputs.
        scale: of all widths.
        alpha: how much of a block's width is kept while it is resampled.
        repeats: residual blocks or bottlenecks in a row that make a block.
        endpoints: channels that all outputs are brought to.
        activation: the paper has relu, and swish in its longer training schedules.
    """
    image = input[:2]
    frame: dict[str, Any] = {"image": image, "scale": scale, "activation": activation}
    if min(image) < 2 ** max(FILTERS):
        raise SpaceError("the image is too small for seven levels", path="input", received=input, expected="at least 128 x 128")
    baselines = {"spinenet": from_blocks(SPINENET)} if intermediates == INTERMEDIATES else {}

    @nas.space(input=input, name="spinenet", baselines=baselines)
    def spinenet(picture: Any) -> Any:
        """SpineNet (Du et al. 2020): blocks of any level in any order, each reading two before it."""
        blocks = stem(picture, width_of(2, scale), repeats, activation)
        first_output = STEM_BLOCKS + intermediates
        unread: dict[int, Any] = {}
        levels = []
        for number in range(STEM_BLOCKS, first_output + len(OUTPUT_LEVELS)):
            is_output = number >= first_output
            levels.append(nas.tied(list(OUTPUT_LEVELS if is_output else FILTERS), name=f"level{number}"))
            place = {"level": levels[-1], "kind": nas.tied(["bottleneck", "residual"], name=f"kind{number}")}
            pair = two_of(number)
            picked = [each.of(blocks) for each in pair]
            resampled = [Resample(**place, **frame, alpha=alpha, name=f"input{number}_{i}")(x) for i, x in enumerate(picked)]
            x = Fuse(name=f"sum{number}")(*resampled)  # both have the level and the channels of this block
            unread = after_reading(unread, pair, f"unread{number}")
            for j, y in unread.items() if is_output else ():
                x = Fuse(name=f"leftover{number}_{j}")(x, y)
            blocks.append(Blocks(repeats, **frame, name=f"block{number}")(x))
            if not is_output:
                unread[number] = blocks[-1]
        all_different(levels[intermediates:])
        features = [endpoint(x, endpoints, activation, f"endpoint{i}") for i, x in enumerate(blocks[first_output:])]
        if classes is None:
            return by_level(features, image, OUTPUT_LEVELS, "p")
        return classifier(average(features, image), classes)

    return spinenet


def stem(picture: Any, width: int, repeats: int, activation: str) -> list[Any]:
    """A quarter of the image by a strided convolution and pooling, then two blocks."""
    x = L.BatchNormalization(name="stem_norm")(L.Conv2D(64, 7, strides=2, use_bias=False, name="stem")(picture))
    x = L.MaxPooling2D(3, strides=2, name="stem_pool")(L.Activation(activation, name="stem_act")(x))
    first = StemBlocks(width, repeats, activation, name="blocks0")(x)
    return [first, StemBlocks(width, repeats, activation, name="blocks1")(first)]


def endpoint(x: Any, channels: int, activation: str, name: str) -> Any:
    """An output with so many channels."""
    x = L.BatchNormalization(name=f"{name}_norm")(L.Conv2D(channels, 1, use_bias=False, name=name)(x))
    return L.Activation(activation, name=f"{name}_act")(x)


def average(features: Sequence[Any], image: Sequence[int]) -> Any:
    """All features copied to the largest grid, averaged."""
    height, width = grid_of(image, OUTPUT_LEVELS[0])
    resized = [L.Resizing(height, width, "nearest", name=f"resized{i}")(x) for i, x in enumerate(features)]
    return L.Average(name="average")(*resized)


spinenet = make_spinenet()
