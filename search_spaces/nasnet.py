"""`nasnet`: the cell space of NASNet (Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition",
CVPR).

A cell has two inputs, the last cell's output and that of the cell before it, and five blocks. A block picks two of the tensors
before it, each through one of thirteen operations, and adds them or puts their channels side by side. A normal cell keeps the
grid; in a reduction cell operations on the cell's inputs halve it. Normal cells all make the same decisions, and so do
reduction cells. `baselines["nasnet_a"]` is NASNet-A; at the default size it is the mobile network, NASNet-A (4 @ 1056), with
the 5,326,716 parameters of `keras.applications.NASNetMobile`.

What leaves a cell is the channels of several tensors side by side. The paper joins those that no block reads. NASNet-A itself
does not: as published, its normal cell also joins an input that blocks read, its reduction cell a block that another one
reads. So here it is a decision for each of the first six tensors whether it is joined to the last block, and the space has 64
times as many points a cell as the paper's: 518,400 picks, 13^10 operations, 2^5 ways to combine, 2^6 outputs.

The auxiliary head and drop path, which are for training only, are left out. Among the operations, the paper does not call the
dilated convolution separable, so it is a full one.
"""

import math
from collections.abc import Sequence
from typing import Any

import pyglove as pg

import nas
from nas import layers as L
from nas import oneof
from nas.errors import SpaceError
from search_spaces.cell_blocks import CellOperation, FactorizedReduction, Projection
from search_spaces.mobile_blocks import classifier

OPERATIONS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "identity",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_full_conv_3x3",
)
BLOCKS = 5
MOMENTUM = 0.9997

Block = tuple[str, int, str, int]
"""Left operation and input, right operation and input. Inputs: 0 is what the cell before the last one gave out, 1 what the last
one did, 2 to 5 are blocks."""

NASNET_A: dict[str, tuple[tuple[Block, ...], tuple[int, ...]]] = {
    "normal": (
        (
            ("sep_conv_5x5", 1, "sep_conv_3x3", 0),
            ("sep_conv_5x5", 0, "sep_conv_3x3", 0),
            ("avg_pool_3x3", 1, "identity", 0),
            ("avg_pool_3x3", 0, "avg_pool_3x3", 0),
            ("sep_conv_3x3", 1, "identity", 1),
        ),
        (0, 2, 3, 4, 5),
    ),
    "reduction": (
        (
            ("sep_conv_5x5", 1, "sep_conv_7x7", 0),
            ("max_pool_3x3", 1, "sep_conv_7x7", 0),
            ("avg_pool_3x3", 1, "sep_conv_5x5", 0),
            ("identity", 3, "avg_pool_3x3", 2),
            ("sep_conv_3x3", 2, "max_pool_3x3", 1),
        ),
        (3, 4, 5),
    ),
}
"""Blocks of each cell, and what is joined to the last block, as in the networks that were published with weights."""


def cell_decisions(cell: str, blocks: Sequence[Block], joined: Sequence[int] | None = None) -> dict[str, Any]:
    """The decisions that make a cell whose blocks add.

    Args:
        cell: "normal" or "reduction".
        blocks: five of them.
        joined: which of the first six tensors are joined to the last block; None: those that no block reads, the paper's rule.
    """
    read = {source for _, left, _, right in blocks for source in (left, right)}
    kept = [i for i in range(BLOCKS + 1) if i not in read] if joined is None else joined
    decisions: dict[str, Any] = {f"{cell}.output.joined[{i}]": i in kept for i in range(BLOCKS + 1)}
    for number, (left_kind, left, right_kind, right) in enumerate(blocks):
        for side, kind, source in (("left", left_kind, left), ("right", right_kind, right)):
            decisions[f"{cell}.block{number}_{side}.kind"] = kind
            decisions[f"{cell}.block{number}_{side}_input.index"] = source
        decisions[f"{cell}.block{number}.mode"] = "add"
    return decisions


