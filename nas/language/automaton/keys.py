"""Keys of very many networks at once: equal where the networks are the same, as `nas.language.fingerprint` has it.

`fingerprint` reads one graph at a time, a few hundred a second. `Keys` sends a whole batch of points through the space taken
apart (terms.py), as batch.py does for prices, and writes down which operation reads what on a tape that all points share
(tape.py), which then tells networks apart. A float counts as the middle of its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nas.language.automaton.batch import FAILED, Table, routed
from nas.language.automaton.library import Library
from nas.language.automaton.tape import COMMUTATIVE, NOWHERE, ORDERED, SUM, Tape, label_of
from nas.language.automaton.terms import Choice, Idle, Leaf, Plan, Term
from nas.language.fingerprint import ASSOCIATIVE, is_pure
from nas.language.graph import Graph
from nas.language.operation import Shape
from nas.language.zeros import ZERO_STAYS_ZERO, is_zero_call, is_zero_state

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

POINTS = 2_048  # sent through together


class _Step(NamedTuple):
    """An operation within a decided layer: its kind, and what it reads (inputs of the layer from 0, steps as ~0, ~1, ...)."""

    kind: int
    reads: tuple[int, ...]


class _Wiring(NamedTuple):
    """How a decided layer is made: its steps and which of them, or which input, it returns (None: zeros)."""

    steps: tuple[_Step, ...]
    output: int | None


class _Found(NamedTuple):
    """What a layer makes, by form: the number of the shape, the number of the wiring, and which of those with that wiring."""

    shapes: np.ndarray
    wirings: np.ndarray
    which: np.ndarray


ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd

_Edge: TypeAlias = "tuple[np.ndarray, np.ndarray]"
"""For each point, the number of a shape and the vertex that makes the tensor."""


class Keys:
    """Keys of the networks of a space.

    Args:
        space: a network.

    Attributes:
        work: how much has been done so far (`Tape.work`); time goes with it.

    Raises:
        TooEntangled: a layer has too many forms to be listed.

    Example:
        >>> import nas
        >>> from nas import layers as L, oneof
        >>> @nas.space(input=(8, 8, 1))
        ... def net(x):
        ...     return L.Conv2D(2, 3)(nas.choose(L.ReLU(), L.Activation("relu"), None)(x))
        >>> len(set(Keys(net).of(np.array([[0], [1], [2]])).tolist()))
        3
    """

    def __init__(self, space: SearchSpace):
        self._plan = space.plan
        self._program = space.genome.program
        self._wirings = _Wirings(space.library)
        self._inputs = [self._wirings.number(shape) for shape in space.inputs.values()]
        self.work = 0
        self._tables: dict[Leaf, Table] = {}

    def of(self, vectors: np.ndarray, rough: bool = False) -> np.ndarray:
        """The key of each point, (n,) of uint64; 0 where it does not build.

        Args:
            vectors: (n, width), trusted to be points.
            rough: in half the time, keys that are equal wherever the networks are the same, and now and then where they are
                not. They are not to be compared with the others.
        """
        options = vectors
        if self._program.continuous:  # a float is one option, 0
            floats = [slot.kind == "float" for slot in self._program.slots]
            options = np.where(self._program.active(vectors), np.where(floats, 0, vectors), -1)
        found = [np.zeros(0, dtype=np.uint64)]
        for at in range(0, len(vectors), POINTS):
            columns = np.ascontiguousarray(options[at : at + POINTS].T, dtype=np.int64)
            found.append(self._keys(columns, rough))
        return np.concatenate(found)

    def _keys(self, columns: np.ndarray, rough: bool) -> np.ndarray:
        rows = np.arange(columns.shape[1])
        tape = Tape(rows.size)
        given = [(np.full(rows.size, shape), tape.vertex(rows)) for shape in self._inputs]
        outputs = self._run_plan(self._plan, given, rows, columns, tape)
        failed = np.logical_or.reduce([shapes == FAILED for shapes, _ in outputs])
        self.work += tape.work
        keys = tape.keys([vertices for _, vertices in outputs], len(given), rough)
        labels = self._wirings.shape_labels()  # zeros are made by nothing, so only their shapes tell them apart
        for shapes, _ in outputs:
            keys = np.maximum(keys * ODD + labels[shapes], np.uint64(1))
        return np.where(failed, np.uint64(0), keys)

    def _run(self, term: Term, given: Sequence[_Edge], rows: np.ndarray, columns: np.ndarray, tape: Tape) -> _Edge:
        """Applies a term for the points `rows`; `columns`: the options of all points."""
        if isinstance(term, Plan):
            return self._run_plan(term, given, rows, columns, tape)[0]
        if isinstance(term, Leaf):
            if term not in self._tables:
                self._tables[term] = Table(term, self._wirings)
            found = self._tables[term].look_up([shapes for shapes, _ in given], rows, columns)
            return found.shapes, self._write(found, [vertices for _, vertices in given], rows, tape)
        assert isinstance(term, Choice)
        shapes, vertices = np.full(rows.size, FAILED), np.full(rows.size, NOWHERE)
        for option, here in routed(term, rows, columns):
            arriving = [(s[here], v[here]) for s, v in given]
            shapes[here], vertices[here] = self._run(option, arriving, rows[here], columns, tape)
        return shapes, vertices

    def _run_plan(self, plan: Plan, given: Sequence[_Edge], rows: np.ndarray, columns: np.ndarray, tape: Tape) -> list[_Edge]:
        edges = list(given)
        failed = np.zeros(rows.size, dtype=bool)
        for use in plan.uses:
            if not isinstance(use.term, Idle):
                edges.append(self._run(use.term, [edges[edge] for edge in use.inputs], rows, columns, tape))
                failed |= edges[-1][0] == FAILED
        return [(np.where(failed, FAILED, edges[output][0]), edges[output][1]) for output in plan.outputs]

    def _write(self, found: _Found, given: Sequence[np.ndarray], rows: np.ndarray, tape: Tape) -> np.ndarray:
        """Puts the operations of a layer on the tape; what comes out of it for each point."""
        out = np.full(rows.size, NOWHERE)
        for kind in np.flatnonzero(np.bincount(found.wirings)).tolist():
            here = np.flatnonzero(found.wirings == kind)
            wiring, labels, apart = self._wirings.details(kind)
            which = found.which[here]
            made = [vertices[here] for vertices in given]
            count = len(made)
            for i, step in enumerate(wiring.steps):
                reads = [made[read if read >= 0 else count + ~read] for read in step.reads]
                made.append(tape.add(step.kind, labels[which, i], apart[which, i], rows[here], reads))
            if wiring.output is not None:
                out[here] = made[wiring.output if wiring.output >= 0 else count + ~wiring.output]
        return out


class _Wirings:
    """What decided layers make of shapes: how their operations are wired, with labels."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._shapes: list[Shape] = [()]  # the first one is of what failed
        self._numbers: dict[Shape, int] = {}
        self._wirings: dict[_Wiring, int] = {}
        self._details: list[tuple[_Wiring, _Rows, _Rows]] = []
        self._add(_Wiring((), None), [], [])  # of what fails and of zeros

    def shape_labels(self) -> np.ndarray:
        """A label for each shape, by number; what is zero has that of other tensors of its shape."""
        plain = [shape[1:] if is_zero_state(shape) else shape for shape in self._shapes]
        return np.array([label_of(f"shape {list(shape)}") for shape in plain], dtype=np.uint64)

    def number(self, shape: Shape) -> int:
        """The number of a shape."""
        if shape not in self._numbers:
            self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return self._numbers[shape]

    def blank(self, leaf: Leaf, inputs: int, rows: int) -> _Found:
        return _Found(*(np.zeros(rows, dtype=np.int64) for _ in _Found._fields))

    def of(self, leaf: Leaf, form: int, given: Sequence[int]) -> tuple[int, int, int] | None:
        if FAILED in given:
            return None
        shapes = tuple(self._shapes[number] for number in given)
        result = self._library.run(leaf.forms[form][0], shapes, leaf.path)
        if result is None:
            return None
        if result.graph is None:
            return self.number(result.shape), 0, 0
        return self.number(result.shape), *self._add(*_wiring(result.graph, [f"input{i}" for i in range(len(shapes))]))

    def details(self, number: int) -> tuple[_Wiring, np.ndarray, np.ndarray]:
        """A wiring, and the (results, steps) labels and weights of all results that have it."""
        wiring, labels, apart = self._details[number]
        return wiring, labels.array, apart.array

    def _add(self, wiring: _Wiring, labels: list[int], apart: list[bool]) -> tuple[int, int]:
        """Keeps a wiring with its labels; the numbers of both."""
        number = self._wirings.setdefault(wiring, len(self._wirings))
        if number == len(self._details):
            width = len(wiring.steps)
            self._details.append((wiring, _Rows(width, np.uint64), _Rows(width, np.bool_)))
        _, all_labels, all_apart = self._details[number]
        all_apart.append(apart)
        return number, all_labels.append(labels)


