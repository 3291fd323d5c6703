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
from nas.language.wording import counted

_OPERATION: Any = pg.typing.Object(Operation).noneable()
_OPERATIONS: Any = pg.typing.List(_OPERATION)
_NAMES: Any = pg.typing.List(pg.typing.Str())
_COUNT: Any = pg.typing.Int(min_value=0)
_TAKES: Any = pg.typing.Int(min_value=1).noneable()
_ROWS: Any = pg.typing.List(pg.typing.List(_COUNT))


class Step(pg.Object):
    """One application inside a block: an operation (or a choice of them) and the names of what it reads."""

    op: _OPERATION
    inputs: _NAMES


class Rule(pg.Object):
    """Which combinations of a few tied decisions are allowed. Made by `nas.require`.

    Attributes:
        decisions: their names.
        allowed: combinations, each with one option for every decision.
    """

    decisions: _NAMES
    allowed: _ROWS


_RULES: Any = pg.typing.List(pg.typing.Object(Rule))
_SHARED: Any = pg.typing.Dict([(pg.typing.StrKey(), pg.typing.Any())])
_STEPS: Any = pg.typing.Dict([(pg.typing.StrKey(), pg.typing.Object(Step))])


class Block(Operation):
    """A network of named steps; the network of a whole space is one too. Made by tracing a function.

    Attributes:
        inputs: names of what it is applied to.
        shared: name -> what stands for a tied decision, inner ones first (`nas.language.tying`); only in a whole network.
        steps: name -> Step, in topological order. Edges are names, because a PyGlove tree holds each object once.
        outputs: names of what it returns.
        rules: between tied decisions; only in a whole network.
    """

    inputs: _NAMES
    shared: _SHARED = pg.Dict()
    steps: _STEPS
    outputs: _NAMES
    rules: _RULES = []

    structural = True
    arity = (1, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        if len(inputs) != len(self.inputs):
            raise SpaceError(
                f"{counted(len(inputs), 'tensor')} for a block of {counted(len(self.inputs), 'argument')}",
                path=net.path,
                received=len(inputs),
                expected=", ".join(self.inputs),
                hint=f"Apply it to each of them: block({', '.join(self.inputs)})",
            )
        edges = dict(zip(self.inputs, inputs, strict=True))
        for name, step in self.steps.items():
            edges[name] = net.apply(step.op, *(edges[source] for source in step.inputs), name=name)
        found = tuple(edges[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        for name, value in self.shared.sym_items():
            yield f"shared.{name}", f".{name}", f".{name}", value
        for name, step in self.steps.items():
            yield f"steps.{name}.op", f".{name}", f".{name}", step.sym_getattr("op")


class Chain(Operation):
    """Operations one after another; the first is applied to all inputs."""

    ops: _OPERATIONS

    structural = True
    arity = (1, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        ops = net.elements(self.ops)
        for name, op in zip(part_names(ops), ops, strict=True):
            inputs = (net.apply(op, *inputs, name=name),)
        return inputs[0]

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        ops = self.sym_getattr("ops")
        if isinstance(ops, ManyOf):
            yield "ops", ".ops", ".ops", ops
            return
        for i, (name, op) in enumerate(zip(part_names(list(_items(ops))), _items(ops), strict=True)):
            yield f"ops[{i}]", f".{name}", f".{name}", op


class Branches(Operation):
    """Operations side by side, each applied to all inputs, and their outputs merged.

    Attributes:
        ops: the branches, or a `manyof` of them.
        merge: how the outputs become one.
        takes: how many inputs there must be; None: any number.
    """

    ops: _OPERATIONS
    merge: _OPERATION
    takes: _TAKES = None

    structural = True
    arity = (1, None)

    def wire(self, net: Any, *inputs: Any) -> Any:
        if self.takes not in (None, len(inputs)):
            raise SpaceError(
                f"{counted(len(inputs), 'tensor')} to connect",
                path=net.path,
                received=len(inputs),
                expected=f"{self.takes}",
                hint="Apply it to as many tensors as nas.connect(k, n) says, or change n",
            )
        ops = net.elements(self.ops)
        edges = [net.apply(op, *inputs, name=name) for name, op in zip(part_names(ops), ops, strict=True)]
        return net.apply(self.merge, *edges, name="merge")

    def parts(self) -> Iterator[tuple[str, str, str, Any]]:
        ops = self.sym_getattr("ops")
        if isinstance(ops, ManyOf):
            yield "ops", "", "", ops
        else:
            for i, (name, op) in enumerate(zip(part_names(list(_items(ops))), _items(ops), strict=True)):
                yield f"ops[{i}]", f".{name}", f".{name}", op
        yield "merge", ".merge", ".merge", self.sym_getattr("merge")


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


def _items(ops: Any) -> Iterator[Any]:
    return (ops.sym_getattr(i) for i in range(len(ops)))


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
