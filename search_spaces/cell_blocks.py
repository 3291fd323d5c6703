"""What searched cells are made of: the operations on their edges, and how a tensor is brought to a cell's width and grid.

NASNet (Zoph et al. 2018) and the spaces after it (Real et al. 2019, AmoebaNet; Liu et al. 2019, DARTS) stack copies of two
cells, one that keeps the grid and one that halves it. All copies make the same decisions, at different widths, so nothing
inside a cell may name a width: `CellOperation` takes it from its input. Import these for cell spaces of your own. Nothing here
is a space.

Convolutions come after ReLU and before batch normalization and have no bias. Strided windows lie where Keras puts them under
"same", which is one position to the right of PyTorch's where the grid's size is even.
"""

import functools
from typing import Any, Literal

import nas
from nas import layers as L
from nas.language.fields import Positive, Rate

__all__ = ["CellOperation", "FactorizedReduction", "Projection", "part"]


class Projection(nas.Operation):
    """ReLU, 1x1 convolution, normalization. (height, width, channels) -> (height, width, filters).

    Args:
        filters: output channels.
        momentum: of the batch normalization.
    """

    filters: Positive
    momentum: Rate = 0.99

    def wire(self, net: Any, *inputs: Any) -> Any:
        return _convolved(net, inputs[0], self.momentum, part(L.Conv2D, filters=self.filters, kernel_size=1, use_bias=False))


class FactorizedReduction(nas.Operation):
    """Half the grid by two strided 1x1 convolutions, one of which sees the image shifted by a pixel (Zoph et al. 2018).

    (height, width, channels) -> (ceil(height / 2), ceil(width / 2), filters); each convolution makes half of the filters.

    Args:
        filters: output channels.
        momentum: of the batch normalization.
    """

    filters: Positive
    momentum: Rate = 0.99

    def wire(self, net: Any, *inputs: Any) -> Any:
        x = net.apply(part(L.ReLU), inputs[0], name="act")
        shifted = net.apply(part(L.ZeroPadding2D, padding=((0, 1), (0, 1))), x, name="pad")
        shifted = net.apply(part(L.Cropping2D, cropping=((1, 0), (1, 0))), shifted, name="shift")
        second = self.filters // 2
        halves = [
            net.apply(part(L.Conv2D, filters=filters, kernel_size=1, strides=2, use_bias=False), source, name=name)
            for filters, source, name in ((self.filters - second, x, "even"), (second, shifted, "odd"))
            if filters
        ]
        x = net.apply(part(L.Concatenate), *halves, name="concat") if second else halves[0]
        return net.apply(part(L.BatchNormalization, momentum=self.momentum), x, name="norm")


class CellOperation(nas.Operation):
    """What a cell does to one of its tensors. It keeps the channels, or makes as many as a second input has.

    (height, width, channels) -> (ceil(height / stride), ceil(width / stride), channels)

    Args:
        kind: "identity"; "max_pool_KxK", "avg_pool_3x3"; "conv_KxK", "conv_1xK_Kx1" (one after the other); "sep_conv_KxK":
            depthwise separable, twice; "dil_conv_KxK": depthwise separable, dilated by 2; "dil_full_conv_3x3": a convolution
            dilated by 2.
        strides: 1, or 2 in cells that halve the grid. With a second input, only what is on its grid is halved: what the cell
            has made before is on the smaller grid already.
        momentum: of the batch normalizations.

    A strided identity is a factorized reduction. Where channels change, pooling and the identity are followed by a projection.
    """

    kind: Literal[
        "identity",
        "max_pool_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "avg_pool_3x3",
        "conv_1x1",
        "conv_3x3",
        "conv_1x3_3x1",
        "conv_1x7_7x1",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "dil_full_conv_3x3",
    ]
    strides: Literal[1, 2] = 1
    momentum: Rate = 0.99

    arity = (1, 2)

    def wire(self, net: Any, *inputs: Any) -> Any:
        x, like = inputs[0], inputs[-1]
        filters = like.shape[-1]
        strides = self.strides if x.shape[:-1] == like.shape[:-1] else 1
        family, _, size = self.kind.rpartition("_")
        if family in ("max_pool", "avg_pool"):
            pooling = L.MaxPooling2D if family == "max_pool" else L.AveragePooling2D
            x = net.apply(part(pooling, pool_size=int(size[0]), strides=strides), x, name="pool")
        elif family:
            return self._convolve(net, x, family, int(size[0]), filters, strides)
        elif strides == 2:
            return net.apply(part(FactorizedReduction, filters=filters, momentum=self.momentum), x)
        return x if x.shape[-1] == filters else net.apply(part(Projection, filters=filters, momentum=self.momentum), x)

    def _convolve(self, net: Any, x: Any, family: str, kernel: int, filters: int, strides: int) -> Any:
        """The convolutions of a family, each after ReLU and before a normalization."""
        window: dict[str, Any] = {"kernel_size": kernel, "strides": strides}
        if family == "conv":
            steps = [("", L.Conv2D, window)]
        elif family == "sep_conv":
            steps = [("first", L.SeparableConv2D, window), ("second", L.SeparableConv2D, {"kernel_size": kernel})]
        elif family.startswith("conv_1x"):
            across: dict[str, Any] = {"kernel_size": (1, kernel), "strides": (1, strides)}
            along: dict[str, Any] = {"kernel_size": (kernel, 1), "strides": (strides, 1)}
            steps = [("across", L.Conv2D, across), ("along", L.Conv2D, along)]
        else:
            # Keras does not stride and dilate at once. Dilated by 2, a kernel at even positions sees even positions only: those
            # alone are kept, and the same kernel is applied to them undilated.
            if strides == 2:
                x = net.apply(part(L.MaxPooling2D, pool_size=1, strides=2), x, name="even")
            layer = L.Conv2D if family == "dil_full_conv" else L.SeparableConv2D
            steps = [("", layer, {"kernel_size": kernel, "dilation_rate": 3 - strides})]
        for name, layer, fields in steps:
            x = _convolved(net, x, self.momentum, part(layer, filters=filters, use_bias=False, **fields), name)
        return x


def _convolved(net: Any, x: Any, momentum: float, convolution: Any, name: str = "") -> Any:
    """ReLU, a convolution, batch normalization."""
    suffix = f"_{name}" if name else ""
    x = net.apply(part(L.ReLU), x, name=f"act{suffix}")
    x = net.apply(convolution, x, name=f"conv{suffix}")
    return net.apply(part(L.BatchNormalization, momentum=momentum), x, name=f"norm{suffix}")


@functools.cache  # the parts are kept: each remembers what it has worked out for its inputs' shapes
def part(layer: Any, **fields: Any) -> Any:
    """A layer with these decided fields."""
    return layer.concrete(**fields)
