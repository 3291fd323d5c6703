"""Blocks: operations made of operations, as typed PyGlove objects. `building` has the functions that make them.

A block is its own small network: it sees the tensors it is applied to and nothing else.

(No `from __future__ import annotations` where fields are declared: PyGlove reads value specs, not their text.)
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.choices import ManyOf
from nas.language.operation import Operation

_OPERATION: Any = pg.typing.Object(Operation).noneable()
_OPERATIONS: Any = pg.typing.List(_OPERATION)
_NAMES: Any = pg.typing.List(pg.typing.Str())
_COUNT: Any = pg.typing.Int(min_value=0)


class Step(pg.Object):
    """One application inside a block: an operation (or a choice of them) and the names of what it reads."""

    op: _OPERATION
    inputs: _NAMES


_STEPS: Any = pg.typing.Dict([(pg.typing.StrKey(), pg.typing.Object(Step))])


class Block(Operation):
    """A network of named steps; the network of a whole space is one too. Made by tracing a function.

    Attributes:
        inputs: names of what it is applied to.
        steps: name -> Step, in topological order. Edges are names, because a PyGlove tree holds each object once.
        outputs: names of what it returns.
    """

    inputs: _NAMES
    steps: _STEPS
    outputs: _NAMES

    structural = True
    arity = (1, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        if len(inputs) != len(self.inputs):
            raise SpaceError(
                f"the block takes {len(self.inputs)} inputs ({', '.join(self.inputs)}), got {len(inputs)}", path=net.path
            )
        edges = dict(zip(self.inputs, inputs, strict=True))
        for name, step in self.steps.items():
            edges[name] = net.apply(step.op, *(edges[source] for source in step.inputs), name=name)
        found = tuple(edges[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        for name, step in self.steps.items():
            yield f"steps.{name}.op", f".{name}", f".{name}", step.sym_getattr("op")


class Chain(Operation):
    """Operations one after another."""

    ops: _OPERATIONS

    structural = True

    def wire(self, net: Any, *inputs: Any) -> Any:
        edge, *others = inputs
        if others:
            raise SpaceError(f"a chain takes one input, got {len(inputs)}", path=net.path)
        ops = net.elements(self.ops)
        for name, op in zip(part_names(ops), ops, strict=True):
            edge = net.apply(op, edge, name=name)
        return edge

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        ops = self.sym_getattr("ops")
        if isinstance(ops, ManyOf):
            yield "ops", ".ops", ".ops", ops
            return
        ops = [ops.sym_getattr(i) for i in range(len(ops))]
        for i, (name, op) in enumerate(zip(part_names(ops), ops, strict=True)):
            yield f"ops[{i}]", f".{name}", f".{name}", op


class Repeated(Operation):
    """An operation and, perhaps, its further repetitions: a list of open length in O(n) decisions.

    Attributes:
        first: this repetition.
        rest: the next `Repeated`, None for the end, or a choice of the two.
        index: which repetition this is, from 0.
    """

    first: _OPERATION
    rest: _OPERATION = None
    index: int = 0

    structural = True

    def wire(self, net: Any, *inputs: Any) -> Any:
        edge = net.apply(self.first, *inputs, name=f"[{self.index}]")
        return net.apply(self.rest, edge)

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        yield "first", f"[{self.index}]", f"[{self.index}]", self.sym_getattr("first")
        yield "rest", f"[{self.index + 1}]", "", self.sym_getattr("rest")


class TiedRepeat(Operation):
    """The same decisions `times` times in a row (each repetition has weights of its own)."""

    op: _OPERATION
    times: _COUNT

    structural = True

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.times(self.op, self.times, *inputs)

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        yield "op", "", "", self.sym_getattr("op")
        yield "times", ".times", ".times", self.sym_getattr("times")


def part_names(operations: Sequence[Any]) -> list[str]:
    """A name for each operation of a list: its own or its class's, counted where it repeats."""
    names: list[str] = []
    for op in operations:
        own = getattr(op, "label", None) or getattr(op, "name", None)
        kind = "identity" if op is None else "choice" if isinstance(op, pg.hyper.Choices) else type(op).__name__.lower()
        stem, k = own or kind, 1
        name = stem
        while name in names:
            name, k = f"{stem}_{k}", k + 1
        names.append(name)
    return names
