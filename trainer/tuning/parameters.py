"""A hyperparameter: which values a trial's flag may take, and how evenly they are looked at.

Four kinds, those of Vertex AI's hyperparameter tuning, with its names and its meaning of scale:

    Double(1e-4, 1e-3, scale="log")      any number between two bounds
    Integer(100, 300)                    any whole number between two bounds, both included
    Discrete((16, 32, 64))               one of some numbers, whose order means something
    Categorical(("mse", "mae"))          one of some words, which have no order

Any of them may depend on another, as Vertex's conditional parameters do (`conditions`): it is there, and its flag is passed,
only in trials where its parent has one of some values:

    Double(0.5, 0.99, when=When("optimizer", "sgd"))

Every parameter is a line from 0 to 1 (`at`, `position`). Equal steps on it are equal steps in the value (linear), or equal
ratios (log: the low end is spread out, for learning rates), or the mirror image of that (reverse_log: the high end is spread
out, for momenta such as 0.9 ... 0.999). Random and grid search and the plots see parameters only through that line.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from nas.errors import UserError

Scale = Literal["linear", "log", "reverse_log"]
Value = int | float | str


@dataclasses.dataclass(frozen=True)
class When:
    """On what a parameter depends.

    Args:
        parent: the name of a parameter before it; not a Double, of whose values none is ever met exactly.
        values: it is there where the parent has one of these; a single value is a list of one.

    Raises:
        UserError: no values.
    """

    parent: str
    values: Sequence[Value]

    def __post_init__(self) -> None:
        values = (self.values,) if isinstance(self.values, int | float | str) else tuple(self.values)
        if not values:
            raise UserError("the list is empty", path="When.values", received=values, expected=f"values of {self.parent}")
        object.__setattr__(self, "values", values)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a trial with these values meets it; not where the parent is not there itself."""
        return self.parent in values and values[self.parent] in self.values


@dataclasses.dataclass(frozen=True)
class Double:
    """Any number from `min` to `max`.

    Args:
        min, max: the bounds, both included. Equal bounds fix the parameter.
        scale: how values are spread; `log` and `reverse_log` need min > 0.
        when: on what it depends.

    Raises:
        UserError: bounds that are no finite numbers, min > max, an unknown scale, a logarithm of 0 or less.
    """

    min: float
    max: float
    scale: Scale = "linear"
    when: When | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_range(self, _is_number, "a finite number")

    @property
    def count(self) -> int | None:
        """How many values there are; None: more than can be counted."""
        return 1 if self.min == self.max else None

    def contains(self, value: Any) -> bool:
        return _is_number(value) and self.min <= value <= self.max

    def at(self, position: float) -> float:
        """The value at a position in [0, 1]; positions drawn uniformly give values spread by `scale`."""
        return min(max(float(_from_line(position, self.min, self.max, self.scale)), float(self.min)), float(self.max))

    def position(self, value: Any) -> float:
        """Where a value lies, in [0, 1]: the inverse of `at`."""
        return _to_line(value, self.min, self.max, self.scale)

    def grid(self, levels: int) -> list[float]:
        """`levels` values at even positions, both bounds among them."""
        return [self.at(step / max(1, levels - 1)) for step in range(self.count or levels)]


@dataclasses.dataclass(frozen=True)
class Integer:
    """Any whole number from `min` to `max`.

    Args:
        min, max: the bounds, both included. Equal bounds fix the parameter.
        scale: how values are spread; `log` and `reverse_log` need min > 0.
        when: on what it depends.

    Raises:
        UserError: bounds that are no whole numbers, min > max, an unknown scale, a logarithm of 0 or less.
    """

    min: int
    max: int
    scale: Scale = "linear"
    when: When | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_range(self, _is_whole, "a whole number")

    @property
    def count(self) -> int:
        return self.max - self.min + 1

    def contains(self, value: Any) -> bool:
        return _is_whole(value) and self.min <= value <= self.max

    def at(self, position: float) -> int:
        """The value at a position in [0, 1]. Each value owns half a unit to both sides, so that all get their share."""
        return min(max(round(_from_line(position, self.min - 0.5, self.max + 0.5, self.scale)), self.min), self.max)

    def position(self, value: Any) -> float:
        return _to_line(value, self.min - 0.5, self.max + 0.5, self.scale)

    def grid(self, levels: int) -> list[int]:
        """Every value where there are at most `levels`, else that many at even positions, both bounds among them."""
        if self.count <= levels:
            return list(range(self.min, self.max + 1))
        ends = Double(self.min, self.max, self.scale)
        return list(dict.fromkeys(round(value) for value in ends.grid(levels)))


