"""Field types: what a field of an operation accepts, by name.

An operation declares its fields with these, with plain Python types, or with `typing.Literal`:

    class Conv2D(Operation):
        filters: Positive
        kernel_size: PerAxis
        padding: Padding = "same"

Every type also accepts a choice, whose candidates are checked one by one where the choice is written. Use `PerAxis` and its kin
for values that hold one number for each axis: PyGlove does not look for choices inside tuples, so these turn tuples to lists,
and `(oneof([1, 3]), 3)` stays a decision instead of silently becoming a constant.

A module that declares fields with these names does not say `from __future__ import annotations`: PyGlove reads the types.
"""

import re
from typing import Any

import pyglove as pg


def _as_list(value: Any) -> Any:
    return [_as_list(v) for v in value] if isinstance(value, tuple) else value


class _TuplesAsLists(pg.typing.Union):
    """A union in which a tuple stands for a list."""

    def __init__(self, candidates: Any, accepts: str):
        super().__init__(candidates)
        self.accepts = accepts

    def apply(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super().apply(_as_list(value), *args, **kwargs)


def _per_axis() -> Any:
    numbers = pg.typing.List(pg.typing.Int(min_value=1), min_size=1)
    return _TuplesAsLists([pg.typing.Int(min_value=1), numbers], "a whole number from 1, or one for each axis")


Positive: Any = pg.typing.Int(min_value=1)
"""A whole number from 1: channels, groups, sizes."""

PerAxis: Any = _per_axis()
"""A whole number from 1 for all axes, or one for each: `3`, `(3, 5)`."""

OptionalPerAxis: Any = _per_axis().noneable()
"""`PerAxis` or None."""

Groups: Any = pg.typing.Int(min_value=-1)
"""A number of groups; -1: as many as there are channels."""

OptionalPositive: Any = pg.typing.Int(min_value=1).noneable()
"""`Positive` or None."""

_border = pg.typing.Union([pg.typing.Int(min_value=0), pg.typing.List(pg.typing.Int(min_value=0), size=2)])
PerSide: Any = _TuplesAsLists(
    [pg.typing.Int(min_value=0), pg.typing.List(_border, size=2)], "n, (height, width) or ((top, bottom), (left, right))"
)
"""Rows and columns at the borders: `1`, `(height, width)` or `((top, bottom), (left, right))`."""

Axes: Any = pg.typing.List(pg.typing.Int(min_value=1), transform=_as_list)
"""Axes of one example, counted from 1."""

TargetShape: Any = pg.typing.List(pg.typing.Int(min_value=-1), min_size=1, transform=_as_list)
"""A shape without the batch axis; -1 stands for the size that is left over."""

Padding: Any = pg.typing.Enum(pg.MISSING_VALUE, ["same", "valid"])
"""What happens at the borders. same: the grid shrinks by the stride only. valid: windows stay inside."""

Rate: Any = pg.typing.Float(min_value=0.0, max_value=1.0)
"""A share from 0 to 1."""

NonNegative: Any = pg.typing.Float(min_value=0.0)
"""A number from 0."""

OptionalNonNegative: Any = pg.typing.Float(min_value=0.0).noneable()
"""`NonNegative` or None."""

FUNCTIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "tanh", "sigmoid"),
    *("hard_sigmoid", "hard_silu", "hard_swish", "softplus", "softsign", "exponential", "softmax", "log_softmax"),
)
"""Keras's activation functions that keep the shape, by name. swish is silu; leaky_relu has slope 0.2."""

Function: Any = pg.typing.Enum(pg.MISSING_VALUE, list(FUNCTIONS))
"""The name of an activation function."""

OptionalFunction: Any = pg.typing.Enum(pg.MISSING_VALUE, [None, *FUNCTIONS])
"""`Function` or None (linear)."""


def complaint(error: Exception) -> tuple[str, str]:
    """What PyGlove's error says, in short, and the path of the field it is about ("": the whole object).

    Candidates of a choice are counted: `filters[1]` is the second.
    """
    text = str(error.args[0] if error.args else error)
    where = re.search(r"\s*\([Pp]ath='?([\w.\[\]]+).*\)", text, re.DOTALL)
    problem = (text[: where.start()] if where else text).rstrip(".")
    for pattern, short in (
        (r"Expect .* but encountered <class '(?:\w+\.)*(\w+)'>: (.*)", r"\2 (\1) does not fit"),
        (r"Value (.*) is not in candidate list .*", r"\1 is not an option"),
        (r"Value (.*) is out of range .*", r"\1 is out of range"),
        (r"Value cannot be None", r"None does not fit"),
        (r"Source spec .* is not compatible with .*", r"The choice gives another kind of value"),
        (r"\w+\.__init__\(\) (.*)", r"\1"),
    ):
        problem = re.sub(pattern, short, problem, flags=re.DOTALL)
    return problem, where.group(1).replace(".candidates", "") if where else ""


def describe(spec: Any) -> str:
    """What a PyGlove value spec accepts, as a phrase: "a whole number from 1"."""
    phrase = spec.accepts if isinstance(spec, _TuplesAsLists) else _describe_value(spec)
    return f"{phrase}, or None" if spec.is_noneable and not isinstance(spec, pg.typing.Enum) else phrase


def _describe_value(spec: Any) -> str:
    if isinstance(spec, pg.typing.Enum):
        return "one of " + ", ".join(map(repr, spec.values))
    if isinstance(spec, pg.typing.Bool):
        return "True or False"
    if isinstance(spec, pg.typing.Int | pg.typing.Float):
        low = "" if spec.min_value is None else f" from {spec.min_value:g}"
        high = "" if spec.max_value is None else f" to {spec.max_value:g}"
        return f"a {'whole ' if isinstance(spec, pg.typing.Int) else ''}number{low}{high}"
    if isinstance(spec, pg.typing.List):
        return f"a list, each item {describe(spec.element.value)}"
    if isinstance(spec, pg.typing.Union):
        return ", or ".join(describe(candidate) for candidate in spec.candidates)
    if isinstance(spec, pg.typing.Str):
        return "a text"
    return f"a {spec.cls.__name__}" if isinstance(spec, pg.typing.Object) else "another value"
