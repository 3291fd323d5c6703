"""Keys of very many networks at once: equal where the networks are the same, as `nas.language.fingerprint` has it.

`fingerprint` reads one graph at a time, a few hundred a second. `Keys` sends a whole batch of points through the space taken
apart (terms.py), as batch.py does for prices, and writes down which operation reads what on a tape that all points share
(tape.py), which then tells networks apart. A float counts as the middle of its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nas.errors import UserError
from nas.language.automaton.batch import FAILED, Table, agree
from nas.language.automaton.tape import COMMUTATIVE, NOWHERE, ORDERED, SUM, Tape, label_of
from nas.language.automaton.terms import Choice, Idle, Leaf, Plan, Term
from nas.language.fingerprint import ASSOCIATIVE, is_pure
from nas.language.graph import Edge, Graph, Net
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
    """For each form of a layer, the number of what it makes."""

    numbers: np.ndarray


ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd

_Edge: TypeAlias = "tuple[np.ndarray, np.ndarray]"
"""For each point, the number of a shape and the vertex that makes the tensor."""


class Keys:
    """Keys of the networks of a space.

    Args:
        space: a network.

    Attributes:
        operations: of how many the keys have been made so far; time goes with them.

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
        self._wirings = _Wirings()
        self._inputs = [self._wirings.number(shape) for shape in space.inputs.values()]
        self.operations = 0
        self._tables: dict[Leaf, Table] = {}

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """The key of each point, (n,) of uint64; 0 where it does not build. `vectors`: (n, width), trusted to be points."""
        options = vectors
        if self._program.continuous:  # a float is one option, 0
            floats = [slot.kind == "float" for slot in self._program.slots]
            options = np.where(self._program.active(vectors), np.where(floats, 0, vectors), -1)
        found = [np.zeros(0, dtype=np.uint64)]
        for at in range(0, len(vectors), POINTS):
            columns = np.ascontiguousarray(options[at : at + POINTS].T, dtype=np.int64)
            found.append(self._keys(columns))
        return np.concatenate(found)

    def _keys(self, columns: np.ndarray) -> np.ndarray:
        rows = np.arange(columns.shape[1])
        tape = Tape(rows.size)
        given = [(np.full(rows.size, shape), tape.vertex(rows)) for shape in self._inputs]
        outputs = self._run_plan(self._plan, given, rows, columns, tape)
        failed = np.logical_or.reduce([shapes == FAILED for shapes, _ in outputs])
        self.operations += tape.operations
        keys = tape.keys([vertices for _, vertices in outputs], len(given))
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
            numbers = self._tables[term].look_up([shapes for shapes, _ in given], rows, columns).numbers
            return self._wirings.shapes[numbers], self._write(numbers, [vertices for _, vertices in given], rows, tape)
        assert isinstance(term, Choice)
        shapes, vertices = np.full(rows.size, FAILED), np.full(rows.size, NOWHERE)
        for assignment, option in term.options:
            here = np.flatnonzero(agree(assignment, rows, columns))
            if here.size:
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

    def _write(self, numbers: np.ndarray, given: Sequence[np.ndarray], rows: np.ndarray, tape: Tape) -> np.ndarray:
        """Puts the operations of a layer on the tape; what comes out of it for each point."""
        out = np.full(rows.size, NOWHERE)
        kinds = self._wirings.wiring_of[numbers]
        for kind in np.unique(kinds).tolist():
            here = np.flatnonzero(kinds == kind)
            wiring, labels, apart = self._wirings.details(kind)
            which = self._wirings.place_of[numbers[here]]
            made = [vertices[here] for vertices in given]
            count = len(made)
            for i, step in enumerate(wiring.steps):
                reads = [made[read if read >= 0 else count + ~read] for read in step.reads]
                made.append(tape.add(step.kind, labels[which, i], apart[which, i], rows[here], reads))
            if wiring.output is not None:
                out[here] = made[wiring.output if wiring.output >= 0 else count + ~wiring.output]
        return out


class _Wirings:
    """What decided layers make of shapes: their operations with labels, worked out once by the layers' own rules.

    Attributes:
        shapes, wiring_of, place_of: for each result, the number of its shape, of its wiring, and which of those it is.
    """

    def __init__(self) -> None:
        self._shapes: list[Shape] = [()]  # the first one is of what failed
        self._numbers: dict[Shape, int] = {}
        self._known: dict[tuple[int, tuple[Shape, ...]], tuple[Any, int]] = {}
        self._wirings: dict[_Wiring, int] = {_Wiring((), None): 0}
        self._labels: list[list[list[int]]] = [[[]]]
        self._apart: list[list[list[bool]]] = [[[]]]
        self._details: dict[int, tuple[_Wiring, np.ndarray, np.ndarray]] = {}
        self.shapes, self.wiring_of, self.place_of = (np.zeros(1, dtype=np.int64) for _ in range(3))

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

    def results(self, leaf: Leaf, given: Sequence[int]) -> _Found:
        """For each form of a layer the number of its result; 0: it does not fit."""
        if FAILED in given:
            return _Found(np.zeros(len(leaf.forms), dtype=np.int64))
        shapes = tuple(self._shapes[number] for number in given)
        return _Found(np.array([self._result(form, shapes) for form, _ in leaf.forms], dtype=np.int64))

    def details(self, wiring: int) -> tuple[_Wiring, np.ndarray, np.ndarray]:
        """A wiring, and the (results, steps) labels and weights of all results that have it."""
        if wiring not in self._details:
            labels = np.array(self._labels[wiring], dtype=np.uint64)
            self._details[wiring] = list(self._wirings)[wiring], labels, np.array(self._apart[wiring], dtype=bool)
        return self._details[wiring]

    def _result(self, form: Any, shapes: tuple[Shape, ...]) -> int:
        key = id(form), shapes  # by identity, so the form is kept beside its result
        if key not in self._known:
            self._known[key] = form, self._work_out(form, shapes)
        return self._known[key][1]

    def _work_out(self, form: Any, shapes: tuple[Shape, ...]) -> int:
        net = Net()
        names = [f"input{i}" for i in range(len(shapes))]
        edges = [
            Edge("", shape[1:], is_zero=True) if is_zero_state(shape) else net.input(name, shape)
            for name, shape in zip(names, shapes, strict=True)
        ]
        try:
            found = net.apply(form, *edges)
        except UserError:
            return 0
        if found.is_zero:
            return self._add((0, *found.shape), _Wiring((), None), [], [])
        return self._add(found.shape, *_wiring(net.graph([found]), names))

    def _add(self, shape: Shape, wiring: _Wiring, labels: list[int], apart: list[bool]) -> int:
        number = self._wirings.setdefault(wiring, len(self._wirings))
        if number == len(self._labels):
            self._labels.append([])
            self._apart.append([])
        self._details.pop(number, None)
        self._labels[number].append(labels)
        self._apart[number].append(apart)
        self.shapes = np.append(self.shapes, self.number(shape))
        self.wiring_of = np.append(self.wiring_of, number)
        self.place_of = np.append(self.place_of, len(self._labels[number]) - 1)
        return len(self.shapes) - 1


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
