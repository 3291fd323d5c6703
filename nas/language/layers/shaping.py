"""Shaping: the same numbers in other axes, or rescaled. None of these has weights. Borders are in `borders`."""

import math
from collections.abc import Sequence
from typing import Any

from nas.errors import ShapeError
from nas.language.fields import Axes, Index, TargetShape
from nas.language.operation import KerasCall, OpCost, Operation, Shape
from nas.language.rules import keras_call


class Identity(Operation):
    """Nothing: the input itself. As an option of a choice it says "no layer here", like None."""

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0]


class Pick(Operation):
    """One of its inputs: learned connections are a choice among these.

    Args:
        index: which one, from 0.

    Raises:
        ShapeError: there are fewer inputs.
    """

    index: Index

    arity = (1, None)

    @property
    def structural(self) -> bool:  # type: ignore[override]  # a decided one only passes on; a choice of indices sees shapes
        return isinstance(self.index, int)

    def wire(self, net: Any, *inputs: Any) -> Any:
        if self.index >= len(inputs):
            raise ShapeError(
                f"there is no input {self.index}", path=net.path, received=self.index, expected=f"0 to {len(inputs) - 1}"
            )
        return inputs[self.index]


class Flatten(Operation):
    """All axes in one. (a, b, ...) -> (a * b * ...,)."""

    layer = "Flatten"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if len(inputs[0].shape) == 1 else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (math.prod(inputs[0]),)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)


class Reshape(Operation):
    """The same elements, in order, in other axes.

    Args:
        target_shape: without the batch; one -1 stands for the size that is left over.
    """

    target_shape: TargetShape

    layer = "Reshape"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if tuple(self.target_shape) == inputs[0].shape else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        target, elements = tuple(self.target_shape), math.prod(inputs[0])
        known = math.prod(n for n in target if n != -1)
        open_axes = target.count(-1)
        if open_axes > 1 or 0 in target or (elements % known if open_axes else elements != known):
            raise ShapeError(
                f"{inputs[0]} has {elements} elements and cannot become {target}",
                received=target,
                expected=f"a shape of {elements} elements, with at most one -1",
                hint="Use -1 for the axis that may vary",
            )
        return tuple(elements // known if n == -1 else n for n in target)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self, target_shape=output)


class Permute(Operation):
    """Axes in another order.

    Args:
        dims: the input's axes, counted from 1, in their new order: `Permute((2, 1, 3))` swaps height and width.
    """

    dims: Axes

    layer = "Permute"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if tuple(self.dims) == tuple(range(1, len(inputs[0].shape) + 1)) else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,), dims = inputs, tuple(self.dims)
        if sorted(dims) != list(range(1, len(shape) + 1)):
            raise ShapeError(
                f"{dims} does not order the axes of {shape}", received=dims, expected=f"each of 1 to {len(shape)} once"
            )
        return tuple(shape[i - 1] for i in dims)

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost()

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self, dims=tuple(self.dims))


class Rescaling(Operation):
    """scale * x + offset, both constant. Any shape, unchanged.

    Args:
        scale: such as 1 / 127.5 for images of bytes.
        offset: such as -1 to end in [-1, 1].
    """

    scale: float
    offset: float = 0.0

    layer = "Rescaling"

    def wire(self, net: Any, *inputs: Any) -> Any:
        return inputs[0] if self.scale == 1 and self.offset == 0 else net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        return OpCost(flops=(2 if self.offset else 1) * math.prod(output))

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        return keras_call(self)
