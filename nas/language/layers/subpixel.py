"""Sub-pixels: channels become positions and back, in one, two and three dimensions.

A convolution that makes factor^axes times the channels, followed by `DepthToSpace`, is learned up-sampling at the cost of a
convolution on the small grid (Shi et al. 2016, ESPCN). Keras has no layer for it: both are made of the stock layers `Reshape`
and `Permute`, with the order of elements of `tf.nn.depth_to_space` and `tf.nn.space_to_depth`.
"""

import functools
import math
from typing import Any

from nas.errors import ShapeError
from nas.language.fields import PerAxis
from nas.language.layers.shaping import Permute, Reshape
from nas.language.operation import Operation, Shape
from nas.language.rules import as_tuple


class DepthToSpace(Operation):
    """A grid `factor` times as large, of fewer channels. (height, width, channels * factor^2) -> (... * factor, channels).

    Args:
        factor: one number, or one for each axis of the grid.

    Raises:
        ShapeError: the factors' product does not divide the channels.
    """

    factor: PerAxis = 2

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        *grid, channels = x.shape
        factor = as_tuple(self.factor, len(grid), "factor")
        if channels % math.prod(factor):
            raise ShapeError(
                f"{math.prod(factor)} positions cannot be made of {channels} channels",
                path=net.path,
                received=x.shape,
                expected=f"a multiple of {math.prod(factor)} channels",
                hint="Put a convolution with that many filters before it",
            )
        axes = len(grid)
        between = (*grid, *factor, channels // math.prod(factor))
        order = (*(axis for i in range(axes) for axis in (i + 1, axes + i + 1)), 2 * axes + 1)
        larger = (*(n * k for n, k in zip(grid, factor, strict=True)), between[-1])
        return _reordered(net, x, between, order, larger)


class SpaceToDepth(Operation):
    """A grid `factor` times as small, nothing lost. (height, width, channels) -> (... / factor, channels * factor^2).

    Args:
        factor: one number, or one for each axis of the grid.

    Raises:
        ShapeError: a factor does not divide its axis.
    """

    factor: PerAxis = 2

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        *grid, channels = x.shape
        factor = as_tuple(self.factor, len(grid), "factor")
        if any(n % k for n, k in zip(grid, factor, strict=True)):
            raise ShapeError(
                f"blocks of {factor} do not tile {x.shape}",
                path=net.path,
                received=x.shape,
                expected=f"multiples of {factor}",
                hint="Pad the grid, or down-sample with a stride",
            )
        axes = len(grid)
        smaller = tuple(n // k for n, k in zip(grid, factor, strict=True))
        between = (*(size for pair in zip(smaller, factor, strict=True) for size in pair), channels)
        order = (*range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
        return _reordered(net, x, between, order, (*smaller, channels * math.prod(factor)))


def _reordered(net: Any, x: Any, between: Shape, order: Shape, after: Shape) -> Any:
    if x.shape == after:  # all factors are 1
        return x
    for part in _reordering(between, order, after):
        x = net.apply(part, x)
    return x


# The parts are kept: each remembers what it has worked out for a shape.
@functools.cache
def _reordering(between: Shape, order: Shape, after: Shape) -> tuple[Any, ...]:
    return (
        Reshape.concrete(target_shape=between),
        Permute.concrete(dims=order),
        Reshape.concrete(target_shape=after),
    )
