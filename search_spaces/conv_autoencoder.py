"""`conv_autoencoder`: convolutional autoencoders for small images, opened up around a well-known one.

F. Chollet, *Building Autoencoders in Keras* (The Keras Blog, 2016), "Convolutional autoencoder": 28x28x1, three 3x3
convolutions of 16, 8 and 8 channels with ReLU, each followed by 2x2 max pooling, a code of 4x4x8, and back by convolutions of
8, 8 and 16, each followed by up-sampling; 4,385 parameters. The blog leaves padding out of one convolution so that 4x4 comes
back as 28x28; here up-sampling is cropped to the encoder's grid (8 to 7), which has the same parameters and takes any size.

The code has to be small, so there are no skips. Open are how often the grid is halved, width, kind of block, way down and way
up at each level (a level's width is one decision for both directions), the code's channels, normalization and activation.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.conv_blocks import Kit, normalizations

WIDTHS = ((16, 32, 64), (8, 16, 32), (8, 16, 32), (8, 16, 32))
CODE = (4, 2, 16, 32)
SHALLOWEST = 3


@nas.family
def make_conv_autoencoder(
    input: tuple[int, ...] = (28, 28, 1), widths: tuple[tuple[int, ...], ...] = WIDTHS, code: tuple[int, ...] = CODE
) -> nas.SearchSpace:
    """The space for other images.

    Args:
        input: (height, width, channels), values from 0 to 1; any size.
        widths: channels to choose from before each halving, finest first. The grid is halved at least twice.
        code: channels to choose from where the code is narrowed by a 1x1 convolution.
    """

    @nas.space(input=input, name="conv_autoencoder", baselines={"keras_blog": {"level3": True}})
    def conv_autoencoder(image: Any) -> Any:
        """Convolutional autoencoder (Keras Blog 2016): depth, widths, code, blocks, ways down and up."""
        norm = nas.tied(["none", "batch"], name="norm")
        activation = nas.tied(["relu", "leaky_relu", "swish"], name="activation")
        kit = Kit(axes=2, norm=norm.map(normalizations("none", "batch").get), activation=activation, kernels=(3, 5))
        channels = [nas.tied(options, name=f"width{i}") for i, options in enumerate(widths)]

        def down(level: Any) -> Any:
            width = channels[level.index - 1]
            return nas.chain(_block(kit, width), L.Downsample(2, oneof(["max", "average", "strided"]), width, name="halve"))

        def up(level: Any) -> Any:
            width = channels[level.index]
            modes = oneof(["nearest", "bilinear", "transpose", "subpixel"])
            return nas.chain(_block(kit, width), L.Upsample(2, modes, width, name="double"))

        levels = nas.encoder(_nothing, [*channels, None], down=down, at_least=min(SHALLOWEST, len(widths) + 1))(image)
        narrow = nas.choose(None, kit.pointwise(oneof(code), name="conv"), name="narrow")
        x = nas.decoder(_nothing, up=up, skip=None, fit="match", bottom=narrow)(levels)
        return L.Conv2D(input[-1], 3, activation="sigmoid", name="restored")(x)

    return conv_autoencoder


def _nothing(width: Any) -> None:
    """The layers of a level are on the ways down and up: the image itself is level 0, the code the deepest level."""


def _block(kit: Kit, width: Any) -> Any:
    blocks = [kit.convs(width, 1, "single"), kit.convs(width, 2, "double"), kit.residual(width), kit.separable(width)]
    return nas.choose(*blocks, name="block")


conv_autoencoder = make_conv_autoencoder()
