"""`nasfpn`: feature pyramids by NAS-FPN (Ghiasi et al. 2019, "NAS-FPN: Learning Scalable Feature Pyramid Architecture for
Object Detection", CVPR), for any backbone. Its inputs are the backbone's features at levels 3 to 5 (an eighth to a 32nd of
the image), its outputs a pyramid of levels 3 to 7.

A pyramid network starts from the features of five levels, the last two made by pooling, and makes seven more, one after the
other, in merging cells. A cell picks two different features, a level, and how they are merged at that level: by a sum, or by
attention, where the global maximum of the coarser one gates the finer one. The last five cells are the outputs, one for each
level, in any order; to them is added what no cell has read and has their level. The network is stacked, seven times in the
paper, always with the same decisions.

The space: pairs of 5 to 11 features, two ways to merge, any level for the first two cells, an order of the levels for the
others: 7,858,620,000 * 2^7 * 5^2 * 5! = 3.02e15 points. The form of the space for Vertex AI does without level 3 in the first
two cells: `make_nasfpn(levels=(4, 5, 6, 7))` has its 1.93e15 points.

`baselines["nasfpn"]` is the published network, NAS-FPN (7 @ 256). Convolutions have biases although normalizations follow, as
in the published code.
"""

from collections.abc import Sequence
from typing import Any, Literal

import nas
from nas import layers as L
from nas.errors import SpaceError
from nas.language.fields import PerAxis
from search_spaces.cell_blocks import part
from search_spaces.scale_blocks import Fuse, after_reading, all_different, by_level, enlarge, grid_of, two_of

LEVELS = (3, 4, 5, 6, 7)
INPUT_LEVELS = (3, 4, 5)
FIRST_CELL = len(LEVELS)
FIRST_OUTPUT = FIRST_CELL + 2
FEATURES = FIRST_OUTPUT + len(LEVELS)

NASFPN = (
    (4, "attention", (1, 3)),
    (4, "sum", (1, 5)),
    (3, "sum", (0, 6)),
    (4, "sum", (6, 7)),
    (5, "attention", (7, 8)),
    (7, "attention", (6, 9)),
    (6, "attention", (9, 10)),
)
"""(level, how it merges, the two features it reads) of each merging cell. Features 0 to 4 are levels 3 to 7, 5 is the first
cell's."""


def from_cells(cells: Sequence[tuple[int, str, tuple[int, int]]]) -> dict[str, Any]:
    """The decisions that make these merging cells: (level, "sum" or "attention", the two features it reads) for each."""
    decisions: dict[str, Any] = {}
    for number, (level, kind, inputs) in enumerate(cells, start=FIRST_CELL):
        first, second = sorted(inputs)
        decisions |= {f"level{number}": level, f"kind{number}": kind, f"first{number}": first, f"second{number}": second}
    return decisions


class Merging(nas.Operation):
    """Two features of any levels, merged at a level. (height, width, channels) twice -> (height', width', channels).

    Args:
        level: of the output.
        kind: "sum"; "attention": the coarser one, plus the finer one times the sigmoid of the coarser one's global maximum.
        image: (height, width) of the image the features come from.
    """

    level: Literal[3, 4, 5, 6, 7]
    kind: Literal["sum", "attention"]
    image: PerAxis

    arity = (2, 2)

    def wire(self, net: Any, *inputs: Any) -> Any:
        coarse, fine = sorted(inputs, key=lambda x: x.shape[:-1])  # the order stays if they are of one level
        coarse, fine = (to_grid(net, x, grid_of(self.image, self.level)) for x in (coarse, fine))
        if self.kind == "attention":
            gate = net.apply(part(L.GlobalMaxPooling2D, keepdims=True), coarse, name="max")
            gate = net.apply(part(L.Activation, function="sigmoid"), gate, name="gate")
            fine = net.apply(part(L.Multiply), fine, gate, name="gated")
        return net.apply(part(L.Add), coarse, fine, name="sum")


