"""Relations: what can come out of a part of a network, and by which decisions.

A relation belongs to a term and the shapes it is applied to. It lists outcomes, each with the node of the decisions that give
it. Here the relation of a plan is put together from those of its steps. Every edge of the plan is a variable, its shape;
tables say which shapes go together at each step; elimination leaves the edges that the plan takes and returns.

What no output needs costs nothing. Most edges are needed whatever is decided, and the others get a second variable: whether the
edge is *live*. A step whose output is not live makes the same shapes at no cost and reads nothing; an edge is live where one of
the steps that read it, and are live themselves, needs it in the form that was decided (`Merge("none")` does not need its skip).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from nas.language.automaton.circuit import TRUE, Branch, Builder
from nas.language.automaton.elimination import ROWS, Row, Table, Variable, eliminate, factored
from nas.language.automaton.forms import Assignment, TooEntangled
from nas.language.automaton.terms import Plan, Term, Use
from nas.language.operation import Shape


class Outcome(NamedTuple):
    """What comes out of a term.

    Attributes:
        shape: of its output; None where it has none.
        reads: for each input, whether the output needs it.
        shown: decisions that other terms make with it.
    """

    shape: Shape | None
    reads: tuple[bool, ...]
    shown: Assignment


Relation: TypeAlias = "dict[Outcome, int]"

Relate: TypeAlias = "Callable[[Term, tuple[Shape, ...], frozenset[int]], Relation]"
"""(term, shapes of its inputs, slots to show) -> its relation."""


class Step(NamedTuple):
    """A use with its relation for every combination of shapes that its distinct inputs can have."""

    use: Use
    edges: tuple[int, ...]
    relations: dict[tuple[Shape, ...], Relation]


def relate_plan(plan: Plan, shapes: Sequence[Shape], shown: frozenset[int], relate: Relate, builder: Builder) -> Relation:
    """The relation of a plan with one output.

    Raises:
        TooEntangled: see `eliminate`.
    """
    if len(plan.outputs) != 1:
        raise TooEntangled(f"an option returns {len(plan.outputs)} tensors", expected="one")
    slots = sorted(shown & plan.slots)
    work = Work(plan, shapes, shown, relate, builder)
    doubtful = [i for i in range(plan.arity) if not work.certain[i]]
    table = work.eliminate([("shape", plan.outputs[0]), *(("live", i) for i in doubtful), *(("slot", i) for i in slots)])
    relation: Relation = {}
    for (shape, *rest), node in table.rows.items():
        live = dict(zip(doubtful, rest, strict=False))
        told = tuple((slot, option) for slot, option in zip(slots, rest[len(doubtful) :], strict=True) if option >= 0)
        relation[Outcome(shape, tuple(live.get(i, True) for i in range(plan.arity)), told)] = node
    return relation


class Work:
    """A plan on inputs of given shapes while its relation is made.

    Attributes:
        steps: its uses, each with its relations.
        shared: slots that several steps read, or that are shown.
        certain: for each edge, whether every architecture needs it.
        doubtful: the other edges, each with the numbers of the steps that read it.
    """

    def __init__(self, plan: Plan, shapes: Sequence[Shape], shown: frozenset[int], relate: Relate, builder: Builder):
        self.plan, self.builder = plan, builder
        uses_of = Counter(slot for use in plan.uses for slot in use.term.slots)
        tied = {slot for slot, count in uses_of.items() if count > 1} | {slot for group in plan.groups for slot in group.slots}
        tied |= {slot for shared in plan.shared for slot in shared.slots & plan.slots}
        self.shared = (shown & plan.slots) | tied
        self._inputs = list(shapes)
        self.steps: list[Step] = []
        self._follow(relate)
        self.certain = self._certainly_live()
        self.doubtful = self._list_readers()

    def _follow(self, relate: Relate) -> None:
        """Applies each step to every combination of shapes that can reach it, and perhaps a few more."""
        domains: list[set[Shape]] = [{shape} for shape in self._inputs]
        for number, use in enumerate(self.plan.uses):
            self.begin(number)
            edges = tuple(dict.fromkeys(use.inputs))
            at = [edges.index(edge) for edge in use.inputs]
            relations: dict[tuple[Shape, ...], Relation] = {}
            for combination in itertools.product(*(sorted(domains[edge], key=repr) for edge in edges)):
                if len(relations) > ROWS:
                    raise TooEntangled(f"more than {ROWS:,} combinations of shapes meet at one step", received=len(relations))
                relations[combination] = relate(use.term, tuple(combination[i] for i in at), self.shown_by(use.term))
            self.steps.append(Step(use, edges, relations))
            if use.output >= 0:
                domains.append({o.shape for relation in relations.values() for o in relation if o.shape is not None})

    def begin(self, step: int) -> None:
        """Called before a step is followed."""

    def shown_by(self, term: Term) -> frozenset[int]:
        """Which of the slots of a step's term are told with its outcomes."""
        return self.shared & term.slots

    def _certainly_live(self) -> list[bool]:
        """Which edges every architecture needs, as far as the steps one by one tell."""
        certain = [False] * (self.plan.arity + sum(use.output >= 0 for use in self.plan.uses))
        for edge in self.plan.outputs:
            certain[edge] = True
        for use, edges, relations in reversed(self.steps):
            if use.output >= 0 and certain[use.output]:
                for edge in edges:
                    if all(reads_edge(use, edge, outcome) for relation in relations.values() for outcome in relation):
                        certain[edge] = True
        return certain

    def _list_readers(self) -> dict[int, list[int]]:
        """Uncertain edge -> the steps that read it."""
        readers: dict[int, list[int]] = {edge: [] for edge, sure in enumerate(self.certain) if not sure}
        for i, step in enumerate(self.steps):
            for edge in step.edges:
                if edge in readers:
                    readers[edge].append(i)
        return readers

    def eliminate(self, kept: Sequence[Variable]) -> Table:
        tables = [Table((("shape", edge),), {(shape,): TRUE}) for edge, shape in enumerate(self._inputs)]
        for i, step in enumerate(self.steps):
            tables += self.tables(i, step)
        tables += [table for edge in self.doubtful for table in self._live_tables(edge)]
        for group in self.plan.groups:
            if group.count > ROWS:
                raise TooEntangled(
                    f"a manyof has {group.count:,} combinations, and at most {ROWS:,} are followed", received=group.count
                )
            variables = tuple(("slot", slot) for slot in group.slots)
            tables.append(Table(variables, dict.fromkeys(group.allowed(), TRUE)))
        return eliminate(tables, kept, self._depths(), self.builder)

    def _depths(self) -> dict[Variable, int]:
        """How many edges are in flight when an edge is made: what lies under more skip connections is deeper."""
        last = dict.fromkeys(self.plan.outputs, len(self.steps))
        for i, step in enumerate(self.steps):
            last |= {edge: i for edge in step.edges if last.get(edge, 0) < i}
        depths: dict[Variable, int] = {}
        in_flight = set(range(self.plan.arity))
        for i, step in enumerate(self.steps):
            in_flight = {edge for edge in in_flight if last.get(edge, -1) > i}
            if step.use.output >= 0:
                in_flight.add(step.use.output)
                depths["shape", step.use.output] = depths["live", step.use.output] = len(in_flight)
        return depths

    def tables(self, number: int, step: Step) -> list[Table]:
        """What goes together at a step."""
        use, edges, relations = step
        slots = sorted(self.shown_by(use.term))
        doubtful = [edge for edge in edges if edge in self.doubtful]
        flagged = use.output in self.doubtful
        variables: list[Variable] = [("shape", edge) for edge in edges]
        variables += [("shape", use.output)] if use.output >= 0 else []
        variables += [("live", use.output)] if flagged else []
        variables += [self.reading(edge, number) for edge in doubtful]
        variables += [("slot", slot) for slot in slots]
        nodes: dict[Row, list[int]] = {}
        dead: dict[Row, list[int]] = {}
        for combination, relation in relations.items():
            for outcome, node in relation.items():
                shapes = (*combination, outcome.shape) if use.output >= 0 else combination
                reads = tuple(reads_edge(use, edge, outcome) for edge in doubtful)
                for told in self.decided(dict(outcome.shown), self.shown_by(use.term)):
                    options = tuple(told.get(slot, -1) for slot in slots)
                    nodes.setdefault((*shapes, *((True,) if flagged else ()), *reads, *options), []).append(node)
                    if flagged:
                        dead.setdefault((*shapes, False, *(False for _ in reads), *options), []).append(node)
        rows = {row: self._either(found) for row, found in nodes.items()}
        rows |= {row: self.builder.free(self._either(found)) for row, found in dead.items()}
        table = Table(tuple(variables), rows)
        return factored(table, [self.reading(edge, number) for edge in doubtful])

    def decided(self, told: dict[int, int], slots: frozenset[int]) -> list[dict[int, int]]:
        """An outcome under every way to decide the tied decisions that its term reads in other outcomes only.

        These are decided all the same: a tied decision is never inactive.
        """
        outcomes = [told]
        for shared in self.plan.shared:
            read = shared.slots & slots
            if read and read.isdisjoint(told):
                ways = {tuple(pair for pair in decided if pair[0] in read) for decided in shared.forms}
                if len(outcomes) * len(ways) > ROWS:
                    raise TooEntangled(f"more than {ROWS:,} combinations of tied decisions", received=len(ways))
                outcomes = [outcome | dict(way) for outcome in outcomes for way in sorted(ways)]
        return outcomes

    def _either(self, nodes: Sequence[int]) -> int:
        return self.builder.sum(Branch((), 0, node) for node in nodes)

    def reading(self, edge: int, step: int) -> Variable:
        """Whether a step, being live, needs an edge. The edge's own variable where there is no other reader."""
        return ("live", edge) if self.doubtful[edge] == [step] else ("reads", edge, step)

    def _live_tables(self, edge: int) -> list[Table]:
        """An edge is live where one of its readers needs it; nobody reads an edge without readers."""
        readers = self.doubtful[edge]
        if not readers:
            return [Table((("live", edge),), {(False,): TRUE})]
        tables = []
        so_far = self.reading(edge, readers[0])
        for step in readers[1:]:
            either: Variable = ("live", edge) if step == readers[-1] else ("live so far", edge, step)
            rows: dict[Any, int] = {(a, b, a or b): TRUE for a in (False, True) for b in (False, True)}
            tables.append(Table((so_far, self.reading(edge, step), either), rows))
            so_far = either
        return tables


def reads_edge(use: Use, edge: int, outcome: Outcome) -> bool:
    return any(needed for source, needed in zip(use.inputs, outcome.reads, strict=True) if source == edge)