class _Rows:
    """A two-dimensional array that grows row by row."""

    def __init__(self, width: int, kind: type):
        self.array: np.ndarray = np.zeros((1, width), dtype=kind)
        self._count = 0

    def append(self, row: list) -> int:
        """Puts a row at the end; its number."""
        if self._count == len(self.array):
            self.array = np.concatenate([self.array, np.zeros_like(self.array)])
        self.array[self._count] = row
        self._count += 1
        return self._count - 1


def _wiring(graph: Graph, names: Sequence[str]) -> tuple[_Wiring, list[int], list[bool]]:
    """How a layer's graph is wired, the label of each step, and whether it is kept apart from its equals."""
    place = {name: i for i, name in enumerate(names)}
    steps: list[_Step] = []
    labels: list[int] = []
    apart: list[bool] = []
    zeros: set[str] = set()
    for name, node in graph.nodes.items():
        if node.call is None:
            continue
        place[name] = ~len(steps)
        if is_zero_call(node.call) or (node.call.layer in ZERO_STAYS_ZERO and node.inputs[0] in zeros):
            zeros.add(name)
            steps.append(_Step(ORDERED, ()))
            labels.append(label_of(f"zeros {list(node.shape)}"))
            apart.append(False)
            continue
        kind = SUM if node.call.layer in ASSOCIATIVE else COMMUTATIVE if node.commutative else ORDERED
        steps.append(_Step(kind, tuple(place[source] for source in node.inputs)))
        labels.append(label_of(node.call.key))
        apart.append(not is_pure(node))
    return _Wiring(tuple(steps), place[graph.outputs[0]]), labels, apart
