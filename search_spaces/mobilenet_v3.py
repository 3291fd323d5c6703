"""`mobilenet_v3`: networks of inverted bottlenecks around MobileNetV3-Large. `make_mobilenet_v3` has the small one too.

Howard et al. 2019, "Searching for MobileNetV3" (tables 1 and 2): stages of inverted bottlenecks, found by search and then
trimmed block by block. Open in each block are the kernel and the expansion (3, 4, 6, and those of the published blocks, such
as 2.3), in each stage the number of blocks, 2 to 4, as in Once-for-all (Cai et al. 2020), whose space is
`search_spaces.once_for_all`.

Parameters equal `keras.applications.MobileNetV3Large` and `Small`, which count the moving statistics of batch normalizations;
the paper's 5.4 M and 2.5 M do not. Multiply-adds of convolutions and matrix products are 216.6 M and 56.5 M: the paper says
219 and 56, the reference implementation's own table 217 for the large one. Squeeze and excite stands where the published
networks have it. `keras.applications` writes the last layer as a 1x1 convolution; here it is dense, with the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import nas
from nas import layers as L
from nas import oneof
from search_spaces.mobile_blocks import MBConv, conv_norm, divisible, repetitions

MOMENTUM = 0.999


class Stage(NamedTuple):
    """Blocks of one width.

    Attributes:
        filters, strides, activation: of the stage; strides of its first block.
        squeeze: whether there is squeeze and excite.
        blocks: (kernel, expansion) of each published block.
    """

    filters: int
    strides: int
    activation: str
    squeeze: bool
    blocks: tuple[tuple[int, float], ...]


class Network(NamedTuple):
    """A published network: its first block (16 filters, expansion 1), its stages, the units before the classes."""

    first: Stage
    stages: tuple[Stage, ...]
    units: int


LARGE = Network(
    Stage(16, 1, "relu", False, ((3, 1),)),
    (
        Stage(24, 2, "relu", False, ((3, 4), (3, 3))),
        Stage(40, 2, "relu", True, ((5, 3), (5, 3), (5, 3))),
        Stage(80, 2, "hard_swish", False, ((3, 6), (3, 2.5), (3, 2.3), (3, 2.3))),
        Stage(112, 1, "hard_swish", True, ((3, 6), (3, 6))),
        Stage(160, 2, "hard_swish", True, ((5, 6), (5, 6), (5, 6))),
    ),
    1280,
)
SMALL = Network(
    Stage(16, 2, "relu", True, ((3, 1),)),
    (
        Stage(24, 2, "relu", False, ((3, 72 / 16), (3, 88 / 24))),
        Stage(40, 2, "hard_swish", True, ((5, 4), (5, 6), (5, 6))),
        Stage(48, 1, "hard_swish", True, ((5, 3), (5, 3))),
        Stage(96, 2, "hard_swish", True, ((5, 6), (5, 6), (5, 6))),
    ),
    1024,
)
NETWORKS = {"large": LARGE, "small": SMALL}
KERNELS, EXPANSIONS, BLOCKS = (3, 5, 7), (3, 4, 6), (2, 4)


def block(stage: Stage, kernels: Any, expansions: Any, name: str | None = None) -> MBConv:
    """The first block of a stage, which has a name, or a further one, which keeps the shape."""
    shape = {"filters": stage.filters, "strides": stage.strides} if name else {}
    squeeze = {"se_ratio": 0.25 if stage.squeeze else 0.0, "se_of": "expanded"}
    common = {"activation": stage.activation, "momentum": MOMENTUM, "name": name}
    return MBConv(kernel_size=kernels, expansion=expansions, **shape, **squeeze, **common)


def network(image: Any, base: Network, expansions: Sequence[Sequence[float]], resolutions: Sequence[int], classes: int) -> Any:
    """The network whose blocks offer the given expansions, stage by stage."""
    x = L.Resizing(oneof(list(resolutions)), name="resolution")(image) if resolutions else image
    x = L.Rescaling(1 / 127.5, -1, name="scale")(x)
    x = conv_norm(x, 16, 3, "hard_swish", strides=2, momentum=MOMENTUM, name="stem")
    x = block(base.first, 3, 1, name="stage0")(x)
    low, high = BLOCKS
    for i, (stage, options) in enumerate(zip(base.stages, expansions, strict=True), start=1):
        first = stage.blocks[0][0]
        kernels = [first, *(kernel for kernel in KERNELS if kernel != first)]
        x = block(stage, oneof(kernels), oneof(list(options)), name=f"stage{i}")(x)
        more = block(stage, oneof(kernels), oneof(list(options)))
        x = nas.repeat(more, low - 1, high - 1, name=f"stage{i}_rest")(x)
    x = conv_norm(x, divisible(6 * base.stages[-1].filters), 1, "hard_swish", momentum=MOMENTUM, name="head")
    x = L.GlobalAveragePooling2D(keepdims=True, name="pool")(x)  # the last convolution is behind it (section 5.1)
    x = L.Conv2D(base.units, 1, activation="hard_swish", name="units")(x)
    x = L.Flatten(name="flatten")(L.Dropout(0.2, name="dropout")(x))
    return L.Dense(classes, activation="softmax", name="classes")(x)


def published(base: Network) -> dict[str, Any]:
    """The decisions of a published network."""
    low, high = BLOCKS
    decisions: dict[str, Any] = {}
    for i, stage in enumerate(base.stages, start=1):
        decisions |= repetitions(f"stage{i}_rest", len(stage.blocks) - 1, low - 1, high - 1)
        names = [f"stage{i}", *(f"stage{i}_rest[{k}]" for k in range(len(stage.blocks) - 1))]
        for name, (kernel, expansion) in zip(names, stage.blocks, strict=True):
            decisions |= {f"{name}.kernel_size": kernel, f"{name}.expansion": expansion}
    return decisions


@nas.family
def make_mobilenet_v3(
    size: str = "large", input: tuple[int, int, int] = (224, 224, 3), classes: int = 1000, resolutions: Sequence[int] = ()
) -> nas.SearchSpace:
    """The space around MobileNetV3 of a size, "large" or "small", for other images and classes."""
    if size not in NETWORKS:
        raise nas.errors.SpaceError("no such network", path="size", received=size, expected=" or ".join(NETWORKS))
    base, name = NETWORKS[size], "mobilenet_v3" + ("_small" if size == "small" else "")
    own = [[expansion for _, expansion in stage.blocks] for stage in base.stages]
    expansions = [list(dict.fromkeys([*first, *EXPANSIONS])) for first in own]

    @nas.space(input=input, name=name, baselines={name: published(base)})
    def mobilenet_v3(image: Any) -> Any:
        """MobileNetV3 and around: inverted bottlenecks with open kernels, expansions and depths."""
        return network(image, base, expansions, resolutions, classes)

    return mobilenet_v3


mobilenet_v3 = make_mobilenet_v3()
mobilenet_v3_small = make_mobilenet_v3(size="small")
