"""`unet`: U-shaped networks for dense prediction on images, opened up around the original U-Net.

Ronneberger, Fischer & Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation* (MICCAI 2015): five levels of
two 3x3 convolutions with ReLU, 64 to 1024 channels, 2x2 max pooling down, 2x2 up-convolutions, skips concatenated, dropout at
the end of the way down. `make_unet(input=(572, 572, 1), padding="valid").baselines["ronneberger2015"]` is that network, skips
cropped, with its 31,030,658 parameters and its 388x388 output; padding does not change the parameters.

Open are the width (one multiplier for all), normalization, activation and, level by level: the depth, the kind of block, its
kernels, squeeze-excite, the way down, the way up, and the skip: concatenated, added, gated (Oktay et al. 2018, *Attention
U-Net*) or none. Unpadded, every architecture keeps the original's grids: all levels, two 3x3 convolutions each.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.conv_blocks import Kit, all_levels, at_every_level, normalizations, scaled

WIDTHS = (64, 128, 256, 512, 1024)
SHALLOWEST = 3


@nas.family
def make_unet(
    input: tuple[int, ...] = (128, 128, 1), classes: int = 2, widths: tuple[int, ...] = WIDTHS, padding: str = "same"
) -> nas.SearchSpace:
    """The space for other images, classes and widths.

    Args:
        input: (height, width, channels). Padded, any size: where halving rounds up, the way up is cropped.
        classes: channels of the output, with softmax; 1: a sigmoid.
        widths: channels of each level at full width, finest first.
        padding: "same", or "valid" as in the paper: the output is smaller than the input.
    """
    padded, depth = padding == "same", len(widths)
    least = min(SHALLOWEST, depth) if padded else depth
    deep = all_levels(least, depth)

    @nas.space(
        input=input,
        name="unet",
        baselines={
            "ronneberger2015": deep,
            "attention": deep | at_every_level(least, depth, "skip", "gated"),
            "residual": deep
            | at_every_level(least, depth, "enc", "residual", "block")
            | at_every_level(least, depth, "dec", "residual", "block")
            | {"norm": "batch"},
        },
    )
    def unet(image: Any) -> Any:
        """U-Net (Ronneberger et al. 2015): depth, width, blocks, ways down and up, skips."""
        scale = nas.tied([1, 0.5, 0.25], name="scale")
        norm = nas.tied(["none", "batch", "instance"], name="norm")
        kit = Kit(
            axes=2,
            norm=norm.map(normalizations("none", "batch", "instance").get),
            activation=nas.tied(["relu", "leaky_relu", "swish"], name="activation"),
            padding=padding,
            kernels=(3, 5) if padded else (3,),
        )
        levels = nas.encoder(
            lambda width: _stage(kit, width),
            [scaled(width, scale) for width in widths],
            down=lambda level: L.Downsample(2, oneof(["max", "average", "strided"]), kernel_size=2),
            at_least=least,
        )(image)
        x = nas.decoder(
            up=lambda level: _up(kit, level.width),
            skip=lambda level: nas.choose(
                L.Merge("concat", name="concat"),
                L.Merge("add", project=True, name="add"),
                kit.gated_concat(level.width),
                L.Merge("none", name="none"),
            ),
            fit="match" if padded else "crop",
            bottom=L.Dropout(oneof([0.5, 0.25, 0.0])),
        )(levels)
        return kit.pointwise(classes, activation="softmax" if classes > 1 else "sigmoid", name="classes")(x)

    return unet


def _stage(kit: Kit, width: Any) -> Any:
    """A level: one kind of block, perhaps squeeze-excite (Hu et al. 2018)."""
    blocks = [kit.convs(width, 2, "double"), kit.residual(width), kit.separable(width)]
    if kit.padding == "same":
        blocks += [kit.convs(width, 1, "single"), kit.convs(width, 3, "triple"), kit.dense(width)]
    return nas.chain(nas.choose(*blocks, name="block"), nas.optional(L.SqueezeExcite(0.25), name="excite"))


def _up(kit: Kit, width: Any) -> Any:
    return nas.choose(
        L.Upsample(2, "transpose", width, kernel_size=2, name="transpose"),
        nas.chain(L.Upsample(2, oneof(["nearest", "bilinear"])), L.Conv2D(width, 3), name="resized"),
        L.Upsample(2, "subpixel", width, name="subpixel"),
    )


unet = make_unet()
