"""Activations and dropout: layers that keep the shape and act on each element.

`Activation`, `ReLU` and `LeakyReLU` write the same function in the same way, so that equal networks are recognised as equal:
`ReLU()` is `Activation("relu")`, `Activation("leaky_relu")` is `LeakyReLU(0.2)`. What does nothing (the linear activation, a
dropout rate of 0) leaves no layer behind.
"""

import math
from collections.abc import Sequence
from typing import Any

from nas.language.fields import Function, NonNegative, OptionalNonNegative, Rate
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import activation_flops, canonical_function, expect_grid, keras_call

_LEAKY_SLOPE = 0.2  # of Keras's "leaky_relu" function; its LeakyReLU layer has 0.3


def _function_call(name: str) -> KerasCall:
    return KerasCall("Activation", activation=name)


class _Activation(Operation):
    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=math.prod(output))


class Activation(_Activation):
    """A function of each element ("softmax" and "log_softmax": over the channels). Any shape, unchanged.

    Args:
        function: its Keras name: "relu", "relu6", "leaky_relu" (slope 0.2), "elu", "selu", "celu", "gelu", "silu" or "swish",
            "mish", "tanh", "sigmoid", "hard_sigmoid", "hard_silu" or "hard_swish", "softplus", "softsign", "exponential",
            "softmax", "log_softmax", or "linear", which does nothing.
    """

    function: Function

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.function == "linear" else net.emit(self, *inputs)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=activation_flops(self.function) * math.prod(output))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        if self.function == "leaky_relu":
            return KerasCall("LeakyReLU", negative_slope=_LEAKY_SLOPE)
        return _function_call(canonical_function(self.function) or "linear")


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope * x (Maas et al. 2013). Any shape, unchanged.

    Args:
        negative_slope: Keras's own default, 0.3.
    """

    negative_slope: NonNegative = 0.3

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        if self.negative_slope == 0:
            return _function_call("relu")
        return KerasCall("LeakyReLU", negative_slope=float(self.negative_slope))


class ReLU(_Activation):
    """x where x > 0, else 0. Any shape, unchanged.

    Args:
        max_value: the largest output; None: no limit.
    """

    max_value: OptionalNonNegative = None

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        if self.max_value is None:
            return _function_call("relu")
        return _function_call("relu6") if self.max_value == 6 else KerasCall("ReLU", max_value=float(self.max_value))


class Dropout(Operation):
    """Zeroes elements at random while training (Srivastava et al. 2014). Any shape, unchanged; costs nothing at inference.

    Args:
        rate: the share of elements that is zeroed; 0 does nothing.
    """

    rate: Rate

    layer = "Dropout"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(self, *inputs) if self.rate else inputs[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class _SpatialDropout(Operation):
    rate: Rate

    layer = ""  # the Keras layer
    axes = 0  # of the grid

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(self, *inputs) if self.rate else inputs[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        expect_grid(inputs[0], self.axes, self.layer)
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class SpatialDropout1D(_SpatialDropout):
    """Zeroes whole channels at random while training. (steps, channels), unchanged. Fields as in `SpatialDropout2D`."""

    layer = "SpatialDropout1D"
    axes = 1


class SpatialDropout2D(_SpatialDropout):
    """Zeroes whole channels at random while training (Tompson et al. 2015). (height, width, channels), unchanged.

    Args:
        rate: the share of channels that is zeroed; 0 does nothing.
    """

    layer = "SpatialDropout2D"
    axes = 2


class SpatialDropout3D(_SpatialDropout):
    """Zeroes whole channels at random while training. (depth, height, width, channels), unchanged. Fields as in 2D."""

    layer = "SpatialDropout3D"
    axes = 3
