"""One architecture as plain data: a directed acyclic graph of Keras calls with shapes and costs.

`Net` builds it: composites apply their parts, primitives emit one node each. Identities and zeros emit nothing, so they are
gone by construction; `Graph.live` drops what no output needs. Everything that is read off an architecture (fingerprint, price,
Keras model, source, drawing) reads this and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nas.errors import ShapeError, SpaceError, UserError
from nas.language.operation import KerasCall, OpCost, Shape
from nas.language.wording import shown
from nas.language.zeros import zero_calls


class Node(NamedTuple):
    """One primitive operation.

    Attributes:
        name: unique in the graph, a valid Keras layer name; names say where in the space function the node comes from.
        path: the same place as a dotted path for people, `enc0[1].conv`.
        call: the stock Keras layer; None for an input.
        inputs: names of the nodes it reads, in order (one name can appear twice).
        shape: its output, without the batch axis.
        cost: for one example.
        commutative: the order of inputs does not matter.
    """

    name: str
    path: str
    call: KerasCall | None
    inputs: tuple[str, ...]
    shape: Shape
    cost: OpCost
    commutative: bool = False


class Graph:
    """Nodes in topological order, inputs first.

    Attributes:
        nodes: name -> Node, in an order where each node comes after those it reads.
        inputs: names of the input nodes, in the order the network takes them.
        outputs: names of the output nodes (one name can appear twice).
    """

    def __init__(self, nodes: Mapping[str, Node], inputs: Iterable[str], outputs: Iterable[str]):
        self.nodes = dict(nodes)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    def live(self) -> Graph:
        """The same network without nodes that no output needs. Inputs stay: they are part of the network's signature."""
        needed = set(self.outputs) | set(self.inputs)
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
        if len(needed) == len(self.nodes):
            return self
        return Graph({n: node for n, node in self.nodes.items() if n in needed}, self.inputs, self.outputs)

    def networkx(self) -> Any:
        """A `networkx.DiGraph`.

        Node attributes: `layer`, `kwargs`, `inputs`, `shape`, `macs`, `flops`, `params`, `path`, `output`.
        """
        import networkx as nx

        graph = nx.DiGraph(inputs=self.inputs, outputs=self.outputs)
        for node in self.nodes.values():
            graph.add_node(
                node.name,
                layer=node.call.layer if node.call else "Input",
                kwargs=dict(node.call.kwargs) if node.call else {},
                inputs=node.inputs,
                shape=node.shape,
                path=node.path,
                output=node.name in self.outputs,
                **dataclasses.asdict(node.cost),
            )
            graph.add_edges_from((source, node.name) for source in node.inputs)
        return graph

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, {self.inputs} -> {self.outputs})"


class Edge(NamedTuple):
    """An output of a node while a graph is being built.

    Attributes:
        name: of the node; empty for zeros, which no node makes.
        shape: without the batch axis.
        is_zero: known to be zero (see `nas.language.zeros`).
    """

    name: str
    shape: Shape
    is_zero: bool = False


