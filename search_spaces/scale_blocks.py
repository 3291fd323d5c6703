"""Features of several scales in one network: which grid a level has, which earlier features are read, what becomes of the
others.

SpineNet (Du et al. 2020) and NAS-FPN (Ghiasi et al. 2019) build networks whose features have levels: level L is the image made
2^L times smaller. A new feature reads two of the earlier ones, whatever their levels; what nothing has read is added to an
output of its shape; the outputs have one level each, in an order that is decided. Here are the parts of that which both need:
tied decisions say what is read, zeros stand for what is not to be added, and sums drop zeros. Import these for spaces of your
own. Nothing here is a space.
"""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import nas
from nas import layers as L
from nas.language.fields import PerAxis
from search_spaces.cell_blocks import part

__all__ = ["AtGrid", "Fuse", "Reading", "after_reading", "all_different", "by_level", "enlarge", "grid_of", "two_of"]


# -- grids -------------------------------------------------------------------------------------------------------------------


def grid_of(image: Sequence[int], level: int) -> tuple[int, ...]:
    """The grid of a level: the image made 2^level times smaller, rounded up. (640, 480), 3 -> (80, 60)."""
    return tuple(math.ceil(n / 2**level) for n in image)


def enlarge(net: Any, x: Any, grid: tuple[int, ...]) -> Any:
    """`x` copied onto a larger grid by a power of two; what comes to lie beyond it is cut off."""
    factor = 2 ** math.ceil(math.log2(max(b / a for a, b in zip(x.shape, grid, strict=False))))
    x = net.apply(part(L.UpSampling2D, size=factor), x, name="copy")
    rest = tuple((0, a - b) for a, b in zip(x.shape, grid, strict=False))
    return net.apply(part(L.Cropping2D, cropping=rest), x, name="cut")


class AtGrid(nas.Operation):
    """The input if it is on a grid, zeros of that grid if it is on another one.

    Args:
        grid: (height, width).
    """

    grid: PerAxis

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if inputs[0].shape[:-1] == tuple(self.grid) else net.zeros(self, *inputs)

    def output_shape(self, *inputs: Any) -> Any:
        return (*self.grid, inputs[0][-1])


def by_level(features: Sequence[Any], image: Sequence[int], levels: Sequence[int], name: str) -> list[Any]:
    """Features, one of each level in an order that is decided, in the order of their levels.

    Each result is the sum of what is on its grid, which is one of them, and of zeros for the others.
    """
    ordered = []
    for level in levels:
        grid = grid_of(image, level)
        here = [AtGrid(grid, name=f"{name}{level}_{i}")(x) for i, x in enumerate(features)]
        ordered.append(L.Add(name=f"{name}{level}")(*here))
    return ordered


# -- what is read, and what is not -------------------------------------------------------------------------------------------


class Reading:
    """Which of the earlier features is read: a tied decision, with what follows from it made once, however often it is used.

    Args:
        count: how many earlier features there are.
        name: of the decision.

    Attributes:
        decision: the number of the feature.
    """

    def __init__(self, count: int, name: str):
        self.decision = nas.tied(range(count), name=name)
        self._pick = self.decision.map(L.Pick)
        self._unless: dict[int, Any] = {}

    def of(self, features: Sequence[Any]) -> Any:
        """The feature that is read."""
        return self._pick(*features)

    def zero_if(self, number: int) -> Any:
        """An operation: zeros if the feature of this number is read, its input otherwise."""
        if number not in self._unless:
            self._unless[number] = self.decision.map(lambda picked: L.Zero() if picked == number else None)
        return self._unless[number]


def two_of(count: int) -> list[Reading]:
    """Two different ones of N features are read, in order: the tied decisions `firstN` and `secondN`."""
    pair = [Reading(count, f"{which}{count}") for which in ("first", "second")]
    nas.require(operator.lt, *(each.decision for each in pair))
    return pair


def all_different(decisions: Sequence[Any]) -> None:
    """Requires tied decisions to be an order of their options: no two of them alike."""
    nas.require(lambda *found: len(set(found)) == len(found), *decisions)


def after_reading(unread: Mapping[int, Any], pair: Sequence[Reading], name: str) -> dict[int, Any]:
    """Features that nothing has read until now, once a pair is read as well: zeros in place of the features of the pair."""
    return {j: nas.chain(*(each.zero_if(j) for each in pair), name=f"{name}_{j}")(x) for j, x in unread.items()}


class Fuse(nas.Operation):
    """The first input, to which the second one is added if their shapes are equal."""

    arity = (2, 2)

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(part(L.Add), *inputs) if inputs[0].shape == inputs[1].shape else inputs[0]
