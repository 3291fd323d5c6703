"""Pooling: the maximum or the mean of a window, or of the whole grid.

As in Keras, except that `padding` is "same" unless you say otherwise, so that pooling by s and a convolution with stride s are
options of one choice: both leave ceil(size / s).
"""

import math
from collections.abc import Sequence

from nas.language.fields import OptionalPerAxis, Padding, PerAxis
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import as_tuple, collapse, expect_grid, keras_call, slide


class _Pooling(Operation):
    pool_size: PerAxis = 2
    strides: OptionalPerAxis = None
    padding: Padding = "same"

    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        pool, strides = self._window()
        return (*slide(shape, pool, strides, self.padding, (1,) * self.axes, self.layer), shape[-1])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=math.prod(self._window()[0]) * math.prod(output))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        pool, strides = self._window()
        if strides == pool:  # what Keras does without strides
            return keras_call(self, "pool_size", "padding")
        return keras_call(self, strides=collapse(strides))

    def _window(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        pool = as_tuple(self.pool_size, self.axes, "pool_size")
        return pool, pool if self.strides is None else as_tuple(self.strides, self.axes, "strides")


class MaxPooling1D(_Pooling):
    """The maximum of windows of steps. Fields as in `MaxPooling2D`."""

    layer = "MaxPooling1D"
    axes = 1


class MaxPooling2D(_Pooling):
    """The maximum of each window. (height, width, channels) -> (height', width', channels).

    Args:
        pool_size: of the window; one number, or (height, width).
        strides: from window to window; None: the pool's size.
        padding: "same" (the default here, not in Keras) or "valid".
    """

    layer = "MaxPooling2D"
    axes = 2


class MaxPooling3D(_Pooling):
    """The maximum of windows of a volume. Fields as in `MaxPooling2D`."""

    layer = "MaxPooling3D"
    axes = 3


class AveragePooling1D(_Pooling):
    """The mean of windows of steps. Fields as in `AveragePooling2D`."""

    layer = "AveragePooling1D"
    axes = 1


class AveragePooling2D(_Pooling):
    """The mean of each window, of what lies inside the input. (height, width, channels) -> (height', width', channels).

    Args:
        pool_size: of the window; one number, or (height, width).
        strides: from window to window; None: the pool's size.
        padding: "same" (the default here, not in Keras) or "valid".
    """

    layer = "AveragePooling2D"
    axes = 2


class AveragePooling3D(_Pooling):
    """The mean of windows of a volume. Fields as in `AveragePooling2D`."""

    layer = "AveragePooling3D"
    axes = 3


class _GlobalPooling(Operation):
    keepdims: bool = False

    layer = ""
    axes = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        return ((1,) * self.axes if self.keepdims else ()) + shape[-1:]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=math.prod(inputs[0]))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over all steps. (steps, channels) -> (channels,), or (1, channels) with `keepdims`."""

    layer = "GlobalAveragePooling1D"
    axes = 1


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean over the image. (height, width, channels) -> (channels,), or (1, 1, channels) with `keepdims`."""

    layer = "GlobalAveragePooling2D"
    axes = 2


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean over the volume. (depth, height, width, channels) -> (channels,), or (1, 1, 1, channels) with `keepdims`."""

    layer = "GlobalAveragePooling3D"
    axes = 3


class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum over all steps. (steps, channels) -> (channels,), or (1, channels) with `keepdims`."""

    layer = "GlobalMaxPooling1D"
    axes = 1


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum over the image. (height, width, channels) -> (channels,), or (1, 1, channels) with `keepdims`."""

    layer = "GlobalMaxPooling2D"
    axes = 2


class GlobalMaxPooling3D(_GlobalPooling):
    """The maximum over the volume. (depth, height, width, channels) -> (channels,), or (1, 1, 1, channels) with `keepdims`."""

    layer = "GlobalMaxPooling3D"
    axes = 3
