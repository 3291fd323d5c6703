"""The decided forms of a value, each with the decisions that give it.

A value with open choices takes up a contiguous range of the genome's slots, in the order in which `Assembler` and PyGlove walk
it: the slot of a choice first, then the slots of its candidates one after another. So a position (the first slot) is enough to
say which decisions belong to a value, and `Layout` works positions out from the widths of values. It also lists the forms of
values that are small enough to be listed: a layer with a choice of kernels and one of widths has six of them, say.

A tied decision has its slots where the network keeps what is tied; the places that read it have none of their own, but their
forms name those slots.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import types
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import pyglove as pg

from nas.errors import SpaceError
from nas.language.blocks import Block
from nas.language.operation import Operation
from nas.language.tying import Again, Same

FORMS = 100_000  # of one value; beyond that it is not listed

Assignment: TypeAlias = "tuple[tuple[int, int], ...]"
"""Decisions as (slot, option) pairs. A float is one option, 0."""

MIDDLE = 0.5  # of the range of a float, which stands for all of it


class TooEntangled(SpaceError):
    """The space cannot be followed within stated limits. It need not be wrong; it is only not known to be right."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Slots of a manyof and the rules between their options."""

    slots: tuple[int, ...]
    options: int
    distinct: bool
    sorted: bool

    @property
    def has_rules(self) -> bool:
        return self.distinct or self.sorted

    @property
    def count(self) -> int:
        """How many combinations of options the rules allow."""
        n, k = self.options, len(self.slots)
        if self.distinct:
            return math.comb(n, k) if self.sorted else math.perm(n, k)
        return math.comb(n + k - 1, k) if self.sorted else n**k

    def allowed(self) -> Iterator[tuple[int, ...]]:
        """Every combination of options that the rules allow."""
        places = len(self.slots)
        if self.distinct:
            listing = itertools.combinations if self.sorted else itertools.permutations
            return listing(range(self.options), places)
        if self.sorted:
            return itertools.combinations_with_replacement(range(self.options), places)
        return itertools.product(range(self.options), repeat=places)


@dataclasses.dataclass(frozen=True)
class Allowed:
    """Slots of tied decisions and the combinations of options that a rule (`nas.require`) allows."""

    slots: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """How many combinations are allowed."""
        return len(self.rows)

    def allowed(self) -> Iterator[tuple[int, ...]]:
        """Every combination of options that is allowed."""
        return iter(self.rows)


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """One of the places of a manyof: a choice of any of its candidates."""

    choices: Any
    start: int

    name = "choice"  # in paths


