"""How many different values a hyper value has, exactly, however many points.

Two points have equal values only where two candidates of one choice can become equal, since all around a choice stands fixed.
So the values are counted from the inside out: a structure has as many as the product of its parts, a choice as the union of its
candidates. Unions are exact as long as candidates have the same values or none in common, which is all that occurs in practice;
otherwise the answer is None.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from nas.language.parts import Fixed, Many, One, Part, Struct
from nas.language.units import ways


class Variant(NamedTuple):
    """Values of one make.

    Attributes:
        number: how many.
        text: equal for equal sets of values.
        parts: for each place in them, what can stand there.
    """

    number: int
    text: str
    parts: tuple[Variety, ...]


Variety: TypeAlias = "Mapping[str, Sequence[Variant]]"
"""A set of values: make -> those of that make, no two of which have a value in common."""


class Varieties:
    """The values of each part of a hyper value.

    Args:
        root: the hyper value taken apart.
    """

    def __init__(self, root: Part):
        self._root = root
        self._known: dict[int, Variety | None] = {}

    def count(self) -> int | None:
        """How many different values there are; None: not known exactly."""
        found = self.of(self._root)
        return None if found is None else _size(found)

    def same(self) -> Iterator[tuple[int, int, int]]:
        """(slot, option, option): the first of two candidates that have the same values, and the second."""
        for part in _walk(self._root):
            if isinstance(part, One):
                seen: dict[str, int] = {}
                for option, candidate in enumerate(part.candidates):
                    found = self.of(candidate)
                    if found is not None:
                        first = seen.setdefault(_text(found), option)
                        if first != option:
                            yield part.start, first, option

    def of(self, part: Part) -> Variety | None:
        """The values of a part."""
        if id(part) not in self._known:
            self._known[id(part)] = self._work_out(part)
        return self._known[id(part)]

    def _work_out(self, part: Part) -> Variety | None:
        if isinstance(part, Fixed):
            text = json.dumps(part.fixed_key, sort_keys=True)
            return _taken_apart(part.fixed_key) or {text: [Variant(1, text, ())]}
        if isinstance(part, Struct):
            return self._struct(part.name, {key: self.of(field) for key, field in part.fields.items()})
        if isinstance(part, One):
            return self._union(part.candidates)
        if isinstance(part, Many):
            return self._many(part)
        return None

    def _struct(self, name: str, fields: Mapping[str, Variety | None]) -> Variety | None:
        keys = sorted(fields)
        parts = [fields[key] for key in keys]
        if any(found is None for found in parts):
            return None
        known = tuple(found for found in parts if found is not None)
        make = json.dumps([name, keys])
        text = json.dumps([make, *map(_text, known)])
        return {make: [Variant(math.prod(map(_size, known)), text, known)]}

    def _union(self, candidates: Sequence[Part]) -> Variety | None:
        found = [self.of(candidate) for candidate in candidates]
        if any(each is None for each in found):
            return None
        return functools.reduce(lambda a, b: None if a is None or b is None else _either(a, b), found)

    def _many(self, part: Many) -> Variety | None:
        places = [self._union(place.candidates) for place in part.places]
        found = self._struct("list", {str(i): place for i, place in enumerate(places)})
        if found is None or not (part.distinct or part.sorted):
            return found
        each = [self.of(candidate) for candidate in part.places[0].candidates]
        known = [variety for variety in each if variety is not None]
        if any(not _apart(a, b) for a, b in itertools.combinations(known, 2)):
            return None
        k = len(part.places)
        count = ways([_size(variety) for variety in known], k, part.distinct)[0][k]
        if not part.sorted:
            count *= math.factorial(k)
        ((make, (variant,)),) = found.items()
        return {make: [Variant(count, json.dumps([variant.text, part.distinct, part.sorted]), variant.parts)]}


def _taken_apart(key: object) -> Variety | None:
    """A fixed structure as one of its make, so that it can be told from those with choices in them."""
    if isinstance(key, list) and len(key) == 2 and isinstance(key[1], dict):
        name, fields = key
        keys = sorted(fields)
        parts = []
        for field in keys:
            text = json.dumps(fields[field], sort_keys=True)
            parts.append(_taken_apart(fields[field]) or {text: [Variant(1, text, ())]})
        make = json.dumps([name, keys])
        return {make: [Variant(1, json.dumps([make, *map(_text, parts)]), tuple(parts))]}
    return None


def _either(a: Variety, b: Variety) -> Variety | None:
    """The union of two sets of values; None where they overlap in part."""
    union = {make: list(variants) for make, variants in a.items()}
    for make, variants in b.items():
        for variant in variants:
            there = union.setdefault(make, [])
            if any(variant.text == other.text for other in there):
                continue
            if not all(_variants_apart(variant, other) for other in there):
                return None
            there.append(variant)
    return union


def _apart(a: Variety, b: Variety) -> bool:
    """Whether two sets of values have none in common."""
    return all(_variants_apart(one, other) for make in a if make in b for one in a[make] for other in b[make])


def _variants_apart(one: Variant, other: Variant) -> bool:
    return one.text != other.text and any(_apart(p, q) for p, q in zip(one.parts, other.parts, strict=True))


def _size(variety: Variety) -> int:
    return sum(variant.number for variants in variety.values() for variant in variants)


def _text(variety: Variety) -> str:
    return json.dumps(sorted(variant.text for variants in variety.values() for variant in variants))


def _walk(part: Part) -> Iterator[Part]:
    yield part
    below: Sequence[Part] = ()
    if isinstance(part, Struct):
        below = list(part.fields.values())
    elif isinstance(part, One):
        below = part.candidates
    elif isinstance(part, Many):
        below = part.places
    for each in below:
        yield from _walk(each)
