"""`unet3d`: U-shaped networks for dense prediction in volumes, opened up around the original 3D U-Net.

Çiçek, Abdulkadir, Lienkamp, Brox & Ronneberger, *3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation*
(MICCAI 2016): four levels of two 3x3x3 convolutions with batch normalization and ReLU, channels doubled before each 2x2x2 max
pooling (32-64, 64-128, 128-256, 256-512), 2x2x2 up-convolutions that keep the channels, skips concatenated. The paper's
19,069,955 parameters are those of the convolutions with their biases and of the up-convolutions without:
`baselines["cicek2016"]` has them, and 4 for each of the 2,336 normalized channels. `make_unet3d(input=(132, 132, 116, 3),
padding="valid")` has the paper's grids.

Open are what `unet` leaves open in images, and whether the first two ways down halve the slices too: volumes often have
thicker slices than pixels (Isensee et al. 2021, nnU-Net). The way up follows: it is the same decision.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.conv_blocks import Kit, all_levels, at_every_level, normalizations, scaled

WIDTHS = (64, 128, 256, 512)
SHALLOWEST = 3
STRIDES = {"all": 2, "in slices": (1, 2, 2)}


@nas.family
def make_unet3d(
    input: tuple[int, ...] = (32, 64, 64, 1), classes: int = 3, widths: tuple[int, ...] = WIDTHS, padding: str = "same"
) -> nas.SearchSpace:
    """The space for other volumes, classes and widths.

    Args:
        input: (depth, height, width, channels). Padded, any size: where halving rounds up, the way up is cropped.
        classes: channels of the output, with softmax; 1: a sigmoid.
        widths: channels of each level at full width, finest first; even numbers.
        padding: "same", or "valid" as in the paper: the output is smaller than the input.
    """
    padded, depth = padding == "same", len(widths)
    least = min(SHALLOWEST, depth) if padded else depth
    deep = all_levels(least, depth)

    @nas.space(
        input=input,
        name="unet3d",
        baselines={
            "cicek2016": deep,
            "residual": deep
            | at_every_level(least, depth, "enc", "residual", "block")
            | at_every_level(least, depth, "dec", "residual", "block"),
            "gated": deep | at_every_level(least, depth, "skip", "gated"),
        },
    )
    def unet3d(volume: Any) -> Any:
        """3D U-Net (Çiçek et al. 2016): depth, width, strides, blocks, ways down and up, skips."""
        scale = nas.tied([1, 0.5, 0.25], name="scale")
        norm = nas.tied(["batch", "instance", "none"], name="norm")
        kit = Kit(
            axes=3,
            norm=norm.map(normalizations("batch", "instance", "none").get),
            activation=nas.tied(["relu", "leaky_relu"], name="activation"),
            padding=padding,
        )
        channels = [scaled(width, scale) for width in widths]
        strides = [_stride(i) if padded and i < SHALLOWEST else 2 for i in range(depth)]
        levels = nas.encoder(
            lambda width: _stage(kit, width // 2, width),
            channels,
            down=lambda level: L.Downsample(strides[level.index], oneof(["max", "average", "strided"])),
            at_least=least,
        )(volume)
        x = nas.decoder(
            lambda width: _stage(kit, width, width),
            up=lambda level: _up(channels[level.index + 1], strides[level.index + 1]),
            skip=lambda level: nas.choose(
                L.Merge("concat", name="concat"),
                L.Merge("add", project=True, name="add"),
                kit.gated_concat(level.width),
                L.Merge("none", name="none"),
            ),
            fit="match" if padded else "crop",
        )(levels)
        return kit.pointwise(classes, activation="softmax" if classes > 1 else "sigmoid", name="classes")(x)

    return unet3d


def _stride(level: int) -> Any:
    """How a level is reached, and left again: one decision."""
    return nas.tied(list(STRIDES), name=f"stride{level}").map(STRIDES.get)


def _stage(kit: Kit, first: Any, width: Any) -> Any:
    """A level: one kind of block, perhaps squeeze-excite (Hu et al. 2018)."""
    blocks = [nas.chain(kit.conv(first), kit.conv(width), name="double"), kit.residual(width), kit.separable(width)]
    if kit.padding == "same":
        blocks += [kit.convs(width, 1, "single"), kit.dense(width)]
    return nas.chain(nas.choose(*blocks, name="block"), nas.optional(L.SqueezeExcite(0.25), name="excite"))


def _up(below: Any, stride: Any) -> Any:
    """The level below keeps its channels on the way up."""
    return nas.choose(
        L.Conv3DTranspose(below, 2, strides=stride, use_bias=False, name="transpose"),
        L.Upsample(stride, oneof(["nearest", "bilinear"]), name="resized"),
    )


unet3d = make_unet3d()