class Net:
    """Builds a `Graph` by applying concrete operations to edges."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._scope: list[str] = []
        self._inputs: list[str] = []

    def input(self, name: str, shape: Shape) -> Edge:
        self._nodes[name] = Node(name, name, None, (), shape, OpCost())
        self._inputs.append(name)
        return Edge(name, shape)

    def apply(self, operation: Any, *inputs: Edge, name: str | None = None) -> Edge:
        """Wires `operation` (None: identity) under `name`, one step deeper in the path."""
        if operation is None:
            return inputs[0]
        if name is None:
            return operation.wire(self, *inputs)
        self._scope.append(name)
        try:
            return operation.wire(self, *inputs)
        finally:
            self._scope.pop()

    def elements(self, operations: Any) -> Any:
        """The operations of a list field, all decided here (`SpaceNet` has another answer)."""
        return operations

    def times(self, operation: Any, times: int, *inputs: Edge) -> Edge:
        """Applies `operation` `times` times in a row."""
        edge = inputs[0]
        for i in range(times):
            edge = self.apply(operation, edge, name=f"[{i}]")
        return edge

    def emit(self, operation: Any, *inputs: Edge) -> Edge:
        """Adds one primitive node."""
        if any(edge.is_zero for edge in inputs):
            return self._emit_beside_zeros(operation, inputs)
        shapes = tuple(edge.shape for edge in inputs)
        facts = operation.__dict__.setdefault("_facts", {})  # one concrete operation serves many architectures
        if shapes not in facts:
            facts[shapes] = self._work_out(operation, shapes)
        call, shape, cost = facts[shapes]
        return self._add(call, inputs, shape, cost, operation.commutative)

    def zeros(self, operation: Any, *inputs: Edge) -> Edge:
        """What `operation` makes of zeros: zeros of its output's shape, and no node."""
        try:
            return Edge("", operation.output_shape(*(edge.shape for edge in inputs)), is_zero=True)
        except UserError as error:
            raise at_path(error, self.path) from None

    def graph(self, outputs: Iterable[Edge]) -> Graph:
        found = [self._fill(edge, self._nodes[self._inputs[0]]) if edge.is_zero else edge for edge in outputs]
        return Graph(self._nodes, self._inputs, [edge.name for edge in found]).live()

    @property
    def path(self) -> str:
        """Where the operation that is being wired stands, in the user's names."""
        return join_path(self._scope)

    def called(self, edge: Edge) -> str:
        """What made an edge, in the user's names."""
        return "zeros" if edge.is_zero else self._nodes[edge.name].path

    def _emit_beside_zeros(self, operation: Any, inputs: Sequence[Edge]) -> Edge:
        """`operation` on inputs some of which are zero."""
        zeros = self.zeros(operation, *inputs)  # checks the shapes, those of zeros included
        others = [edge for edge in inputs if not edge.is_zero]
        if not others or operation.beside_zeros == "vanishes":
            return zeros
        if operation.beside_zeros == "drops":
            return self.emit(operation, *others) if len(others) > 1 else others[0]
        return self.emit(operation, *(self._fill(edge, others[0]) if edge.is_zero else edge for edge in inputs))

    def _fill(self, zeros: Edge, source: Edge | Node) -> Edge:
        """Zeros as numbers, made out of `source` by layers that cost nothing."""
        edge = Edge(source.name, source.shape)
        for call, shape in zero_calls(source.shape, zeros.shape):
            edge = self._add(call, [edge], shape, OpCost())
        return edge

    def _add(self, call: KerasCall, inputs: Sequence[Edge], shape: Shape, cost: OpCost, commutative: bool = False) -> Edge:
        path, stem = _names(tuple(self._scope), call.layer)
        name, k = stem, 1
        while name in self._nodes:
            name, k = f"{stem}_{k}", k + 1
        self._nodes[name] = Node(name, path, call, tuple(edge.name for edge in inputs), shape, cost, commutative)
        return Edge(name, shape)

    def _work_out(self, operation: Any, shapes: tuple[Shape, ...]) -> tuple[KerasCall, Shape, OpCost]:
        try:
            shape = operation.output_shape(*shapes)
            _expect(operation, "output_shape", shape, _is_shape(shape), "positive whole numbers, (height, width, channels)")
            shape = tuple(map(int, shape))
            call, cost = operation.keras(shapes, shape), operation.cost(shapes, shape)
            _expect(operation, "keras", call, isinstance(call, KerasCall), "a nas.KerasCall")
            _expect(operation, "cost", cost, isinstance(cost, OpCost), "a nas.OpCost")
        except UserError as error:
            raise at_path(error, self.path) from None
        return call, shape, cost


def _expect(operation: Any, rule: str, value: Any, right: bool, expected: str) -> None:
    """Raises where a rule, perhaps one of the user's own, does not return what it should."""
    if not right:
        raise SpaceError(f"{type(operation).__name__}.{rule} returns {shown(value)}", received=value, expected=expected)


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, tuple | list) and bool(value) and all(isinstance(n, numbers.Integral) and int(n) > 0 for n in value)
    )


@functools.lru_cache(maxsize=65_536)
def _names(scope: tuple[str, ...], layer: str) -> tuple[str, str]:
    """The path of a node, and the same as a layer name that any Keras format takes."""
    path = join_path(scope)
    return path, re.sub(r"\W+", "_", path).strip("_").lower() or layer.lower()


def join_path(parts: Iterable[str]) -> str:
    """`["enc0", "[1]", "conv"]` -> `enc0[1].conv`."""
    return "".join(part if part.startswith("[") or i == 0 else f".{part}" for i, part in enumerate(parts))


def at_path(error: UserError, path: str) -> UserError:
    """The same error, said to be at `path`."""
    if error.path or not path:
        return error
    return type(error)(error.problem, path=path, received=error.received, expected=error.expected, hint=error.hint)


__all__ = ["Edge", "Graph", "Net", "Node", "ShapeError", "at_path", "join_path"]
