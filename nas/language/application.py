"""Applying something to tensors: the one call that operations, choices and tensors share.

`L.Conv2D(32, 3)(x)` hands itself to the trace that `x` belongs to. What a traced tensor is stands in `tracing`, above; here is
only what it has to be able to do, so that operations need not know.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from nas.errors import SpaceError
from nas.language.wording import shown


class Traced(abc.ABC):
    """What flows between layers while a space function runs."""

    @abc.abstractmethod
    def receive(self, op: Any, tensors: Sequence[Any], name: str | None) -> Any:
        """Adds the application of `op` to `tensors`, of which this is the first, to the trace; returns the output."""


def apply(op: Any, tensors: Sequence[Any], name: str | None) -> Any:
    """Applies an operation, or a choice of them, to the tensors of a space function.

    Raises:
        SpaceError: to nothing, or to something else.
    """
    path = name or type(op).__name__
    if not tensors:
        raise SpaceError("applied to nothing", path=path, expected="tensors", hint="Write layer(x)")
    for tensor in tensors:
        if not isinstance(tensor, Traced):
            raise SpaceError(
                f"applied to {shown(tensor)}",
                path=path,
                received=tensor,
                expected="tensors of a space function",
                hint=_instead_of(tensor),
            )
    return tensors[0].receive(op, tensors, name)


def _instead_of(value: Any) -> str:
    """What to write where something else than a tensor arrived."""
    if isinstance(value, list | tuple):
        return "Write layer(a, b), without a list"
    if callable(value):
        return "Apply the inner one first, outer(inner(x)), or write nas.chain(inner, outer)(x)"
    return "Layers are applied inside a function decorated with @nas.space"
