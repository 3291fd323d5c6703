"""Which shapes can reach each operation, over a whole space at once.

`SpaceNet` runs the same `wire` rules as `Net`, on sets of shapes instead of one: a choice gives the union of its options, a
layer is tried with every variant of its fields on every combination of its inputs' shapes. Correlations between decisions are
forgotten, so the sets can be too large, never too small:

- nothing fails: every architecture builds (a proof);
- everything that can reach an operation fails: no architecture through it builds (an error at definition);
- some combinations fail: a doubt, which a witness turns into an error, or which stays and is reported.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pyglove as pg

from nas.errors import ShapeError, SpaceError, UserError
from nas.language.assemble import variants
from nas.language.choices import ManyOf
from nas.language.graph import Net, at_path, join_path
from nas.language.operation import Operation, Shape
from nas.language.tying import Same, read_in
from nas.language.wording import counted

COMBINATIONS = 200_000  # variants x input shapes tried at one layer; beyond that a layer is too entangled to follow


@dataclasses.dataclass(frozen=True)
class Possible:
    """An edge whose shape is one of several.

    Attributes:
        shapes: all of them.
        name: what made it, for messages.
    """

    shapes: frozenset[Shape]
    name: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True)
class Doubt:
    """A combination that fails, though it may be that no architecture contains it."""

    path: str
    error: UserError


@dataclasses.dataclass(frozen=True, eq=False)
class _Place:
    """One of the places of a manyof."""

    choices: Any
    name = "choice"  # in paths


class SpaceNet:
    """Applies operations with open choices to `Possible` edges. The counterpart of `nas.language.graph.Net`."""

    def __init__(self) -> None:
        self.doubts: list[Doubt] = []
        self._scope: list[str] = []

    @property
    def path(self) -> str:
        return join_path(self._scope)

    def apply(self, operation: Any, *inputs: Possible, name: str | None = None) -> Possible:
        if operation is None:
            return inputs[0]
        if name is None:
            return self._follow(operation, inputs)
        self._scope.append(name)
        try:
            return _named(self._follow(operation, inputs), self.path)
        finally:
            self._scope.pop()

    def _follow(self, operation: Any, inputs: Sequence[Possible]) -> Possible:
        if isinstance(operation, Same):
            return self._try_tied(operation, inputs)
        if isinstance(operation, _Place):
            operation = operation.choices
        if isinstance(operation, pg.hyper.Choices):
            candidates = [operation.candidates.sym_getattr(i) for i in range(len(operation.candidates))]
            return _union([self.apply(candidate, *inputs) for candidate in candidates])
        expect_arity(operation, len(inputs), self.path)
        if operation.structural:
            return operation.wire(self, *inputs)
        return self._try_all(operation, inputs)

    def _try_tied(self, operation: Same, inputs: Sequence[Possible]) -> Possible:
        """The union over the options. One that never fits may be ruled out by the decision's other readers: a doubt."""
        found, errors = [], []
        for option in operation.options:
            try:
                found.append(self.apply(option, *inputs))
            except UserError as error:
                errors.append(at_path(error, self.path))
        if not found:
            raise errors[0]
        self.doubts += [Doubt(error.path, error) for error in errors]
        return _union(found)

    def elements(self, ops: Any) -> Sequence[Any]:
        """The operations of a list field; a `manyof` stands for any of its candidates in every place."""
        if isinstance(ops, ManyOf | pg.hyper.ManyOf):
            return [_Place(ops)] * ops.num_choices
        return [ops.sym_getattr(i) for i in range(len(ops))]

    def times(self, operation: Any, times: Any, *inputs: Possible) -> Possible:
        """The union over every number of repetitions."""
        counts = list(variants(times))
        edge, found = inputs[0], [inputs[0]] if 0 in counts else []
        for i in range(max(counts)):
            before, edge = edge, self.apply(operation, edge, name=f"[{i}]")
            if i + 1 in counts or edge == before:
                found.append(edge)
            if edge == before:
                break  # one more changes nothing, so neither do any others
        return _union(found)

    def _try_all(self, operation: Operation, inputs: Sequence[Possible]) -> Possible:
        concrete = list(variants(operation))
        combinations = list(itertools.product(*(sorted(edge.shapes) for edge in inputs)))
        if len(concrete) * len(combinations) > COMBINATIONS:
            raise SpaceError(
                f"{len(concrete)} variants on {len(combinations)} combinations of input shapes are too many to follow",
                path=self.path,
                hint="Split the layer, or offer fewer options",
            )
        can_be_ruled_out = bool(read_in(operation))  # a tied value may be excluded by a rule, or by where else it is read
        shapes: set[Shape] = set()
        first_error: UserError | None = None
        for op in concrete:
            worked = 0
            for combination in combinations:
                net = Net()
                edges = [
                    net.input(edge.name or f"input{i}", shape)
                    for i, (edge, shape) in enumerate(zip(inputs, combination, strict=True))
                ]
                try:
                    shapes.add(net.apply(op, *edges).shape)
                    worked += 1
                except UserError as error:
                    first_error = at_path(error, self.path)
                    if worked == 0 and combination == combinations[-1] and not can_be_ruled_out:
                        raise first_error from None
                    self.doubts.append(Doubt(self.path, first_error))
        if not shapes and first_error is not None:
            raise first_error
        return Possible(frozenset(shapes))


def expect_arity(operation: Any, count: int, path: str) -> None:
    """Raises unless an operation can be applied to `count` tensors."""
    least, most = operation.arity
    if count < least or (most is not None and count > most):
        takes = counted(least, "tensor")
        raise ShapeError(
            f"applied to {counted(count, 'tensor')}",
            path=path,
            received=count,
            expected=takes if least == most else f"at least {takes}",
            hint="Merge them first, L.Merge('concat')(a, b)" if count > least else "Apply it to all that it brings together",
        )


def _named(edge: Possible, name: str) -> Possible:
    return dataclasses.replace(edge, name=name) if isinstance(edge, Possible) else edge


def _union(edges: Iterable[Possible]) -> Possible:
    return Possible(frozenset().union(*(edge.shapes for edge in edges)))


__all__ = ["Doubt", "Possible", "ShapeError", "SpaceNet"]
