"""How new points of a space come about: drawn, mutated, crossed over, or listed around one.

`sample` and `crossover` work on whole batches, slot by slot and level by level. `mutate` picks its decisions for the whole
batch at once, changes those that open nothing below them in one stroke, and the rest one point at a time as plain lists:
fast for a thousand points and for one.

A changed decision keeps what it can: all that stands outside its subtree, and under a newly chosen candidate whatever the old
candidate had decided at the same place with the same options (its twin, see program.py). PyGlove's own mutator draws a
mutated subtree anew, and changes nothing in a third of its mutations; here a child differs from its parent in exactly one
decision and what follows from it (Real et al. 2019 assume as much).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.language.program import INACTIVE, Program, Twins
from nas.language.units import Real, Space, Values, below, write

FEW = 48  # up to so many points, writing each by its index is faster than drawing slot by slot (measured on 96 decisions)
STEP = 0.1  # standard deviation of a mutated number, as a share of its range along its scale


def sample(program: Program, rng: np.random.Generator, n: int) -> np.ndarray:
    """`n` points, each point of the space equally likely, with replacement. (n, width)"""
    if n <= FEW:
        rows = []
        for _ in range(n):
            values: Values = [INACTIVE] * program.width
            write(program.space, below(program.points, rng), values, rng)
            rows.append(values)
        return program.vectors(rows)
    columns = np.full((program.width, n), INACTIVE, dtype=program.dtype)
    _draw(program.space, np.arange(n), columns, rng)
    return np.ascontiguousarray(columns.T)


def mutate(program: Program, vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each point with one decision changed: the decision uniform among those that can change, its new option uniform."""
    candidates = program.active(vectors) & program.mutable
    counts = candidates.sum(axis=1)
    if not counts.all():
        raise UserError("nothing to mutate: the space has a single point", hint="Give it a choice with two options or more")
    nth = rng.integers(counts)
    chosen = (candidates.cumsum(axis=1) > nth[:, None]).argmax(axis=1)

    children = vectors.copy()
    rows = np.flatnonzero(program.leaf[chosen])
    columns = chosen[rows]
    options = program.options[columns]
    children[rows, columns] = (vectors[rows, columns] + 1 + rng.integers(options - 1)) % options
    for row in np.flatnonzero(~program.leaf[chosen]).tolist():
        values = program.values(vectors[row])
        _mutate_slot(program, values, int(chosen[row]), rng)
        children[row] = values
    return children


