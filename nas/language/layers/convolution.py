"""Convolutions and transposed convolutions, in one, two and three dimensions.

As in Keras, except that `padding` is "same" unless you say otherwise: an encoder-decoder must come back to the grids it has
left, and only "same" makes down-sampling by s and up-sampling by s inverse to each other (for sizes that s divides).
"""

import math
from collections.abc import Sequence

from nas.language.fields import OptionalFunction, Padding, PerAxis, Positive
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import expect_divisible, expect_grid, keras_call, slide, transposed_size, weighted_cost, window


class _Convolution(Operation):
    filters: Positive
    kernel_size: PerAxis
    strides: PerAxis = 1
    padding: Padding = "same"
    dilation_rate: PerAxis = 1
    groups: Positive = 1
    use_bias: bool = True
    activation: OptionalFunction = None

    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        kernel, strides, dilation = window(self)
        expect_divisible(shape[-1], self.groups, "input channels")
        expect_divisible(self.filters, self.groups, "filters")
        return (*slide(shape, kernel, strides, self.padding, dilation, self.layer), self.filters)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        weights = math.prod(window(self)[0]) * (inputs[0][-1] // self.groups) * self.filters
        return weighted_cost(math.prod(output[:-1]) * weights, weights, output, self.use_bias, self.activation)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class Conv1D(_Convolution):
    """A convolution over steps. Fields as in `Conv2D`. (steps, channels) -> (steps', filters)."""

    layer = "Conv1D"
    axes = 1


class Conv2D(_Convolution):
    """A convolution over an image. (height, width, channels) -> (height', width', filters).

    Args:
        filters: output channels.
        kernel_size: one number, or (height, width).
        strides: one number, or (height, width).
        padding: "same" (the default here, not in Keras): height' = ceil(height / stride). "valid": windows stay inside.
        dilation_rate: distance between the kernel's taps; not together with strides.
        groups: the channels are split into so many groups, convolved apart; divides channels and filters.
        use_bias: a learned constant for each filter.
        activation: name of the function applied to the output; None: linear.

    Example:
        >>> import nas
        >>> layer = nas.layers.Conv2D(nas.oneof([16, 32]), 3, strides=2, activation="relu", name="down")
    """

    layer = "Conv2D"
    axes = 2


class Conv3D(_Convolution):
    """A convolution over a volume. Fields as in `Conv2D`. (depth, height, width, channels) -> (..., filters)."""

    layer = "Conv3D"
    axes = 3


class _TransposedConvolution(Operation):
    filters: Positive
    kernel_size: PerAxis
    strides: PerAxis = 1
    padding: Padding = "same"
    dilation_rate: PerAxis = 1
    use_bias: bool = True
    activation: OptionalFunction = None

    layer = ""
    axes = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        along_axes = zip(shape[:-1], *window(self), strict=True)
        return (*(transposed_size(n, k, s, self.padding, d) for n, k, s, d in along_axes), self.filters)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        *grid, channels = inputs[0]
        weights = math.prod(window(self)[0]) * channels * self.filters
        return weighted_cost(math.prod(grid) * weights, weights, output, self.use_bias, self.activation)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class Conv1DTranspose(_TransposedConvolution):
    """A transposed convolution over steps. Fields as in `Conv2DTranspose`."""

    layer = "Conv1DTranspose"
    axes = 1


class Conv2DTranspose(_TransposedConvolution):
    """A transposed convolution: learned up-sampling. (height, width, channels) -> (height * stride, width * stride, filters).

    Its cost goes by input positions. A kernel that the stride does not divide gives checkerboard patterns (Odena et al. 2016,
    https://distill.pub/2016/deconv-checkerboard); `Upsample` offers the alternatives.

    Args:
        filters: output channels.
        kernel_size: one number, or (height, width).
        strides: the factor of up-sampling; one number, or (height, width).
        padding: "same" (the default here, not in Keras), or "valid": height' = (height - 1) * stride + max(kernel, stride).
        dilation_rate: distance between the kernel's taps; not together with strides.
        use_bias: a learned constant for each filter.
        activation: name of the function applied to the output; None: linear.
    """

    layer = "Conv2DTranspose"
    axes = 2


class Conv3DTranspose(_TransposedConvolution):
    """A transposed convolution over a volume. Fields as in `Conv2DTranspose`."""

    layer = "Conv3DTranspose"
    axes = 3