def to_grid(net: Any, x: Any, grid: tuple[int, ...]) -> Any:
    """A feature on another level's grid, by the maximum of windows or by copying."""
    if x.shape[:-1] > grid:
        size = 2
        while tuple(-(-n // size) for n in x.shape[:-1]) != grid:
            size *= 2
        return net.apply(part(L.MaxPooling2D, pool_size=size), x, name="pool")
    return enlarge(net, x, grid) if x.shape[:-1] < grid else x


@nas.family
def make_nasfpn(
    image: tuple[int, int] = (640, 640),
    channels: tuple[int, int, int] = (512, 1024, 2048),
    filters: int = 256,
    repeats: int = 7,
    levels: Sequence[int] = LEVELS,
) -> nas.SearchSpace:
    """The NAS-FPN space for another backbone and size.

    Args:
        image: (height, width) of the image the features come from, at least 128 each, so that levels differ.
        channels: of the features at levels 3, 4 and 5; a ResNet-50's by default.
        filters: channels of the pyramid.
        repeats: how often the pyramid network is stacked.
        levels: those which the first two merging cells choose from.
    """
    if min(image) < 2 ** LEVELS[-1]:
        raise SpaceError("the image is too small for seven levels", path="image", received=image, expected="at least 128 x 128")
    shapes = {f"c{level}": (*grid_of(image, level), width) for level, width in zip(INPUT_LEVELS, channels, strict=True)}
    fits = all(level in levels for level, _, _ in NASFPN[: -len(LEVELS)])

    @nas.space(inputs=shapes, name="nasfpn", baselines={"nasfpn": from_cells(NASFPN)} if fits else {})
    def nasfpn(c3: Any, c4: Any, c5: Any) -> Any:
        """NAS-FPN (Ghiasi et al. 2019): a feature pyramid of learned merges, stacked."""
        decided = [decisions(number, levels) for number in range(FIRST_CELL, FEATURES)]
        all_different([level for level, *_ in decided[-len(LEVELS) :]])
        pyramid = [
            as_wide(x, filters, width, f"in{i}") for i, (x, width) in enumerate(zip((c3, c4, c5), channels, strict=True))
        ]
        for level in LEVELS[len(pyramid) :]:
            pyramid.append(L.MaxPooling2D(2, name=f"level{level}")(pyramid[-1]))
        for i in range(repeats):
            pyramid = pyramid_network(pyramid, decided, image, filters, f"stack{i}")
        return pyramid

    return nasfpn


def decisions(number: int, levels: Sequence[int]) -> tuple[Any, ...]:
    """What the merging cell that makes a feature decides: its level, how it merges, and which two features it reads."""
    level = nas.tied(list(LEVELS if number >= FIRST_OUTPUT else levels), name=f"level{number}")
    return level, nas.tied(["sum", "attention"], name=f"kind{number}"), *two_of(number)


def as_wide(x: Any, filters: int, channels: int, name: str) -> Any:
    """A feature with so many channels."""
    if channels == filters:
        return x
    return L.BatchNormalization(name=f"{name}_norm")(L.Conv2D(filters, 1, name=name)(x))


def pyramid_network(pyramid: Sequence[Any], decided: Sequence[Any], image: Sequence[int], filters: int, name: str) -> list[Any]:
    """Seven merging cells on features of levels 3 to 7; returns the last five by level."""
    features, unread = list(pyramid), dict(enumerate(pyramid))
    for number, (level, kind, *pair) in enumerate(decided, start=FIRST_CELL):
        sources = [each.of(features) for each in pair]
        x = Merging(level, kind, image=image, name=f"{name}_merged{number}")(*sources)
        unread = after_reading(unread, pair, f"{name}_unread{number}")
        for j, y in unread.items() if number >= FIRST_OUTPUT else ():
            x = Fuse(name=f"{name}_leftover{number}_{j}")(x, y)
        x = L.Conv2D(filters, 3, name=f"{name}_conv{number}")(L.ReLU(name=f"{name}_act{number}")(x))
        features.append(L.BatchNormalization(name=f"{name}_norm{number}")(x))
        if number < FIRST_OUTPUT:
            unread[number] = features[-1]
    return by_level(features[-len(LEVELS) :], image, LEVELS, f"{name}_p")


nasfpn = make_nasfpn()
