"""Resizing: a smaller or a larger grid, the way being a decision, for steps, images and volumes alike.

`Downsample` pools or strides; `Upsample` copies, interpolates, or learns. Copying or interpolating and then convolving avoids
the checkerboard patterns of transposed convolutions (Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard), at more
multiply-adds; sub-pixels (Shi et al. 2016) learn on the small grid.

Keras interpolates images only. Steps and volumes are interpolated as images that are reshaped before and after, which is exact:
linear interpolation goes axis by axis.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

from nas.errors import ShapeError
from nas.language.fields import OptionalPositive, PerAxis
from nas.language.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose
from nas.language.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from nas.language.layers.shaping import Reshape
from nas.language.layers.subpixel import DepthToSpace
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import as_tuple, expect_grid, keras_call

INTERPOLATION_FLOPS = {"nearest": 0, "bilinear": 3, "bicubic": 7}
"""FLOPs of one interpolation between 2 or 4 neighbours; nearest copies."""


class Downsample(Operation):
    """A grid `factor` times as small. (height, width, channels) -> (ceil(height / factor), ..., channels or filters).

    Args:
        factor: one number, or one for each axis of the grid; 1 to 3 axes.
        mode: "max" and "average" pool windows of `factor`, "strided" is a convolution with stride `factor`.
        filters: channels of the strided convolution; None: as many as come in. Pooling keeps the channels.
        kernel_size: of the strided convolution.

    Example:
        >>> import nas
        >>> down = nas.layers.Downsample(2, nas.oneof(["max", "average", "strided"]), name="down")
    """

    factor: PerAxis = 2
    mode: Literal["max", "average", "strided"] = "max"
    filters: OptionalPositive = None
    kernel_size: PerAxis = 3

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        axes, factor = _grid_and_factor(net, x, self.factor)
        if self.mode == "strided":
            return net.emit(_strided(axes, factor, self.filters or x.shape[-1], _hashable(self.kernel_size)), x)
        return net.emit(_pooling(axes, self.mode, factor), x) if max(factor) > 1 else x


class Upsample(Operation):
    """A grid `factor` times as large. (height, width, channels) -> (height * factor, width * factor, channels or filters).

    Args:
        factor: one number, or one for each axis of the grid; 1 to 3 axes.
        mode: "nearest" copies, "bilinear" interpolates (linearly along every axis), "transpose" is a transposed convolution
            with stride `factor`, "subpixel" a convolution whose channels become positions.
        filters: channels that the convolutions make; None: as many as come in. The other modes keep the channels.
        kernel_size: of the convolutions.

    Example:
        >>> import nas
        >>> up = nas.layers.Upsample(2, nas.oneof(["nearest", "bilinear", "transpose"]), name="up")
    """

    factor: PerAxis = 2
    mode: Literal["nearest", "bilinear", "transpose", "subpixel"] = "nearest"
    filters: OptionalPositive = None
    kernel_size: PerAxis = 3

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        axes, factor = _grid_and_factor(net, x, self.factor)
        filters, kernel = self.filters or x.shape[-1], _hashable(self.kernel_size)
        if self.mode == "transpose":
            return net.emit(_transposed(axes, factor, filters, kernel), x)
        if self.mode == "subpixel":
            for part in _subpixel(axes, factor, filters, kernel):
                x = net.apply(part, x)
            return x
        if max(factor) == 1:
            return x
        return net.emit(_copying(axes, factor), x) if self.mode == "nearest" else _interpolated(net, x, factor)


class UpSampling1D(Operation):
    """Each step `size` times, without weights. (steps, channels) -> (steps * size, channels). 1 does nothing."""

    size: PerAxis = 2

    layer = "UpSampling1D"
    axes = 1

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.size in (1, (1,), [1]) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _enlarged(self, inputs[0])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return KerasCall(self.layer, size=as_tuple(self.size, 1, "size")[0])


class UpSampling2D(Operation):
    """A grid `size` times as large, without weights. (height, width, channels) -> (height * size, width * size, channels).

    Args:
        size: one number, or (height, width); 1 does nothing.
        interpolation: "nearest", "bilinear" or "bicubic".
    """

    size: PerAxis = 2
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "nearest"

    layer = "UpSampling2D"
    axes = 2

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.size in (1, (1, 1), [1, 1]) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _enlarged(self, inputs[0])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.interpolation]
        along_both = min(as_tuple(self.size, self.axes, "size")) > 1
        interpolations = taps + 1 if along_both else 1  # along one axis at each neighbour, then along the other
        return OpCost(flops=interpolations * INTERPOLATION_FLOPS[self.interpolation] * math.prod(output))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class UpSampling3D(Operation):
    """Each position of a volume `size` times along each axis, without weights. Shapes as in 2D; 1 does nothing."""

    size: PerAxis = 2

    layer = "UpSampling3D"
    axes = 3

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.size in (1, (1, 1, 1), [1, 1, 1]) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _enlarged(self, inputs[0])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


def _enlarged(op: Any, shape: Shape) -> Shape:
    expect_grid(shape, op.axes, op.layer)
    return (*(n * k for n, k in zip(shape[:-1], as_tuple(op.size, op.axes, "size"), strict=True)), shape[-1])


def _grid_and_factor(net: Any, x: Any, factor: Any) -> tuple[int, tuple[int, ...]]:
    """How many axes the grid of `x` has, and the factor along each."""
    axes = len(x.shape) - 1
    if not 1 <= axes <= 3:
        raise ShapeError(
            f"{net.called(x)} is {x.shape}",
            path=net.path,
            received=x.shape,
            expected="a grid of 1 to 3 axes with channels",
            hint="Reshape it to a grid first",
        )
    return axes, as_tuple(factor, axes, "factor")


def _hashable(per_axis: Any) -> Any:
    return per_axis if isinstance(per_axis, int) else tuple(per_axis)


# The parts are kept: each remembers what it has worked out for a shape.
@functools.cache
def _pooling(axes: int, mode: str, factor: tuple[int, ...]) -> Any:
    pooling = {
        "max": (MaxPooling1D, MaxPooling2D, MaxPooling3D),
        "average": (AveragePooling1D, AveragePooling2D, AveragePooling3D),
    }
    return pooling[mode][axes - 1].concrete(pool_size=factor)


@functools.cache
def _strided(axes: int, strides: tuple[int, ...], filters: int, kernel_size: Any) -> Any:
    convolution = (Conv1D, Conv2D, Conv3D)[axes - 1]
    return convolution.concrete(filters=filters, kernel_size=kernel_size, strides=strides)


@functools.cache
def _transposed(axes: int, strides: tuple[int, ...], filters: int, kernel_size: Any) -> Any:
    convolution = (Conv1DTranspose, Conv2DTranspose, Conv3DTranspose)[axes - 1]
    return convolution.concrete(filters=filters, kernel_size=kernel_size, strides=strides)


@functools.cache
def _subpixel(axes: int, factor: tuple[int, ...], filters: int, kernel_size: Any) -> tuple[Any, Any]:
    convolution = (Conv1D, Conv2D, Conv3D)[axes - 1]
    channels = filters * math.prod(factor)
    return convolution.concrete(filters=channels, kernel_size=kernel_size), DepthToSpace.concrete(factor=factor)


@functools.cache
def _copying(axes: int, factor: tuple[int, ...]) -> Any:
    return (UpSampling1D, UpSampling2D, UpSampling3D)[axes - 1].concrete(size=factor)


def _interpolated(net: Any, x: Any, factor: tuple[int, ...]) -> Any:
    """`x` interpolated linearly along every axis."""
    if len(factor) == 2:
        return net.emit(_bilinear(factor), x)
    *grid, channels = x.shape
    if len(factor) == 1:
        image = net.apply(_reshaping((grid[0], 1, channels)), x)
        image = net.apply(_bilinear((factor[0], 1)), image)
        return net.apply(_reshaping((grid[0] * factor[0], channels)), image)
    depth, height, width = (n * k for n, k in zip(grid, factor, strict=True))
    image = net.apply(_reshaping((grid[0], grid[1], grid[2] * channels)), x)  # the last axis waits among the channels
    image = net.apply(_bilinear(factor[:2]), image)
    image = net.apply(_reshaping((depth * height, grid[2], channels)), image)
    image = net.apply(_bilinear((1, factor[2])), image)
    return net.apply(_reshaping((depth, height, width, channels)), image)


@functools.cache
def _bilinear(factor: tuple[int, ...]) -> Any:
    return UpSampling2D.concrete(size=factor, interpolation="bilinear")


@functools.cache
def _reshaping(target_shape: Shape) -> Any:
    return Reshape.concrete(target_shape=target_shape)
