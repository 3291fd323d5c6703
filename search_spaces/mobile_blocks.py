"""What mobile networks are made of: the inverted bottleneck as one operation, the stem and the classifier around it.

The inverted bottleneck (Sandler et al. 2018, MobileNetV2, section 3.3) widens by a 1x1 convolution, filters each channel by
itself, perhaps squeezes and excites (Hu et al. 2018), narrows by a linear 1x1 convolution, and adds its input where the shapes
allow. Fused (Gupta & Akin 2020; Tan & Le 2021, EfficientNetV2, figure 2), the first two steps are one convolution. With
expansion 1 it is a depthwise separable block, or, fused, a plain convolution: all that mobile search spaces choose from.

`MBConv` is an operation because it looks at its input: widths are multiples of its channels, and only what has its shape is
added. Import it for spaces of your own. Nothing here is a space.
"""

import functools
from typing import Any, Literal

import nas
from nas import layers as L
from nas.language.fields import Function, OptionalPositive, PerAxis, Rate
from nas.language.rules import as_tuple, divisible

__all__ = ["MBConv", "classifier", "conv_norm", "divisible", "repetitions"]


class MBConv(nas.Operation):
    """The inverted bottleneck. (height, width, channels) -> (ceil(height / stride), ceil(width / stride), filters).

    Args:
        filters: output channels; None: as many as come in.
        kernel_size: of the depthwise or the fused convolution.
        strides: of the same.
        expansion: width in between, as a multiple of the input's channels, rounded to a multiple of 8; 1: there is no widening.
        fused: one convolution instead of a 1x1 and a depthwise one; together with expansion 1, a convolution to `filters`.
        se_ratio: units of squeeze and excite as a share of some channels; 0: there is none.
        se_of: which channels. "input": the block's, rounded down, gate sigmoid (MnasNet, EfficientNet). "expanded": those in
            between, rounded to a multiple of 8, relu, gate hard sigmoid (MobileNetV3).
        activation: after all convolutions but the linear one.
        skip: what is added where the output has the input's shape: "identity", "pool" (means of 3x3 windows), or "none".
        momentum: of the batch normalizations.

    Example:
        >>> import nas
        >>> from search_spaces.mobile_blocks import MBConv
        >>> body = nas.repeat(MBConv(kernel_size=nas.oneof([3, 5]), expansion=nas.oneof([3, 6])), 1, 4, name="body")
    """

    filters: OptionalPositive = None
    kernel_size: PerAxis = 3
    strides: PerAxis = 1
    expansion: float = 6.0
    fused: bool = False
    se_ratio: Rate = 0.0
    se_of: Literal["input", "expanded"] = "input"
    activation: Function = "relu6"
    skip: Literal["identity", "pool", "none"] = "identity"
    momentum: Rate = 0.99

    def wire(self, net: Any, *inputs: Any) -> Any:
        (x,) = inputs
        filters = self.filters or x.shape[-1]
        window: dict[str, Any] = {name: as_tuple(getattr(self, name), 2, name) for name in ("kernel_size", "strides")}
        y = x
        if self.expansion != 1:
            wide = divisible(x.shape[-1] * self.expansion)
            y = self._convolve(net, y, "expand", L.Conv2D, filters=wide, **(window if self.fused else {"kernel_size": 1}))
        if not self.fused:
            y = self._convolve(net, y, "depthwise", L.DepthwiseConv2D, **window)
        if self.fused and self.expansion == 1:
            y = self._convolve(net, y, "conv", L.Conv2D, filters=filters, **window)
            y = self._squeeze(net, y, x.shape[-1])
        else:
            y = self._squeeze(net, y, x.shape[-1])
            y = self._convolve(net, y, "project", L.Conv2D, linear=True, filters=filters, kernel_size=1)
        if self.skip == "none" or y.shape != x.shape:
            return y
        if self.skip == "pool":
            x = net.apply(_part(L.AveragePooling2D, pool_size=3, strides=1), x, name="pool")
        return net.apply(_part(L.Add), y, x, name="add")

    def _convolve(self, net: Any, x: Any, name: str, layer: Any, linear: bool = False, **fields: Any) -> Any:
        """A convolution without bias, batch normalization and, unless it is linear, the activation."""
        x = net.apply(_part(layer, use_bias=False, **fields), x, name=name)
        x = net.apply(_part(L.BatchNormalization, momentum=self.momentum), x, name=f"{name}_norm")
        return x if linear else net.apply(_part(L.Activation, function=self.activation), x, name=f"{name}_act")

    def _squeeze(self, net: Any, x: Any, channels: int) -> Any:
        """Squeeze and excite, where there is any; `channels` is what the block takes in."""
        if not self.se_ratio:
            return x
        if self.se_of == "expanded":
            gate = _part(L.SqueezeExcite, ratio=self.se_ratio, divisor=8, gate="hard_sigmoid")
        else:
            gate = _part(L.SqueezeExcite, units=max(1, int(channels * self.se_ratio)), activation=self.activation)
        return net.apply(gate, x, name="se")


@functools.cache  # the parts are kept: each remembers what it has worked out for its inputs' shapes
def _part(layer: Any, **fields: Any) -> Any:
    return layer.concrete(**fields)


def conv_norm(
    x: Any, filters: Any, kernel_size: Any, activation: str, *, name: str, strides: int = 1, momentum: Any = 0.99
) -> Any:
    """A convolution without bias, batch normalization, activation: a stem, or the last convolution before the classifier."""
    x = L.Conv2D(filters, kernel_size, strides=strides, use_bias=False, name=name)(x)
    x = L.BatchNormalization(momentum, name=f"{name}_norm")(x)
    return L.Activation(activation, name=f"{name}_act")(x)


def classifier(x: Any, classes: int, dropout: float = 0.0) -> Any:
    """The image's mean, dropout, a probability for each class. (height, width, channels) -> (classes,)."""
    x = L.GlobalAveragePooling2D(name="pool")(x)
    x = L.Dropout(dropout, name="dropout")(x)
    return L.Dense(classes, activation="softmax", name="classes")(x)


def repetitions(name: str, times: int, low: int, high: int) -> dict[str, bool]:
    """The decisions that make `nas.repeat(..., low, high, name=name)` repeat `times` times, for writing baselines."""
    return {f"{name}[{i}]" if i else name: i < times for i in range(low, min(times + 1, high))}
