"""What the decisions of a space and their options are called.

A decision goes by PyGlove's id (`layers[0].kernel`, `block[=1/3].filters`) or by the name that the space gives it, and a manyof
has one name for the whole, its subchoices `name[0]`, `name[1]`, ... An option goes by its label, by PyGlove's literal, or by
Vertex's text `1/3 (5)`. Numbers are values and never indices: `3` is the option that says 3.
"""

from __future__ import annotations

import itertools
import json
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nas.errors import SpaceError
from nas.language.program import Slot

_LISTED = 12  # options or names that a message shows before it only counts

_json = json.JSONEncoder(sort_keys=True, default=repr).encode
"""A value as text that tells 1, 1.0, True and "1" apart and takes lists for tuples."""


class Vocabulary:
    """Names of slots and of their options, both ways.

    Args:
        slots: the program's.
        names: id -> name; the id where it has none. A manyof may be named as a whole (`ops`) or by subchoice (`ops[0]`).
        labels: id -> one label for each option, plain JSON values; PyGlove's literals where it has none. A label that
            repeats within its choice gets `#2`, `#3`, ...

    Raises:
        SpaceError: two decisions with one name, or labels that do not fit their choice.

    Attributes:
        names: of each slot.
        labels: of each slot, by option.
        texts: of each slot, by option, as Vertex writes it; "1/3" where PyGlove has no literal.
        entries: (name, slots) of each decision, the whole of a manyof as one, in pre-order.
        by_id, by_name: which slots a name means; `by_name` knows the ids too.
    """

    def __init__(self, slots: Sequence[Slot], names: Mapping[str, str], labels: Mapping[str, Sequence]):
        self._slots = slots
        self.names: list[str] = []
        self.labels: list[list] = []
        self.texts: list[list[str]] = []
        self.entries: list[tuple[str, tuple[int, ...]]] = []
        self.by_id: dict[str, tuple[int, ...]] = {}
        named: dict[str, tuple[int, ...]] = {}
        for i, slot in enumerate(slots):
            place = f"[{slot.group.index(i)}]" if len(slot.group) > 1 else ""
            whole = slot.id.removesuffix(place)
            name = names.get(slot.id, names.get(whole, whole) + place)
            if i == slot.group[0]:
                together = names.get(whole, name.removesuffix(place) if name.endswith(place) else whole)
                self.entries.append((together, slot.group))
                self.by_id[whole] = slot.group
                self._name(named, together, slot.group)
            if place:
                self.by_id[slot.id] = (i,)
                self._name(named, name, (i,))
            self.names.append(name)
            self.labels.append(_labels(slot, labels.get(slot.id, labels.get(whole)), name))
            self.texts.append(_texts(slot))
        self.by_name = self.by_id | named
        self._options = [
            _index(map(_json, labels), map(_json, slot.literals)) for slot, labels in zip(slots, self.labels, strict=True)
        ]
        self._from_text = [_index(texts, _bare(slot)) for slot, texts in zip(slots, self.texts, strict=True)]

    def option(self, i: int, value: Any, vertex_first: bool = False) -> int | None:
        """Which option of slot i a label, literal or Vertex text means; None: none of them."""
        text = self._from_text[i].get(value) if isinstance(value, str) else None
        if text is not None and vertex_first:
            return text
        known = self._options[i]
        found = known.get(_json(value))
        if found is None and isinstance(value, numbers.Real) and not isinstance(value, bool):
            number = float(value)  # 3.0 means 3 where nothing says 3.0
            found = known.get(_json(int(number)) if number.is_integer() else "", known.get(_json(number)))
        return text if found is None else found

    def label(self, i: int, value: float) -> Any:
        """What a value of slot i says: the label of an option, or the number itself."""
        return self.labels[i][int(value)] if self._slots[i].kind == "choice" else value

    def expected(self, i: int, vertex: bool = False) -> str:
        """What slot i takes, for a message."""
        slot = self._slots[i]
        if slot.kind == "float":
            return f"a number from {slot.low:g} to {slot.high:g}"
        return either(self.texts[i] if vertex else map(repr, self.labels[i]))

    def _name(self, named: dict[str, tuple[int, ...]], name: str, slots: tuple[int, ...]) -> None:
        if name in named:
            one, other = (self._slots[group[0]].id for group in (named[name], slots))
            raise SpaceError(f"{one} and {other} have the same name", path=name, received=name, hint="Rename one of them")
        named[name] = slots


def either(options: Iterable[str]) -> str:
    """`3, 5 or 7`; of many, the first dozen and how many there are."""
    listed = list(options)
    if len(listed) > _LISTED:
        return f"{', '.join(listed[:_LISTED])}, ... ({len(listed)} in all)"
    return " or ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))


def _labels(slot: Slot, given: Sequence | None, name: str) -> list:
    if given is None:
        given = [_plain(literal) for literal in slot.literals] or _bare(slot)
    if len(given) != slot.options:
        problem = f"{len(given)} labels for {slot.options} options"
        raise SpaceError(problem, path=name, received=given, hint="Give each option one")
    labels: list = []
    used: set[str] = set()
    for label in given:
        own = label
        for count in itertools.count(2):
            if _json(own) not in used:
                break
            own = f"{label}#{count}"
        used.add(_json(own))
        labels.append(own)
    return labels


def _plain(literal: Any) -> Any:
    """PyGlove writes the candidate "relu" as "'relu'" and None as "None": what was meant."""
    if literal == "None":
        return None
    if isinstance(literal, str) and len(literal) > 1 and literal[0] == literal[-1] and literal[0] in "'\"":
        inside = literal[1:-1]
        return literal if literal[0] in inside or "\\" in inside else inside
    return literal


def _bare(slot: Slot) -> list[str]:
    return [f"{option}/{slot.options}" for option in range(slot.options)]


def _texts(slot: Slot) -> list[str]:
    """The options of a slot as Vertex writes them."""
    if not slot.literals:
        return _bare(slot)
    return [f"{bare} ({literal})" for bare, literal in zip(_bare(slot), slot.literals, strict=True)]


def _index(*says: Iterable[str]) -> dict[str, int]:
    """What options are called -> the option; what was said first stays."""
    index: dict[str, int] = {}
    for words in says:
        for option, word in enumerate(words):
            index.setdefault(word, option)
    return index
