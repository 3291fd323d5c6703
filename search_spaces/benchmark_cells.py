"""The cell of NAS-Bench-201 and of TransNAS-Bench-101: four nodes, six edges, each edge one operation, each node a sum.

Both benchmarks (Dong & Yang 2020; Duan et al. 2021) stack one searched cell all over a network. Where a cell changes the grid
or the channels, the edges that leave its input do. Nothing here is a space.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import nas
from nas import layers as L
from nas.language.fields import Positive

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to), in the order in which both benchmarks write them."""


def edge_name(edge: tuple[int, int]) -> str:
    """Of its decision."""
    return f"edge{edge[0]}{edge[1]}"


class CellEdge(nas.Operation):
    """What lies on an edge. Applied to a tensor and to another one whose shape comes out, whatever is in it.

    (height, width, channels), (height', width', channels') -> (height', width', channels')

    Args:
        kind: none: there is no edge. skip_connect: the tensor itself, or, where the shape changes, two strided convolutions
            side by side. nor_conv: ReLU, convolution, batch normalization. avg_pool_3x3: means, which leave out the border.
    """

    kind: Literal["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]

    arity = (2, 2)

    def wire(self, net: Any, *inputs: Any) -> Any:
        x, like = inputs
        strides = -(-x.shape[0] // like.shape[0])
        for name, part in _parts(self.kind, strides, like.shape[-1], x.shape == like.shape):
            x = net.apply(part, x, name=name)
        return x


# The parts are kept: each remembers what it has worked out for its inputs' shapes.
@functools.cache
def _parts(kind: str, strides: int, filters: int, same_shape: bool) -> list[tuple[str | None, Any]]:
    """The operations of an edge, one after another, with their names."""
    if kind == "none":
        return [(None, L.Zero.concrete(strides=strides, filters=filters))]
    if kind == "skip_connect":
        return [] if same_shape else [(None, _FactorizedReduce.concrete(filters=filters, strides=strides))]
    if kind == "avg_pool_3x3":
        return [(None, L.AveragePooling2D.concrete(pool_size=3, strides=strides))]
    convolution = L.Conv2D.concrete(
        filters=filters, kernel_size=3 if kind == "nor_conv_3x3" else 1, strides=strides, use_bias=False
    )
    return [("relu", L.ReLU.concrete()), ("conv", convolution), ("norm", L.BatchNormalization.concrete())]


class _FactorizedReduce(nas.Operation):
    """ReLU, two strided 1x1 convolutions side by side, the second on the grid shifted by one, and batch normalization.

    Together the two see twice as many positions as one. (Zoph et al. 2018, NASNet, appendix A.)
    """

    filters: Positive
    strides: Positive

    def wire(self, net: Any, *inputs: Any) -> Any:
        relu, pad, crop, halves, join, norm = _reduce_parts(self.filters, self.strides)
        x = net.apply(relu, *inputs, name="relu")
        shifted = net.apply(crop, net.apply(pad, x, name="pad"), name="crop")
        made = [net.apply(half, y, name=name) for half, y, name in zip(halves, (x, shifted), ("even", "odd"), strict=True)]
        return net.apply(norm, net.apply(join, *made, name="join"), name="norm")


@functools.cache
def _reduce_parts(filters: int, strides: int) -> tuple[Any, ...]:
    sizes = filters // 2, filters - filters // 2
    halves = [L.Conv2D.concrete(filters=size, kernel_size=1, strides=strides, use_bias=False) for size in sizes]
    pad, crop = (layer.concrete for layer in (L.ZeroPadding2D, L.Cropping2D))
    return (
        L.ReLU.concrete(),
        pad(padding=[[0, 1], [0, 1]]),
        crop(cropping=[[1, 0], [1, 0]]),
        halves,
        L.Concatenate.concrete(),
        L.BatchNormalization.concrete(),
    )


def tied_kinds(options: Sequence[str]) -> dict[tuple[int, int], Any]:
    """For each edge, the decision what lies on it, to be read by all cells of a network."""
    return {edge: nas.tied(list(options), name=edge_name(edge)) for edge in EDGES}


def cell(kinds: dict[tuple[int, int], Any]) -> Callable[[Any, Any], Any]:
    """A cell as a function of its input and of a tensor with the shape of its output: the input again where nothing changes."""

    def inner(x: Any, like: Any) -> Any:
        nodes = [x]
        for target in (1, 2, 3):
            terms = []
            for source in range(target):
                terms.append(CellEdge(kinds[source, target], name=edge_name((source, target)))(nodes[source], like))
            nodes.append(L.Add(name=f"node{target}")(*terms) if target > 1 else terms[0])
        return nodes[3]

    return inner


def convolution(x: Any, filters: int, kernel_size: int, strides: int, name: str) -> Any:
    """ReLU, convolution without bias, batch normalization."""
    x = L.ReLU(name=f"{name}_relu")(x)
    x = L.Conv2D(filters, kernel_size, strides=strides, use_bias=False, name=f"{name}_conv")(x)
    return L.BatchNormalization(name=f"{name}_norm")(x)
