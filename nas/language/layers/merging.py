"""Merging: several tensors become one. `Merge` is the skip connection whose kind is a decision.

Which of them needs what: adding needs equal shapes (`project=True` makes the channels equal), concatenation needs equal grids.
Grids that differ are a mistake wherever they meet: resize one side first.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

from nas.errors import ShapeError
from nas.language.layers.convolution import Conv1D, Conv2D, Conv3D
from nas.language.layers.dense import Dense
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import keras_call

_RESIZE = "L.MatchGrid()(skip, x) crops or pads, L.Downsample and L.Upsample resize"


class Merge(Operation):
    """Brings skip connections into the main path. The first input is the main path, the others are the skips.

    Args:
        mode: "add", "multiply", "average", "maximum": element by element, shapes must be equal;
            "concat": channels side by side, grids must be equal; "none": the main path alone.
        project: inputs whose channels differ from the main path's are first brought to them by a 1x1 convolution without bias
            (He et al. 2016, section 3.3, option B). Concatenation needs no projection.

    Raises:
        ShapeError: grids that differ; channels that differ, without `project`.

    Example:
        >>> import nas
        >>> skip = nas.layers.Merge(nas.oneof(["add", "concat", "none"]), project=True, name="skip")
    """

    mode: Literal["add", "concat", "none", "multiply", "average", "maximum"] = "add"
    project: bool = False

    arity = (1, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        main, *skips = inputs
        if self.mode == "none" or not skips:
            return main
        for skip in skips:
            if skip.shape[:-1] != main.shape[:-1]:
                raise _misfit(net, skip, main, "any", _meeting(skip, main))
        if self.mode != "concat":
            skips = [self._match(net, skip, main) for skip in skips]
        return net.emit(_merging(self.mode), main, *skips)

    def _match(self, net: Any, skip: Any, main: Any) -> Any:
        channels = main.shape[-1]
        if skip.shape[-1] == channels:
            return skip
        if not self.project:
            raise _misfit(net, skip, main, channels, 'Set project=True, or use mode="concat"')
        return net.apply(_projection(len(main.shape) - 1, channels), skip, name="project")


def _meeting(skip: Any, main: Any) -> str:
    """What to do about grids that differ."""
    if len(skip.shape) != len(main.shape):
        return "Reshape one of the two"
    return _RESIZE


def _misfit(net: Any, skip: Any, main: Any, channels: Any, hint: str) -> ShapeError:
    return ShapeError(
        f"{net.called(skip)} is {skip.shape} and does not meet {net.called(main)}, {main.shape}",
        path=net.path,
        received=skip.shape,
        expected=f"({', '.join(map(str, (*main.shape[:-1], channels)))})",
        hint=hint,
    )


# The parts are kept: each remembers what it has worked out for its inputs' shapes.
@functools.cache
def _merging(mode: str) -> Any:
    parts = {"add": Add, "concat": Concatenate, "multiply": Multiply, "average": Average, "maximum": Maximum}
    return parts[mode].concrete()


@functools.cache
def _projection(axes: int, filters: int) -> Any:
    if axes == 0:
        return Dense.concrete(units=filters, use_bias=False)
    return (Conv1D, Conv2D, Conv3D)[axes - 1].concrete(filters=filters, kernel_size=1, use_bias=False)


class _Elementwise(Operation):
    arity = (2, None)
    commutative = True

    layer = ""  # the Keras layer

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(set(inputs)) > 1:
            raise _unequal(self.layer, inputs, "equal shapes")
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=(len(inputs) - 1) * math.prod(output))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


def _unequal(layer: str, shapes: Sequence[Shape], expected: str) -> ShapeError:
    return ShapeError(
        f"{layer} got {' and '.join(map(str, shapes))}",
        received=shapes,
        expected=expected,
        hint=_RESIZE if len({shape[:-1] for shape in shapes}) > 1 else "L.Merge(mode, project=True) makes the channels equal",
    )


class Add(_Elementwise):
    """The sum of equal shapes. Keras would also stretch axes of size 1; here that is a mistake, as it mostly is one."""

    layer = "Add"
    beside_zeros = "drops"


class Maximum(_Elementwise):
    """The larger of each element, of equal shapes."""

    layer = "Maximum"


class Average(_Elementwise):
    """The mean of equal shapes."""

    layer = "Average"

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=len(inputs) * math.prod(output))  # additions, then a division


class Multiply(_Elementwise):
    """The product. An axis of size 1 is stretched: gates (1, 1, channels) weigh the channels of an image (Hu et al. 2018)."""

    layer = "Multiply"
    beside_zeros = "vanishes"

    def output_shape(self, *inputs: Shape) -> Shape:
        same_rank = len({len(shape) for shape in inputs}) == 1
        if not same_rank or any(len(set(sizes) - {1}) > 1 for sizes in zip(*inputs, strict=True)):
            raise _unequal("Multiply", inputs, "equal shapes, but for axes of size 1")
        return tuple(max(sizes) for sizes in zip(*inputs, strict=True))


class Concatenate(Operation):
    """Channels side by side. (..., a), (..., b) -> (..., a + b); the grids are equal."""

    arity = (2, None)

    layer = "Concatenate"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len({shape[:-1] for shape in inputs}) > 1:
            raise ShapeError(
                f"Concatenate got {' and '.join(map(str, inputs))}",
                received=inputs,
                expected="equal grids",
                hint=_RESIZE,
            )
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)
