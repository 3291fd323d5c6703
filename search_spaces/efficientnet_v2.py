"""`efficientnet_v2`: the search space of EfficientNetV2 around its B0. `make_efficientnet_v2` has it around S, M and L too.

Tan & Le 2021, "EfficientNetV2: Smaller Models and Faster Training" (section 3.2): each stage decides whether its blocks are
inverted bottlenecks or fused ones, their kernel (3 or 5), their expansion (1, 4 or 6) and how many there are. Squeeze and
excite goes with the unfused blocks, as in the published networks; skips are always there (the paper drops the option). Width
and resolution are decided once for the whole network: B1 to B3 are B0 scaled by them and by the number of blocks.

Parameters equal `keras.applications.EfficientNetV2B0` to `B3`, `S`, `M` and `L`. Stochastic depth, which has no weights and is
used in training only, is left out. Widths are rounded to the nearest multiple of 8, without EfficientNet's limit of 10%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import nas
from nas import layers as L
from nas import oneof
from search_spaces.mobile_blocks import MBConv, classifier, conv_norm

MOMENTUM = 0.9
EXPANSIONS, KERNELS, KINDS = (1, 4, 6), (3, 5), ("mbconv", "fused")
DEEPEST = 1.4  # times the blocks of the base: B3

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Stage(NamedTuple):
    """Blocks of one width; strides are of the first one."""

    filters: int
    blocks: int
    strides: int
    expansion: int
    kind: str


class Base(NamedTuple):
    """A published network, and the widths and resolutions at which it is offered, its own first."""

    stem: int
    stages: tuple[Stage, ...]
    widths: tuple[float, ...]
    resolutions: tuple[int, ...]


def _stages(*rows: tuple[int, int, int, int]) -> tuple[Stage, ...]:
    """Stages of (filters, blocks, strides, expansion); in all published networks the first three are fused."""
    return tuple(Stage(*row, "fused" if i < 3 else "mbconv") for i, row in enumerate(rows))


BASES = {
    "b0": Base(
        32,
        _stages((16, 1, 1, 1), (32, 2, 2, 4), (48, 2, 2, 4), (96, 3, 2, 4), (112, 5, 1, 6), (192, 8, 2, 6)),
        (1.0, 1.1, 1.2),
        (224, 240, 260, 300),
    ),
    "s": Base(
        24,
        _stages((24, 2, 1, 1), (48, 4, 2, 4), (64, 4, 2, 4), (128, 6, 2, 4), (160, 9, 1, 6), (256, 15, 2, 6)),
        (1.0,),
        (384, 300),
    ),
    "m": Base(
        24,
        _stages((24, 3, 1, 1), (48, 5, 2, 4), (80, 5, 2, 4), (160, 7, 2, 4), (176, 14, 1, 6), (304, 18, 2, 6), (512, 5, 1, 6)),
        (1.0,),
        (480, 384),
    ),
    "l": Base(
        32,
        _stages((32, 4, 1, 1), (64, 7, 2, 4), (96, 7, 2, 4), (192, 10, 2, 4), (224, 19, 1, 6), (384, 25, 2, 6), (640, 7, 1, 6)),
        (1.0,),
        (480, 384),
    ),
}
SCALES = {"b0": (1.0, 1.0, 224), "b1": (1.0, 1.1, 240), "b2": (1.1, 1.2, 260), "b3": (1.2, 1.4, 300)}
"""Networks that are B0 scaled: name -> (width, depth, resolution)."""


def nearest(channels: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, int(channels + 4) // 8 * 8)


def depths(blocks: int) -> tuple[int, int]:
    """The fewest and the most blocks of a stage that has `blocks` in its base."""
    return max(blocks - 1, 1), math.ceil(DEEPEST * blocks)


def stage(x: Any, base: Stage, width: Any, name: str) -> Any:
    """Blocks that all make the same decisions; the base's own are listed first."""
    kind = nas.tied(_first(base.kind, KINDS), name=f"{name}_kind")
    same = {
        "kernel_size": nas.tied(list(KERNELS), name=f"{name}_kernel"),
        "expansion": nas.tied(_first(base.expansion, EXPANSIONS), name=f"{name}_expansion"),
        "fused": kind.map(lambda kind: kind == "fused"),
        "se_ratio": kind.map(lambda kind: 0.0 if kind == "fused" else 0.25),
        "activation": "swish",
        "momentum": MOMENTUM,
    }
    x = MBConv(width.map(lambda w: nearest(base.filters * w)), strides=base.strides, **same, name=name)(x)
    low, high = depths(base.blocks)
    return nas.repeat(MBConv(**same), low - 1, high - 1, tied=True, name=f"{name}_rest")(x)


