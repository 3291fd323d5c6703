"""Attention: networks that look at the whole input to decide what matters in it.

`SqueezeExcite` weighs channels by what the image is about (Hu et al. 2018, Squeeze-and-Excitation Networks): cheap, and part of
nearly every mobile network since MnasNet. `SelfAttention` lets each position read all others (Vaswani et al. 2017, Attention Is
All You Need): its cost grows with the square of the number of positions, so use it where grids are small.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

from nas.errors import ShapeError
from nas.language.fields import Function, OptionalAxes, OptionalPositive, Positive, Rate
from nas.language.layers.convolution import Conv1D, Conv2D, Conv3D
from nas.language.layers.merging import Multiply
from nas.language.layers.pooling import GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import AXIS_NAMES, SOFTMAX_FLOPS, divisible, keras_call

_POOLINGS = {1: GlobalAveragePooling1D, 2: GlobalAveragePooling2D, 3: GlobalAveragePooling3D}
_CONVOLUTIONS = {1: Conv1D, 2: Conv2D, 3: Conv3D}


class SqueezeExcite(Operation):
    """Channels weighed by a gate that has seen the whole grid. (..., channels), unchanged; grids of 1, 2 or 3 axes.

    The grid's mean, a 1x1 convolution down to a few units, one back up to the channels, a gate between 0 and 1, a product.

    Args:
        ratio: units between the two convolutions, as a share of the channels.
        units: their number, instead of a ratio.
        divisor: the share is rounded to a multiple of it, as in MobileNetV3 (8). None: it is rounded down, to 1 at least, as
            in MnasNet and EfficientNet.
        activation: after the first convolution.
        gate: after the second one: "sigmoid", or "hard_sigmoid" as in MobileNetV3 (Howard et al. 2019, section 5.2).

    Example:
        >>> import nas
        >>> attention = nas.optional(nas.layers.SqueezeExcite(nas.oneof([0.25, 0.5])), name="se")
    """

    ratio: Rate = 0.25
    units: OptionalPositive = None
    divisor: OptionalPositive = None
    activation: Function = "relu"
    gate: Literal["sigmoid", "hard_sigmoid"] = "sigmoid"

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        axes, channels = len(x.shape) - 1, x.shape[-1]
        if axes not in _POOLINGS:
            raise ShapeError(
                f"SqueezeExcite got {x.shape}",
                path=net.path,
                received=x.shape,
                expected=" or ".join(AXIS_NAMES.values()),
                hint="Use it where there is a grid to look at",
            )
        y = net.apply(_pooling(axes), x, name="squeeze")
        y = net.apply(_pointwise(axes, self._units(channels), self.activation), y, name="reduce")
        y = net.apply(_pointwise(axes, channels, self.gate), y, name="expand")
        return net.apply(_product(), x, y, name="excite")

    def _units(self, channels: int) -> int:
        if self.units is not None:
            return self.units
        share = channels * self.ratio
        return max(1, int(share)) if self.divisor is None else divisible(share, self.divisor)


# The parts are kept: each remembers what it has worked out for its inputs' shapes.
@functools.cache
def _pooling(axes: int) -> Any:
    return _POOLINGS[axes].concrete(keepdims=True)


@functools.cache
def _pointwise(axes: int, filters: int, activation: str) -> Any:
    return _CONVOLUTIONS[axes].concrete(filters=filters, kernel_size=1, activation=activation)


@functools.cache
def _product() -> Any:
    return Multiply.concrete()


class SelfAttention(Operation):
    """Each position reads the others, in several heads. (..., channels), unchanged; any number of axes before the channels.

    Keras's `MultiHeadAttention` of a tensor with itself, without a residual: `L.Add()(x, L.SelfAttention(4, 32)(x))`. Positions
    are told apart by their content only; add a position code before it where order matters.

    Args:
        heads: reading apart from each other.
        key_dim: channels of each head, for keys and for values.
        attention_axes: which axes are read across, counted from 1. None: all of them. `(1,)` on an image reads along columns
            only, `(2,)` along rows: the two after another are axial attention (Ho et al. 2019), far cheaper on large grids.
        use_bias: in the projections.
        dropout: share of the attention weights that is zeroed while training.

    Cost for P positions of which each reads A, C channels, H heads of K: P * (4 * C * H * K + 2 * A * H * K) multiply-adds; on
    top come biases, the scaling of each query, and 5 for each of the P * A * H weights of the softmax.
    """

    heads: Positive
    key_dim: Positive
    attention_axes: OptionalAxes = None
    use_bias: bool = True
    dropout: Rate = 0.0

    layer = "MultiHeadAttention"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.emit(self, inputs[0], inputs[0])  # query and value

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = inputs[0]
        if len(shape) < 2:
            raise ShapeError(
                f"SelfAttention got {shape}",
                received=shape,
                expected="(steps, channels), or a grid with channels",
                hint="Use Dense where there is one position only",
            )
        axes = self._axes(shape)
        if not axes or len(set(axes)) != len(axes) or max(axes) >= len(shape):
            raise ShapeError(
                f"attention_axes {axes} on {shape}",
                received=axes,
                expected=f"axes from 1 to {len(shape) - 1}, each once",
                hint="The last axis holds the channels",
            )
        return shape

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        *grid, channels = output
        positions, attended = math.prod(grid), math.prod(output[axis - 1] for axis in self._axes(output))
        inner = self.heads * self.key_dim
        weights = 4 * channels * inner
        biases = 3 * inner + channels if self.use_bias else 0
        macs = positions * (weights + 2 * attended * inner)
        return OpCost(macs, 2 * macs + positions * (biases + inner + SOFTMAX_FLOPS * attended * self.heads), weights + biases)

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        axes = self._axes(output)
        options: dict[str, Any] = {}
        if axes != self._all_axes(output):
            options["attention_axes"] = axes
        if self.dropout:
            options["dropout"] = float(self.dropout)
        return KerasCall(self.layer, num_heads=self.heads, **keras_call(self, "key_dim", "use_bias").kwargs, **options)

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        return self._all_axes(shape) if self.attention_axes is None else tuple(sorted(self.attention_axes))

    @staticmethod
    def _all_axes(shape: Shape) -> tuple[int, ...]:
        return tuple(range(1, len(shape)))
