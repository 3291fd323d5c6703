"""`denoising1d`: noise out, signal back, for audio and other steps of one or more channels.

U-shaped networks, opened up around Wave-U-Net (Stoller, Ewert & Dixon 2018, *Wave-U-Net: A Multi-Scale Neural Network for
End-to-End Audio Source Separation*): twelve times a convolution of 15 and every second step dropped, 24 channels more at each
level; back by linear interpolation, the skip concatenated and a convolution of 5; at the end the input concatenated once
more, and tanh. `baselines["wave_unet"]` has 10,263,002 parameters on 16,384 steps of one channel.

Or stacks at full resolution, opened up around DnCNN (Zhang et al. 2017, *Beyond a Gaussian Denoiser: Residual Learning of
Deep CNN for Image Denoising*) in one dimension: 17 convolutions of 64 channels with batch normalization that predict the
noise, which is taken off the input (`baselines["dncnn"]`); perhaps dilated, so that they see far (van den Oord et al. 2016,
WaveNet).

Open are the number of levels and channels, kernels, blocks, ways down and up, skips, normalization, and whether the clean
signal or the noise is predicted. The networks take any length.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.conv_blocks import Kit, all_levels, normalizations

OPTIONAL = 4  # halvings
GROUP = 3  # convolutions of a stack that come and go together
STACKED = {"network": "stack", "norm": "batch", "output": "noise"} | {f"network.stack.groups[{i}]": True for i in range(1, 5)}


@nas.family
def make_denoising1d(input: tuple[int, ...] = (16384, 1), levels: int = 12) -> nas.SearchSpace:
    """The space for other signals.

    Args:
        input: (steps, channels), values from -1 to 1; any length.
        levels: the most times that the steps are halved; the last four are optional.
    """
    least = max(levels + 1 - OPTIONAL, 1)
    deep = all_levels(least, levels + 1)

    @nas.space(
        input=input,
        name="denoising1d",
        baselines={"wave_unet": {f"network.u.{name}": value for name, value in deep.items()}, "dncnn": STACKED},
    )
    def denoising1d(signal: Any) -> Any:
        """1D denoising (Wave-U-Net 2018, DnCNN 2017): levels, growth, kernels, blocks, ways down and up."""
        norm = nas.tied(["none", "batch"], name="norm")
        normalize = norm.map(normalizations("none", "batch").get)
        x = nas.choose(
            nas.block(_u_shape(levels, least, normalize), "u"),
            _stack(normalize),
            name="network",
        )(signal)
        outputs = {"clean": _clean(input[-1]), "noise": _noise(input[-1])}
        return nas.choose(*(nas.block(function, name) for name, function in outputs.items()), name="output")(x, signal)

    return denoising1d


def _u_shape(levels: int, least: int, norm: Any) -> Any:
    """Down and up again, the features at full resolution being what comes out."""
    growth = nas.tied([24, 12], name="growth")
    down_kit = Kit(axes=1, norm=norm, activation="leaky_relu", kernels=(15, 5))
    up_kit = Kit(axes=1, norm=norm, activation="leaky_relu", kernels=(5, 9))

    def inner(signal: Any) -> Any:
        pyramid = nas.encoder(
            lambda width: _block(down_kit, width),
            [growth * (level + 1) for level in range(levels + 1)],
            down=nas.choose(
                L.MaxPooling1D(1, strides=2, name="decimate"),
                L.Downsample(2, oneof(["max", "average", "strided"]), name="pool"),
            ),
            at_least=least,
        )(signal)
        return nas.decoder(
            lambda width: _block(up_kit, width),
            up=oneof(["bilinear", "nearest", "subpixel"]),
            skip=oneof(["concat", "add", "none"]),
            fit="match",
        )(pyramid)

    return inner


def _block(kit: Kit, width: Any) -> Any:
    return nas.choose(kit.convs(width, 1, "single"), kit.residual(width), kit.separable(width))


def _stack(norm: Any) -> Any:
    """Convolutions at full resolution, all alike but for their weights."""
    width, kernel = nas.tied([64, 32, 16], name="width"), nas.tied([3, 5, 9], name="kernel")
    activation = nas.tied(["relu", "leaky_relu", "swish"], name="activation")
    layer = nas.chain(L.Conv1D(width, kernel, dilation_rate=oneof([1, 2, 4, 8])), norm, L.Activation(activation))
    first = nas.chain(L.Conv1D(width, kernel), L.Activation(activation), name="first")
    return nas.chain(first, nas.repeat([nas.tied(layer, name="layer")] * GROUP, 1, 7, name="groups"), name="stack")


def _clean(channels: int) -> Any:
    """The clean signal from the features and the input (Stoller et al. 2018, figure 1)."""

    def inner(x: Any, signal: Any) -> Any:
        return L.Conv1D(channels, 1, activation="tanh", name="clean")(L.Concatenate(name="joined")(x, signal))

    return inner


def _noise(channels: int) -> Any:
    """The input without the noise that the features tell (Zhang et al. 2017, section III-B)."""

    def inner(x: Any, signal: Any) -> Any:
        return L.Add(name="clean")(signal, L.Conv1D(channels, 3, name="noise")(x))

    return inner


denoising1d = make_denoising1d()