def _first(own: Any, options: Sequence[Any]) -> list[Any]:
    return [own, *(option for option in options if option != own)]


def published(base: Base, width: float, depth: float, resolution: int | None) -> dict[str, Any]:
    """The decisions of a base scaled by width and depth, at a resolution."""
    decisions: dict[str, Any] = {"width": width}
    for number, each in enumerate(base.stages, start=1):
        decisions[f"stage{number}_rest.times"] = math.ceil(depth * each.blocks) - 1
    return decisions if resolution is None else decisions | {"resolution.height": resolution}


@nas.family
def make_efficientnet_v2(
    base: str = "b0",
    input: tuple[int, int, int] | None = None,
    classes: int = 1000,
    widths: Sequence[float] | None = None,
    resolutions: Sequence[int] | None = None,
) -> nas.SearchSpace:
    """The EfficientNetV2 space around a base, "b0", "s", "m" or "l"; what is None is the base's own.

    `resolutions`: what images are resized to, if anything.
    """
    if base not in BASES:
        raise nas.errors.SpaceError("no such network", path="base", received=base, expected=", ".join(BASES))
    network, name = BASES[base], "efficientnet_v2" + (f"_{base}" if base != "b0" else "")
    widths = network.widths if widths is None else widths
    resolutions = network.resolutions if resolutions is None else resolutions
    scales = SCALES if base == "b0" else {base: (1.0, 1.0, network.resolutions[0])}
    baselines = {
        f"efficientnet_v2_{scaled}": published(network, width, depth, resolution if resolutions else None)
        for scaled, (width, depth, resolution) in scales.items()
        if width in widths and (resolution in resolutions or not resolutions)
    }

    @nas.space(input=input or (network.resolutions[0], network.resolutions[0], 3), name=name, baselines=baselines)
    def efficientnet_v2(image: Any) -> Any:
        """EfficientNetV2: fused or not, kernel, expansion and depth by stage, width, resolution."""
        width = nas.tied(list(widths), name="width")
        x = L.Resizing(oneof(list(resolutions)), name="resolution")(image) if resolutions else image
        if base == "b0" and image.shape[-1] == 3:
            variance = [deviation**2 for deviation in IMAGENET_DEVIATION]
            x = L.Normalization(list(IMAGENET_MEAN), variance, name="normalize")(L.Rescaling(1 / 255, name="scale")(x))
        else:
            x = L.Rescaling(1 / 128, -1, name="scale")(x)
        x = conv_norm(x, width.map(lambda w: nearest(network.stem * w)), 3, "swish", strides=2, momentum=MOMENTUM, name="stem")
        for number, each in enumerate(network.stages, start=1):
            x = stage(x, each, width, f"stage{number}")
        x = conv_norm(x, width.map(lambda w: nearest(1280 * w)), 1, "swish", momentum=MOMENTUM, name="head")
        return classifier(x, classes, dropout=0.2)

    return efficientnet_v2


efficientnet_v2 = make_efficientnet_v2()
efficientnet_v2_s = make_efficientnet_v2(base="s")
