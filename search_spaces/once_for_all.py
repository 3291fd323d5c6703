"""`once_for_all`: the space of Once-for-all networks, MobileNetV3-Large with every block open.

Cai et al. 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment" (section 3.2): five stages of 2
to 4 blocks, each with kernel 3, 5 or 7 and expansion 3, 4 or 6, so (9^2 + 9^3 + 9^4)^5 = 2e19 networks; each at one of 25
resolutions from 128 to 224. The first block, strides, widths, activations and squeeze and excite are those of
MobileNetV3-Large.

The paper trains one network that holds all others, the largest, which is a baseline here: 7.67 M trained parameters. Here each
network has weights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nas
from search_spaces.mobile_blocks import repetitions
from search_spaces.mobilenet_v3 import BLOCKS, EXPANSIONS, KERNELS, LARGE, network


def largest() -> dict[str, Any]:
    """The decisions of the network that all others are part of."""
    low, high = BLOCKS
    decisions: dict[str, Any] = {}
    for i in range(1, len(LARGE.stages) + 1):
        decisions |= repetitions(f"stage{i}_rest", high - 1, low - 1, high - 1)
        for place in (f"stage{i}", *(f"stage{i}_rest[{k}]" for k in range(high - 1))):
            decisions |= {f"{place}.kernel_size": max(KERNELS), f"{place}.expansion": max(EXPANSIONS)}
    return decisions


@nas.family
def make_once_for_all(
    input: tuple[int, int, int] = (224, 224, 3), classes: int = 1000, resolutions: Sequence[int] = tuple(range(224, 127, -4))
) -> nas.SearchSpace:
    """The Once-for-all space for other images, classes and resolutions."""

    @nas.space(input=input, name="once_for_all", baselines={"largest": largest()})
    def once_for_all(image: Any) -> Any:
        """Once-for-all: MobileNetV3 with open kernels, expansions, depths and resolution."""
        return network(image, LARGE, [EXPANSIONS] * len(LARGE.stages), resolutions, classes)

    return once_for_all


once_for_all = make_once_for_all()