class _Listed:
    """What `Discrete` and `Categorical` share: each value owns an equal stretch of the line."""

    values: Sequence[Any]

    @property
    def count(self) -> int:
        return len(self.values)

    def contains(self, value: Any) -> bool:
        return any(value == known and isinstance(value, str) == isinstance(known, str) for known in self.values)

    def at(self, position: float) -> Any:
        return self.values[min(int(position * self.count), self.count - 1)]

    def position(self, value: Any) -> float:
        return (self.values.index(value) + 0.5) / self.count

    def grid(self, levels: int) -> list[Any]:
        return list(self.values)


@dataclasses.dataclass(frozen=True)
class Discrete(_Listed):
    """One of some numbers. They are kept in increasing order, and neighbours in it are taken to be alike.

    Args:
        values: the numbers, all different; at least one.
        scale: on which Bayesian search measures how alike they are; None: by their rank. All are drawn equally often.
        when: on what it depends.

    Raises:
        UserError: no values, a value that is no finite number, a value given twice, an unknown scale, a logarithm of 0 or less.
    """

    values: Sequence[float]
    scale: Scale | None = None
    when: When | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_values(self, _is_number, "a finite number", "at least one number")
        object.__setattr__(self, "values", tuple(sorted(self.values)))
        if self.scale is not None:
            _check_scale(self.scale, self.values[0], "Discrete", "values")


@dataclasses.dataclass(frozen=True)
class Categorical(_Listed):
    """One of some words, without an order.

    Args:
        values: the words, all different; at least one.
        when: on what it depends.

    Raises:
        UserError: no values, a value that is no string, a value given twice.
    """

    values: Sequence[str]
    when: When | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        hint = 'Quote it, as in "true", or list numbers in a Discrete'
        _check_values(self, lambda value: isinstance(value, str), "a string", "at least one string", hint)
        object.__setattr__(self, "values", tuple(self.values))


Parameter = Double | Integer | Discrete | Categorical


def to_flag(value: Value) -> str:
    """The text after `--name=`. A float that is a whole number is written as one: "16", as `type=int` rejects "16.0"."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def flags(values: Mapping[str, Value]) -> list[str]:
    """A trial's values as command-line flags, in order: {"batch_size": 16} -> ["--batch_size=16"]."""
    return [f"--{name}={to_flag(value)}" for name, value in values.items()]


def _from_line(position: float, low: float, high: float, scale: Scale) -> float:
    if scale == "linear":
        return low + position * (high - low)
    if scale == "log":
        return low * (high / low) ** position
    return low + high - _from_line(1 - position, low, high, "log")  # a log scale seen from the other end, as in OSS Vizier


def _to_line(value: float, low: float, high: float, scale: Scale) -> float:
    if low == high:
        return 0.5
    if scale == "linear":
        return (value - low) / (high - low)
    if scale == "log":
        return math.log(value / low) / math.log(high / low)
    return 1 - _to_line(low + high - value, low, high, "log")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_range(parameter: Double | Integer, accepts, expected: str) -> None:
    kind = type(parameter).__name__
    for end in ("min", "max"):
        value = getattr(parameter, end)
        if not accepts(value):
            raise UserError(f"{value!r} does not fit", path=f"{kind}.{end}", received=value, expected=expected)
    low, high, scale = parameter.min, parameter.max, parameter.scale
    if low > high:
        problem = f"{low!r} is above max, {high!r}"
        raise UserError(problem, path=f"{kind}.min", received=low, expected="min <= max", hint="Swap them")
    _check_scale(scale, low, kind, "min")


def _check_scale(scale: Any, lowest: float, kind: str, field: str) -> None:
    if scale not in get_args(Scale):
        expected = "linear, log or reverse_log"
        raise UserError(f"{scale!r} is not a scale", path=f"{kind}.scale", received=scale, expected=expected)
    if scale != "linear" and lowest <= 0:
        problem, hint = f"{lowest!r} has no place on a {scale} scale", 'Raise it, or choose scale="linear"'
        raise UserError(problem, path=f"{kind}.{field}", received=lowest, expected=f"{field} > 0", hint=hint)


def _check_values(parameter: Discrete | Categorical, accepts, expected: str, some: str, hint: str = "") -> None:
    values, path = parameter.values, f"{type(parameter).__name__}.values"
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise UserError(f"{values!r} is no list", path=path, received=values, expected="a list of values")
    if not values:
        raise UserError("the list is empty", path=path, received=values, expected=some)
    for index, value in enumerate(values):
        if not accepts(value):
            raise UserError(f"{value!r} does not fit", path=path, received=value, expected=expected, hint=hint)
        if value in values[:index]:
            problem = f"{value!r} is listed twice"
            raise UserError(problem, path=path, received=value, expected="different values", hint="Remove one")


BOOK: Mapping[str, Parameter] = {
    "learning_rate": Double(1e-4, 1e-3, "log"),
    "epochs": Discrete((10, 20, 30)),
    "steps_per_epoch": Integer(100, 300),
    "batch_size": Discrete((16, 32, 64)),
    "loss": Categorical(("mse",)),
}
"""What the book tunes of its colorization network; the flags of `python -m trainer.task`."""
