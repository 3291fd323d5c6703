"""Up-sampling: a larger grid by copying, by interpolation, or by a learned transposed convolution.

`Upsample` makes the kind a decision. Copying or interpolating and then convolving avoids the checkerboard patterns of
transposed convolutions (Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard), at more multiply-adds.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

from nas.language.fields import OptionalPositive, PerAxis
from nas.language.layers.convolution import Conv2DTranspose
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import as_tuple, expect_grid, keras_call


class Upsample(Operation):
    """A grid `factor` times as large. (height, width, channels) -> (height * factor, width * factor, channels or filters).

    Args:
        factor: one number, or (height, width).
        mode: "nearest" copies, "bilinear" interpolates, "transpose" is a transposed convolution with stride `factor`.
        filters: channels of the transposed convolution; None: as many as come in. The other modes keep the channels.
        kernel_size: of the transposed convolution.

    Example:
        >>> import nas
        >>> up = nas.layers.Upsample(2, nas.oneof(["nearest", "bilinear", "transpose"]), name="up")
    """

    factor: PerAxis = 2
    mode: Literal["nearest", "bilinear", "transpose"] = "nearest"
    filters: OptionalPositive = None
    kernel_size: PerAxis = 3

    def wire(self, net: Any, *inputs: Any) -> Any:
        factor = _hashable(self.factor)
        if self.mode == "transpose":
            filters = self.filters or inputs[0].shape[-1]
            return net.emit(_transposed_convolution(factor, filters, _hashable(self.kernel_size)), *inputs)
        return net.apply(_interpolation(factor, self.mode), *inputs)


# The parts are kept: each remembers what it has worked out for a shape.
@functools.cache
def _interpolation(size: Any, interpolation: str) -> Any:
    return UpSampling2D.concrete(size=size, interpolation=interpolation)


@functools.cache
def _transposed_convolution(strides: Any, filters: int, kernel_size: Any) -> Any:
    return Conv2DTranspose.concrete(filters=filters, kernel_size=kernel_size, strides=strides)


def _hashable(per_axis: Any) -> Any:
    return per_axis if isinstance(per_axis, int) else tuple(per_axis)


class UpSampling2D(Operation):
    """A grid `size` times as large, without weights. (height, width, channels) -> (height * size, width * size, channels).

    Args:
        size: one number, or (height, width); 1 does nothing.
        interpolation: "nearest" or "bilinear".
    """

    size: PerAxis = 2
    interpolation: Literal["nearest", "bilinear"] = "nearest"

    layer = "UpSampling2D"
    axes = 2

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.size in (1, (1, 1), [1, 1]) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        return (*(n * k for n, k in zip(shape[:-1], as_tuple(self.size, self.axes, "size"), strict=True)), shape[-1])

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=9 * math.prod(output) if self.interpolation == "bilinear" else 0)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)
