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

COMBINATIONS = 200_000  # variants x input shapes tried at one layer; beyond that a layer is too entangled to follow


@dataclasses.dataclass(frozen=True)
class Possible:
    """An edge whose shape is one of several."""

    shapes: frozenset[Shape]


@dataclasses.dataclass(frozen=True)
class Doubt:
    """A combination that fails, though it may be that no architecture contains it."""

    path: str
    error: UserError


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
        if name is not None:
            self._scope.append(name)
        try:
            if isinstance(operation, pg.hyper.OneOf):
                candidates = [operation.candidates.sym_getattr(i) for i in range(len(operation.candidates))]
                return _union([self.apply(candidate, *inputs) for candidate in candidates])
            if operation.structural:
                return operation.wire(self, *inputs)
            return self._try_all(operation, inputs)
        finally:
            if name is not None:
                self._scope.pop()

    def elements(self, ops: Any) -> Sequence[Any]:
        """The operations of a list field; a `manyof` stands for any of its candidates in every place."""
        if isinstance(ops, ManyOf | pg.hyper.ManyOf):
            return [pg.oneof(list(ops.candidates)) for _ in range(ops.num_choices)]
        return [ops.sym_getattr(i) for i in range(len(ops))]

    def times(self, operation: Any, times: Any, *inputs: Possible) -> Possible:
        """The union over every number of repetitions."""
        counts = list(variants(times))
        edge, found = inputs[0], [inputs[0]] if 0 in counts else []
        for i in range(max(counts)):
            edge = self.apply(operation, edge, name=f"[{i}]")
            if i + 1 in counts:
                found.append(edge)
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
        shapes: set[Shape] = set()
        first_error: UserError | None = None
        for op in concrete:
            worked = 0
            for combination in combinations:
                net = Net()
                edges = [net.input(f"input{i}", shape) for i, shape in enumerate(combination)]
                try:
                    shapes.add(net.apply(op, *edges).shape)
                    worked += 1
                except UserError as error:
                    first_error = at_path(error, self.path)
                    if worked == 0 and combination == combinations[-1]:
                        raise first_error from None
                    self.doubts.append(Doubt(self.path, first_error))
        return Possible(frozenset(shapes))


def _union(edges: Iterable[Possible]) -> Possible:
    return Possible(frozenset().union(*(edge.shapes for edge in edges)))


__all__ = ["Doubt", "Possible", "ShapeError", "SpaceNet"]
