"""Dense: a matrix product over the last axis."""

import math
from collections.abc import Sequence

from nas.language.fields import OptionalFunction, Positive
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import keras_call, weighted_cost


class Dense(Operation):
    """A fully connected layer. (..., channels) -> (..., units): on a grid it acts at each position, like a 1x1 convolution.

    Args:
        units: output channels.
        activation: name of the function applied to the output; None: linear.
        use_bias: a learned constant for each unit.
    """

    units: Positive
    activation: OptionalFunction = None
    use_bias: bool = True

    layer = "Dense"

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:-1], self.units)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        weights = inputs[0][-1] * self.units
        return weighted_cost(math.prod(output[:-1]) * weights, weights, output, self.use_bias, self.activation)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)
