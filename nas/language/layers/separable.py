"""Convolutions that treat channels apart: depthwise, and depthwise then pointwise (separable).

Depthwise separable convolutions take about 1/filters + 1/kernel^2 of a convolution's multiply-adds (Howard et al. 2017,
MobileNets, section 3.1). `padding` is "same" unless you say otherwise, unlike in Keras, so that grids meet again.
"""

import math
from collections.abc import Sequence

from nas.language.fields import OptionalFunction, Padding, PerAxis, Positive
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import expect_grid, keras_call, slide, weighted_cost, window


class _Depthwise(Operation):
    kernel_size: PerAxis
    strides: PerAxis = 1
    padding: Padding = "same"
    depth_multiplier: Positive = 1
    dilation_rate: PerAxis = 1
    use_bias: bool = True
    activation: OptionalFunction = None

    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        kernel, strides, dilation = window(self)
        return (*slide(shape, kernel, strides, self.padding, dilation, self.layer), shape[-1] * self.depth_multiplier)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        weights = math.prod(window(self)[0]) * output[-1]
        return weighted_cost(math.prod(output[:-1]) * weights, weights, output, self.use_bias, self.activation)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class DepthwiseConv1D(_Depthwise):
    """A depthwise convolution over steps. Fields as in `DepthwiseConv2D`."""

    layer = "DepthwiseConv1D"
    axes = 1


class DepthwiseConv2D(_Depthwise):
    """A convolution of each channel by itself. (height, width, channels) -> (height', width', channels * depth_multiplier).

    Args:
        kernel_size: one number, or (height, width).
        strides: one number, or (height, width).
        padding: "same" (the default here, not in Keras) or "valid".
        depth_multiplier: output channels for each input channel.
        dilation_rate: distance between the kernel's taps; not together with strides.
        use_bias: a learned constant for each output channel.
        activation: name of the function applied to the output; None: linear.
    """

    layer = "DepthwiseConv2D"
    axes = 2


class _Separable(Operation):
    filters: Positive
    kernel_size: PerAxis
    strides: PerAxis = 1
    padding: Padding = "same"
    dilation_rate: PerAxis = 1
    depth_multiplier: Positive = 1
    use_bias: bool = True
    activation: OptionalFunction = None

    layer = ""
    axes = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        expect_grid(shape, self.axes, self.layer)
        kernel, strides, dilation = window(self)
        return (*slide(shape, kernel, strides, self.padding, dilation, self.layer), self.filters)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        between = inputs[0][-1] * self.depth_multiplier  # channels after the depthwise part, which has no bias
        weights = (math.prod(window(self)[0]) + self.filters) * between
        return weighted_cost(math.prod(output[:-1]) * weights, weights, output, self.use_bias, self.activation)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class SeparableConv1D(_Separable):
    """A depthwise separable convolution over steps. Fields as in `SeparableConv2D`."""

    layer = "SeparableConv1D"
    axes = 1


class SeparableConv2D(_Separable):
    """A depthwise convolution, then a 1x1 convolution. (height, width, channels) -> (height', width', filters).

    Args:
        filters: output channels.
        kernel_size: of the depthwise part; one number, or (height, width).
        strides: of the depthwise part; one number, or (height, width).
        padding: "same" (the default here, not in Keras) or "valid".
        dilation_rate: distance between the kernel's taps; not together with strides.
        depth_multiplier: channels between the two parts for each input channel.
        use_bias: a learned constant for each filter (the depthwise part has none).
        activation: name of the function applied to the output; None: linear.
    """

    layer = "SeparableConv2D"
    axes = 2
