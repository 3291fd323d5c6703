"""`fpn_segmentation`: a residual encoder, a feature pyramid, and a light head for semantic segmentation.

Lin et al. 2017, *Feature Pyramid Networks for Object Detection* (CVPR): from the coarsest level down to the finest, features
are doubled in size and added to the encoder's, brought to one width by 1x1 convolutions; a 3x3 convolution follows at each
level. Kirillov et al. 2019, *Panoptic Feature Pyramid Networks* (CVPR), section 3: each level is brought to a quarter of the
image by 3x3 convolutions with 2x up-sampling, all are added, a 1x1 convolution gives the classes and the last up-sampling is
by 4. Encoders are residual networks (He et al. 2016): `baselines["resnet50"]` has ResNet-50's layers.

With 150 classes that network is the Semantic FPN of Wang et al. 2021, *Pyramid Vision Transformer* (28.5 M parameters), as
MMSegmentation builds it: 28,495,574 trainable parameters, and two moving statistics for each of 27,456 normalized channels.

Open are the encoder's width and, at each level, the kind and number of blocks (2 to 6) and squeeze-excite (Hu et al. 2018);
the pyramid's width, up-sampling and smoothing; the head's width, normalization and merge.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.conv_blocks import normalizations, scaled

WIDTHS = (64, 128, 256, 512)


@nas.family
def make_fpn_segmentation(
    input: tuple[int, ...] = (512, 512, 3), classes: int = 150, widths: tuple[int, ...] = WIDTHS
) -> nas.SearchSpace:
    """The space for other images and classes.

    Args:
        input: (height, width, channels); any size.
        classes: channels of the output, with softmax; 1: a sigmoid.
        widths: of the encoder's levels at full width, finest first. A bottleneck's output has four times as many channels.
    """

    @nas.space(
        input=input,
        name="fpn_segmentation",
        baselines={
            "resnet50": _encoder_of("bottleneck", (3, 4, 6, 3)),
            "resnet34": _encoder_of("basic", (3, 4, 6, 3)),
            "resnet18": _encoder_of("basic", (2, 2, 2, 2)),
        },
    )
    def fpn_segmentation(image: Any) -> Any:
        """Semantic FPN (Lin et al. 2017, Kirillov et al. 2019): residual encoder, pyramid, head."""
        scale = nas.tied([1, 0.5, 0.25], name="scale")
        pyramid = nas.tied([256, 128, 64], name="pyramid")
        x = nas.chain(L.Conv2D(scaled(widths[0], scale), 7, strides=2, use_bias=False), L.BatchNormalization(), L.ReLU())(image)
        x = L.MaxPooling2D(3, strides=2, name="pool")(x)
        levels = nas.encoder(_stage, [scaled(width, scale) for width in widths], down=None)(x)
        features = nas.decoder(
            lambda width: None,
            up=oneof(["nearest", "bilinear"]),
            skip=lambda level: _lateral(level.width),
            bottom=L.Conv2D(pyramid, 1, name="lateral"),
            widths=[pyramid] * (len(widths) - 1),
            fit="match",
        ).every_level(levels)
        x = _head(features, pyramid)
        x = L.Upsample(4, "bilinear", name="enlarged")(L.Conv2D(classes, 1, name="classes")(x))
        x = L.MatchGrid("both", name="fitted")(x, image)
        return L.Activation("softmax" if classes > 1 else "sigmoid", name="probability")(x)

    return fpn_segmentation


def _encoder_of(block: str, counts: tuple[int, ...]) -> dict[str, Any]:
    """The decisions that make a residual network with so many blocks at each level."""
    kinds = {f"enc{level}.block": block for level in range(len(counts))}
    return kinds | {f"enc{level}.block.{block}.further.times": count - 1 for level, count in enumerate(counts)}


def _stage(width: Any, level: Any) -> Any:
    """A level's blocks, the first of which halves the grid. The encoder's stem has done so for level 0."""
    kinds = {"bottleneck": (_bottleneck, 4 * width), "basic": (_basic, width), "inverted": (_inverted, width)}
    options = []
    for name, (body, filters) in kinds.items():
        strides = 1 if level.index == 0 else 2
        projected = strides == 2 or name == "bottleneck"  # otherwise the first block adds its input as it is
        first = nas.block(_residual(body(width, strides), _conv(filters, 1, strides) if projected else None), "first")
        further = nas.repeat(_residual(body(width, 1), None), 1, 5, tied=True, name="further")
        options.append(nas.chain(first, further, name=name))
    return nas.chain(nas.choose(*options, name="block"), nas.optional(L.SqueezeExcite(1 / 16), name="excite"))


def _residual(body: Any, shortcut: Any) -> Any:
    """What a body makes of its input, the input added back (He et al. 2016, Deep Residual Learning)."""

    def inner(x: Any) -> Any:
        back = x if shortcut is None else nas.chain(shortcut, name="shortcut")(x)
        return L.ReLU(name="act")(L.Add(name="sum")(body(x), back))

    return inner


def _bottleneck(width: Any, strides: int) -> Any:
    """Narrow, convolve, widen to four times the width (He et al. 2016, figure 5; the stride is in the 3x3 convolution)."""
    return nas.chain(_conv(width, 1), L.ReLU(), _conv(width, 3, strides), L.ReLU(), _conv(4 * width, 1), name="body")


def _basic(width: Any, strides: int) -> Any:
    """Two 3x3 convolutions (He et al. 2016, figure 2)."""
    return nas.chain(_conv(width, 3, strides), L.ReLU(), _conv(width, 3), name="body")


def _inverted(width: Any, strides: int) -> Any:
    """Widen, convolve each channel, narrow (Sandler et al. 2018, MobileNetV2)."""
    depthwise = nas.chain(L.DepthwiseConv2D(3, strides=strides, use_bias=False), L.BatchNormalization())
    return nas.chain(_conv(4 * width, 1), L.ReLU(6), depthwise, L.ReLU(6), _conv(width, 1), name="body")


def _conv(filters: Any, kernel: int, strides: int = 1) -> Any:
    return nas.chain(L.Conv2D(filters, kernel, strides=strides, use_bias=False), L.BatchNormalization())


def _lateral(width: Any) -> Any:
    """Features from below, plus the encoder's brought to the pyramid's width (Lin et al. 2017, figure 3)."""

    def inner(x: Any, skip: Any) -> Any:
        return L.Merge("add", project=True, name="sum")(x, L.Conv2D(width, 1, name="lateral")(skip))

    return inner


def _head(features: Any, pyramid: Any) -> Any:
    """Every level smoothed, brought to the finest level's grid and merged (Kirillov et al. 2019, figure 3)."""
    width = nas.tied([128, 64, 32], name="head")
    norm = nas.tied(["batch", "group", "none"], name="norm")
    quarter: list[Any] = []  # every level at the finest level's grid
    for i, x in enumerate(features):
        x = nas.choose(L.Conv2D(pyramid, 3, name="conv"), L.SeparableConv2D(pyramid, 3, name="separable"), name=f"smooth{i}")(x)
        for k in range(max(1, i)):
            bare = norm.map({"batch": False, "group": False, "none": True}.get)
            normalize = norm.map(normalizations("batch", "group", "none").get)
            x = nas.chain(L.Conv2D(width, 3, use_bias=bare), normalize, L.ReLU(), name=f"head{i}_{k}")(x)
            x = L.Upsample(2, "bilinear", name=f"enlarge{i}_{k}")(x) if i else x
        quarter.append(L.MatchGrid("both", name=f"fit_head{i}")(x, quarter[0]) if i else x)
    return L.Merge(oneof(["add", "concat"]), project=True, name="merge")(*quarter)


fpn_segmentation = make_fpn_segmentation()
