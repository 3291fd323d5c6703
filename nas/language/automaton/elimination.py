"""Variable elimination: from relations between the parts of a network to one circuit of the whole.

A `Table` says which values of a few variables go together, and for each such row which points of the space give it, as a node
of a circuit. Two tables are joined where they agree on their common variables (a product), and a variable is eliminated when
all tables that mention it have been joined (a sum). Which variable goes first decides how wide tables become. Here inner ones
go before outer ones: the skip connections of an encoder-decoder are then in mind one at a time, however many are in flight; and
where tables would become large, the one that leaves the smallest goes first.

Dechter 1999, "Bucket elimination"; Koller & Friedman 2009, section 9.4.3, on orders.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from nas.language.automaton.circuit import TRUE, Branch, Builder
from nas.language.automaton.forms import TooEntangled

ROWS = 200_000  # of one table; beyond that a space is too entangled to follow
WORK = 100_000  # rows of all tables of a space, those on the way included; a few seconds
SMALL = 256  # rows of a table that are not worth saving

Variable: TypeAlias = "tuple[Hashable, ...]"
"""Named by a tuple; `("slot", i)` stands for the decision of a slot, -1 where it is inactive."""

Row: TypeAlias = "tuple[Any, ...]"


class Table(NamedTuple):
    """Rows of values for `variables`, each with the node of the points that give it."""

    variables: tuple[Variable, ...]
    rows: dict[Row, int]


def eliminate(tables: Sequence[Table], kept: Sequence[Variable], depths: Mapping[Variable, int], builder: Builder) -> Table:
    """One table over the `kept` variables (all of which some table mentions), the others summed out.

    Args:
        depths: how deep variables are nested, 0 where it is not said; inner ones go first.

    Raises:
        TooEntangled: a table on the way would have more than `ROWS` rows.
    """
    values: dict[Variable, set[Any]] = {}
    for table in tables:
        for i, variable in enumerate(table.variables):
            values.setdefault(variable, set()).update(row[i] for row in table.rows)
    known = {v: next(iter(found)) for v, found in values.items() if len(found) == 1 and v[0] != "slot" and v not in set(kept)}
    merged = [_Merged(_without(table, known), 1) for table in tables]
    for variable in known:
        del values[variable]
    sizes = {variable: len(found) for variable, found in values.items()}
    waiting = [variable for variable in values if variable not in set(kept)]
    while waiting:
        variable = min(waiting, key=lambda v: _urgency(v, merged, sizes, depths))
        waiting.remove(variable)
        related = [m for m in merged if variable in m.table.variables]
        merged = [m for m in merged if variable not in m.table.variables]
        table = _sum_out(_join_all([m.table for m in related], builder), variable, builder)
        merged.append(_Merged(table, sum(m.parts for m in related)))
    whole = _join_all([Table((), {(): TRUE}), *(m.table for m in merged)], builder)
    order = [whole.variables.index(variable) for variable in kept]
    return Table(tuple(kept), {tuple(row[i] for i in order): node for row, node in whole.rows.items()})


def _without(table: Table, known: Mapping[Variable, Any]) -> Table:
    """The table without variables that have one value everywhere."""
    left = [i for i, variable in enumerate(table.variables) if variable not in known]
    if len(left) == len(table.variables):
        return table
    rows = {tuple(row[i] for i in left): node for row, node in table.rows.items()}
    return Table(tuple(table.variables[i] for i in left), rows)


def factored(table: Table, variables: Sequence[Variable]) -> list[Table]:
    """The same relation as several tables: of the given variables, each that follows from few others gets a table with those.

    What is left has fewer variables, so that what it is joined with stays smaller.
    """
    tables = []
    for variable in variables:
        at = table.variables.index(variable)
        sizes = [len(set(column)) for column in zip(*table.rows, strict=True)] if table.rows else [0] * len(table.variables)
        others = sorted((i for i in range(len(table.variables)) if i != at), key=lambda i: sizes[i])
        if not _determined(table, others, at):
            continue
        for i in reversed(others):  # what has many values first: it is the most to be rid of
            fewer = [j for j in others if j != i]
            if _determined(table, fewer, at):
                others = fewer
        names = tuple(table.variables[i] for i in (*others, at))
        tables.append(Table(names, dict.fromkeys((tuple(row[i] for i in (*others, at)) for row in table.rows), TRUE)))
        table = Table(
            table.variables[:at] + table.variables[at + 1 :],
            {row[:at] + row[at + 1 :]: node for row, node in table.rows.items()},
        )
    return [table, *tables]


def _determined(table: Table, by: Sequence[int], at: int) -> bool:
    """Whether the value in column `at` follows from those in the columns `by`."""
    found: dict[Row, Any] = {}
    return all(found.setdefault(tuple(row[i] for i in by), row[at]) == row[at] for row in table.rows)


class _Merged(NamedTuple):
    """A table and how many of the given ones are in it."""

    table: Table
    parts: int


def _urgency(
    variable: Variable, merged: Sequence[_Merged], sizes: Mapping[Variable, int], depths: Mapping[Variable, int]
) -> tuple[int, ...]:
    """Sorts variables by which should go first: small tables, then inner before outer, then what grows one table by small ones.

    The last matters for what is done with the circuit afterwards: a product of a large and a small set of costs is cheap to
    work out, one of two large ones is not.
    """
    related = [m for m in merged if variable in m.table.variables]
    scope = {v for m in related for v in m.table.variables} - {variable}
    rows = math.prod(sizes[v] for v in scope)
    parts = sorted((m.parts for m in related), reverse=True)
    return rows if rows > SMALL else 0, -depths.get(variable, 0), sum(parts[1:]), -parts[0]


def _join_all(tables: Sequence[Table], builder: Builder) -> Table:
    first, *others = sorted(tables, key=lambda table: len(table.rows))
    while others:
        known = set(first.variables)
        nearest = min(others, key=lambda table: len(set(table.variables) - known))  # what filters before what widens
        others = [table for table in others if table is not nearest]
        first = _join(first, nearest, builder)
    return first


def _join(a: Table, b: Table, builder: Builder) -> Table:
    common = [v for v in b.variables if v in a.variables]
    new = [i for i, v in enumerate(b.variables) if v not in a.variables]
    in_a, in_b = [a.variables.index(v) for v in common], [b.variables.index(v) for v in common]
    matching: dict[Row, list[tuple[Row, int]]] = {}
    for row, node in b.rows.items():
        matching.setdefault(tuple(row[i] for i in in_b), []).append((tuple(row[i] for i in new), node))
    rows: dict[Row, int] = {}
    allowed = int(WORK * builder.progress)
    for row, node in a.rows.items():
        for rest, other in matching.get(tuple(row[i] for i in in_a), ()):
            rows[row + rest] = builder.product(node, other)
        if len(rows) > ROWS or builder.work + len(rows) > allowed:
            break
    builder.work += len(rows)
    for count, limit in ((len(rows), ROWS), (builder.work, allowed)):
        if count > limit:
            raise TooEntangled(
                f"more than {limit:,} combinations of shapes and tied decisions to follow",
                received=count,
                hint="Offer fewer widths where tensors are kept for later, or decide them in one place",
            )
    return Table(a.variables + tuple(b.variables[i] for i in new), rows)


def _sum_out(table: Table, variable: Variable, builder: Builder) -> Table:
    at = table.variables.index(variable)
    branches: dict[Row, list[Branch]] = {}
    for row, node in table.rows.items():
        kind, slot, value = variable[0], variable[1], row[at]
        decided = ((slot, value),) if kind == "slot" and value >= 0 else ()
        branches.setdefault(row[:at] + row[at + 1 :], []).append(Branch(decided, 0, node))  # type: ignore[arg-type]
    remaining = table.variables[:at] + table.variables[at + 1 :]
    return Table(remaining, {row: builder.sum(found) for row, found in branches.items()})
