"""`mobilenet_v2`: networks of inverted bottlenecks around MobileNetV2, for ImageNet-sized images.

The network is that of Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (table 2), with its two
multipliers, width and resolution (section 6.1), as decisions. What is open in each block, kernel 3, 5 or 7, expansion 6 or 3,
and whether it is there, is the space of Cai et al. 2019, "ProxylessNAS" (section 4.2). Every choice lists MobileNetV2 first.

Parameters equal `keras.applications.MobileNetV2` for each width, moving statistics of batch normalizations counted; the
paper's 3.4 M leave these out. `keras.applications` pads before strided convolutions and then convolves unpadded, here they are
"same": the same grids and weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.mobile_blocks import MBConv, classifier, conv_norm, divisible, repetitions

STAGES = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""(filters, blocks, stride of the first block); before them comes one block of 16 filters with expansion 1."""

BLOCKS = 4  # at most in a stage, as in ProxylessNAS
WIDTHS = (1.0, 0.35, 0.5, 0.75, 1.3, 1.4)
RESOLUTIONS = (224, 192, 160, 128, 96)
MOMENTUM = 0.999


def published(width: float) -> dict[str, Any]:
    """The decisions of MobileNetV2 of some width, at the first resolution; all others are the first options."""
    depths = [repetitions(f"stage{i}_rest", blocks - 1, 0, BLOCKS - 1) for i, (_, blocks, _) in enumerate(STAGES[:-1], start=1)]
    return {"width": width} | {name: there for depth in depths for name, there in depth.items()}


def block(filters: Any = None, strides: int = 1, name: str | None = None) -> MBConv:
    """An inverted bottleneck with what ProxylessNAS leaves open."""
    return MBConv(filters, oneof([3, 5, 7]), strides, oneof([6, 3]), momentum=MOMENTUM, name=name)


@nas.family
def make_mobilenet_v2(
    input: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    widths: Sequence[float] = WIDTHS,
    resolutions: Sequence[int] = RESOLUTIONS,
) -> nas.SearchSpace:
    """MobileNetV2's space for other images, classes, multipliers. `resolutions`: what images are resized to, if anything."""
    baselines = {"mobilenet_v2" if width == 1 else f"width_{width}": published(width) for width in widths}

    @nas.space(input=input, name="mobilenet_v2", baselines=baselines)
    def mobilenet_v2(image: Any) -> Any:
        """MobileNetV2 and around: kernel and expansion by block, depths, width, resolution."""
        width = nas.tied(list(widths), name="width")
        x = L.Resizing(oneof(list(resolutions)), name="resolution")(image) if resolutions else image
        x = conv_norm(x, width.map(lambda w: divisible(32 * w)), 3, "relu6", strides=2, momentum=MOMENTUM, name="stem")
        x = MBConv(width.map(lambda w: divisible(16 * w)), expansion=1, momentum=MOMENTUM, name="stage0")(x)
        for i, (filters, _, strides) in enumerate(STAGES, start=1):
            channels = width.map(lambda w, filters=filters: divisible(filters * w))
            x = block(channels, strides, name=f"stage{i}")(x)
            if i < len(STAGES):
                x = nas.repeat(block(), 0, BLOCKS - 1, name=f"stage{i}_rest")(x)
        last = width.map(lambda w: divisible(1280 * max(w, 1.0)))  # never thinner (section 6.1)
        x = conv_norm(x, last, 1, "relu6", momentum=MOMENTUM, name="head")
        return classifier(x, classes)

    return mobilenet_v2


mobilenet_v2 = make_mobilenet_v2()
