"""Operations made of operations: `chain`, `choose`, `optional`, `repeat`, `block`.

Wherever an operation is expected, a list of operations (a chain), a function of tensors (a block) or None (the identity) will
do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.blocks import Block, Chain, Repeated, TiedRepeat
from nas.language.choices import OneOf
from nas.language.operation import Operation
from nas.language.tracing import trace_block


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
    return trace_block(function, name)
