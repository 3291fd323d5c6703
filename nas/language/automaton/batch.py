"""Prices of many architectures at once, straight from their decisions.

`architecture.cost()` lowers one architecture to a graph and adds up its nodes. `Pricer` takes the space apart once (terms.py)
and sends a whole batch of points through it: each layer looks up what it makes of the shapes that arrive, by its own
decisions, in a table that its own rules have filled; a choice sends each point to the option it has chosen; a plan adds up
the steps that its outputs need. The figures are the same, two orders of magnitude faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from nas.language.automaton.forms import Assignment
from nas.language.automaton.library import Library
from nas.language.automaton.terms import Choice, Idle, Leaf, Plan, Term
from nas.language.costing import Metric
from nas.language.operation import Shape

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

ROWS = 4_096  # points sent through together: few enough to stay in the processor's cache
FAILED = 0  # stands for the shape of what does not build


class Priced(NamedTuple):
    """What points cost.

    Attributes:
        costs: (points, metrics) in grains; meaningless where a point does not build.
        builds: (points,) whether it builds.
    """

    costs: np.ndarray
    builds: np.ndarray


class _Made(NamedTuple):
    """What a term makes for each point: the number of a shape, inputs it needs (points, inputs), costs (points, metrics)."""

    shapes: np.ndarray
    reads: np.ndarray
    costs: np.ndarray


class Pricer:
    """Prices points of a space.

    Args:
        space: a network; it need not be compiled.
        metrics: what is added up.

    Raises:
        TooEntangled: a layer has too many forms to be listed.

    Example:
        >>> import numpy as np
        >>> from search_spaces.colorizer import colorizer
        >>> from nas.language.costing import find_metric
        >>> pricer = Pricer(colorizer, [find_metric("flops"), find_metric("params")])
        >>> pricer.price(colorizer.baselines["book"].vector[None]).costs
        array([[251494400,   1106755]])
    """

    def __init__(self, space: SearchSpace, metrics: Sequence[Metric]):
        self._plan, self._program = space.plan, space.genome.program
        self._facts = _Facts(space.library, metrics)
        self._inputs = [self._facts.number(shape) for shape in space.inputs.values()]
        self._tables: dict[Leaf, Table] = {}

    def price(self, vectors: np.ndarray) -> Priced:
        """What points cost. `vectors` are (n, width) points of the genome, trusted to be valid."""
        options = vectors
        if self._program.continuous:  # a float is one option, 0
            floats = [slot.kind == "float" for slot in self._program.slots]
            options = np.where(self._program.active(vectors), np.where(floats, 0, vectors), -1)
        costs, builds = [], []
        for at in range(0, len(vectors), ROWS):
            columns = np.ascontiguousarray(options[at : at + ROWS].T, dtype=np.int64)
            rows = np.arange(columns.shape[1])
            made = self._run_plan(self._plan, [np.full(rows.size, number) for number in self._inputs], rows, columns)
            costs.append(made.costs)
            builds.append(made.shapes != FAILED)
        width = self._facts.width
        return Priced(np.concatenate([np.zeros((0, width), int), *costs]), np.concatenate([np.zeros(0, bool), *builds]))

    def _run(self, term: Term, given: Sequence[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> _Made:
        """Applies a term for some points.

        Args:
            given: the shapes of its inputs, by number, each (rows,).
            rows: which points.
            columns: (slots, points), the options of all points.
        """
        if isinstance(term, Plan):
            return self._run_plan(term, given, rows, columns)
        if isinstance(term, Leaf):
            if term not in self._tables:
                self._tables[term] = Table(term, self._facts)
            return self._tables[term].look_up(given, rows, columns)
        assert isinstance(term, Choice)
        made = self._empty(rows.size, len(given))
        for option, here in routed(term, rows, columns):
            found = self._run(option, [shapes[here] for shapes in given], rows[here], columns)
            for whole, part in zip(made, found, strict=True):
                whole[here] = part
        return made

    def _run_plan(self, plan: Plan, given: Sequence[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> _Made:
        edges = list(given)
        steps = []
        failed = np.zeros(rows.size, dtype=bool)
        for use in plan.uses:
            if not isinstance(use.term, Idle):
                found = self._run(use.term, [edges[edge] for edge in use.inputs], rows, columns)
                steps.append((use, found))
                edges.append(found.shapes)
                failed |= found.shapes == FAILED
        live = np.zeros((len(edges), rows.size), dtype=bool)
        live[list(plan.outputs)] = True
        costs = np.zeros((rows.size, self._facts.width), dtype=np.int64)
        for use, found in reversed(steps):
            needed = live[use.output]
            costs += found.costs if needed.all() else found.costs * needed[:, None]
            for i, edge in enumerate(use.inputs):
                live[edge] |= needed & found.reads[:, i]
        return _Made(np.where(failed, FAILED, edges[plan.outputs[0]]), live[: plan.arity].T, costs)

    def _empty(self, points: int, inputs: int) -> _Made:
        reads = np.zeros((points, inputs), dtype=bool)
        return _Made(np.zeros(points, dtype=np.int64), reads, np.zeros((points, self._facts.width), dtype=np.int64))


class _Facts:
    """Numbers for shapes, and the prices of what layers are made of."""

    def __init__(self, library: Library, metrics: Sequence[Metric]):
        self._library, self._metrics = library, metrics
        self._shapes: list[Shape] = [()]  # the first one is of what failed
        self._numbers: dict[Shape, int] = {}
        self._prices: dict[int, tuple[int, ...]] = {}
        self.width = len(metrics)

    def number(self, shape: Shape) -> int:
        if shape not in self._numbers:
            self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return self._numbers[shape]

    def blank(self, leaf: Leaf, inputs: int, rows: int) -> _Made:
        return _Made(
            np.zeros(rows, dtype=np.int64), np.zeros((rows, inputs), dtype=bool), np.zeros((rows, self.width), dtype=np.int64)
        )

    def of(self, leaf: Leaf, form: int, given: Sequence[int]) -> tuple[int, tuple[bool, ...], np.ndarray] | None:
        if FAILED in given:
            return None
        result = self._library.run(leaf.forms[form][0], tuple(self._shapes[number] for number in given), leaf.path)
        if result is None:
            return None
        costs = np.zeros(self.width, dtype=np.int64)
        for primitive in result.primitives:
            costs += np.array(self._price(primitive), dtype=np.int64)
        return self.number(result.shape), result.reads, costs

    def _price(self, primitive: int) -> tuple[int, ...]:
        if primitive not in self._prices:
            self._prices[primitive] = tuple(metric.of(self._library.primitives[primitive]) for metric in self._metrics)
        return self._prices[primitive]


class Facts(Protocol):
    """Says what the forms of a layer make of shapes, as named tuples of numbers."""

    def blank(self, leaf: Leaf, inputs: int, rows: int) -> Any:
        """Arrays for so many answers, which say that a layer on `inputs` tensors does not fit."""

    def of(self, leaf: Leaf, form: int, given: Sequence[int]) -> Any:
        """What a form makes of inputs of the given shapes, by number: a row of such arrays. None: it does not fit."""


class Table:
    """What a layer makes of shapes, by form: worked out when a point first asks, remembered from then on."""

    def __init__(self, leaf: Leaf, facts: Facts):
        self._leaf, self._facts = leaf, facts
        self._slots = sorted({slot for _, assignment in leaf.forms for slot, _ in assignment})
        self._given: dict[tuple[int, ...], int] = {}
        self._made: Any = None
        self._known = np.zeros(0, dtype=bool)
        self._key_forms()

    def _key_forms(self) -> None:
        """Finds weights under which the decisions of each form have a sum of their own."""
        decided = np.full((len(self._leaf.forms), len(self._slots)), -1, dtype=np.int64)
        for i, (_, assignment) in enumerate(self._leaf.forms):
            for slot, option in assignment:
                decided[i, self._slots.index(slot)] = option
        rng = np.random.default_rng(0)
        while True:
            self._weights = rng.integers(1 << 40, size=len(self._slots))
            keys = decided @ self._weights
            self._order = np.argsort(keys)
            self._keys = keys[self._order]
            if (np.diff(self._keys) > 0).all():
                return

    def look_up(self, given: Sequence[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> Any:
        """What it makes for some points: the named tuple of its facts, one row for each point.

        Args:
            given: the shapes of its inputs, by number, each (rows,).
            rows: which points.
            columns: (slots, points), the options of all points.
        """
        forms = np.zeros(rows.size, dtype=np.int64)
        if self._slots:
            keys = sum(columns[slot][rows] * weight for slot, weight in zip(self._slots, self._weights.tolist(), strict=True))
            forms = self._order[np.searchsorted(self._keys, keys)]
        at = self._place(given) * len(self._leaf.forms) + forms
        self._make_room(len(given))
        if not self._known[at].all():
            self._work_out(at[~self._known[at]])
        return type(self._made)(*(column.take(at, axis=0) for column in self._made))

    def _make_room(self, inputs: int) -> None:
        """Has rows for every combination of shapes that has arrived, and for as many again."""
        rows = len(self._given) * len(self._leaf.forms)
        if rows > self._known.size:
            more = self._facts.blank(self._leaf, inputs, 2 * rows - self._known.size)
            self._known = np.append(self._known, np.zeros(2 * rows - self._known.size, dtype=bool))
            self._made = more if self._made is None else type(more)(*map(np.concatenate, zip(self._made, more, strict=True)))

    def _work_out(self, missing: np.ndarray) -> None:
        arrived = list(self._given)
        for row in np.unique(missing).tolist():
            place, form = divmod(row, len(self._leaf.forms))
            found = self._facts.of(self._leaf, form, arrived[place])
            for column, value in zip(self._made, found or (), strict=False):
                column[row] = value
            self._known[row] = True

    def _place(self, given: Sequence[np.ndarray]) -> np.ndarray:
        """For each point, the number of the combination of shapes that arrives."""
        arrived = given[0]
        for i, shapes in enumerate(given[1:]):
            if i > 1:  # three numbers of shapes fill 60 bits: number their combinations before the next one
                arrived = np.unique(arrived, return_inverse=True)[1]
            arrived = (arrived << 20) | shapes
        if arrived.size and (arrived == arrived[0]).all():
            return np.full(arrived.size, self._number(tuple(int(shapes[0]) for shapes in given)))
        _, first, inverse = np.unique(arrived, return_index=True, return_inverse=True)
        places = [self._number(tuple(int(shapes[i]) for shapes in given)) for i in first]
        return np.array(places, dtype=np.int64)[inverse]

    def _number(self, given: tuple[int, ...]) -> int:
        return self._given.setdefault(given, len(self._given))


def routed(choice: Choice, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[Term, np.ndarray]]:
    """The options of a choice that some of the points `rows` have taken, each with which of those have."""
    if choice.by_option is None:
        for assignment, option in choice.options:
            here = np.flatnonzero(_agree(assignment, rows, columns))
            if here.size:
                yield option, here
    elif rows.size:
        picked = columns[choice.options[0][0][0][0]][rows]
        for number in np.flatnonzero(np.bincount(picked)).tolist():
            yield choice.by_option[number], np.flatnonzero(picked == number)


def _agree(assignment: Assignment, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Which of the points `rows` have made the decisions of an assignment."""
    found = np.ones(rows.size, dtype=bool)
    for slot, option in assignment:
        found &= columns[slot][rows] == option
    return found
