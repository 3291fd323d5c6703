"""`darts`: the cell space of DARTS (Liu et al. 2019, "DARTS: Differentiable Architecture Search", ICLR), as evaluated on
CIFAR-10.

A cell has two inputs and four nodes. A node takes two of the tensors before it, each through one of seven operations, and adds
them; the nodes' channels side by side are the output. A normal cell keeps the grid, a reduction cell halves it where it reads
its inputs; the network has 20 cells, two of which reduce. All normal cells make the same decisions, and all reduction cells.

The space has (180 * 7^8)^2 points: for each kind of cell 1 * 3 * 6 * 10 pairs of tensors, and seven operations on each of
eight edges. (The paper counts the same. An eighth operation, none, plays a part in its search only and is never chosen.)

`baselines` are the cells of the paper (first and second order), of P-DARTS (Chen et al. 2019) and of PC-DARTS (Xu et al.
2020). Their published parameters leave out the moving statistics of batch normalizations, two for each channel, as PyTorch
does: 3,349,342 for `darts_v2`. `make_darts(stem="imagenet", ...)` is the network for images of 224 (14 cells, 48 channels).
The auxiliary head and drop path, which are for training only, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nas
from nas import layers as L
from nas import oneof
from nas.errors import SpaceError
from search_spaces.cell_blocks import CellOperation, FactorizedReduction, Projection
from search_spaces.mobile_blocks import classifier

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3", "identity")
NODES = 4
MOMENTUM = 0.9  # PyTorch's default of 0.1, which weighs the batch

Edges = Sequence[tuple[str, int]]
"""Operation and input (0 and 1: the cell's inputs, 2 to 4: nodes) of each edge, two edges a node: a genotype as DARTS writes
it, with "identity" for "skip_connect"."""

GENOTYPES: dict[str, tuple[Edges, Edges]] = {
    "darts_v2": (
        (
            *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
            *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
            *(("sep_conv_3x3", 1), ("identity", 0)),
            *(("identity", 0), ("dil_conv_3x3", 2)),
        ),
        (
            *(("max_pool_3x3", 0), ("max_pool_3x3", 1)),
            *(("identity", 2), ("max_pool_3x3", 1)),
            *(("max_pool_3x3", 0), ("identity", 2)),
            *(("identity", 2), ("max_pool_3x3", 1)),
        ),
    ),
    "darts_v1": (
        (
            *(("sep_conv_3x3", 1), ("sep_conv_3x3", 0)),
            *(("identity", 0), ("sep_conv_3x3", 1)),
            *(("identity", 0), ("sep_conv_3x3", 1)),
            *(("sep_conv_3x3", 0), ("identity", 2)),
        ),
        (
            *(("max_pool_3x3", 0), ("max_pool_3x3", 1)),
            *(("identity", 2), ("max_pool_3x3", 0)),
            *(("max_pool_3x3", 0), ("identity", 2)),
            *(("identity", 2), ("avg_pool_3x3", 0)),
        ),
    ),
    "pdarts": (
        (
            *(("identity", 0), ("dil_conv_3x3", 1)),
            *(("identity", 0), ("sep_conv_3x3", 1)),
            *(("sep_conv_3x3", 1), ("sep_conv_3x3", 3)),
            *(("sep_conv_3x3", 0), ("dil_conv_5x5", 4)),
        ),
        (
            *(("avg_pool_3x3", 0), ("sep_conv_5x5", 1)),
            *(("sep_conv_3x3", 0), ("dil_conv_5x5", 2)),
            *(("max_pool_3x3", 0), ("dil_conv_3x3", 1)),
            *(("dil_conv_3x3", 1), ("dil_conv_5x5", 3)),
        ),
    ),
    "pc_darts": (
        (
            *(("sep_conv_3x3", 1), ("identity", 0)),
            *(("sep_conv_3x3", 0), ("dil_conv_3x3", 1)),
            *(("sep_conv_5x5", 0), ("sep_conv_3x3", 1)),
            *(("avg_pool_3x3", 0), ("dil_conv_3x3", 1)),
        ),
        (
            *(("sep_conv_5x5", 1), ("max_pool_3x3", 0)),
            *(("sep_conv_5x5", 1), ("sep_conv_5x5", 2)),
            *(("sep_conv_3x3", 0), ("sep_conv_3x3", 3)),
            *(("sep_conv_3x3", 1), ("sep_conv_3x3", 2)),
        ),
    ),
}
"""Name -> (normal cell, reduction cell), as published by their authors."""


def from_genotype(normal: Edges, reduction: Edges) -> dict[str, Any]:
    """The decisions that make these two cells.

    Raises:
        SpaceError: a node does not read two of the tensors before it.
    """
    decisions: dict[str, Any] = {}
    for cell, edges in (("normal", normal), ("reduction", reduction)):
        for node in range(NODES):
            pair = sorted(edges[2 * node : 2 * node + 2], key=lambda edge: edge[1])
            sources = [source for _, source in pair]
            if len(set(sources)) < 2 or max(sources) > node + 1:
                raise SpaceError(
                    f"node {node} reads {sources}",
                    path=f"{cell}.node{node}",
                    received=sources,
                    expected=f"two different tensors, each one of 0 to {node + 1}",
                )
            decisions[f"{cell}.node{node}"] = [f"input{source}" for source in sources]
            for place, (kind, source) in enumerate(pair):
                decisions[f"{cell}.node{node}[{place}].input{source}.edge.kind"] = kind
    return decisions


def cell(strides: int) -> Any:
    """A function of two tensors: one of the two cells, with all its decisions open."""

    def inner(before: Any, last: Any) -> Any:
        tensors = [before, last]
        for node in range(NODES):
            edges = [edge(source, strides if source < 2 else 1) for source in range(len(tensors))]
            pair = nas.manyof(2, edges, sorted=True)
            tensors.append(nas.branches(pair, merge="add", name=f"node{node}")(*tensors))
        return L.Concatenate(name="concat")(*tensors[2:])

    return inner


def edge(source: int, strides: int) -> Any:
    """One of the tensors before a node, through an operation."""
    operation = CellOperation(oneof(OPERATIONS), strides=strides, momentum=MOMENTUM, name="edge")
    return nas.chain(L.Pick(source), operation, name=f"input{source}")


def cifar_stem(image: Any, channels: int) -> tuple[Any, Any]:
    """A 3x3 convolution, which is both inputs of the first cell."""
    x = L.Conv2D(3 * channels, 3, use_bias=False, name="stem")(image)
    x = L.BatchNormalization(MOMENTUM, name="stem_norm")(x)
    return x, x


def imagenet_stem(image: Any, channels: int) -> tuple[Any, Any]:
    """Three strided convolutions; the first cell's inputs are an image of a quarter and of an eighth of the size."""
    x = L.Conv2D(channels // 2, 3, strides=2, use_bias=False, name="stem0")(image)
    x = L.ReLU(name="stem0_act")(L.BatchNormalization(MOMENTUM, name="stem0_norm")(x))
    x = L.Conv2D(channels, 3, strides=2, use_bias=False, name="stem1")(x)
    before = L.BatchNormalization(MOMENTUM, name="stem1_norm")(x)
    x = L.Conv2D(channels, 3, strides=2, use_bias=False, name="stem2")(L.ReLU(name="stem1_act")(before))
    return before, L.BatchNormalization(MOMENTUM, name="stem2_norm")(x)


STEMS = {"cifar": cifar_stem, "imagenet": imagenet_stem}


@nas.family
def make_darts(
    input: tuple[int, int, int] = (32, 32, 3), classes: int = 10, cells: int = 20, channels: int = 36, stem: str = "cifar"
) -> nas.SearchSpace:
    """The DARTS space for other images, classes and sizes of the network.

    Args:
        input: (height, width, channels).
        classes: probabilities of the output.
        cells: how many; those at one and two thirds are reduction cells.
        channels: of each operation before the first reduction; twice as many after each.
        stem: "cifar", or "imagenet", which makes the image eight times smaller.
    """
    if stem not in STEMS:
        raise SpaceError("no such stem", path="stem", received=stem, expected=f"one of {', '.join(STEMS)}")

    @nas.space(input=input, name="darts", baselines={name: from_genotype(*genotype) for name, genotype in GENOTYPES.items()})
    def darts(image: Any) -> Any:
        """DARTS (Liu et al. 2019): a normal and a reduction cell of four nodes, stacked."""
        normal, reduction = nas.tied(cell(1), name="normal"), nas.tied(cell(2), name="reduction")
        before, x = STEMS[stem](image, channels)
        width, halved = channels, stem == "imagenet"
        for i in range(cells):
            reduces = i in (cells // 3, 2 * cells // 3)
            width *= 2 if reduces else 1
            bring = FactorizedReduction if halved else Projection
            left = bring(width, momentum=MOMENTUM, name=f"before{i}")(before)
            right = Projection(width, momentum=MOMENTUM, name=f"last{i}")(x)
            before, x = x, (reduction if reduces else normal)(left, right)
            halved = reduces
        return classifier(x, classes)

    return darts


darts = make_darts()
