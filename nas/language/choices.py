"""Decisions: `oneof`, `manyof`, `integer` and `real`, PyGlove's own hyper values that refuse Python control flow.

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
from nas.language.wording import counted, shown

_TUPLE_MARKER = pg.utils.JSONConvertible.TUPLE_MARKER  # PyGlove compares the first item of every list it is given with it

_INSTEAD = {
    "bool": "Use nas.optional(block) or nas.choose(a, b): both branches stay in the space",
    "repeat": "Use nas.repeat(block, low, high): the number of repetitions becomes a decision",
    "index": "Use nas.repeat(block, low, high) to decide how often, L.Pick(choice)(a, b) to decide which tensor",
    "arithmetic": "Compute the options instead: nas.oneof([f(v) for v in values]), or nas.tied([...], name=...).map(f)",
    "compare": "Use nas.choose(a, b), with what depends on the value inside each option",
}
"""What to write instead of Python."""


def refuse(what: str, kind: str) -> Callable[..., NoReturn]:
    """A method that raises: Python cannot say this about a choice."""

    def method(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise SpaceError(
            f"Python {what} on a choice would fix the decision while the space is being defined",
            path=str(self.label or type(self).__name__.lower()),
            received=self,
            hint=self.instead.get(kind, _INSTEAD[kind]),
        )

    return method


class Undecided:
    """What a value that is not decided yet cannot do."""

    label: Any
    instead = {}  # type: dict[str, str]  # kind of refusal -> what else to write, where that is not the usual
    __bool__ = refuse("`if`, `and`, `or` or `not`", "bool")
    __index__ = refuse("`range` or indexing", "index")
    __int__ = refuse("`int()`", "arithmetic")
    __float__ = refuse("`float()`", "arithmetic")
    __iter__ = refuse("iteration", "repeat")
    __len__ = refuse("`len()`", "repeat")
    for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"):
        locals()[f"__{_name}__"] = locals()[f"__r{_name}__"] = refuse("arithmetic", "arithmetic")
    __neg__ = __abs__ = __round__ = refuse("arithmetic", "arithmetic")
    __lt__ = __le__ = __gt__ = __ge__ = refuse("comparison", "compare")
    del _name


class OneOf(Undecided, pg.hyper.OneOf):
    """One of several candidates. Made by `oneof`, `choose` and `optional`.

    Attributes:
        label: the decision's name, where it is not named by the field it fills.
        option_labels: what the options are called in decisions, where their own values or names do not say it.
    """

    label: str | None = None
    option_labels: list[Any] | None = None

    def __call__(self, *tensors: Any) -> Any:
        """Applies whichever operation is chosen to traced tensors."""
        expect_operations(self.candidates, self.label or "oneof")
        return apply(self, tensors, self.label)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, bool | int | float | str) and other != _TUPLE_MARKER:
            refuse("comparison", "compare")(self)
        return pg.eq(self, other) if isinstance(other, OneOf) else self is other

    def __ne__(self, other: object) -> Any:
        return not self.__eq__(other)

    def __hash__(self) -> int:
        return id(self)


class ManyOf(Undecided, pg.hyper.ManyOf):
    """Several of the candidates, as a list. Made by `manyof`."""

    label: str | None = None
    option_labels: list[Any] | None = None


class Real(Undecided, pg.hyper.Float):
    """A real number within a range. Made by `real`."""

    label: str | None = None


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


def integer(low: int, high: int, step: int = 1, name: str | None = None) -> Any:
    """A decision for a whole number: `low`, `low + step`, ... up to `high` at most.

    Example:
        >>> import nas
        >>> list(nas.integer(16, 64, step=16).candidates)
        [16, 32, 48, 64]
    """
    path = name or "integer"
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high, step)) or low > high or step < 1:
        raise SpaceError(
            f"{low!r} to {high!r} in steps of {step!r}",
            path=path,
            received=(low, high, step),
            expected="whole numbers, low <= high, step >= 1",
        )
    return OneOf(candidates=list(range(low, high + 1, step)), label=name)


def real(low: float, high: float, *, log: bool = False) -> Any:
    """A decision for a real number from `low` to `high`, drawn uniformly, or uniformly in its logarithm.

    For fields that neither shapes nor costs depend on: rates of dropout, slopes, momenta. It makes the space continuous.
    """
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in (low, high)) or not low < high:
        raise SpaceError(f"{low!r} to {high!r}", path="real", received=(low, high), expected="numbers, low < high")
    if log and low <= 0:
        raise SpaceError(f"a logarithmic scale from {low!r}", path="real", received=low, expected="low > 0")
    return Real(min_value=float(low), max_value=float(high), scale="log" if log else None)


def manyof(k: int, candidates: Sequence[Any], *, distinct: bool = True, sorted: bool = False, name: str | None = None) -> Any:
    """A decision for `k` of the candidates, for fields that take a list.

    Args:
        k: how many are chosen.
        candidates: the options.
        distinct: no option twice.
        sorted: order does not matter, so each set counts once.
    """
    options = _options(candidates, "manyof", name)
    path = name if isinstance(name, str) else "manyof"
    if not isinstance(k, int) or isinstance(k, bool) or (k < 1 and not distinct):
        hint = "A choice of the number: nas.choose(a, b), with a manyof in each option"
        raise SpaceError(
            f"{shown(k)} for the number of candidates", path=path, received=k, expected="a whole number from 1", hint=hint
        )
    if distinct and not 1 <= k <= len(options):
        raise SpaceError(
            f"{counted(k, 'distinct choice')} from {counted(len(options), 'candidate')}",
            path=path,
            received=k,
            expected=f"1 to {len(options)}",
            hint="distinct=False takes candidates more than once" if k > 0 else "",
        )
    return ManyOf(num_choices=k, candidates=options, choices_distinct=distinct, choices_sorted=sorted, label=name)


def expect_operations(options: Sequence[Any], path: str) -> None:
    """Raises where one of the options is a value, which cannot be applied to tensors."""
    for option in options:
        if not (option is None or callable(option)):
            raise SpaceError(
                f"{shown(option)} cannot be applied to tensors",
                path=path,
                received=option,
                expected="operations for options",
                hint="Put the choice into a field: L.Conv2D(choice, 3)(x)",
            )


def _options(candidates: Any, what: str, name: str | None) -> list[Any]:
    path = name if isinstance(name, str) and name else what
    if isinstance(candidates, str) or not isinstance(candidates, Sequence | range):
        raise SpaceError(
            f"{shown(candidates)} is not a list of candidates",
            path=path,
            received=candidates,
            expected="a list or tuple",
            hint=f"Write {what}({'k, ' if what == 'manyof' else ''}[a, b])",
        )
    if not candidates:
        raise SpaceError("no candidates", path=path, received=candidates, expected="at least one")
    return list(candidates)