class Layout:
    """Which slots the parts of a network take. Remembers the width of each value it has seen, so use one for a whole space.

    Attributes:
        shared: name of a tied decision -> what stands for it, and its first slot.
    """

    def __init__(self, network: Any) -> None:
        self._widths: dict[int, tuple[Any, int]] = {}  # by identity, so the value is kept beside its width
        self._tied: dict[int, tuple[Any, frozenset[int]]] = {}  # likewise
        self._decided: dict[Any, tuple[Any, Any]] = {}
        self.shared: dict[str, tuple[Any, int]] = {}
        if isinstance(network, Block):
            for (key, part), (_, start) in zip(network.sym_items(), self._placed(children(network), 0), strict=True):
                if key == "shared":
                    placed = self._placed(children(part), start)
                    self.shared = dict(zip(part.sym_keys(), placed, strict=True))

    def width(self, value: Any) -> int:
        """How many slots a value has."""
        if value is None or isinstance(value, int | float | str | Same | Again):
            return 0
        if id(value) not in self._widths:
            self._widths[id(value)] = value, self._measure(value)
        return self._widths[id(value)][1]

    def _measure(self, value: Any) -> int:
        if isinstance(value, pg.hyper.Float):
            return 1
        if isinstance(value, Place):
            return self._measure(value.choices) // value.choices.num_choices
        below = sum(map(self.width, children(value)))
        return value.num_choices * (1 + below) if isinstance(value, pg.hyper.Choices) else below

    def slots(self, value: Any, start: int) -> frozenset[int]:
        """The slots that decide a value whose first one is `start`: its own, and those of the tied decisions it reads."""
        return frozenset(range(start, start + self.width(value))) | self.tied(value)

    def tied(self, value: Any) -> frozenset[int]:
        """The slots of the tied decisions that a value reads."""
        if not self.shared or value is None or isinstance(value, int | float | str):
            return frozenset()
        if isinstance(value, Same | Again):
            return self.slots(*self.shared[value.decision])
        if id(value) not in self._tied:
            below = map(self.tied, children(value))
            self._tied[id(value)] = value, frozenset().union(*below)
        return self._tied[id(value)][1]

    def candidates(self, choice: Any, start: int) -> Iterator[tuple[Any, int]]:
        """The options of a choice at slot `start`, each with its own first slot."""
        return self._placed(children(choice), start + 1)

    def places(self, choices: Any, start: int) -> tuple[list[Place], Group]:
        """The places of a manyof whose first slot is `start`, and the rules between them."""
        step = self.width(choices) // choices.num_choices
        places = [Place(choices, start + k * step) for k in range(choices.num_choices)]
        slots = tuple(place.start for place in places)
        return places, Group(slots, len(choices.candidates), choices.choices_distinct, choices.choices_sorted)

    def parts(self, value: Any, start: int) -> Iterator[tuple[Any, int]]:
        """The operations and choices directly in a value whose first slot is `start`, each with its own first slot."""
        for child, at in self._placed(children(value), start):
            if isinstance(child, Operation | pg.hyper.HyperValue):
                yield child, at
            else:
                yield from self.parts(child, at)

    def _placed(self, values: Sequence[Any], start: int) -> Iterator[tuple[Any, int]]:
        for value in values:
            yield value, start
            start += self.width(value)

    # -- forms -----------------------------------------------------------------------------------------------------------

    def forms(self, value: Any, start: int, path: str, at: float = MIDDLE) -> list[tuple[Any, Assignment]]:
        """Every decided form of a value whose first slot is `start`.

        Args:
            at: where in its range each float is decided.

        Raises:
            TooEntangled: there are more than `FORMS`.
        """
        count = self._count(value)
        if count > FORMS:
            raise TooEntangled(
                f"{type(value).__name__} has {count:.3g} forms, and at most {FORMS:,} are followed",
                path=path,
                received=count,
                hint="Write it from smaller parts, so that its decisions stand apart",
            )
        return list(self._forms(value, start, at))

    def has_float(self, value: Any) -> bool:
        """Whether a float is decided in a value."""
        return isinstance(value, pg.hyper.Float) or (self.width(value) > 0 and any(map(self.has_float, children(value))))

    def _count(self, value: Any) -> int:
        if isinstance(value, Same):
            return len(value.options)
        if isinstance(value, Again):
            return self._count(self.shared[value.decision][0])
        if not (self.width(value) or self.tied(value)) or isinstance(value, pg.hyper.Float):
            return 1
        counts = map(self._count, children(value))
        return sum(counts) ** value.num_choices if isinstance(value, pg.hyper.Choices) else math.prod(counts)

    def _forms(self, value: Any, start: int, at: float) -> Iterator[tuple[Any, Assignment]]:
        if isinstance(value, Same):
            _, slot = self.shared[value.decision]
            for option, candidate in enumerate(value.options):
                for form, assignment in self._forms(candidate, 0, at):
                    yield form, ((slot, option), *assignment)
        elif isinstance(value, Again):
            yield from self._forms(*self.shared[value.decision], at)
        elif isinstance(value, pg.hyper.Float):
            yield value.min_value + at * (value.max_value - value.min_value), ((start, 0),)
        elif isinstance(value, Place | pg.hyper.OneOf):
            for option, (candidate, first) in enumerate(self.candidates(value, start)):
                for form, assignment in self._forms(candidate, first, at):
                    yield form, ((start, option), *assignment)
        elif isinstance(value, pg.hyper.Choices):
            yield from self._forms_of_many(value, start, at)
        else:
            parts = [list(self._forms(child, first, at)) for child, first in self._placed(children(value), start)]
            for forms in itertools.product(*parts):
                decided = _joined(forms)
                if decided is not None:
                    yield self._kept(value, [form for form, _ in forms]), decided

    def _kept(self, value: Any, parts: list[Any]) -> Any:
        """The value with its parts decided; equal ones are one object, so that what follows from them is worked out once.

        Names are for people: operations that differ in nothing else are equal.
        """
        if not isinstance(value, pg.Object):
            return _assembled(value, parts)
        told = list(map(_identity, parts))
        if isinstance(value, Operation):
            del told[_place_of_name(type(value))]  # type: ignore[arg-type]  # classes are hashable, whatever PyGlove's __hash__
        key = type(value), tuple(told)
        if key not in self._decided:
            self._decided[key] = parts, _assembled(value, parts)  # the parts too: they are told by identity
        return self._decided[key][1]

    def _forms_of_many(self, choices: Any, start: int, at: float) -> Iterator[tuple[Any, Assignment]]:
        places, group = self.places(choices, start)
        for picked in group.allowed():
            chosen = [list(self.candidates(place, place.start))[i] for place, i in zip(places, picked, strict=True)]
            for forms in itertools.product(*(list(self._forms(candidate, first, at)) for candidate, first in chosen)):
                assignment = _joined(forms)
                if assignment is not None:
                    yield [form for form, _ in forms], (*zip(group.slots, picked, strict=True), *assignment)


def children(value: Any) -> list[Any]:
    """What a value is made of, in the order of slots; the candidates of a choice."""
    if isinstance(value, Place):
        value = value.choices
    if isinstance(value, pg.hyper.Choices):
        return [value.candidates.sym_getattr(i) for i in range(len(value.candidates))]
    if isinstance(value, pg.Object | pg.Dict):
        return [part for _, part in value.sym_items()]
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, pg.List):
        return [value.sym_getattr(i) for i in range(len(value))]
    return list(value) if isinstance(value, list) else []


@functools.cache
def _place_of_name(kind: type[Operation]) -> int:
    return [str(key) for key in kind.__schema__.fields].index("name")


def _identity(part: Any) -> Any:
    """What tells a decided part from others: equal for equal numbers, texts and lists of them, and for one object."""
    if part is None or isinstance(part, bool | int | float | str):
        return type(part), part
    if isinstance(part, list | tuple):
        return type(part), tuple(map(_identity, part))
    if type(part) is dict:
        return dict, tuple((key, _identity(each)) for key, each in part.items())
    return id(part)


def _assembled(value: Any, parts: list[Any]) -> Any:
    """The value with its parts decided, as `Assembler` makes it."""
    if isinstance(value, list):
        return parts
    if not isinstance(value, pg.Object | dict):
        return value
    keys = value.sym_keys() if isinstance(value, pg.Symbolic) else value.keys()
    fields = dict(zip(map(str, keys), parts, strict=True))
    if isinstance(value, Operation):
        return type(value).concrete(**fields)
    return fields if isinstance(value, dict) else types.SimpleNamespace(**fields)


def _joined(forms: Sequence[tuple[Any, Assignment]]) -> Assignment | None:
    """The decisions of all parts together; None where two parts read a tied decision differently."""
    decided: dict[int, int] = {}
    for _, assignment in forms:
        for slot, option in assignment:
            if decided.setdefault(slot, option) != option:
                return None
    return tuple(decided.items())
