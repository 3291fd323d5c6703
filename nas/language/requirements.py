"""Rules between decisions: which combinations of a few of them may stand together.

`nas.require(rule, width, depth)` asks the rule once for each combination while the space is defined; what is left is a table.
Here the decisions of one table, or of several that share decisions, become one unit of the space (units.py): a choice among the
combinations that all tables permit. So a space with rules is counted, numbered and drawn from exactly like any other, and no
point that breaks a rule exists.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nas.errors import SpaceError
from nas.language.units import Choice, Space, Unit, Values

ROWS = 200_000  # combinations of decisions that rules tie together


@dataclasses.dataclass(frozen=True)
class Requirement:
    """Combinations of decisions that may stand together.

    Attributes:
        ids: PyGlove's id of each decision; each is a choice that is always active and opens no others.
        permitted: combinations of options, one for each decision.
        text: what the rule is called.
    """

    ids: tuple[str, ...]
    permitted: frozenset[tuple[int, ...]]
    text: str = ""


def requirements_of(hyper: Any) -> tuple[Requirement, ...]:
    """The rules that a network's block holds."""
    found = []
    for rule in getattr(hyper, "rules", None) or ():
        names = tuple(rule.decisions)
        ids = tuple(f"shared.{name}" for name in names)
        found.append(Requirement(ids, frozenset(tuple(row) for row in rule.allowed), f"require({', '.join(names)})"))
    return tuple(found)


def check_together(requirements: Sequence[Requirement]) -> None:
    """Raises SpaceError if no combination of decisions meets all rules, or there are too many to list."""
    ids = {decision: i for i, decision in enumerate(sorted({decision for rule in requirements for decision in rule.ids}))}
    for _ in Rules(requirements, ids).clusters():
        pass


class Ruled(Unit):
    """Several choices, of which only some combinations are permitted.

    Attributes:
        rows: the permitted combinations, (size, slots), in order.
    """

    __slots__ = ("_numbers", "rows")

    def __init__(self, slots: Sequence[int], inner: Sequence[Sequence[Space]], rows: Sequence[tuple[int, ...]]):
        super().__init__(slots, inner, size=len(rows))
        self.rows = np.array(rows, dtype=np.int64).reshape(len(rows), len(slots))
        self._numbers = {row: i for i, row in enumerate(rows)}

    def split(self, index: int) -> list[tuple[int, int]]:
        return [(option, 0) for option in self.rows[index].tolist()]

    def rank(self, values: Values) -> int:
        return self._numbers[tuple(values[slot] for slot in self.slots)]

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.rows[rng.integers(len(self.rows), size=n)]


class Rules:
    """The rules of one space, by slot.

    Args:
        requirements: the rules.
        slots: id -> slot.

    Attributes:
        tables: for each rule its slots, its permitted combinations and what it is called.
    """

    def __init__(self, requirements: Sequence[Requirement], slots: Mapping[str, int]):
        self.tables = [(tuple(slots[i] for i in r.ids), r.permitted, r.text) for r in requirements]

    def bind(self, space: Space) -> Space:
        """The space with a single unit for all decisions that rules tie together.

        Raises:
            SpaceError: no combination meets all rules, or there are too many to list.
        """
        units = {unit.first: unit for unit in space}
        bound: dict[int, Unit] = dict(units)
        for slots, rows in self.clusters():
            for slot in slots:
                unit = units[slot]
                assert isinstance(unit, Choice)
                assert unit.leaf
                del bound[slot]
            bound[slots[0]] = Ruled(slots, [units[slot].inner[0] for slot in slots], rows)
        return tuple(bound[slot] for slot in sorted(bound))

    def meets(self, vectors: np.ndarray) -> np.ndarray:
        """Which points, (n, width), break no rule, (n,)."""
        found = np.ones(len(vectors), dtype=bool)
        for slots, permitted, _ in self.tables:
            radix = np.cumprod([1, *(1 + max((row[i] for row in permitted), default=0) for i in range(len(slots)))])
            rows = np.array(sorted(permitted), dtype=np.int64).reshape(-1, len(slots))
            columns = vectors[:, slots].astype(np.int64)
            within = (columns <= rows.max(axis=0, initial=-1)).all(axis=1)
            found &= within & np.isin(columns @ radix[:-1], rows @ radix[:-1])
        return found

    def broken(self, values: Values) -> tuple[tuple[int, ...], str] | None:
        """Slots and name of the first rule that a point breaks; None: it breaks none."""
        for slots, permitted, text in self.tables:
            if tuple(values[slot] for slot in slots) not in permitted:
                return slots, text
        return None

    def clusters(self) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
        """Slots that rules tie together, each with the combinations that all of them permit."""
        waiting = list(self.tables)
        while waiting:
            slots, permitted, text = waiting.pop(0)
            rows = [dict(zip(slots, row, strict=True)) for row in sorted(permitted)]
            tied = set(slots)
            while related := [table for table in waiting if tied & set(table[0])]:
                other, others, text = related[0]
                waiting.remove(related[0])
                tied |= set(other)
                rows = list(_joined(rows, other, others))
                if len(rows) > ROWS:
                    hint = "Rule fewer decisions together"
                    raise SpaceError(f"more than {ROWS:,} combinations of decisions", path=text, received=len(rows), hint=hint)
            if not rows:
                raise SpaceError("no combination is allowed", path=text, hint="Relax the rule, or offer more options")
            order = tuple(sorted(tied))
            yield order, sorted(tuple(row[slot] for slot in order) for row in rows)


def _joined(
    rows: Sequence[dict[int, int]], slots: tuple[int, ...], permitted: frozenset[tuple[int, ...]]
) -> Iterator[dict[int, int]]:
    """Pairs of a row and a permitted combination that agree where both decide."""
    common = [i for i, slot in enumerate(slots) if rows and slot in rows[0]]
    matching: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for combination in sorted(permitted):
        matching.setdefault(tuple(combination[i] for i in common), []).append(combination)
    for row in rows:
        for combination in matching.get(tuple(row[slots[i]] for i in common), ()):
            yield row | dict(zip(slots, combination, strict=True))