def crossover(program: Program, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform crossover of the trees, row by row: each active decision is taken from a parent in which it is active too, from
    either with probability 1/2 where it is in both. The slots of a manyof come from one parent together."""
    firsts = [slot.group[0] for slot in program.slots]
    from_a = (rng.random(a.shape) < 0.5)[:, firsts]
    in_a, in_b = program.active(a), program.active(b)
    merged = np.where(in_a & (from_a | ~in_b), a, b)
    child = np.full_like(a, INACTIVE)
    child[:, program.levels[0]] = merged[:, program.levels[0]]
    for level in program.levels[1:]:
        active = child[:, program.parents[level]] == program.conditions[level]
        child[:, level] = np.where(active, merged[:, level], INACTIVE)
    return child


def neighbours(program: Program, vector: np.ndarray) -> np.ndarray:
    """All points one decision away, (m, width), without repetition, in the order of slots and options.

    A new candidate's decisions that have no twin take their first option. A number moves one step of 0.1 of its range along
    its scale, up and down.
    """
    values = program.values(vector)
    found: dict[tuple, None] = {}
    for i in range(program.width):
        if program.mutable[i] and program.is_active(i, values):
            for move in moves_of(program, values, i):
                changed = list(values)
                apply_move(program, changed, i, move, None)
                found[tuple(changed)] = None
    found.pop(tuple(values), None)
    return program.vectors([list(point) for point in found])


def _draw(space: Space, points: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> None:
    """Draws the units of a space for the given points into `columns`, (width, n)."""
    for unit in space:
        drawn = unit.draw(rng, points.size)
        for p, (slot, spaces) in enumerate(zip(unit.slots, unit.inner, strict=True)):
            columns[slot, points] = drawn[:, p]
            for option, inner in enumerate(spaces):
                chosen = points[drawn[:, p] == option] if inner else points[:0]
                if chosen.size:
                    _draw(inner, chosen, columns, rng)


def _mutate_slot(program: Program, values: Values, i: int, rng: np.random.Generator) -> None:
    unit = program.units.get(i)
    if not isinstance(unit, Real):
        moves = moves_of(program, values, i)
        apply_move(program, values, i, moves[below(len(moves), rng)], rng)
        return
    before = values[i]
    while values[i] == before:  # again where it was clipped at the end on which it stands
        values[i] = unit.at(unit.position(before) + STEP * rng.standard_normal())


def moves_of(program: Program, values: Values, i: int) -> list[Any]:
    """What slot i can become: another option, another number, or in a full permutation the place it changes with."""
    slot = program.slots[i]
    unit = program.units.get(i)
    if isinstance(unit, Real):
        position = unit.position(values[i])
        return [unit.at(position - STEP), unit.at(position + STEP)]
    if len(slot.group) > 1 and slot.distinct:
        taken = {values[j] for j in slot.group}
        unused = [option for option in range(slot.options) if option not in taken]
        return unused or [j for j in slot.group if j != i]
    return [option for option in range(slot.options) if option != values[i]]


def apply_move(program: Program, values: Values, i: int, move: Any, rng: np.random.Generator | None) -> None:
    """Makes a move of `moves_of` in place. What is left open is drawn; without `rng` it takes its first option."""
    slot = program.slots[i]
    if slot.kind == "float":
        values[i] = move
    elif len(slot.group) == 1:
        _choose(program, values, i, move, rng)
    elif slot.distinct and slot.options == len(slot.group):
        _exchange(program, values, i, move)
    else:
        _choose(program, values, i, move, rng)
        if slot.sorted:
            _sort(program, values, slot.group)


def _choose(program: Program, values: Values, i: int, option: int, rng: np.random.Generator | None) -> None:
    """Gives slot i another option; twins of the old subtree's decisions stay."""
    before = list(values)
    end = program.slots[i].end
    values[i:end] = [option] + [INACTIVE] * (end - i - 1)
    unit = program.units[program.slots[i].group[0]]
    opened = unit.inner[program.slots[i].group.index(i)][option]
    _fill(program, opened, values, before, program.twins.get((i, before[i], option), {}), rng)


def _fill(
    program: Program, space: Space, values: Values, before: Values, twins: Twins, rng: np.random.Generator | None
) -> None:
    """Decides the units of a space: by their twins that were active before, else by drawing."""
    for unit in space:
        twin = twins.get(unit.first)
        if twin is not None and program.is_active(twin, before):
            options = [before[j] for j in program.slots[twin].group]
        elif unit.leaf:
            options = [0 if rng is None else below(unit.size, rng)]
        elif isinstance(unit, Real):
            unit.write(0, values, rng)
            continue
        else:
            options = [option for option, _ in unit.split(0 if rng is None else below(unit.size, rng))]
        for slot, option, spaces in zip(unit.slots, options, unit.inner, strict=True):
            values[slot] = option
            if spaces and spaces[option]:
                _fill(program, spaces[option], values, before, twins, rng)


def _exchange(program: Program, values: Values, i: int, j: int) -> None:
    """Two subchoices change places, each with the decisions below it."""
    size = program.slots[i].end - i
    values[i : i + size], values[j : j + size] = values[j : j + size], values[i : i + size]


def _sort(program: Program, values: Values, group: Sequence[int]) -> None:
    """Puts the subchoices of a group in the order of their options, each with the decisions below it."""
    blocks = sorted((values[i : program.slots[i].end] for i in group), key=lambda block: block[0])
    values[group[0] : program.slots[group[-1]].end] = [value for block in blocks for value in block]
