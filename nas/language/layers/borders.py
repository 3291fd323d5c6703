"""Borders: zeros put around a grid, or its edge cut off, so that two grids meet. None of these has weights.

`MatchGrid` is the one for skip connections: it reads how much from the tensor that is to be met. Unpadded convolutions make a
decoder's grid smaller than its skip's (Ronneberger et al. 2015 crop the skip); a size that the stride does not divide makes it
larger (7 is halved to 4 and doubled to 8).
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal

from nas.errors import ShapeError
from nas.language.fields import PerEnd, PerFace, PerSide
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import expect_grid, keras_call

AXES = {1: ("steps",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}
"""Number of grid axes -> what is counted along each."""

Sides = tuple[tuple[int, int], ...]
"""(before, after) for each axis of the grid: ((top, bottom), (left, right))."""


class _ZeroPadding(Operation):
    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(self, *inputs) if any(map(any, sides(self.padding, self.axes))) else inputs[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        return (*(n + sum(pair) for n, pair in zip(shape[:-1], sides(self.padding, self.axes), strict=True)), shape[-1])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        border = sides(self.padding, self.axes)
        return keras_call(self, padding=border if self.axes > 1 else border[0])


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after. (steps, channels) -> (steps + first + last, channels).

    Args:
        padding: a number for both ends, or (first, last).
    """

    padding: PerEnd = 1

    layer = "ZeroPadding1D"
    axes = 1


class ZeroPadding2D(_ZeroPadding):
    """A border of zeros. (height, width, channels) -> (height + top + bottom, width + left + right, channels).

    Args:
        padding: a number for all sides, (height, width), or ((top, bottom), (left, right)).
    """

    padding: PerSide = 1

    layer = "ZeroPadding2D"
    axes = 2


class ZeroPadding3D(_ZeroPadding):
    """A border of zeros around a volume, (depth, height, width, channels).

    Args:
        padding: a number for all sides, one for each axis, or ((front, back), (top, bottom), (left, right)).
    """

    padding: PerFace = 1

    layer = "ZeroPadding3D"
    axes = 3


class _Cropping(Operation):
    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(self, *inputs) if any(map(any, sides(self.cropping, self.axes))) else inputs[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,), border = inputs, sides(self.cropping, self.axes)
        expect_grid(shape, self.axes, self.layer)
        left = (*(n - sum(pair) for n, pair in zip(shape[:-1], border, strict=True)), shape[-1])
        if min(left) < 1:
            names = AXES[self.axes]
            taken = " and ".join(f"{pair} {name}" for pair, name in zip(border, names, strict=True))
            available = " and ".join(f"{n} {name}" for n, name in zip(shape, names, strict=False))
            raise ShapeError(
                f"{self.layer} takes {taken} from {shape}",
                received=border,
                expected=f"fewer than {available}",
                hint="Crop less, or crop earlier",
            )
        return left

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        border = sides(self.cropping, self.axes)
        return keras_call(self, cropping=border if self.axes > 1 else border[0])


class Cropping1D(_Cropping):
    """The steps without the first and last. (steps, channels) -> (steps - first - last, channels).

    Args:
        cropping: a number for both ends, or (first, last).
    """

    cropping: PerEnd = 0

    layer = "Cropping1D"
    axes = 1


class Cropping2D(_Cropping):
    """The image without its border. (height, width, channels) -> (height - top - bottom, width - left - right, channels).

    Args:
        cropping: a number for all sides, (height, width), or ((top, bottom), (left, right)).
    """

    cropping: PerSide = 0

    layer = "Cropping2D"
    axes = 2


class Cropping3D(_Cropping):
    """The volume without its border, (depth, height, width, channels).

    Args:
        cropping: a number for all sides, one for each axis, or ((front, back), (top, bottom), (left, right)).
    """

    cropping: PerFace = 0

    layer = "Cropping3D"
    axes = 3


class MatchGrid(Operation):
    """The first input on the grid of the second: (..., a), (..., b) -> (..., a). The second is only measured.

    What is cut or added is shared between both ends of an axis; an odd one goes to the far end.

    Args:
        how: "crop" cuts where the first is larger, "pad" adds zeros where it is smaller, "both" does either.

    Example: `x = L.Merge("concat")(x, L.MatchGrid("crop")(skip, x))`, the skip of Ronneberger et al. 2015.
    """

    how: Literal["crop", "pad", "both"] = "both"

    arity = (2, 2)

    def wire(self, net: Any, *inputs: Any) -> Any:
        first, second = inputs
        if len(first.shape) != len(second.shape) or not 2 <= len(first.shape) <= 4:
            raise ShapeError(
                f"{net.called(first)} is {first.shape} and {net.called(second)} is {second.shape}",
                path=net.path,
                received=(first.shape, second.shape),
                expected="two grids of equally many axes, 1 to 3, with channels",
                hint="Reshape one of the two",
            )
        more = tuple(a - b for a, b in zip(first.shape[:-1], second.shape[:-1], strict=True))
        if self.how != "pad" and max(more) > 0:
            first = net.apply(_cropping(tuple(_shared(max(n, 0)) for n in more)), first)
        if self.how != "crop" and min(more) < 0:
            first = net.apply(_padding(tuple(_shared(max(-n, 0)) for n in more)), first)
        return first


def sides(border: Any, axes: int) -> Sides:
    """A border in full: `1` -> `((1, 1), (1, 1))`, `(1, 2)` -> `((1, 1), (2, 2))`; along one axis `(1, 2)` -> `((1, 2),)`."""
    if axes == 1:
        return (_both(border),)
    each = (border,) * axes if isinstance(border, int) else border
    return tuple(_both(side) for side in each)


def _both(side: Any) -> tuple[int, int]:
    first, last = (side, side) if isinstance(side, int) else side
    return first, last


def _shared(count: int) -> tuple[int, int]:
    return count // 2, count - count // 2


# The parts are kept: each remembers what it has worked out for a shape.
@functools.cache
def _cropping(border: Sides) -> Any:
    cropping = (Cropping1D, Cropping2D, Cropping3D)[len(border) - 1]
    return cropping.concrete(cropping=border if len(border) > 1 else border[0])


@functools.cache
def _padding(border: Sides) -> Any:
    padding = (ZeroPadding1D, ZeroPadding2D, ZeroPadding3D)[len(border) - 1]
    return padding.concrete(padding=border if len(border) > 1 else border[0])
