"""Normalizations: of each channel over the batch, of each position, or of groups of channels.

`BatchNormalization` (Ioffe & Szegedy 2015) is the usual one in convolutional networks and free at inference, where it folds
into the convolution before it. It needs batches that are not tiny; `GroupNormalization` (Wu & He 2018) does not.
`LayerNormalization` (Ba et al. 2016) works on the channels of each position.
"""

import math
from collections.abc import Sequence

from nas.language.fields import Groups, NonNegative, Rate
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import expect_divisible, keras_call


class BatchNormalization(Operation):
    """Normalizes each channel by statistics of the batch. Any shape, unchanged; 4 weights for each channel.

    Args:
        momentum: of the moving statistics used at inference, 0 to 1.
        epsilon: added to the variance.
    """

    momentum: Rate = 0.99
    epsilon: NonNegative = 0.001

    layer = "BatchNormalization"

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=2 * math.prod(output), params=4 * output[-1])  # gamma, beta, moving mean, moving variance

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class LayerNormalization(Operation):
    """Normalizes the channels of each position. Any shape, unchanged; 2 weights for each channel.

    Args:
        epsilon: added to the variance.
    """

    epsilon: NonNegative = 0.001

    layer = "LayerNormalization"

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=7 * math.prod(output), params=2 * output[-1])

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class GroupNormalization(Operation):
    """Normalizes groups of channels over the whole grid. Any shape, unchanged; 2 weights for each channel.

    Args:
        groups: divides the channels; -1: each channel by itself (instance normalization, Ulyanov et al. 2016).
        epsilon: added to the variance.
    """

    groups: Groups = 32
    epsilon: NonNegative = 0.001

    layer = "GroupNormalization"

    def output_shape(self, *inputs: Shape) -> Shape:
        if self.groups != -1:
            expect_divisible(inputs[0][-1], self.groups, "channels")
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=7 * math.prod(output), params=2 * output[-1])

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self, groups=output[-1] if self.groups == -1 else self.groups)
