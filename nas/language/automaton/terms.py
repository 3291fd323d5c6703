"""A space taken apart: plans, choices and leaves.

The hyper value of a space says how its networks are put together. Here it becomes a tree of terms, with the genome's slots
written beside them:

- `Plan`: terms applied one after another to numbered edges. Structural operations (blocks, chains, repetitions) run their own
  `wire` rule once, on a `Recorder`, and dissolve in the plan around them. In the plan of a whole network a tied operation does
  not: each application is a use of its one plan;
- `Choice`: one of several terms, each with the decisions that select it;
- `Leaf`: a layer, with every form that its own decisions give it;
- `Idle`: decisions that nothing reads.

The same operation applied again is the same term; terms that share slots make the same decisions (`nas.repeat(...,
tied=True)`, `nas.tied`). Whatever folds over a whole space (`nas.language.automaton`) reads this tree and not the hyper value.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import pyglove as pg

from nas.errors import SpaceError
from nas.language.automaton.forms import Allowed, Assignment, Group, Layout, Place
from nas.language.blocks import Block
from nas.language.graph import join_path
from nas.language.operation import Operation
from nas.language.tying import Again, Same

Slots: TypeAlias = "frozenset[int]"


@dataclasses.dataclass(eq=False)
class Leaf:
    """A layer, or a composite that looks at shapes.

    Attributes:
        forms: each decided form of it, with the decisions that give that form.
        slots: its decisions.
        path: where it stands.
        ends: each form with its floats at either end of their range; empty where it has none.
    """

    forms: list[tuple[Any, Assignment]]
    slots: Slots
    path: str
    ends: list[tuple[Any, Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Choice:
    """One of several terms on the same inputs. `options`: the decisions that select each, and the term."""

    options: list[tuple[Assignment, Term]]
    slots: Slots

    @functools.cached_property
    def by_option(self) -> dict[int, Term] | None:
        """The terms by option, where one slot selects them; None where more than one does."""
        if len({tuple(slot for slot, _ in assignment) for assignment, _ in self.options}) > 1 or len(self.options[0][0]) != 1:
            return None
        return {assignment[0][1]: term for assignment, term in self.options}


@dataclasses.dataclass(eq=False)
class Idle:
    """Decisions that nothing reads, such as those of an operation repeated 0 times. They count all the same."""

    forms: list[Assignment]
    slots: Slots


class Shared:
    """What stands for a tied decision: its slots, and all the ways to decide them (listed when they are needed)."""

    def __init__(self, layout: Layout, value: Any, start: int, name: str):
        self._layout, self._value, self._start, self._name = layout, value, start, name
        self.slots = frozenset(range(start, start + layout.width(value)))

    @functools.cached_property
    def forms(self) -> list[Assignment]:
        """All ways to decide its own slots.

        Raises:
            TooEntangled: they are too many to be listed.
        """
        listed = self._layout.forms(self._value, self._start, self._name)
        return list(dict.fromkeys(tuple(pair for pair in decided if pair[0] in self.slots) for _, decided in listed))


@dataclasses.dataclass(frozen=True)
class Use:
    """One step of a plan: a term, the edges it reads and the edge it makes (-1: none)."""

    term: Term
    inputs: tuple[int, ...]
    output: int


@dataclasses.dataclass(eq=False)
class Plan:
    """Terms applied one after another.

    Attributes:
        arity: how many edges it is given: 0, 1, ..., arity - 1.
        uses: its steps, in order. The first makes edge `arity`, and so on.
        outputs: the edges it returns.
        groups: rules between its slots.
        slots: its decisions.
        shared: the tied decisions that it reads.
    """

    arity: int
    uses: list[Use]
    outputs: tuple[int, ...]
    groups: list[Group | Allowed]
    slots: Slots
    shared: list[Shared] = dataclasses.field(default_factory=list)


Term: TypeAlias = "Plan | Choice | Leaf | Idle"


def terms_of(hyper: Operation, inputs: int) -> Plan:
    """The plan of a whole space that takes `inputs` tensors.

    Raises:
        TooEntangled: a layer has more forms than are listed.
    """
    reader = _Reader(hyper)
    recorder = Recorder(reader, inputs, (), [(hyper, 0)], whole=True)
    plan = recorder.plan(recorder.apply(hyper, *range(inputs)))
    plan.groups += reader.rules(hyper)
    return plan


def count_leaves(term: Term) -> int:
    """How many layers a term has, each counted wherever it is applied."""
    if isinstance(term, Plan):
        return sum(count_leaves(use.term) for use in term.uses)
    return sum(count_leaves(option) for _, option in term.options) if isinstance(term, Choice) else 1


class _Reader:
    """Makes terms, each once: the same operation at the same slots is the same term."""

    def __init__(self, network: Any) -> None:
        self.layout = Layout(network)
        self.shared = [Shared(self.layout, *placed, name) for name, placed in self.layout.shared.items()]
        self._terms: dict[tuple[int, int, int], tuple[Any, Term]] = {}  # by identity, so the value is kept beside its term

    def term(self, value: Any, start: int, arity: int, scope: tuple[str, ...]) -> Term:
        key = id(value), start, arity
        if key not in self._terms:
            self._terms[key] = value, self._read(value, start, arity, scope)
        return self._terms[key][1]

    def _read(self, value: Any, start: int, arity: int, scope: tuple[str, ...]) -> Term:
        if value is None:
            return Plan(arity, [], (0,), [], frozenset())  # the identity
        if isinstance(value, pg.hyper.OneOf | Place):
            placed = enumerate(self.layout.candidates(value, start))
            options: list[tuple[Assignment, Term]] = [
                (((start, i),), self.term(candidate, at, arity, scope)) for i, (candidate, at) in placed
            ]
            return Choice(options, self.layout.slots(value, start))
        if isinstance(value, Same):
            _, slot = self.layout.shared[value.decision]
            options = [(((slot, i),), self.term(option, 0, arity, scope)) for i, option in enumerate(value.options)]
            return Choice(options, frozenset([slot]))
        if isinstance(value, Operation) and value.structural:
            return self.plan(value, start, arity, scope)
        path = join_path(scope)
        leaf = Leaf(self.layout.forms(value, start, path), self.layout.slots(value, start), path)
        if self.layout.has_float(value):
            low, high = ([form for form, _ in self.layout.forms(value, start, path, at)] for at in (0.0, 1.0))
            leaf.ends = list(zip(low, high, strict=True))
        return leaf

    def rules(self, network: Any) -> list[Allowed]:
        """The rules between tied decisions."""
        found = []
        for rule in network.rules if isinstance(network, Block) else ():
            slots = tuple(self.layout.shared[name][1] for name in rule.decisions)
            found.append(Allowed(slots, tuple(map(tuple, rule.allowed))))
        return found

    def plan(self, operation: Any, start: int, arity: int, scope: tuple[str, ...]) -> Plan:
        recorder = Recorder(self, arity, scope, [(operation, start)])
        return recorder.plan(recorder.apply(operation, *range(arity)))


class Recorder:
    """Takes down what structural operations do: a third kind of net, beside `Net` and `SpaceNet`. Its edges are numbers."""

    def __init__(
        self, reader: _Reader, arity: int, scope: tuple[str, ...], values: Iterable[tuple[Any, int]], whole: bool = False
    ):
        self._reader, self._layout = reader, reader.layout
        self._whole = whole  # it takes down a whole network
        self._arity = arity
        self._scope = list(scope)
        self._uses: list[Use] = []
        self._groups: dict[Group, None] = {}
        self._starts: dict[int, int] = {}  # of each value within reach, by identity
        self._owned: dict[int, tuple[Any, int]] = {}
        self._applied: set[int] = set()
        self._own(values)

    @property
    def path(self) -> str:
        return join_path(self._scope)

    def apply(self, operation: Any, *inputs: int, name: str | None = None) -> Any:
        if operation is None:
            return inputs[0]
        if name is not None:
            self._scope.append(name)
        try:
            if isinstance(operation, Again):
                operation, start = self._layout.shared[operation.decision]
                if self._whole:
                    return self._use(self._reader.term(operation, start, len(inputs), tuple(self._scope)), inputs)
            elif isinstance(operation, Same):
                start = 0
            else:
                start = self._start(operation)
            if isinstance(operation, Operation) and operation.structural:
                self._own(self._layout.parts(operation, start))
                return operation.wire(self, *inputs)
            return self._use(self._reader.term(operation, start, len(inputs), tuple(self._scope)), inputs)
        finally:
            if name is not None:
                self._scope.pop()

    def elements(self, ops: Any) -> Sequence[Any]:
        """The operations of a list field; a manyof has one open choice for each of its places."""
        if not isinstance(ops, pg.hyper.Choices):
            return [ops.sym_getattr(i) for i in range(len(ops))]
        places, group = self._layout.places(ops, self._start(ops))
        self._own((place, place.start) for place in places)
        if group.has_rules:
            self._groups[group] = None
        return places

    def times(self, operation: Any, times: Any, *inputs: int) -> Any:
        """`operation` in a row as often as is decided, with one set of decisions for all."""
        if isinstance(times, int):
            edge = inputs[0]
            for i in range(times):
                edge = self.apply(operation, edge, name=f"[{i}]")
            return edge
        if len(inputs) != 1:
            raise SpaceError(f"a repetition takes one input, got {len(inputs)}", path=self.path)
        start = 0 if isinstance(times, Same) else self._start(times)
        body = self._starts.get(id(operation), 0)
        self._applied.add(id(operation))
        options: list[tuple[Assignment, Term]] = []
        plans: dict[int, Plan] = {}  # options of a tied decision can mean the same number
        for number, assignment in self._layout.forms(times, start, self.path):
            if number not in plans:
                inner = Recorder(self._reader, 1, tuple(self._scope), [(operation, body)])
                plans[number] = inner.plan(inner.times(operation, number, 0))
            options.append((assignment, plans[number]))
        return self._use(Choice(options, self._layout.slots(times, start) | self._layout.slots(operation, body)), inputs)

    def plan(self, found: Any) -> Plan:
        """All that was recorded, with `found` as what it returns."""
        read = self._read()
        for key, (value, start) in self._owned.items():
            slots = self._layout.slots(value, start)
            if key not in self._applied and self._layout.width(value) and not slots <= read:
                forms = [assignment for _, assignment in self._layout.forms(value, start, self.path)]
                self._uses.append(Use(Idle(forms, slots), (), -1))
        outputs, slots = found if isinstance(found, tuple) else (found,), self._read()
        shared = [each for each in self._reader.shared if each.slots & slots]
        return Plan(self._arity, self._uses, outputs, list(self._groups), slots, shared)

    def _read(self) -> Slots:
        return frozenset().union(*(use.term.slots for use in self._uses))

    def _own(self, values: Iterable[tuple[Any, int]]) -> None:
        for value, start in values:
            self._starts[id(value)] = start
            self._owned[id(value)] = value, start

    def _start(self, value: Any) -> int:
        self._applied.add(id(value))
        return self._starts[id(value)]

    def _use(self, term: Term, inputs: tuple[int, ...]) -> int:
        output = self._arity + sum(use.output >= 0 for use in self._uses)
        self._uses.append(Use(term, inputs, output))
        return output
