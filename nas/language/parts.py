"""What a hyper value is made of: fixed parts, structures, choices and numbers, with the slots that decide them.

PyGlove walks all of a hyper value to make one of its values. Taken apart once, a point goes straight to its value, and to a key
that is equal for equal values. See values.py.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyglove as pg


class Part(abc.ABC):
    """A part of a hyper value."""

    @abc.abstractmethod
    def value(self, options: Sequence[Any]) -> Any:
        """What it is at a point."""

    @abc.abstractmethod
    def key(self, options: Sequence[Any]) -> Any:
        """What it is at a point, as plain JSON."""

    def outer(self, path: str) -> Iterator[tuple[str, Any]]:
        """The outermost choices and numbers in it, in the order of slots, and where they stand."""
        yield path, self


class Fixed(Part):
    """Without decisions."""

    def __init__(self, value: Any, key: Any):
        self._value, self.fixed_key = value, key

    def value(self, options: Sequence[Any]) -> Any:
        return self._value.clone(deep=True) if isinstance(self._value, pg.Symbolic) else self._value

    def key(self, options: Sequence[Any]) -> Any:
        return self.fixed_key

    def outer(self, path: str) -> Iterator[tuple[str, Any]]:
        return iter(())


class Struct(Part):
    """A list, mapping or object with decisions in it."""

    def __init__(self, make: Callable[[dict[str, Any]], Any], name: str, fields: Mapping[str, Part]):
        self._make, self.name, self.fields = make, name, dict(fields)

    def value(self, options: Sequence[Any]) -> Any:
        return self._make({key: part.value(options) for key, part in self.fields.items()})

    def key(self, options: Sequence[Any]) -> Any:
        return [self.name, {key: part.key(options) for key, part in self.fields.items()}]

    def outer(self, path: str) -> Iterator[tuple[str, Any]]:
        for key, part in self.fields.items():
            yield from part.outer(f"{path}[{key}]" if self.name == "list" else f"{path}.{key}" if path else key)


class Number(Part):
    """A number in a range."""

    def __init__(self, slot: int):
        self.start = slot

    def value(self, options: Sequence[Any]) -> Any:
        return options[self.start]

    key = value


class One(Part):
    """One of several candidates."""

    def __init__(self, slot: int, candidates: Sequence[Part]):
        self.start, self.candidates = slot, candidates

    def value(self, options: Sequence[Any]) -> Any:
        return self.candidates[int(options[self.start])].value(options)

    def key(self, options: Sequence[Any]) -> Any:
        return self.candidates[int(options[self.start])].key(options)


class Many(Part):
    """Several of them, as a list."""

    def __init__(self, places: Sequence[One], distinct: bool, sorted: bool):
        self.start, self.places, self.distinct, self.sorted = places[0].start, places, distinct, sorted

    def value(self, options: Sequence[Any]) -> Any:
        return pg.List([place.value(options) for place in self.places])

    def key(self, options: Sequence[Any]) -> Any:
        return ["list", {str(i): place.key(options) for i, place in enumerate(self.places)}]


class Reader:
    """Takes a hyper value apart, in the order in which PyGlove numbers its decisions."""

    def __init__(self) -> None:
        self.slots = 0
        self._nameless: list[Any] = []

    def read(self, value: Any) -> Part:
        if isinstance(value, pg.hyper.Choices):
            places = [self._place(value) for _ in range(value.num_choices)]
            return (
                places[0] if isinstance(value, pg.hyper.OneOf) else Many(places, value.choices_distinct, value.choices_sorted)
            )
        if isinstance(value, pg.hyper.HyperValue):
            self.slots += 1
            return Number(self.slots - 1)
        fields = _fields(value)
        if fields is None:
            return Fixed(value, self._name_of(value))
        before = self.slots
        parts = {key: self.read(field) for key, field in fields.items()}
        struct = Struct(functools.partial(_make, type(value)), _class_name(value), parts)
        return struct if self.slots > before else Fixed(value, struct.key(()))

    def _place(self, choices: Any) -> One:
        slot, self.slots = self.slots, self.slots + 1
        return One(slot, [self.read(choices.candidates.sym_getattr(i)) for i in range(len(choices.candidates))])

    def _name_of(self, value: Any) -> Any:
        """Plain JSON for what has no parts: itself, a function's name, its text, or a number where that has an address."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [type(value).__name__, *map(self._name_of, value)]
        name = getattr(value, "__qualname__", "<")
        if "<" not in name:
            return ["name", value.__module__, name]
        if " at 0x" not in repr(value):
            return ["text", _class_name(value), repr(value)]
        known = next((i for i, other in enumerate(self._nameless) if other is value), len(self._nameless))
        if known == len(self._nameless):
            self._nameless.append(value)
        return ["object", _class_name(value), known]


def _fields(value: Any) -> dict[str, Any] | None:
    """The parts of a symbolic value by name; None where it has none."""
    if isinstance(value, pg.Dict | pg.Object):
        return {str(key): part for key, part in value.sym_items() if not isinstance(part, pg.typing.MissingValue)}
    if isinstance(value, pg.List):
        return {str(i): value.sym_getattr(i) for i in range(len(value))}
    return None


def _make(kind: type, fields: dict[str, Any]) -> Any:
    return kind(list(fields.values())) if issubclass(kind, pg.List) else kind(**fields)


def _class_name(value: Any) -> str:
    if isinstance(value, pg.List | pg.Dict):
        return "list" if isinstance(value, pg.List) else "dict"
    return f"{type(value).__module__}.{type(value).__qualname__}"
