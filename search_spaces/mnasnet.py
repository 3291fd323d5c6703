"""`mnasnet`: the factorized hierarchical search space of MnasNet, with its published networks.

Tan et al. 2019, "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (section 4.1, figure 4): seven blocks of
layers; each block decides for itself, and for all of its layers alike, the convolution, its kernel, squeeze and excite, the
skip, the filters and the number of layers. The paper lists a block's options as 4 convolutions x 2 kernels x 2 ratios x 3
skips x 3 widths x 3 depths = 432. Widths and depths are those of MobileNetV2 times 0.75, 1 and 1.25, and 1 less to 1 more; the
widths of the published networks, which are no such multiples, are offered too.

A skip adds a layer's input, or its 3x3 means, to its output, so it takes layers of equal shape: here it is decided where a
block has a second layer, and is about all layers but the first. In the paper's product of options it is also decided where it
changes nothing. Squeeze and excite is about the block's input channels, as in the reference implementation.

MnasNet-A1 has 3.9 M parameters and 312 M multiply-adds in the paper (table 1). Here: 3,887,038 trained ones, 3,920,526 with
the moving statistics of batch normalizations, and 311.7 M multiply-adds. MnasNet-B1 has 4,383,312 trained ones, as
`torchvision`'s mnasnet1_0.
"""

from __future__ import annotations

from typing import Any

import nas
from search_spaces.mobile_blocks import MBConv, classifier, conv_norm, divisible

CONVOLUTIONS = {"mbconv6": 6, "mbconv3": 3, "sepconv": 1, "conv": 1}
"""Name -> expansion. sepconv: depthwise separable; conv: a plain convolution."""

BASE = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""(filters, layers, stride of the first layer) of MobileNetV2's blocks, which widths and depths are relative to."""

A1 = (
    ("sepconv", 3, 0.0, 16, 1),
    ("mbconv6", 3, 0.0, 24, 2),
    ("mbconv3", 5, 0.25, 40, 3),
    ("mbconv6", 3, 0.0, 80, 4),
    ("mbconv6", 3, 0.25, 112, 2),
    ("mbconv6", 5, 0.25, 160, 3),
    ("mbconv6", 3, 0.0, 320, 1),
)
"""(convolution, kernel, squeeze and excite, filters, layers) of each block (figure 7)."""

B1 = (
    ("sepconv", 3, 0.0, 16, 1),
    ("mbconv3", 3, 0.0, 24, 3),
    ("mbconv3", 5, 0.0, 40, 3),
    ("mbconv6", 5, 0.0, 80, 3),
    ("mbconv6", 3, 0.0, 96, 2),
    ("mbconv6", 5, 0.0, 192, 4),
    ("mbconv6", 3, 0.0, 320, 1),
)
"""The same of MnasNet-B1, from the reference implementation: the search without squeeze and excite."""

FILTERS = tuple(
    tuple(dict.fromkeys([a1[3], b1[3], *(divisible(filters * share) for share in (0.75, 1, 1.25))]))
    for a1, b1, (filters, _, _) in zip(A1, B1, BASE, strict=True)
)
"""The widths that each block offers."""


def depths(layers: int) -> tuple[int, int]:
    """The fewest and the most layers of a block that has `layers` in MobileNetV2. None cannot be: the first changes shapes."""
    return max(layers - 1, 1), layers + 1


def block(x: Any, number: int) -> Any:
    """A block of layers that all make the same decisions."""
    _, layers, strides = BASE[number - 1]
    convolution = nas.tied(list(CONVOLUTIONS), name=f"block{number}_convolution")
    same = {
        "kernel_size": nas.tied([3, 5], name=f"block{number}_kernel"),
        "expansion": convolution.map(CONVOLUTIONS.get),
        "fused": convolution.map(lambda name: name == "conv"),
        "se_ratio": nas.tied([0.0, 0.25], name=f"block{number}_se"),
        "activation": "relu",
    }
    x = MBConv(nas.oneof(list(FILTERS[number - 1])), strides=strides, **same, skip="none", name=f"block{number}")(x)
    low, high = depths(layers)
    more = MBConv(**same, skip=nas.oneof(["identity", "pool", "none"]))
    rest = nas.repeat(more, max(low - 1, 1), high - 1, tied=True, name=f"block{number}_rest")
    return rest(x) if low > 1 else nas.optional(rest, name=f"block{number}_rest")(x)


def published(blocks: tuple[tuple[str, int, float, int, int], ...]) -> dict[str, Any]:
    """The decisions of a published network; skips are identities, which stand first."""
    decisions: dict[str, Any] = {}
    for number, (convolution, kernel, se, filters, layers) in enumerate(blocks, start=1):
        name = f"block{number}"
        decisions |= {
            f"{name}_convolution": convolution,
            f"{name}_kernel": kernel,
            f"{name}_se": se,
            f"{name}.filters": filters,
        }
        low, high = depths(BASE[number - 1][1])
        if low == 1:
            decisions[f"{name}_rest"] = layers > 1
        if layers > 1 and high - 1 > max(low - 1, 1):
            decisions[f"{name}_rest.times"] = layers - 1
    return decisions


@nas.family
def make_mnasnet(input: tuple[int, int, int] = (224, 224, 3), classes: int = 1000) -> nas.SearchSpace:
    """The MnasNet space for other images and classes."""

    @nas.space(input=input, name="mnasnet", baselines={"mnasnet_a1": published(A1), "mnasnet_b1": published(B1)})
    def mnasnet(image: Any) -> Any:
        """MnasNet: convolution, kernel, squeeze-excite, skip, width and depth of seven blocks."""
        x = conv_norm(image, 32, 3, "relu", strides=2, name="stem")
        for number in range(1, len(BASE) + 1):
            x = block(x, number)
        x = conv_norm(x, 1280, 1, "relu", name="head")
        return classifier(x, classes, dropout=0.2)

    return mnasnet


mnasnet = make_mnasnet()