class Join(nas.Operation):
    """Some of its inputs side by side, always with the last one. Grids are equal.

    Args:
        joined: for each input but the last, whether it is joined.
    """

    joined: pg.typing.List(pg.typing.Bool())  # type: ignore[valid-type]

    arity = (2, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        *earlier, last = inputs
        chosen = [x for x, kept in zip(earlier, self.joined, strict=True) if kept]
        return net.apply(_CONCATENATE, *chosen, last) if chosen else last


_CONCATENATE = L.Concatenate.concrete()


def cell(strides: int) -> Any:
    """A function of two tensors, the second of which has the cell's channels: a cell with all its decisions open."""

    def inner(before: Any, last: Any) -> Any:
        tensors = [before, last]
        for number in range(BLOCKS):
            sides = []
            for side in ("left", "right"):
                picked = L.Pick(oneof(range(len(tensors))), name=f"block{number}_{side}_input")(*tensors)
                operation = CellOperation(oneof(OPERATIONS), strides=strides, momentum=MOMENTUM, name=f"block{number}_{side}")
                sides.append(operation(picked, last))
            tensors.append(L.Merge(oneof(["add", "concat"]), name=f"block{number}")(*sides))
        for i in (0, 1):
            tensors[i] = CellOperation("identity", strides=strides, momentum=MOMENTUM, name=f"output{i}")(tensors[i], last)
        return Join([oneof([True, False]) for _ in tensors[1:]], name="output")(*tensors)

    return inner


@nas.family
def make_nasnet(
    input: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    repeats: int = 4,
    channels: int = 44,
    stem: str = "imagenet",
    stem_channels: int = 32,
    skip_reduction: bool = False,
) -> nas.SearchSpace:
    """The NASNet space for other images, classes and sizes of the network.

    NASNet-A (N @ P) of the paper has `repeats=N, channels=P // 24`: (4 @ 1056) is mobile; (6 @ 4032) with `stem_channels=96,
    skip_reduction=True` is large; (6 @ 768) with `stem="cifar", stem_channels=96` is for CIFAR-10.

    Args:
        input: (height, width, channels).
        classes: probabilities of the output.
        repeats: normal cells before the first, between the two, and after the second reduction cell.
        channels: of each operation before the first reduction; twice as many after each.
        stem: "imagenet" is a strided convolution and two further reduction cells; "cifar" a convolution.
        stem_channels: of that convolution.
        skip_reduction: beside its output, the cell after a reduction cell reads what the cell two before it gave out.
    """
    if stem not in ("imagenet", "cifar"):
        raise SpaceError("no such stem", path="stem", received=stem, expected="imagenet or cifar")
    baselines = {
        "nasnet_a": {k: v for cell, (blocks, kept) in NASNET_A.items() for k, v in cell_decisions(cell, blocks, kept).items()}
    }

    @nas.space(input=input, name="nasnet", baselines=baselines)
    def nasnet(image: Any) -> Any:
        """NASNet (Zoph et al. 2018): a normal and a reduction cell of five blocks, stacked."""
        normal, reduction = nas.tied(cell(1), name="normal"), nas.tied(cell(2), name="reduction")
        strides, padding = (2, "valid") if stem == "imagenet" else (1, "same")
        x = L.Conv2D(stem_channels, 3, strides=strides, padding=padding, use_bias=False, name="stem")(image)
        x = L.BatchNormalization(MOMENTUM, name="stem_norm")(x)
        before, halved = None, False
        for i, (reduces, scale) in enumerate(_stages(repeats, stem)):
            width = math.floor(channels * scale)
            bring = FactorizedReduction if halved else Projection
            left = x if before is None else bring(width, momentum=MOMENTUM, name=f"before{i}")(before)
            right = Projection(width, momentum=MOMENTUM, name=f"last{i}")(x)
            skipped = before if skip_reduction and reduces and scale > 1 else x
            before, x = skipped, (reduction if reduces else normal)(left, right)
            halved = reduces
        return classifier(L.ReLU(name="act")(x), classes)

    return nasnet


def _stages(repeats: int, stem: str) -> list[tuple[bool, float]]:
    """For each cell whether it reduces, and its channels as a multiple of the first normal cell's."""
    stages: list[tuple[bool, float]] = [(True, 1 / 4), (True, 1 / 2)] if stem == "imagenet" else []
    for scale in (1, 2, 4):
        stages += ([(True, scale)] if scale > 1 else []) + [(False, scale)] * repeats
    return stages


nasnet = make_nasnet()
