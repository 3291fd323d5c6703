"""The price of an architecture as arithmetic over its graph: nothing is built, so thousands a second can be priced.

Each operation brings its own cost rule (`Operation.cost`); here they are summed, and the one figure that depends on the whole
network is worked out: the peak of activation memory. FLOPs follow the convention of one multiply-add = two FLOPs.
"""

from __future__ import annotations

import dataclasses
from math import prod
from typing import NamedTuple

from nas.language.graph import Graph
from nas.language.operation import Shape

_BYTES = 4  # float32


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network costs for one example (batch 1), in float32.

    Attributes:
        flops: floating-point operations; one multiply-add is two.
        macs: multiply-adds of convolutions and matrix products.
        params: weights, trainable and not.
        parameter_bytes: memory of the weights.
        peak_activation_bytes: most memory of activations at any one time, see `price`.
    """

    flops: int
    macs: int
    params: int
    parameter_bytes: int
    peak_activation_bytes: int


class Row(NamedTuple):
    """One node in an itemized price. `shape` is its output without the batch axis; the rest as in `Cost`."""

    path: str
    layer: str
    shape: Shape
    macs: int
    flops: int
    params: int


def price(graph: Graph) -> Cost:
    """The cost of the whole network.

    Memory counts the tensors alive while the nodes are executed one by one in the graph's order: a node's inputs, its own
    output (nothing is computed in place) and whatever was produced before and is still to be read. The network's inputs live
    until they are last read, its outputs to the end. Runtimes that reuse buffers in place or fuse layers need less.
    """
    last_use: dict[str, str] = {}
    for name, node in graph.nodes.items():
        last_use[name] = name  # what nobody reads is let go at once
        for source in node.inputs:
            last_use[source] = name
    kept = set(graph.outputs)
    size: dict[str, int] = {}
    flops = macs = params = alive = peak = 0
    for name, node in graph.nodes.items():
        cost = node.cost
        flops += cost.flops
        macs += cost.macs
        params += cost.params
        size[name] = elements = prod(node.shape)
        alive += elements
        if alive > peak:
            peak = alive
        for tensor in (*node.inputs, name):
            if last_use.get(tensor) == name and tensor not in kept:
                alive -= size[tensor]
                del last_use[tensor]  # read twice by one node, it is freed once
    return Cost(flops, macs, params, _BYTES * params, _BYTES * peak)


def itemize(graph: Graph) -> list[Row]:
    """One row for each node, in the graph's order; the columns sum to `price(graph)`."""
    return [
        Row(n.path, n.call.layer if n.call else "Input", n.shape, n.cost.macs, n.cost.flops, n.cost.params)
        for n in graph.nodes.values()
    ]
