"""The operations that occur in a space, each worked out once.

A decided layer applied to given shapes always comes out the same: an output shape, which of its inputs the output needs, and
the primitive operations it is made of. `Library` works that out with the layer's own rules, on a net of its own, and
remembers it. A space has one library (`space.library`), which everything that folds over the space reads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nas.errors import UserError
from nas.language.automaton.forms import TooEntangled
from nas.language.automaton.terms import Leaf
from nas.language.graph import Edge, Graph, Net, at_path
from nas.language.operation import KerasCall, OpCost, Shape
from nas.language.zeros import is_zero_state, zero_state


class Primitive(NamedTuple):
    """An operation as it occurs in architectures.

    Attributes:
        call: the stock Keras layer.
        inputs, output: shapes without the batch.
        cost: for one example.
    """

    call: KerasCall
    inputs: tuple[Shape, ...]
    output: Shape
    cost: OpCost


class Result(NamedTuple):
    """What a decided layer makes of its inputs.

    Attributes:
        shape: of its output; as `zero_state` where it is known to be zero.
        reads: for each input, whether the output needs it.
        primitives: numbers of the operations that the output needs, one for each time.
        graph: these operations, on inputs called `input0`, `input1`, ...; None where the output is zero.
    """

    shape: Shape
    reads: tuple[bool, ...]
    primitives: tuple[int, ...]
    graph: Graph | None = None


class Library:
    """Results of decided layers.

    Attributes:
        primitives: every operation seen, by number.
        failures: where a layer does not fit shapes it was applied to.
    """

    def __init__(self) -> None:
        self.primitives: list[Primitive] = []
        self.failures: list[UserError] = []
        self._numbers: dict[Primitive, int] = {}
        self._results: dict[tuple[int, tuple[Shape, ...]], tuple[Any, Result | None]] = {}

    def run(self, form: Any, shapes: tuple[Shape, ...], path: str) -> Result | None:
        """What a decided layer makes of inputs of these shapes; None where it does not fit."""
        key = id(form), shapes  # by identity, so the form is kept beside its result
        if key not in self._results:
            self._results[key] = form, self._work_out(form, shapes, path)
        return self._results[key][1]

    def check_floats(self, leaf: Leaf, shapes: tuple[Shape, ...]) -> None:
        """Floats are decided in the middle of their range. That stands for the rest where nothing depends on them.

        Raises:
            TooEntangled: a shape or a cost does.
        """
        for (form, _), ends in zip(leaf.forms, leaf.ends, strict=False):
            if len({self._summary(self.run(each, shapes, leaf.path)) for each in (form, *ends)}) > 1:
                raise TooEntangled(
                    "its shape or cost depends on a float", path=leaf.path, hint="Choose among numbers: oneof([...])"
                )

    def _summary(self, result: Result | None) -> tuple[Any, ...]:
        if result is None:
            return ()
        costs = [self.primitives[number].cost for number in result.primitives]
        return result.shape, sum(c.macs for c in costs), sum(c.flops for c in costs), sum(c.params for c in costs)

    def _work_out(self, form: Any, shapes: tuple[Shape, ...], path: str) -> Result | None:
        net = Net()
        edges = [
            Edge("", shape[1:], is_zero=True) if is_zero_state(shape) else net.input(f"input{i}", shape)
            for i, shape in enumerate(shapes)
        ]
        try:
            found = net.apply(form, *edges)
        except UserError as error:
            self.failures.append(at_path(error, path))
            return None
        if not isinstance(found, Edge):
            raise TooEntangled(f"an operation returns {len(found)} tensors", path=path, expected="one")
        if found.is_zero:
            return Result(zero_state(found.shape), (False,) * len(edges), ())
        graph = net.graph([found])
        needed, primitives = {found.name}, []
        for node in graph.nodes.values():
            needed.update(node.inputs)
            if node.call is not None:
                inputs = tuple(graph.nodes[name].shape for name in node.inputs)
                primitives.append(self._number(Primitive(node.call, inputs, node.shape, node.cost)))
        return Result(found.shape, tuple(edge.name in needed for edge in edges), tuple(primitives), graph)

    def _number(self, primitive: Primitive) -> int:
        if primitive not in self._numbers:
            self._numbers[primitive] = len(self.primitives)
            self.primitives.append(primitive)
        return self._numbers[primitive]
