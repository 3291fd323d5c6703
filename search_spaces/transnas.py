"""`transnas_micro` and `transnas_macro`: the two spaces of TransNAS-Bench-101 (Duan et al. 2021, "TransNAS-Bench-101: Improving
Transferability and Generalizability of Cross-Task Neural Architecture Search", CVPR), as it classifies scenes.

Both begin with two strided convolutions and end with global pooling and a classifier; between them stand modules of two blocks.

- micro: five modules, of which the first, third and fifth halve the grid and double the channels in their first block. All ten
  blocks are the same searched cell: six edges, each none, a skip, a 1x1 or a 3x3 convolution. 4^6 = 4,096 cells.
- macro: the blocks are the residual blocks of He et al. 2016; searched is what the modules do. There are four to six of them.
  One to four halve the grid, one to three double the channels, a module can do both. That gives 3,256 networks.

The benchmark calls a network `64-41414-1_02_333` (micro) or `64-4111-basic` (macro): channels of the stem; a digit for each
module, 1: as it is, 2: channels doubled, 3: grid halved, 4: both; and the cell, node by node, a digit for each edge.
`from_arch_string` and `arch_string` translate. Of the other tasks, object classification is `classes=75` and room layout
`classes=9`; the rest have decoders or heads of their own, which are not searched.

Costs are those of what is left when dead edges are gone. The benchmark's parameters are the trainable ones: two for each
normalized channel, not four.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Literal

import nas
from nas import layers as L
from nas.errors import DecisionError
from search_spaces.benchmark_cells import EDGES, cell, convolution, edge_name, tied_kinds

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""What the digits 0 to 3 of a cell's name stand for."""

MICRO_MODULES = "41414"
WIDTH = 64  # of the stem
DEPTHS = (4, 5, 6)
SMALLER, WIDER = "34", "24"  # modules that halve the grid, and that double the channels


# -- names of the benchmark --------------------------------------------------------------------------------------------------


def from_arch_string(text: str) -> dict[str, str]:
    """The decisions of the network that the benchmark calls `64-41414-1_02_333` or `64-4111-basic`.

    Raises:
        DecisionError: it is the name of no network of the two spaces.
    """
    micro = re.fullmatch(rf"{WIDTH}-{MICRO_MODULES}-([0-3])_([0-3]{{2}})_([0-3]{{3}})", text)
    if micro:
        return {edge_name(edge): OPERATIONS[int(digit)] for edge, digit in zip(EDGES, "".join(micro.groups()), strict=True)}
    macro = re.fullmatch(rf"{WIDTH}-([1-4]{{4,6}})-basic", text)
    if macro and is_macro(*macro[1]):
        return {f"module{i}": digit for i, digit in enumerate(macro[1].ljust(max(DEPTHS), "0")) if digit != "0"} | {
            f"module{i}": "none" for i in range(len(macro[1]), max(DEPTHS))
        }
    raise DecisionError(
        f"{text!r} names no network",
        path="transnas",
        received=text,
        expected=f"{WIDTH}-{MICRO_MODULES}-x_xx_xxx, each x from 0 to 3, or {WIDTH}-yyyy-basic, four to six y from 1 to 4",
        hint="One to four modules are 3 or 4, and one to three are 2 or 4",
    )


def arch_string(decisions: Mapping[str, Any]) -> str:
    """The benchmark's name of a network, given the decisions of an architecture of either space."""
    if edge_name(EDGES[0]) in decisions:
        a, b, c, d, e, f = (OPERATIONS.index(decisions[edge_name(edge)]) for edge in EDGES)
        return f"{WIDTH}-{MICRO_MODULES}-{a}_{b}{c}_{d}{e}{f}"
    modules = [decisions[f"module{i}"] for i in range(max(DEPTHS))]
    return f"{WIDTH}-{''.join(module for module in modules if module != 'none')}-basic"


def is_macro(*modules: str) -> bool:
    """Whether modules, "none" for those that are not there, are a network of the macro space."""
    there = [module for module in modules if module != "none"]
    smaller, wider = (sum(module in kinds for module in there) for kinds in (SMALLER, WIDER))
    return len(there) in DEPTHS and list(modules[: len(there)]) == there and 1 <= smaller <= 4 and 1 <= wider <= 3


# -- the spaces --------------------------------------------------------------------------------------------------------------

MICRO = {
    "resnet": f"{WIDTH}-{MICRO_MODULES}-3_03_101",
    "all_3x3": f"{WIDTH}-{MICRO_MODULES}-3_33_333",
    "example": f"{WIDTH}-{MICRO_MODULES}-1_02_333",
}
"""The residual block as a cell, the largest cell, and the cell that the benchmark's authors explain its names with."""

