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

from nas.language.wording import shortened


def _as_list(value: Any) -> Any:
    return [_as_list(v) for v in value] if isinstance(value, tuple) else value


class _TuplesAsLists(pg.typing.Union):
    """A union in which a tuple stands for a list."""

    def __init__(self, candidates: Any, accepts: str):
        super().__init__(candidates)
        self.accepts = accepts

    def apply(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super().apply(_as_list(value), *args, **kwargs)


class _Whole(pg.typing.Int):
    """Whole numbers. True and False are none here, though Python counts them as 1 and 0."""

    auto_register = False  # PyGlove would take it for its own `Int`

    def _validate(self, path: Any, value: Any) -> None:
        if isinstance(value, bool):
            raise TypeError(f"Expect <class 'int'> but encountered <class 'bool'>: {value}. (path={path})")
        super()._validate(path, value)


def _per_axis() -> Any:
    numbers = pg.typing.List(_Whole(min_value=1), min_size=1)
    return _TuplesAsLists([_Whole(min_value=1), numbers], "a whole number from 1, or one for each axis")


Positive: Any = _Whole(min_value=1)
"""A whole number from 1: channels, groups, sizes."""

PerAxis: Any = _per_axis()
"""A whole number from 1 for all axes, or one for each: `3`, `(3, 5)`."""

OptionalPerAxis: Any = _per_axis().noneable()
"""`PerAxis` or None."""

Index: Any = _Whole(min_value=0)
"""A whole number from 0."""

Groups: Any = _Whole(min_value=-1)
"""A number of groups; -1: as many as there are channels."""

OptionalPositive: Any = _Whole(min_value=1).noneable()
"""`Positive` or None."""

_border = pg.typing.Union([_Whole(min_value=0), pg.typing.List(_Whole(min_value=0), size=2)])
PerSide: Any = _TuplesAsLists(
    [_Whole(min_value=0), pg.typing.List(_border, size=2)], "n, (height, width) or ((top, bottom), (left, right))"
)
"""Rows and columns at the borders: `1`, `(height, width)` or `((top, bottom), (left, right))`."""

PerEnd: Any = _TuplesAsLists([_Whole(min_value=0), pg.typing.List(_Whole(min_value=0), size=2)], "n or (first, last)")
"""Steps at both ends: `1` or `(first, last)`."""

PerFace: Any = _TuplesAsLists(
    [_Whole(min_value=0), pg.typing.List(_border, size=3)],
    "n, (depth, height, width) or ((front, back), (top, bottom), (left, right))",
)
"""Borders of a volume: `1`, `(depth, height, width)` or `((front, back), (top, bottom), (left, right))`."""

Axes: Any = pg.typing.List(_Whole(min_value=1), transform=_as_list)
"""Axes of one example, counted from 1."""

OptionalAxes: Any = pg.typing.List(_Whole(min_value=1), transform=_as_list).noneable()
"""`Axes` or None."""

Numbers: Any = pg.typing.List(pg.typing.Float(), min_size=1, transform=_as_list).noneable()
"""Real numbers, one for each channel, or None."""

TargetShape: Any = pg.typing.List(_Whole(min_value=-1), min_size=1, transform=_as_list)
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
    for pattern, short in _COMPLAINTS:
        found = re.fullmatch(pattern, problem, re.DOTALL)
        if found:
            problem = short(*found.groups()) if callable(short) else found.expand(short)
            break
    return " ".join(problem.split()), re.sub(r"\.(candidates|options)", "", where.group(1)) if where else ""


def _misplaced(kind: str, value: str) -> str:
    """A value of another kind. An object, which PyGlove writes over many lines, goes by its kind alone."""
    if kind == "str":
        return f"{value!r} (str) does not fit"
    function = re.match(r"<(?:built-in )?(?:function|method|bound method) (\S+?)>?( |$)", value)
    if function:
        return f"the function {function.group(1)} does not fit"
    if value.startswith((f"{kind}(", "<")):
        return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind} does not fit"
    plain = re.sub(r"\s+\d+ : ", " ", value).replace("[ ", "[").replace("\n]", "]")  # of `[0 : 8, 1 : 16]`
    return f"{shortened(plain)} ({kind.lower()}) does not fit"


_COMPLAINTS: tuple[tuple[str, Any], ...] = (
    (r"Expect .* but encountered <class '(?:\w+\.)*(\w+)'>: (.*)", _misplaced),
    (r"Value (.*) is not in candidate list .*", r"\1 is not an option"),
    (r"Value (.*) is out of range .*", r"\1 is out of range"),
    (r"Value cannot be None", r"None does not fit"),
    (r"Length of list \[\] is less than .*", r"an empty list does not fit"),
    (r"Source spec List.* is not compatible with .*", r"a choice of several does not fit"),
    (r"Source spec Float.* is not compatible with .*", r"real numbers do not fit"),
    (r"Float.min_value \((.*?)\) should be .*", r"a range from \1 does not fit"),
    (r"Float.max_value \((.*?)\) should be .*", r"a range to \1 does not fit"),
    (r"\w+\.__init__\(\) (.*)", r"\1"),
)
"""What PyGlove says -> what a message says."""


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
    if isinstance(spec, pg.typing.Object):
        return "an operation" if spec.cls.__name__ == "Operation" else f"a {spec.cls.__name__}"
    return "another value"
