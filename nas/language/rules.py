"""Shape arithmetic and checks that layers share, and the rule by which FLOPs are counted.

Shapes are those of one example, channels last, without the batch: a grid of 0 to 3 axes, then channels.

How costs are counted, for one example at inference:

- one multiply-add is two FLOPs; `macs` counts those of convolutions and matrix products;
- a window at a border counts in full (padding is multiplied like everything else);
- transposed convolutions cost by INPUT positions: each input position is spread by one window;
- bias: 1 for each output element; activation: 1 for each element, whatever the function, but 5 for softmax (maximum,
  difference, exponential, sum, quotient);
- batch normalization: 2 for each element (scale and shift, the statistics being constants); layer and group normalization: 7
  (mean 1, deviation 1, variance 2, division 1, scale and shift 2);
- pooling: the window's size for each output element; global pooling: 1 for each input element;
- merging n inputs: n - 1 for each output element, averaging n;
- bilinear up-sampling: 9 for each output element (three interpolations of 3);
- moving data (concatenation, reshaping, nearest up-sampling, padding) and dropout: 0.

The TensorFlow profiler counts alike where convolutions dominate (within 1%); fvcore and ptflops report `macs` as "FLOPs".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from nas.errors import ShapeError
from nas.language.operation import KerasCall, OpCost, Shape

AXIS_NAMES = {1: "(steps, channels)", 2: "(height, width, channels)", 3: "(depth, height, width, channels)"}
"""Number of grid axes -> the axes of one example."""

KERAS_DEFAULTS = {
    "strides": 1,
    "padding": "valid",
    "dilation_rate": 1,
    "groups": 1,
    "depth_multiplier": 1,
    "activation": None,
    "use_bias": True,
    "keepdims": False,
    "interpolation": "nearest",
    "momentum": 0.99,
    "epsilon": 0.001,
    "offset": 0.0,
}
"""What the stock layers take for granted: left out of calls, so that equal layers are written in one way."""

PER_AXIS = ("kernel_size", "strides", "dilation_rate", "pool_size", "size")
"""Fields that hold one number for each axis of the grid."""

REALS = ("momentum", "epsilon", "rate", "negative_slope", "max_value", "scale", "offset")
"""Fields that hold a real number; a choice may offer 0 or 1 for 0.0 and 1.0."""

SOFTMAX_FLOPS = 5
"""For each element: maximum, difference, exponential, sum, quotient."""

ALIASES = {"linear": None, "swish": "silu", "hard_swish": "hard_silu"}
"""Names that Keras has for the same function."""


# -- values with one number for each axis ------------------------------------------------------------------------------------


def as_tuple(value: Any, axes: int, field: str) -> tuple[int, ...]:
    """`3` -> `(3, 3)`: a per-axis field with one number for each of `axes` axes."""
    numbers = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(numbers) != axes:
        raise ShapeError(
            f"{field} {numbers} has {len(numbers)} numbers",
            received=numbers,
            expected=f"{axes}, one for each axis of the grid, or a single number for all",
        )
    if not all(isinstance(number, int) for number in numbers):
        raise ShapeError(
            f"{field} {numbers} hides a choice inside a tuple",
            received=numbers,
            expected="whole numbers",
            hint="Write a list, [oneof([1, 3]), 3]",
        )
    return numbers


def collapse(numbers: Sequence[int]) -> int | tuple[int, ...]:
    """`(3, 3)` -> `3`, `(3, 5)` -> `(3, 5)`: the one way in which calls write per-axis values."""
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


def canonical_function(name: str | None) -> str | None:
    """An activation by the one name used in calls; None: linear."""
    return ALIASES.get(name, name) if name else None


def keras_call(op: Any, *fields: str, **written: Any) -> KerasCall:
    """The call of the Keras layer `op.layer` with the given fields of `op`.

    Equal layers get equal calls: `3` and `(3, 3)` are written in one way, an activation has one name, and what Keras does
    anyway is left out.

    Args:
        op: a concrete operation.
        fields: names of fields that are also the layer's arguments; none: all but `name`.
        written: further arguments, written in any case.
    """
    names = fields or [name for name in op.operation.init_arg_list if name != "name" and name not in written]
    given = {name: _canonical(op, name) for name in names}
    said = {name: value for name, value in given.items() if name not in KERAS_DEFAULTS or value != KERAS_DEFAULTS[name]}
    return KerasCall(op.layer, **said, **written)


def _canonical(op: Any, field: str) -> Any:
    value = getattr(op, field)
    if field in PER_AXIS:
        return collapse(as_tuple(value, op.axes, field))
    if field in REALS:
        return float(value)
    return canonical_function(value) if field == "activation" else value


# -- checks ------------------------------------------------------------------------------------------------------------------


def expect_grid(shape: Shape, axes: int, layer: str) -> None:
    """Raises unless `shape` is a grid of `axes` axes with channels."""
    if len(shape) != axes + 1:
        raise ShapeError(
            f"{layer} got {shape}", received=shape, expected=AXIS_NAMES[axes], hint=_for_axes(layer, len(shape) - 1)
        )


def _for_axes(layer: str, axes: int) -> str:
    """What to do where a layer is for another number of axes: most have a brother for each."""
    brother = re.sub(r"[123]D", f"{axes}D", layer)
    only_flat = layer.startswith(("Depthwise", "Separable")) and axes == 3
    if brother == layer or axes not in AXIS_NAMES or only_flat:
        return f"Reshape before {layer}"
    return f"Use {brother}, or reshape before {layer}"


def expect_divisible(count: int, groups: int, what: str) -> None:
    """Raises unless `groups` divides `count`."""
    if groups == 0 or count % groups:
        near = [k for k in range(1, count + 1) if count % k == 0]
        options = ", ".join(map(str, near[:12])) + (", ..." if len(near) > 12 else "")
        raise ShapeError(
            f"groups={groups} does not divide {count} {what}",
            received=groups,
            expected=f"one of {options}",
            hint=f"Change groups, or the number of {what}",
        )


# -- channels ----------------------------------------------------------------------------------------------------------------


def divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a number of channels, at least one, and never more than 10% below it.

    How mobile networks round widths (Sandler et al. 2018, MobileNetV2, reference code): 184.0 -> 184, 33.6 -> 32, 11.2 -> 16.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


# -- windows -----------------------------------------------------------------------------------------------------------------


def window_size(size: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Positions of a sliding window along an axis of `size`; 0 where it does not fit.

    same: ceil(size / stride). valid: floor((size - span) / stride) + 1, where span = (kernel - 1) * dilation + 1.
    """
    if padding == "same":
        return -(-size // stride)
    return max((size - (kernel - 1) * dilation - 1) // stride + 1, 0)


def transposed_size(size: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Size of an axis after a transposed window. same: size * stride. valid: (size - 1) * stride + max(span, stride)."""
    if padding == "same":
        return size * stride
    return (size - 1) * stride + max((kernel - 1) * dilation + 1, stride)


def window(op: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, strides and dilation of a convolution, for each axis.

    Raises:
        ShapeError: it both strides and dilates, which Keras has no layer for.
    """
    kernel, strides, dilation = (as_tuple(getattr(op, f), op.axes, f) for f in ("kernel_size", "strides", "dilation_rate"))
    if max(strides) > 1 and max(dilation) > 1:
        raise ShapeError(
            f"strides={collapse(strides)} together with dilation_rate={collapse(dilation)}",
            received=(strides, dilation),
            expected="one of them to be 1",
            hint="Stride in one layer and dilate in another",
        )
    return kernel, strides, dilation


def slide(shape: Shape, kernel: Shape, strides: Shape, padding: str, dilation: Shape, layer: str) -> Shape:
    """The grid that a sliding window leaves of `shape`.

    Raises:
        ShapeError: the window is larger than the grid and must stay inside.
    """
    grid = tuple(window_size(n, k, s, padding, d) for n, k, s, d in zip(shape[:-1], kernel, strides, dilation, strict=True))
    if min(grid) < 1:
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        raise ShapeError(
            f"{layer}'s window {tuple(span)} is larger than its input {shape}",
            received=shape,
            expected=f"at least ({', '.join(map(str, span))}, any)",
            hint='Use padding="same" or a smaller window',
        )
    return grid


# -- costs -------------------------------------------------------------------------------------------------------------------


def weighted_cost(macs: int, weights: int, output: Shape, use_bias: bool, activation: str | None) -> OpCost:
    """Cost of a layer with weights: multiply-adds, then bias and activation on each output element."""
    per_element = bool(use_bias) + activation_flops(activation)
    return OpCost(macs, 2 * macs + per_element * math.prod(output), weights + (output[-1] if use_bias else 0))


def activation_flops(name: str | None) -> int:
    """FLOPs of an activation for each element."""
    function = canonical_function(name)
    return 0 if function is None else SOFTMAX_FLOPS if function in ("softmax", "log_softmax") else 1
