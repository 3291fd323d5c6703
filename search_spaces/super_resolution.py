"""`super_resolution`: an image `scale` times as large, learned before or after the up-sampling.

Before: the image is interpolated first and mended at full size.
- SRCNN (Dong et al. 2014, *Learning a Deep Convolutional Network for Image Super-Resolution*): 9x9, 1x1, 5x5 convolutions;
  8,032 weights and 97 biases for one channel.
- VDSR (Kim et al. 2016, *Accurate Image Super-Resolution Using Very Deep Convolutional Networks*): 20 3x3 convolutions of 64
  channels that predict what interpolation misses; 664,704 weights and 1,217 biases for one channel.

After: features are made on the small grid, for a fraction of the cost.
- ESPCN (Shi et al. 2016, *Real-Time Single Image and Video Super-Resolution ...*): 5x5, 3x3, 3x3 and sub-pixels.
- EDSR (Lim et al. 2017, *Enhanced Deep Residual Networks for Single Image Super-Resolution*): the baseline model has 16
  residual blocks of 64 channels without normalization; 1,369,859 parameters for scale 2 in colour, 1,517,571 for scale 4.

All four are baselines, for any scale and number of channels. The networks take any size of image.
"""

from __future__ import annotations

import math
from typing import Any

import nas
from nas import layers as L
from nas import oneof

GROUP = 4  # residual blocks that come and go together


@nas.family
def make_super_resolution(input: tuple[int, ...] = (48, 48, 3), scale: int = 2) -> nas.SearchSpace:
    """The space for other images and scales.

    Args:
        input: (height, width, channels) of the small image.
        scale: how many times as high and wide the output is.
    """
    channels = input[-1]

    @nas.space(
        input=input,
        name="super_resolution",
        baselines={
            "edsr": _more("body.after.features.residual.groups", 1, 4),
            "espcn": {"activation": "tanh", "body.after.features": "plain", "body.after.enlarge": "shuffle"},
            "srcnn": {"body": "before", "residual": False},
            "vdsr": {"body": "before", "body.before.mend": "deep", "residual": True}
            | _more("body.before.mend.deep.body", 2, 18),
        },
    )
    def super_resolution(image: Any) -> Any:
        """Super-resolution (SRCNN, VDSR, ESPCN, EDSR): where to up-sample, depth, width, blocks, skips."""
        activation = nas.tied(["relu", "tanh", "leaky_relu"], name="activation")
        width = nas.tied([64, 32, 128, 256], name="width")
        x = nas.choose(
            nas.block(_after(scale, channels, width, activation), "after"),
            nas.block(_before(scale, channels, width, activation), "before"),
            name="body",
        )(image)
        return nas.optional(_added_to_interpolated, name="residual")(x, _interpolated(scale)(image))

    return super_resolution


def _more(name: str, low: int, count: int) -> dict[str, Any]:
    """The decisions for `count` repetitions where `low` are certain."""
    return {f"{name}[{i}]": True for i in range(low, count)}


def _interpolated(scale: int) -> Any:
    """Bicubic, as the networks before 2017 have it around them."""
    return L.UpSampling2D(scale, "bicubic", name="interpolated")


def _added_to_interpolated(x: Any, interpolated: Any) -> Any:
    """The network predicts what interpolation misses (Kim et al. 2016, section 3.2)."""
    return L.Add(name="sum")(x, interpolated)


def _before(scale: int, channels: int, width: Any, activation: Any) -> Any:
    """Interpolate, then mend."""

    def inner(image: Any) -> Any:
        shallow = nas.chain(
            L.Conv2D(oneof([64, 32]), oneof([9, 5]), activation=activation, name="extract"),
            L.Conv2D(oneof([32, 16]), oneof([1, 3, 5]), activation=activation, name="map"),
            L.Conv2D(channels, oneof([5, 3]), name="rebuild"),
            name="shallow",
        )
        layer = L.Conv2D(width, 3, activation=activation, name="conv")
        deep = nas.chain(
            L.Conv2D(width, 3, activation=activation, name="first"),
            nas.repeat(layer, 2, 18, name="body"),
            L.Conv2D(channels, 3, name="last"),
            name="deep",
        )
        return nas.choose(shallow, deep, name="mend")(_interpolated(scale)(image))

    return inner


def _after(scale: int, channels: int, width: Any, activation: Any) -> Any:
    """Features on the small grid, then up-sampling."""

    def inner(image: Any) -> Any:
        plain = nas.chain(
            L.Conv2D(width, oneof([5, 3]), activation=activation, name="first"),
            nas.repeat(L.Conv2D(width // 2, oneof([3, 5]), activation=activation, name="conv"), 1, 4, name="body"),
            name="plain",
        )
        x = nas.choose(nas.block(_residual_features(width, activation), "residual"), plain, name="features")(image)
        doublings = int(math.log2(scale))
        steps = [2] * doublings if 2**doublings == scale else [scale]  # 4 in two steps, 3 in one (Lim et al. 2017, figure 3)
        return nas.choose(
            nas.chain(
                *(L.Upsample(k, "subpixel", width, name=f"up{i}") for i, k in enumerate(steps)),
                L.Conv2D(channels, 3, name="rgb"),
                name="subpixel",
            ),
            nas.chain(L.Conv2D(channels * scale**2, 3), L.DepthToSpace(scale), name="shuffle"),
            nas.chain(
                L.Upsample(scale, oneof(["nearest", "bilinear"])),
                L.Conv2D(width // 2, 3, activation=activation),
                L.Conv2D(channels, 3, name="rgb"),
                name="resized",
            ),
            L.Conv2DTranspose(channels, 9, strides=scale, name="transpose"),
            name="enlarge",
        )(x)

    return inner


def _residual_features(width: Any, activation: Any) -> Any:
    """A long skip around 4 to 32 residual blocks, all alike but for their weights (Lim et al. 2017, figures 2 and 3)."""

    def block(x: Any) -> Any:
        y = L.Conv2D(width, oneof([3, 5]), name="conv0")(x)
        y = nas.optional(L.BatchNormalization(), name="norm")(y)  # as in SRResNet (Ledig et al. 2017)
        y = L.Conv2D(width, oneof([3, 5]), name="conv1")(L.Activation(activation, name="act")(y))
        y = nas.optional(L.SqueezeExcite(1 / 16), name="attention")(y)  # of channels, as in RCAN (Zhang et al. 2018)
        return L.Merge("add", project=True, name="sum")(x, y)

    def inner(x: Any) -> Any:
        head = L.Conv2D(width, 3, name="head")(x)
        cell = nas.tied(block, name="block")
        y = nas.repeat([cell] * GROUP, 1, 8, name="groups")(head)
        return L.Merge("add", project=True, name="long")(head, L.Conv2D(width, 3, name="tail")(y))

    return inner


super_resolution = make_super_resolution()
