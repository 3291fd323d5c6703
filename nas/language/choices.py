"""Decisions: `oneof` and `manyof`, PyGlove's own hyper values that refuse Python control flow.

A space function runs once, so `if choice:`, `range(choice)` or `choice * 2` would silently fix or hide the decision (a plain
`pg.oneof` is truthy and iterates over nothing useful). Here each of them raises where it is written and names the construct
that says the same thing as a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pyglove as pg

from nas.errors import SpaceError
from nas.language.application import apply

_TUPLE_MARKER = pg.utils.JSONConvertible.TUPLE_MARKER  # PyGlove compares the first item of every list it is given with it

_INSTEAD = {
    "bool": "Use nas.optional(block) or nas.choose(a, b): both branches stay in the space",
    "repeat": "Use nas.repeat(block, low, high): the number of repetitions becomes a decision",
    "arithmetic": "Compute the options instead: nas.oneof([f(v) for v in values])",
    "compare": "Use nas.choose(a, b), with what depends on the value inside each option",
}


def _refuse(what: str, kind: str) -> Callable[..., NoReturn]:
    def method(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise SpaceError(
            f"Python {what} on a choice would fix the decision while the space is being defined",
            path=str(self.label or ""),
            received=self,
            hint=_INSTEAD[kind],
        )

    return method


class _Undecided:
    """What a value that is not decided yet cannot do."""

    label: Any
    __bool__ = _refuse("`if`, `and`, `or` or `not`", "bool")
    __index__ = _refuse("`range` or indexing", "repeat")
    __int__ = _refuse("`int()`", "arithmetic")
    __float__ = _refuse("`float()`", "arithmetic")
    __iter__ = _refuse("iteration", "repeat")
    __len__ = _refuse("`len()`", "repeat")
    for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"):
        locals()[f"__{_name}__"] = locals()[f"__r{_name}__"] = _refuse("arithmetic", "arithmetic")
    __neg__ = __abs__ = __round__ = _refuse("arithmetic", "arithmetic")
    __lt__ = __le__ = __gt__ = __ge__ = _refuse("comparison", "compare")
    del _name


class OneOf(_Undecided, pg.hyper.OneOf):
    """One of several candidates. Made by `oneof`, `choose` and `optional`.

    Attributes:
        label: the decision's name, where it is not named by the field it fills.
        option_labels: what the options are called in decisions, where their own values or names do not say it.
    """

    label: str | None = None
    option_labels: list[Any] | None = None

    def __call__(self, *tensors: Any) -> Any:
        """Applies whichever operation is chosen to traced tensors."""
        return apply(self, tensors, self.label)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, bool | int | float | str) and other != _TUPLE_MARKER:
            _refuse("comparison", "compare")(self)
        return pg.eq(self, other) if isinstance(other, OneOf) else self is other

    def __ne__(self, other: object) -> Any:
        return not self.__eq__(other)

    def __hash__(self) -> int:
        return id(self)


class ManyOf(_Undecided, pg.hyper.ManyOf):
    """Several of the candidates, as a list. Made by `manyof`."""

    label: str | None = None
    option_labels: list[Any] | None = None


def oneof(candidates: Sequence[Any], name: str | None = None) -> Any:
    """A decision between values or operations, wherever a field takes one.

    Args:
        candidates: the options: numbers, strings, None, tuples, operations, or values that contain further choices.
        name: the decision's name; a choice that fills a field is named by the field.

    Example:
        >>> import nas
        >>> nas.layers.Conv2D(nas.oneof([16, 32]), kernel_size=nas.oneof([3, 5]))  # doctest: +ELLIPSIS
        Conv2D(...
    """
    return OneOf(candidates=_options(candidates, "oneof", name), label=name)


def manyof(k: int, candidates: Sequence[Any], *, distinct: bool = True, sorted: bool = False, name: str | None = None) -> Any:
    """A decision for `k` of the candidates, for fields that take a list.

    Args:
        k: how many are chosen.
        candidates: the options.
        distinct: no option twice.
        sorted: order does not matter, so each set counts once.
    """
    options = _options(candidates, "manyof", name)
    if not 1 <= k <= len(options) and distinct:
        raise SpaceError(
            f"{k} distinct choices from {len(options)} candidates",
            path=name or "manyof",
            received=k,
            expected=f"1 to {len(options)}",
        )
    return ManyOf(num_choices=k, candidates=options, choices_distinct=distinct, choices_sorted=sorted, label=name)


def _options(candidates: Any, what: str, name: str | None) -> list[Any]:
    path = name or what
    if isinstance(candidates, str) or not isinstance(candidates, Sequence | range):
        raise SpaceError(
            f"{type(candidates).__name__} is not a list of candidates",
            path=path,
            received=candidates,
            expected="a list or tuple",
        )
    if not candidates:
        raise SpaceError("no candidates", path=path, received=candidates, expected="at least one")
    return list(candidates)
