"""A network as it was written, dead branches included: what a runtime executes that does not look for them.

`architecture.network` leaves out what no output needs and what only zeros reach. Eager frameworks execute both: a convolution
whose result nobody reads takes its time, and so does one of nothing but zeros. On the GPUs of HELP (Lee et al. 2021) a linear
fit of a cell's latency to how often it has each operation as written reaches rank correlations of .97 to 1.00, to how often in
the live network .88 to .90.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nas.language.graph import Edge, Graph, Net
from nas.language.operation import KerasCall, OpCost

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

ZEROS = KerasCall("Zeros")
"""Stands for the making of zeros; no Keras layer, as this graph is only counted."""


class WrittenNet(Net):
    """A net in which zeros are a tensor like any other, and nothing is dropped."""

    def zeros(self, operation: Any, *inputs: Edge) -> Edge:
        shape = operation.output_shape(*(edge.shape for edge in inputs))
        return self._add(ZEROS, inputs, shape, OpCost(), commutative=False)

    def graph(self, outputs: Iterable[Edge]) -> Graph:
        return Graph(self._nodes, self._inputs, [edge.name for edge in outputs])


def graph_as_written(architecture: Architecture) -> Graph:
    """Of an architecture of a network space."""
    return architecture.space.assembler.graph(architecture.vector, net=WrittenNet())
