"""Preprocessing: images as a network wants them. Parts of the model, so that what is exported takes images as they are.

`Rescaling`, in `shaping`, is the third of these.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

from nas.errors import ShapeError
from nas.language.fields import Numbers, OptionalPositive, Positive
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import expect_grid
from nas.language.wording import counted


class Resizing(Operation):
    """An image at another resolution. (height', width', channels) -> (height, width, channels).

    At the input of a network it makes the resolution a decision, as in compound scaling (Tan & Le 2019, EfficientNet):
    `L.Resizing(oneof([224, 192, 160]), name="resolution")`. What already has the size is left alone.

    Args:
        height: of the output.
        width: of the output; None: equal to the height.
        interpolation: "bilinear" or "nearest".
    """

    height: Positive
    width: OptionalPositive = None
    interpolation: Literal["bilinear", "nearest"] = "bilinear"

    layer = "Resizing"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if inputs[0].shape[:-1] == (self.height, self.width or self.height) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        expect_grid(inputs[0], 2, self.layer)
        return self.height, self.width or self.height, inputs[0][-1]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=9 * math.prod(output) if self.interpolation == "bilinear" else 0)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return KerasCall(self.layer, height=output[0], width=output[1], interpolation=self.interpolation)


class Normalization(Operation):
    """Standardizes each channel: (x - mean) / deviation, by statistics of the data set. Any shape, unchanged.

    Args:
        mean, variance: of each channel, constants. None: the layer keeps them as weights, one each for a channel and a count,
            which change nothing until the built layer's `adapt(data)` has set them.
    """

    mean: Numbers = None
    variance: Numbers = None

    layer = "Normalization"

    def output_shape(self, *inputs: Shape) -> Shape:
        channels = inputs[0][-1]
        for statistic in (self.mean, self.variance):
            if statistic is not None and len(statistic) != channels:
                given = counted(len(statistic), "channel")
                raise ShapeError(
                    f"Normalization has statistics of {given}, its input {inputs[0]} has {channels}",
                    received=tuple(statistic),
                    expected="one number for each channel",
                )
        if (self.mean is None) != (self.variance is None):
            raise ShapeError(
                "Normalization has a mean or a variance alone", received=(self.mean, self.variance), expected="both, or neither"
            )
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=2 * math.prod(output), params=2 * output[-1] + 1 if self.mean is None else 0)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        if self.mean is None:
            return KerasCall(self.layer)
        return KerasCall(self.layer, mean=[float(m) for m in self.mean], variance=[float(v) for v in self.variance])
