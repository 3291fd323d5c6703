"""The program of a space: a `pg.DNASpec` compiled once to flat slots and a tree of units.

A slot is one decision point. Slots stand in pre-order: a choice is followed by the slots of candidate 0's subspace, then of
candidate 1's, and so on; each of the k subchoices of a manyof has a slot and a subtree of its own. The subtree of slot i is
therefore the range [i, slots[i].end), and a vector holds one value per slot: the option, the number, or -1 where the slot is
inactive. Everything else (variation.py, codec.py) reads this program and never PyGlove again, which is what makes it about
four orders of magnitude faster.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pyglove as pg

from nas.errors import SpaceError
from nas.language.requirements import Requirement, Rules
from nas.language.units import Choice, Group, Real, Space, Unit, Values, size_of

INACTIVE = -1

Twins = Mapping[int, int]
"""First slot of a unit under a new candidate -> first slot of the unit under the old one whose decision it takes over."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """One decision point, where it stands and what it allows.

    Attributes:
        id: PyGlove's id of the decision point (`layers[0].kernel`, `block[=1/3].filters`, `ops[1]` for a subchoice).
        kind: "choice" (an option, from 0) or "float" (a number).
        options: how many candidates; 0 for a float.
        literals: the candidates as PyGlove writes them; empty where it has none.
        parent: (slot, option) under which this slot is active; None: always.
        group: the slots of the same manyof; itself alone otherwise.
        distinct, sorted: the rules of that manyof.
        low, high, scale: range of a float; scale is None, "linear", "log" or "rlog".
        end: one past the last slot of its subtree.
    """

    id: str
    kind: Literal["choice", "float"]
    options: int = 0
    literals: tuple = ()
    parent: tuple[int, int] | None = None
    group: tuple[int, ...] = ()
    distinct: bool = False
    sorted: bool = False
    low: float = 0.0
    high: float = 0.0
    scale: str | None = None
    end: int = 0

    @property
    def alternatives(self) -> int:
        """In how many other ways it can be decided while the rest stays (a float: 1 where it can move)."""
        if self.kind == "float":
            return int(self.low < self.high)
        if len(self.group) > 1 and self.distinct:
            unused = self.options - len(self.group)
            return unused or (0 if self.sorted else len(self.group) - 1)  # a full permutation: change places with another
        return self.options - 1


class Program:
    """A compiled space. Immutable once made, so that threads can share it.

    Args:
        spec: what `pg.dna_spec(value)` gives.
        requirements: which combinations of decisions may stand together.

    Attributes:
        slots: every decision point, in pre-order.
        rules: the requirements, by slot; None where there are none.
        space: the units of the whole space; walk it for anything that folds over the tree. Decisions that a rule ties are one.
        units: first slot of a unit -> the unit.
        points: how many points the discrete part has.
        continuous: whether a float slot makes the space infinite.
        twins: (choice slot, old option, new option) -> which decisions the new candidate takes over from the old one: those
            with the same id within the candidate and identical literals. Absent where there are none.
        mutable, leaf, options: per slot, as arrays: has alternatives; is a choice that opens no decisions and stands alone;
            number of options.
        parents, conditions: per slot, as arrays: the slot it hangs from and the option that activates it (0 for outermost).
        levels: slots by depth of nesting, outermost first.
    """

    def __init__(self, spec: pg.DNASpec, requirements: Sequence[Requirement] = ()):
        slots: list[Slot | None] = []
        elements = spec.elements if spec.is_space else [spec]
        self.space = _compile(elements, None, slots)
        self.slots: tuple[Slot, ...] = tuple(slot for slot in slots if slot)
        self.width = len(self.slots)
        self.units: dict[int, Unit] = {unit.first: unit for unit in _walk(self.space)}
        self.rules: Rules | None = None
        if requirements:
            self.rules = Rules(requirements, {slot.id: i for i, slot in enumerate(self.slots)})
            self.space = self.rules.bind(self.space)
        self.points = size_of(self.space)
        self.continuous = any(slot.kind == "float" for slot in self.slots)
        self.dtype = np.dtype(np.float64 if self.continuous else np.int64)
        self.twins = _find_twins(self.slots, self.units)
        self.mutable = np.array([slot.alternatives > 0 for slot in self.slots], dtype=bool)
        self.leaf = np.array([i in self.units and self.units[i].leaf for i in range(self.width)], dtype=bool)
        self.options = np.array([slot.options for slot in self.slots], dtype=np.int64)
        self.parents = np.array([slot.parent[0] if slot.parent else 0 for slot in self.slots], dtype=np.int64)
        self.conditions = np.array([slot.parent[1] if slot.parent else 0 for slot in self.slots], dtype=np.int64)
        self.levels = _levels(self.slots)

    def active(self, vectors: np.ndarray) -> np.ndarray:
        """Which slots are active in (n, width) vectors, as (n, width) booleans."""
        mask = vectors[:, self.parents] == self.conditions
        mask[:, self.levels[0]] = True
        return mask

    def is_active(self, i: int, values: Values) -> bool:
        """Whether slot i is active in one point. (A float may be -1.0 and active, so its own value does not tell.)"""
        parent = self.slots[i].parent
        return parent is None or values[parent[0]] == parent[1]

    def values(self, vector: np.ndarray) -> Values:
        """A (width,) vector as a list, options as `int` also where the vector holds floats."""
        values = vector.tolist()
        if self.continuous:
            return [v if slot.kind == "float" else int(v) for v, slot in zip(values, self.slots, strict=True)]
        return values

    def vectors(self, rows: Sequence[Values]) -> np.ndarray:
        """Points as an (n, width) array."""
        return np.array(rows, dtype=self.dtype).reshape(len(rows), self.width)


def _compile(elements: Sequence[pg.DNASpec], parent: tuple[int, int] | None, slots: list[Slot | None]) -> Space:
    """Appends the slots of one space and returns its units."""
    return tuple(_compile_point(element, parent, slots) for element in elements)


def _compile_point(spec: pg.DNASpec, parent: tuple[int, int] | None, slots: list[Slot | None]) -> Unit:
    if spec.is_numerical:
        return _compile_real(spec, parent, slots)
    if not spec.is_categorical:
        raise SpaceError(
            f"{spec.hyper_type or 'a custom decision point'} decides by its own code, which can be neither counted nor varied",
            path=spec.id.path,
            received=spec,
            expected="oneof, manyof, permutate or floatv",
            hint="Write the decision as a choice among its values",
        )
    literals = tuple(spec.literal_values or ())
    starts: list[int] = []
    inner: list[list[Space]] = []
    for subchoice in spec.choice_specs:
        starts.append(len(slots))
        slots.append(None)
        inner.append([_compile(c.elements, (starts[-1], o), slots) for o, c in enumerate(subchoice.candidates)])
    ends = [*starts[1:], len(slots)]
    rules = {"distinct": spec.distinct, "sorted": spec.sorted} if len(starts) > 1 else {}
    for subchoice, start, end, spaces in zip(spec.choice_specs, starts, ends, inner, strict=True):
        options = len(spaces)
        slots[start] = Slot(subchoice.id.path, "choice", options, literals, parent, tuple(starts), end=end, **rules)
    if rules:
        return Group(starts, inner, **rules)
    return Choice(starts[0], inner[0])


def _compile_real(spec: pg.DNASpec, parent: tuple[int, int] | None, slots: list[Slot | None]) -> Real:
    i, low, high = len(slots), float(spec.min_value), float(spec.max_value)
    slots.append(Slot(spec.id.path, "float", parent=parent, group=(i,), low=low, high=high, scale=spec.scale, end=i + 1))
    return Real(i, low, high, spec.scale)


def _walk(space: Space) -> Iterator[Unit]:
    """Every unit of a space, nested ones included."""
    for unit in space:
        yield unit
        for spaces in unit.inner:
            for inner in spaces:
                yield from _walk(inner)


def _find_twins(slots: tuple[Slot, ...], units: Mapping[int, Unit]) -> dict[tuple[int, int, int], Twins]:
    twins: dict[tuple[int, int, int], Twins] = {}
    for unit in units.values():
        for i, spaces in zip(unit.slots, unit.inner, strict=True):
            opened = [option for option, space in enumerate(spaces) if space]
            if len(opened) < 2:
                continue
            keys = {}
            for option in opened:
                prefix = len(f"{slots[i].id}[={option}/{slots[i].options}]")
                keys[option] = {_twin_key(slots[inner.first], prefix): inner.first for inner in _walk(spaces[option])}
            for old in opened:
                for new in opened:
                    shared = {first: keys[old][key] for key, first in keys[new].items() if key in keys[old]}
                    if old != new and shared:
                        twins[i, old, new] = shared
    return twins


def _twin_key(slot: Slot, prefix: int) -> tuple:
    """Equal for units that make the same decision at the same place of two candidates."""
    return (
        slot.id[prefix:],
        slot.options,
        tuple((type(literal), literal) for literal in slot.literals),  # 1, 1.0 and True are three literals
        len(slot.group),
        slot.distinct,
        slot.sorted,
        slot.low,
        slot.high,
        slot.scale,
    )


def _levels(slots: Sequence[Slot]) -> list[np.ndarray]:
    depths: list[int] = []
    for slot in slots:
        depths.append(depths[slot.parent[0]] + 1 if slot.parent else 0)
    return [np.flatnonzero(np.array(depths) == d) for d in range(max(depths, default=0) + 1)]
