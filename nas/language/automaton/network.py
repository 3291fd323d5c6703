"""The circuit of a whole network, tied operations included.

A cell that is stacked twenty times makes the same decisions in twenty places (`nas.tied`). Its decisions cannot be followed one
place at a time, and there are too many to be written on every tensor between the places. But few of them matter outside: what
the rest of the network sees is which shapes come out in each place and which inputs are needed there. So

1. the cell is followed in all its places at once: shapes become tuples of shapes, one for each place. Decisions that look the
   same from outside are one *class*, and there are few classes;
2. the network is solved with the class of each tied operation as one more variable. That leaves, for each choice of classes, in
   which places the cell is needed at all;
3. for these places the cell is followed once more, to buy what it costs in all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from nas.language.automaton.circuit import TRUE, Branch, Builder
from nas.language.automaton.elimination import Row, Table, Variable, factored
from nas.language.automaton.relations import Outcome, Relation, Step, Work, reads_edge
from nas.language.automaton.terms import Plan, Term, Use, count_leaves
from nas.language.operation import Shape

EARLY = 0.3  # of all the work that may be done, so much may fall on the first layers
PACE = 4.0  # then, as many times the part of the layers that has been reached


class Compiler(Protocol):
    """What makes relations."""

    builder: Builder

    def relate(self, term: Term, shapes: tuple[Any, ...], shown: frozenset[int]) -> Relation:
        """What can come out of a term on inputs of given shapes."""

    def in_places(self, times: Sequence[int]) -> Compiler:
        """One for which shapes are tuples of shapes; `times` says how often each place counts."""


def solve_network(plan: Plan, shapes: Sequence[Shape], compiler: Compiler) -> int | None:
    """The node of all points of a whole network that build; None: there are none.

    Raises:
        TooEntangled: see `elimination.eliminate`.
    """
    return _Network(plan, shapes, compiler).solve()


class _Tied(NamedTuple):
    """A tied operation.

    Attributes:
        number: of its class variable.
        places: the shapes it is applied to, each combination once.
        shown: slots that others read too.
        classes: what it looks like from outside. Shapes are tuples, one for each place.
    """

    number: int
    places: list[tuple[Shape, ...]]
    shown: frozenset[int]
    classes: list[Outcome]


class _Network(Work):
    """The plan of a whole network while it is solved."""

    def __init__(self, plan: Plan, shapes: Sequence[Shape], compiler: Compiler):
        self._compiler = compiler
        self._private = _private_slots(plan)
        self._layers_until = list(itertools.accumulate(count_leaves(use.term) for use in plan.uses))
        self._bought: dict[tuple[Term, tuple[int, ...]], Relation] = {}
        super().__init__(plan, shapes, frozenset(), compiler.relate, compiler.builder)
        self.builder.progress = 1.0
        self._tied = self._find_tied()

    def begin(self, step: int) -> None:
        """Allows a part of the work that goes with the layers reached: to find a space too entangled takes time too."""
        reached, layers = self._layers_until[step], max(self._layers_until[-1], 1)
        self.builder.progress = min(max(EARLY, PACE * reached / layers), 1.0)

    def shown_by(self, term: Term) -> frozenset[int]:
        return super().shown_by(term) - self._private.get(term, frozenset())

    def solve(self) -> int | None:
        """The node of all points that build; None: there are none."""
        steps = [step for step in self.steps if step.use.term in self._tied]
        kept: list[Variable] = [_class(tied) for tied in self._tied.values()]
        for step in steps:
            kept += [("shape", edge) for edge in step.edges]
            kept += [("live", step.use.output)] if step.use.output in self.doubtful else []
        kept = list(dict.fromkeys(kept))
        branches = []
        for row, node in self.eliminate(kept).rows.items():
            found = dict(zip(kept, row, strict=True))
            for term, tied in self._tied.items():
                times = [0] * len(tied.places)
                for step in steps:
                    if step.use.term is term and found.get(("live", step.use.output), True):
                        times[tied.places.index(tuple(found["shape", edge] for edge in step.use.inputs))] += 1
                bought = self._relation(term, tied.places, tuple(times), tied.shown)
                node = self.builder.product(node, bought[tied.classes[found[_class(tied)]]])
            branches.append(Branch((), 0, node))
        return self.builder.sum(branches) if branches else None

    def tables(self, number: int, step: Step) -> list[Table]:
        use = step.use
        if use.term not in self._tied:
            return super().tables(number, step)
        tied = self._tied[use.term]
        slots = sorted(tied.shown)
        doubtful = [edge for edge in step.edges if edge in self.doubtful]
        flagged = use.output in self.doubtful
        reading = [self.reading(edge, number) for edge in doubtful]
        variables: list[Variable] = [*(("shape", edge) for edge in step.edges), ("shape", use.output)]
        variables += [
            *((("live", use.output),) if flagged else ()),
            *reading,
            *(("slot", slot) for slot in slots),
            _class(tied),
        ]
        rows: dict[Row, int] = {}
        for combination in step.relations:
            place = tied.places.index(_given(use, step.edges, combination))
            for k, outcome in enumerate(tied.classes):
                if outcome.shape[place] is None:  # type: ignore[index]  # it does not build there
                    continue
                for told in self.decided(dict(outcome.shown), tied.shown):
                    options = tuple(told.get(slot, -1) for slot in slots)
                    for live in (True, False) if flagged else (True,):
                        reads = tuple(live and reads_edge(use, edge, outcome) for edge in doubtful)
                        shape: Any = outcome.shape[place]  # type: ignore[index]
                        rows[(*combination, shape, *((live,) if flagged else ()), *reads, *options, k)] = TRUE
        return factored(Table(tuple(variables), rows), [("shape", use.output), *reading])

    def _find_tied(self) -> dict[Term, _Tied]:
        found: dict[Term, _Tied] = {}
        for term in self._private:
            steps = [step for step in self.steps if step.use.term is term]
            given = (_given(step.use, step.edges, combination) for step in steps for combination in step.relations)
            places, shown = list(dict.fromkeys(given)), self.shown_by(term)
            classes = list(self._relation(term, places, (0,) * len(places), shown))
            found[term] = _Tied(len(found), places, shown, classes)
        return found

    def _relation(
        self, term: Term, places: Sequence[tuple[Shape, ...]], times: tuple[int, ...], shown: frozenset[int]
    ) -> Relation:
        """What can come out of a tied operation in all its places, each of which buys what it costs so many times."""
        if (term, times) not in self._bought:
            together = tuple(zip(*places, strict=True))
            self._bought[term, times] = self._compiler.in_places(times).relate(term, together, shown)
        return self._bought[term, times]


def _class(tied: _Tied) -> Variable:
    return "class", tied.number


def _given(use: Use, edges: Sequence[int], combination: Sequence[Shape]) -> tuple[Shape, ...]:
    """The shapes a step is applied to, input by input."""
    return tuple(combination[edges.index(edge)] for edge in use.inputs)


def _private_slots(plan: Plan) -> dict[Term, frozenset[int]]:
    """Each tied operation that a network applies, with the slots that nothing else reads."""
    ruled = {slot for group in plan.groups for slot in group.slots}
    private: dict[Term, frozenset[int]] = {}
    for term in dict.fromkeys(use.term for use in plan.uses if isinstance(use.term, Plan)):
        others = {slot for use in plan.uses if use.term is not term for slot in use.term.slots}
        private[term] = term.slots - others - ruled
    return private
