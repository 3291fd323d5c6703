"""Blocks: operations made of operations. `chain`, `choose`, `optional`, `repeat`, `block`.

Wherever an operation is expected, a list of operations (a chain), a function of tensors (a block) or None (the identity) will
do. A block is its own small network: it sees the tensors it is applied to and nothing else.

(No `from __future__ import annotations` where fields are declared: PyGlove reads value specs, not their text.)
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.choices import ManyOf, OneOf
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


def as_operation(value: Any) -> Any:
    """An operation, a choice, None, a list or a function, as something that fills an operation's place.

    Raises:
        SpaceError: for anything else.
    """
    if value is None or isinstance(value, Operation | OneOf | pg.hyper.OneOf):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return chain(*value)
    if callable(value):
        return block(value)
    raise SpaceError(
        f"{value!r} is not an operation",
        received=value,
        expected="a layer, a list of layers, a function of tensors, or None",
        hint="Layers are in nas.layers",
    )


def chain(*operations: Any, name: str | None = None) -> Chain:
    """One operation that applies the given ones in order.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> conv_block = nas.chain(L.Conv2D(nas.oneof([16, 32]), 3), L.BatchNormalization(), L.ReLU())
    """
    return Chain(ops=[as_operation(op) for op in operations], name=name)


def choose(*options: Any, name: str | None = None) -> Any:
    """A decision between operations; apply it like a layer.

    Example: `x = nas.choose(L.Conv2D(32, 3, strides=2), L.MaxPooling2D(2), name="down")(x)`
    """
    if not options:
        raise SpaceError("no options", path=name or "choose", expected="at least one operation")
    return OneOf(candidates=[as_operation(option) for option in options], label=name)


def optional(operation: Any, name: str | None = None) -> Any:
    """A decision whether to apply an operation at all. Its decision is True or False."""
    return OneOf(candidates=[None, as_operation(operation)], label=name, option_labels=[False, True])


def repeat(operation: Any, low: int, high: int, *, tied: bool = False, name: str | None = None) -> Any:
    """An operation applied `low` to `high` times, the number being a decision.

    Args:
        operation: what is repeated.
        low, high: fewest and most repetitions.
        tied: False: each repetition makes its own choices (decisions `name[0].kernel`, `name[1].kernel`; `name[1]` says
            whether there is a second one). True: all repetitions make the same choices, and `name.times` is their number.
    """
    path = name or "repeat"
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high)) or not 0 <= low <= high or high == 0:
        raise SpaceError(
            f"{low!r} to {high!r} repetitions", path=path, received=(low, high), expected="0 <= low <= high, high >= 1"
        )
    op = as_operation(operation)
    if tied:
        times = low if low == high else OneOf(candidates=list(range(low, high + 1)))
        return TiedRepeat(op=op, times=times, name=name)
    rest: Any = None
    for index in reversed(range(high)):
        first = op if index == 0 else pg.clone(op, deep=True)  # a PyGlove tree holds each object once
        rest = Repeated(first=first, rest=rest, index=index, name=None if index else name)
        if index >= low:
            rest = OneOf(candidates=[None, rest], label=None if index else name, option_labels=[False, True])
    return rest


def block(function: Callable[..., Any], name: str | None = None) -> Block:
    """A function of tensors as an operation: traced once, with its own names.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> def residual(x):
        ...     y = L.Conv2D(nas.oneof([16, 32]), 3, activation="relu")(x)
        ...     return L.Merge("add", project=True)(y, x)
        >>> body = nas.repeat(residual, 1, 3)
    """
    from nas.language.tracing import trace_block  # tracing applies blocks; only this call leads back up

    return trace_block(function, name)


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
