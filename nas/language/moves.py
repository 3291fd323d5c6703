"""Points one step away from a point, each with what the step was: another option of a decision, or two decisions exchanged.

`variation.neighbours` gives one point for each option; here an option that opens few decisions comes with each way to make
them. Duplicates (duplicates.py) are looked for among these.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from nas.language import variation
from nas.language.program import INACTIVE, Program
from nas.language.units import Choice, Group, Space, size_of, write

CONTENTS = 16  # ways to make the decisions below an option that are all listed


def draw_evenly(program: Program, rng: np.random.Generator) -> list:
    """A point in which each option of a decision is equally likely, however many points it opens.

    Points drawn uniformly hardly ever show an option that opens few of them; these do.
    """
    values = [INACTIVE] * program.width
    _decide_evenly(program.space, values, rng)
    return values


def _decide_evenly(space: Space, values: list, rng: np.random.Generator) -> None:
    for unit in space:
        if isinstance(unit, Choice):
            options = [int(rng.integers(unit.options))]
        elif isinstance(unit, Group):
            drawn = rng.permutation(unit.options)[: len(unit.slots)] if unit.distinct else None
            options = (rng.integers(unit.options, size=len(unit.slots)) if drawn is None else drawn).tolist()
            options = sorted(options) if unit.sorted else options
        else:
            unit.write(int(rng.integers(unit.size)), values, rng)
            continue
        for slot, option, spaces in zip(unit.slots, options, unit.inner, strict=True):
            values[slot] = option
            _decide_evenly(spaces[option], values, rng)


class Step(NamedTuple):
    """A change of one decision.

    Attributes:
        slot: of the decision; the first one of a manyof.
        before, after: its options; -1 for a manyof, which is taken as a whole.
        point: the point it leads to.
    """

    slot: int
    before: int
    after: int
    point: tuple


class Moves:
    """The steps of one space.

    Args:
        program: its genome's.
    """

    def __init__(self, program: Program):
        self._program = program

    def steps(self, vector: np.ndarray) -> list[Step]:
        """Every change of one decision but floats."""
        program = self._program
        values = program.values(vector)
        found: list[Step] = []
        for i, slot in enumerate(program.slots):
            if slot.kind == "float" or not program.mutable[slot.group[0]] or not program.is_active(i, values):
                continue
            if len(slot.group) > 1:
                if i == slot.group[0]:
                    found += [Step(i, INACTIVE, INACTIVE, point) for point in self._of_group(values, slot.group)]
                continue
            unit = program.units[i]
            assert isinstance(unit, Choice)
            for option in range(slot.options):
                if option != values[i]:
                    found += [Step(i, int(values[i]), option, point) for point in self._with(values, i, option, unit)]
        return found

    def exchanges(self, vector: np.ndarray) -> list[tuple]:
        """Every point in which two decisions that stand side by side and have the same options have changed places."""
        values = self._program.values(vector)
        found: dict[tuple, None] = {}
        for alike in self._alike:
            active = [i for i in alike if self._program.is_active(i, values)]
            for k, i in enumerate(active):
                size = self._program.slots[i].end - i
                for j in active[k + 1 :]:
                    if values[i : i + size] != values[j : j + size]:
                        changed = list(values)
                        changed[i : i + size], changed[j : j + size] = values[j : j + size], values[i : i + size]
                        found[tuple(changed)] = None
        return list(found)

    def _with(self, values: list, i: int, option: int, unit: Choice) -> list[tuple]:
        """The point with another option at slot i, once for each way to decide what the option opens."""
        if unit.leaf:
            return [(*values[:i], option, *values[i + 1 :])]
        inner = unit.inner[0][option]
        changed = list(values)
        variation.apply_move(self._program, changed, i, option, None)
        found = {tuple(changed): None}
        if 1 < size_of(inner) <= CONTENTS:
            end = self._program.slots[i].end
            for index in range(size_of(inner)):
                changed = list(values)
                changed[i:end] = [option] + [INACTIVE] * (end - i - 1)
                write(inner, index, changed, None)
                found[tuple(changed)] = None
        return list(found)

    def _of_group(self, values: list, group: tuple[int, ...]) -> list[tuple]:
        found: dict[tuple, None] = {}
        for i in group:
            for move in variation.moves_of(self._program, values, i):
                changed = list(values)
                variation.apply_move(self._program, changed, i, move, None)
                found[tuple(changed)] = None
        found.pop(tuple(values), None)
        return list(found)

    @functools.cached_property
    def _alike(self) -> list[list[int]]:
        """Choices under one parent that have the same options with the same decisions below them."""
        slots = self._program.slots
        alike: dict[tuple, list[int]] = {}
        for i, slot in enumerate(slots):
            if slot.kind == "choice" and len(slot.group) == 1:
                below = tuple(
                    (s.kind, s.options, s.literals, s.parent and (s.parent[0] - i, s.parent[1]), s.low, s.high)
                    for s in slots[i + 1 : slot.end]
                )
                alike.setdefault((slot.parent, slot.options, slot.literals, below), []).append(i)
        return [found for found in alike.values() if len(found) > 1]
