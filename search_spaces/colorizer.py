"""`colorizer`: an encoder-decoder for grayscale 80x80x1 to colour 80x80x3, opened up around a published network.

The network it starts from is the colorization example of Bhatia & Chaudhary, *The Definitive Guide to Google Vertex AI* (Packt,
2023), chapter 9: four strided convolutions down, four transpose convolutions up, no skips, tanh. Every choice lists that
network's value first, so `colorizer.baselines["book"]` is all four levels with nothing else changed.

What is open: the depth (two to four levels), and at each level the way down, its kernel and width, activation, normalization,
a further block (convolution, separable, inverted bottleneck, residual), dropout, the way up, the skip across, and a block after
it; at the top a block at full resolution and how colour is put out: tanh, or gray plus a learned residual.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof

LEVELS = 4


def deeper(level: int) -> Any:
    """A level with whatever lies below it."""

    def inner(x: Any) -> Any:
        y = encoder(level, x)
        if level + 1 < LEVELS:
            y = nas.optional(deeper(level + 1), name=f"level{level + 1}")(y)
        return decoder(level, y, x)

    return inner


def encoder(level: int, x: Any) -> Any:
    """Half the resolution, then perhaps a block."""
    width = 32 << level
    last = level == LEVELS - 1
    filters = [width, width // 2, 3 * width // 4]
    kernels = [1, 3] if last else [3, 5]
    x = nas.choose(
        L.Conv2D(oneof(filters), oneof(kernels), strides=2, name="strided"),
        nas.chain(L.MaxPooling2D(2), L.Conv2D(oneof(filters), oneof(kernels)), name="maxpool"),
        nas.chain(L.AveragePooling2D(2), L.Conv2D(oneof(filters), oneof(kernels)), name="avgpool"),
        name=f"down{level}",
    )(x)
    x = activation("leaky", name=f"down{level}_act")(x)
    x = normalization(first=not last, name=f"down{level}_norm")(x)
    return nas.repeat(body(width), 0, 1, name=f"enc{level}")(x)


def decoder(level: int, x: Any, skip: Any) -> Any:
    """Dropout, twice the resolution, the skip from the encoder merged in, then perhaps a block."""
    width = 32 << level
    filters = [width, width // 2, 3 * width // 4]
    rates = [0.5, 0.25, 0.0] if level == LEVELS - 1 else [0.0, 0.1, 0.25]
    x = L.Dropout(oneof(rates), name=f"drop{level}")(x)
    x = nas.choose(
        L.Conv2DTranspose(oneof(filters), oneof([3, 2, 4]), strides=2, name="transpose"),
        nas.chain(L.Conv2D(oneof(filters), oneof([3, 1])), L.Upsample(2, "nearest"), name="nearest"),
        nas.chain(L.Conv2D(oneof(filters), oneof([3, 1])), L.Upsample(2, "bilinear"), name="bilinear"),
        name=f"up{level}",
    )(x)
    x = activation("relu", name=f"up{level}_act")(x)
    x = normalization(first=True, name=f"up{level}_norm")(x)
    x = L.Merge(oneof(["none", "add", "concat"]), project=True, name=f"skip{level}")(x, skip)
    return nas.repeat(body(width // 2), 0, 1, name=f"dec{level}")(x)


def body(width: int) -> Any:
    """A block that keeps the resolution."""
    widths = [width, width // 2]
    return nas.choose(
        nas.chain(L.Conv2D(oneof(widths), oneof([3, 5])), activation("relu"), L.BatchNormalization(0.8), name="conv"),
        nas.chain(
            L.SeparableConv2D(oneof(widths), oneof([3, 5])), activation("relu"), L.BatchNormalization(0.8), name="separable"
        ),
        nas.block(inverted_bottleneck(width), "inverted"),
        nas.block(residual(width), "residual"),
    )


def inverted_bottleneck(width: int) -> Any:
    """Widen, filter each channel, narrow, add (Sandler et al. 2018, MobileNetV2)."""

    def inner(x: Any) -> Any:
        y = L.Conv2D(oneof([2 * width, 4 * width]), 1, name="expand")(x)
        y = activation("relu", name="act")(y)
        y = L.DepthwiseConv2D(oneof([3, 5]), name="depthwise")(y)
        y = L.BatchNormalization(0.8, name="norm")(y)
        y = L.Conv2D(width, 1, name="narrow")(y)
        return L.Merge("add", project=True, name="sum")(y, x)

    return inner


def residual(width: int) -> Any:
    """Two convolutions and the input added back (He et al. 2016)."""

    def inner(x: Any) -> Any:
        y = L.Conv2D(width, 3, name="conv0")(x)
        y = activation("relu", name="act")(y)
        y = L.BatchNormalization(0.8, name="norm")(y)
        y = L.Conv2D(width, 3, name="conv1")(y)
        return L.Merge("add", project=True, name="sum")(y, x)

    return inner


def activation(first: str, name: str | None = None) -> Any:
    """LeakyReLU .2, relu or swish, `first` being the option listed first."""
    options = {
        "leaky": L.LeakyReLU(0.2, name="leaky"),
        "relu": L.Activation("relu", name="relu"),
        "swish": L.Activation("swish", name="swish"),
    }
    return nas.choose(options.pop(first), *options.values(), name=name or "act")


def normalization(first: bool, name: str) -> Any:
    """Batch normalization or none; `first`: whether normalization is listed first."""
    options = [L.BatchNormalization(0.8, name="batch"), None]
    return nas.choose(*(options if first else reversed(options)), name=name)


def tanh(x: Any, gray: Any) -> Any:
    """Colour straight from the features, bounded by tanh."""
    return L.Activation("tanh")(L.Conv2D(3, 3, name="rgb")(x))


def gray_plus_residual(x: Any, gray: Any) -> Any:
    """The gray image in all three channels, plus what the features add: detail need not pass the bottleneck."""
    return L.Add(name="colored")(L.Concatenate(name="gray3")(gray, gray, gray), L.Conv2D(3, 3, name="rgb")(x))


@nas.space(input=(80, 80, 1), baselines={"book": {"level2": True, "level2.level3": True}})
def colorizer(gray: Any) -> Any:
    """Grayscale to colour, 80x80: U-shaped networks of two to four levels, with or without skips."""
    x = nas.repeat(body(16), 0, 1, name="stem")(gray)
    skips = [x]
    for level in (0, 1):
        x = encoder(level, x)
        skips.append(x)
    x = nas.optional(deeper(2), name="level2")(x)
    for level in (1, 0):
        x = decoder(level, x, skips[level])
    return nas.choose(nas.block(tanh, "tanh"), nas.block(gray_plus_residual, "residual"), name="output")(x, gray)
