"""`nasbench201`: NAS-Bench-201 (Dong & Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR), which is also the topology space of NATS-Bench (Dong et al. 2021).

A cell has four nodes; each of its six edges is one of five operations, a node is the sum of its edges: 5^6 = 15,625 cells. The
network is a 3x3 stem, five cells at 16 channels, a residual block that halves the grid, five cells at 32, another block, five
cells at 64, then normalization, ReLU, global pooling and a classifier. All fifteen cells are the same cell.

`nasbench201` is the network for CIFAR-10; `make_nasbench201(classes=100)` that for CIFAR-100, and
`make_nasbench201(input=(16, 16, 3), classes=120)` that for ImageNet16-120. `from_arch_string`, `arch_string`,
`from_official_index` and `official_index` translate between decisions and the benchmark's names and numbers.

The published costs follow rules of their own. They are written down as `PUBLISHED`, ready for
`space.within(published_flops=..., rules=PUBLISHED)`, and meet all 15,625 rows of the three datasets to the digit:

- their parameters are the trainable ones, without moving mean and variance: two for each normalized channel, not four;
- their "FLOPs" are multiply-adds of convolutions and of the classifier, plus 2 for each normalized element, 1 for each ReLU,
  the window for each pooled element, and (n + 1)^2 for each channel pooled globally over n x n; sums and biases are free;
- they count every edge that is written. Here what no output needs, or nothing but missing edges feeds, is not part of the
  network and costs nothing. So 5,477 of the cells cost less, by just their dead edges; 341 of them let nothing through at all.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import nas
from nas import layers as L
from nas.errors import DecisionError
from nas.language.operation import KerasCall, Shape
from search_spaces.benchmark_cells import EDGES, cell, convolution, edge_name, tied_kinds

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
WIDTHS = (16, 32, 64)
CELLS = 5  # in each stage


# -- names and numbers of the benchmark --------------------------------------------------------------------------------------


def from_arch_string(text: str) -> dict[str, str]:
    """The decisions of the cell that the benchmark writes `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`.

    Raises:
        DecisionError: it is no cell of the space.
    """
    words = [edge.split("~") for node in text.split("+") for edge in node.strip("|").split("|")]
    found = {edge: word[0] for edge, word in zip(EDGES, words, strict=False)}
    if set(found.values()) - set(OPERATIONS) or len(found) < len(EDGES) or text != _written(list(found.values())):
        raise DecisionError(
            f"{text!r} is no cell",
            path="nasbench201",
            received=text,
            expected=f"{_written(['OP'] * 6)}, each OP one of {', '.join(OPERATIONS)}",
        )
    return {edge_name(edge): operation for edge, operation in found.items()}


def arch_string(decisions: Mapping[str, Any]) -> str:
    """The benchmark's name of a cell, given the decisions of an architecture."""
    return _written([decisions[edge_name(edge)] for edge in EDGES])


def official_index(decisions: Mapping[str, Any]) -> int:
    """The benchmark's number of a cell, 0 to 15,624."""
    return _shuffled().index(arch_string(decisions))


def from_official_index(index: int) -> dict[str, str]:
    """The decisions of the cell with the benchmark's number `index`.

    Raises:
        DecisionError: there is none.
    """
    cells = _shuffled()
    if not 0 <= index < len(cells):
        raise DecisionError(f"no cell {index}", path="nasbench201", received=index, expected=f"0 to {len(cells) - 1}")
    return from_arch_string(cells[index])


def _written(operations: Sequence[str]) -> str:
    nodes: dict[int, str] = {}
    for (source, target), operation in zip(EDGES, operations, strict=True):
        nodes[target] = f"{nodes.get(target, '|')}{operation}~{source}|"
    return "+".join(nodes.values())


@functools.cache
def _shuffled() -> list[str]:
    """All cells in the benchmark's order: every combination, shuffled by Python's generator from the seed its authors fixed."""
    cells = [_written(operations) for operations in itertools.product(OPERATIONS, repeat=len(EDGES))]
    random.Random(88).shuffle(cells)
    return cells


# -- its costs as published --------------------------------------------------------------------------------------------------


def published_params(call: KerasCall, inputs: Sequence[Shape], output: Shape) -> int:
    """What an operation adds to the published number of parameters."""
    return _published(call, inputs, output)[0]


def published_flops(call: KerasCall, inputs: Sequence[Shape], output: Shape) -> int:
    """What an operation adds to the published number of "FLOPs"."""
    return _published(call, inputs, output)[1]


PUBLISHED = {"published_params": published_params, "published_flops": published_flops}


def _published(call: KerasCall, inputs: Sequence[Shape], output: Shape) -> tuple[int, int]:
    """Parameters and "FLOPs" of an operation."""
    elements, channels = math.prod(output), output[-1]
    if call.layer == "Conv2D":
        weights = call.kwargs["kernel_size"] ** 2 * inputs[0][-1] * channels
        return weights, weights * elements // channels
    if call.layer == "Dense":
        weights = inputs[0][-1] * channels
        return weights + channels, weights
    if call.layer == "AveragePooling2D":
        return 0, call.kwargs["pool_size"] ** 2 * elements
    if call.layer == "GlobalAveragePooling2D":
        return 0, (inputs[0][0] + 1) ** 2 * channels
    known = {"BatchNormalization": (2 * channels, 2 * elements), "Activation": (0, elements), "Add": (0, 0)}
    if call.layer not in known:
        raise DecisionError(f"the benchmark has no {call.layer}", path="nasbench201", received=call, expected="its operations")
    return known[call.layer]


# -- the space ---------------------------------------------------------------------------------------------------------------

BASELINES = {
    "best_cifar10": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "best_cifar100": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "best_imagenet16": "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "resnet": "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
    "darts": "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
}
"""The best mean test accuracy on each dataset (94.37, 73.51, 47.31); the residual block (93.97, 70.86, 43.63: Dong & Yang 2020,
table 5); and what DARTS ends at there (54.30, 15.61, 16.32)."""


@nas.family
def make_nasbench201(input: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> nas.SearchSpace:
    """NAS-Bench-201 for images of another size or with another number of classes."""

    @nas.space(input=input, name="nasbench201", baselines={name: from_arch_string(text) for name, text in BASELINES.items()})
    def nasbench201(image: Any) -> Any:
        """NAS-Bench-201: one cell of six edges, each one of five operations, stacked 15 times."""
        searched = nas.tied(cell(tied_kinds(OPERATIONS)), name="cell")
        x = L.Conv2D(WIDTHS[0], 3, use_bias=False, name="stem_conv")(image)
        x = L.BatchNormalization(name="stem_norm")(x)
        for stage, width in enumerate(WIDTHS):
            if stage:
                x = reduction(x, width, name=f"reduction{stage}")
            for _ in range(CELLS):
                x = searched(x, x)
        x = L.BatchNormalization(name="norm")(x)
        x = L.GlobalAveragePooling2D(name="pool")(L.ReLU(name="relu")(x))
        return L.Dense(classes, name="classifier")(x)

    return nasbench201


def reduction(x: Any, width: int, name: str) -> Any:
    """A residual block with stride 2, means in its shortcut (He et al. 2016; Dong & Yang 2020, figure 1)."""
    y = convolution(x, width, 3, 2, name=f"{name}_a")
    y = convolution(y, width, 3, 1, name=f"{name}_b")
    x = L.AveragePooling2D(2, name=f"{name}_mean")(x)
    x = L.Conv2D(width, 1, use_bias=False, name=f"{name}_shortcut")(x)
    return L.Add(name=name)(x, y)


nasbench201 = make_nasbench201()
