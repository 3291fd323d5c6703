"""`efficientnet`: EfficientNet-B0 opened up, with the three multipliers of compound scaling as decisions.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks": B0 (table 1) comes from a search
like MnasNet's, so each of its seven stages decides the kernel and the expansion of its blocks; squeeze and excite is in all of
them. B1 to B7 are B0 made wider, deeper and of higher resolution; here width, depth and resolution are decided once each for
the whole network, in any combination of the published values, not only along the compound coefficient (equation 3). Every
choice lists B0 first.

Parameters equal `keras.applications` for B0 to B7: moving statistics of batch normalizations and the 7 weights of the
normalization at the input are counted. The paper's 5.3 M and 0.39 G multiply-adds for B0 leave them out. Stochastic depth,
which has no weights and is used in training only, is left out; the dropout before the classes is B0's at every scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import nas
from nas import layers as L
from nas import oneof
from search_spaces.mobile_blocks import MBConv, classifier, conv_norm, divisible

STAGES = (
    (16, 1, 1, 3, 1),
    (24, 2, 2, 3, 6),
    (40, 2, 2, 5, 6),
    (80, 3, 2, 3, 6),
    (112, 3, 1, 5, 6),
    (192, 4, 2, 5, 6),
    (320, 1, 1, 3, 6),
)
"""(filters, blocks, stride of the first block, kernel, expansion) of B0."""

SCALES = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
"""Name -> (width, depth, resolution)."""

WIDTHS, DEPTHS, RESOLUTIONS = (tuple(dict.fromkeys(values)) for values in zip(*SCALES.values(), strict=True))


def stage(x: Any, number: int, width: Any, depth: Any) -> Any:
    """Blocks of one width that all make the same decisions."""
    filters, blocks, strides, kernel, expansion = STAGES[number - 1]
    same = {
        "kernel_size": nas.tied([kernel, 8 - kernel], name=f"stage{number}_kernel"),
        "expansion": nas.tied([6, 3], name=f"stage{number}_expansion") if expansion > 1 else 1,
        "se_ratio": 0.25,
        "activation": "swish",
    }
    x = MBConv(width.map(lambda w: divisible(filters * w)), strides=strides, **same, name=f"stage{number}")(x)
    more = depth.map(lambda d: math.ceil(d * blocks) - 1)
    return nas.repeat(MBConv(**same), times=more, name=f"stage{number}_rest")(x)


@nas.family
def make_efficientnet(
    input: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    widths: Sequence[float] = WIDTHS,
    depths: Sequence[float] = DEPTHS,
    resolutions: Sequence[int] = RESOLUTIONS,
) -> nas.SearchSpace:
    """The EfficientNet space for other images, classes, multipliers. `resolutions`: what images are resized to, if anything."""
    baselines = {
        f"efficientnet_{name}": {"width": width, "depth": depth} | ({"resolution.height": resolution} if resolutions else {})
        for name, (width, depth, resolution) in SCALES.items()
        if width in widths and depth in depths and (resolution in resolutions or not resolutions)
    }

    @nas.space(input=input, name="efficientnet", baselines=baselines)
    def efficientnet(image: Any) -> Any:
        """EfficientNet-B0 opened up: kernel and expansion by stage, width, depth, resolution."""
        width, depth = nas.tied(list(widths), name="width"), nas.tied(list(depths), name="depth")
        x = L.Resizing(oneof(list(resolutions)), name="resolution")(image) if resolutions else image
        x = L.Normalization(name="normalize")(L.Rescaling(1 / 255, name="scale")(x))
        x = conv_norm(x, width.map(lambda w: divisible(32 * w)), 3, "swish", strides=2, name="stem")
        for number in range(1, len(STAGES) + 1):
            x = stage(x, number, width, depth)
        x = conv_norm(x, width.map(lambda w: divisible(1280 * w)), 1, "swish", name="head")
        return classifier(x, classes, dropout=0.2)

    return efficientnet


efficientnet = make_efficientnet()