MACRO = {
    "41414": f"{WIDTH}-41414-basic",
    "example": f"{WIDTH}-1234-basic",
    "second_example": f"{WIDTH}-4111-basic",
}
"""The modules of the micro space, and the networks that the benchmark's authors explain its names and its programs with."""


@nas.family
def make_transnas_micro(input: tuple[int, int, int] = (256, 256, 3), classes: int = 47) -> nas.SearchSpace:
    """The micro space of TransNAS-Bench-101 for images of another size or with another number of classes."""

    @nas.space(input=input, name="transnas_micro", baselines={name: from_arch_string(text) for name, text in MICRO.items()})
    def transnas_micro(image: Any) -> Any:
        """TransNAS-Bench-101, cells: six edges, each one of four operations, stacked 10 times."""
        searched = nas.tied(cell(tied_kinds(OPERATIONS)), name="cell")
        x, width = stem(image), WIDTH
        for digit in MICRO_MODULES:
            if digit == "4":
                width *= 2
                x = searched(x, L.Zero(strides=2, filters=width)(x))
            else:
                x = searched(x, x)
            x = searched(x, x)
        return head(x, classes)

    return transnas_micro


@nas.family
def make_transnas_macro(input: tuple[int, int, int] = (256, 256, 3), classes: int = 47) -> nas.SearchSpace:
    """The macro space of TransNAS-Bench-101 for images of another size or with another number of classes."""

    @nas.space(input=input, name="transnas_macro", baselines={name: from_arch_string(text) for name, text in MACRO.items()})
    def transnas_macro(image: Any) -> Any:
        """TransNAS-Bench-101, skeletons: where four to six residual modules narrow the grid and widen."""
        x, modules = stem(image), []
        for i in range(max(DEPTHS)):
            options = ["1", "2", "3", "4"] + (["none"] if i >= min(DEPTHS) else [])
            modules.append(nas.tied(options, name=f"module{i}"))
            x = ResidualModule(modules[i], name=f"blocks{i}")(x)
        nas.require(is_macro, *modules)
        return head(x, classes)

    return transnas_macro


def stem(image: Any) -> Any:
    """A quarter of the grid, `WIDTH` channels."""
    x = L.Conv2D(WIDTH // 2, 3, strides=2, use_bias=False, name="stem0_conv")(image)
    return convolution(L.BatchNormalization(name="stem0_norm")(x), WIDTH, 3, 2, name="stem1")


def head(x: Any, classes: int) -> Any:
    """Global pooling and a classifier."""
    return L.Dense(classes, name="classifier")(L.GlobalAveragePooling2D(name="pool")(x))


class ResidualModule(nas.Operation):
    """Two residual blocks (He et al. 2016), normalized last (Duan et al. 2021).

    Args:
        kind: none: no module. 1: shape as it is. 2: twice the channels. 3: half the grid. 4: both.
    """

    kind: Literal["1", "2", "3", "4", "none"] = "1"

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        if self.kind == "none":
            return x
        filters = x.shape[-1] * (2 if self.kind in WIDER else 1)
        for name, strides in (("block0", 2 if self.kind in SMALLER else 1), ("block1", 1)):
            relu, norm, first, second, shortcut, add = _block_parts(filters, strides)
            y = x
            for step, conv in (("a", first), ("b", second)):
                y = net.apply(conv, net.apply(relu, y, name=f"{name}_{step}_relu"), name=f"{name}_{step}_conv")
                y = net.apply(norm, y, name=f"{name}_{step}_norm")
            if x.shape != y.shape:
                x = net.apply(norm, net.apply(shortcut, x, name=f"{name}_shortcut"), name=f"{name}_shortcut_norm")
            x = net.apply(add, x, y, name=name)
        return x


# The parts are kept: each remembers what it has worked out for its inputs' shapes.
@functools.cache
def _block_parts(filters: int, strides: int) -> tuple[Any, ...]:
    def conv(kernel_size: int, strides: int) -> Any:
        return L.Conv2D.concrete(filters=filters, kernel_size=kernel_size, strides=strides, use_bias=False)

    convolutions = conv(3, strides), conv(3, 1), conv(1, strides)
    return L.ReLU.concrete(), L.BatchNormalization.concrete(), *convolutions, L.Add.concrete()


transnas_micro = make_transnas_micro()
transnas_macro = make_transnas_macro()
