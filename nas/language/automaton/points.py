"""Prices of a few architectures, each a little different from those before: what controllers ask for at every proposal.

`Pricer` sends thousands of points through a space with a few hundred array operations; for ten points nearly all of the time
goes into starting them. Here points go one by one, and every part of the network remembers what it made of the same decisions
on the same shapes: a child differs from its parent in one decision, so all but a few parts are looked up.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nas.language.automaton.batch import FAILED, Priced, Pricer
from nas.language.automaton.terms import Choice, Idle, Leaf, Plan, Term
from nas.language.costing import Metric

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

FEW = 64  # points; more go faster together (measured on colorizer)
KEPT = 20_000  # answers of one part, before it forgets them

Values: TypeAlias = "list[int]"
Given: TypeAlias = "tuple[int, ...]"
"""Shapes of inputs, by number."""

Made: TypeAlias = "tuple[int, tuple[bool, ...], tuple[int, ...]]"
"""Of a part: the number of the shape it makes, which inputs it needs, what it costs by each metric."""

Part: TypeAlias = Callable[["Given", "Values"], "Made"]


class PointPricer(Pricer):
    """A `Pricer` that is quick for few points too.

    Args:
        space: a network.
        metrics: what is added up.

    Raises:
        TooEntangled: a layer has too many forms to be listed.
    """

    def __init__(self, space: SearchSpace, metrics: Sequence[Metric]):
        super().__init__(space, metrics)
        self._parts: dict[int, Part] = {}
        self._whole = self._plan_part(self._plan)

    def price(self, vectors: np.ndarray) -> Priced:
        """As `Pricer.price`."""
        if len(vectors) > FEW or self._program.continuous:
            return super().price(vectors)
        found = [self._whole(tuple(self._inputs), values) for values in vectors.tolist()]
        costs = np.array([costs for _, _, costs in found], dtype=np.int64).reshape(len(vectors), self._facts.width)
        return Priced(costs, np.array([shape != FAILED for shape, _, _ in found], dtype=bool))

    def _part(self, term: Term) -> Part:
        """The one that stands for a term: a term that is applied again remembers what it made before."""
        if id(term) not in self._parts:
            self._parts[id(term)] = _remembering(self._plain_part(term), _slots_of(term))
        return self._parts[id(term)]

    def _plain_part(self, term: Term) -> Part:
        if isinstance(term, Plan):
            return self._plan_part(term)
        if isinstance(term, Leaf):
            return self._leaf_part(term)
        assert isinstance(term, Choice)
        return self._choice_part(term)

    def _leaf_part(self, leaf: Leaf) -> Part:
        row = np.zeros(1, dtype=np.int64)

        def run(given: Given, values: Values) -> Made:
            made = self._run(leaf, [np.array([shape]) for shape in given], row, np.array(values, dtype=np.int64)[:, None])
            return int(made.shapes[0]), tuple(made.reads[0].tolist()), tuple(made.costs[0].tolist())

        return run

    def _choice_part(self, choice: Choice) -> Part:
        options = [(assignment, self._part(term)) for assignment, term in choice.options]

        def run(given: Given, values: Values) -> Made:
            for assignment, part in options:
                if all(values[slot] == option for slot, option in assignment):
                    return part(given, values)
            return FAILED, (False,) * len(given), (0,) * self._facts.width

        return run

    def _plan_part(self, plan: Plan) -> Part:
        steps = [(self._part(use.term), use.inputs, use.output) for use in plan.uses if not isinstance(use.term, Idle)]
        last, arity, width = plan.outputs[0], plan.arity, self._facts.width

        def run(given: Given, values: Values) -> Made:
            edges, found = list(given), []
            for part, inputs, _ in steps:
                found.append(part(tuple([edges[edge] for edge in inputs]), values))
                edges.append(found[-1][0])
            live = [False] * len(edges)
            for edge in plan.outputs:
                live[edge] = True
            costs = [0] * width
            for (_, inputs, output), (_, reads, its) in zip(reversed(steps), reversed(found), strict=True):
                if live[output]:
                    for i, cost in enumerate(its):
                        costs[i] += cost
                    for edge, needed in zip(inputs, reads, strict=True):
                        live[edge] |= needed
            failed = any(shape == FAILED for shape, _, _ in found)
            return FAILED if failed else edges[last], tuple(live[:arity]), tuple(costs)

        return run


def _remembering(part: Part, slots: list[int]) -> Part:
    """The same part, which looks up what it made of the same decisions and shapes before."""
    known: dict[object, Made] = {}
    decided: Callable[[Values], object] = operator.itemgetter(*slots) if slots else lambda values: None

    def run(given: Given, values: Values) -> Made:
        key = (given, decided(values))
        made = known.get(key)
        if made is None:
            if len(known) >= KEPT:
                known.clear()
            made = known[key] = part(given, values)
        return made

    return run


def _slots_of(term: Term) -> list[int]:
    """Every decision that a term reads, those it shares with others included."""
    found: set[int] = set()
    if isinstance(term, Plan):
        for use in term.uses:
            found.update(_slots_of(use.term))
    elif isinstance(term, Choice):
        for assignment, option in term.options:
            found.update(slot for slot, _ in assignment)
            found.update(_slots_of(option))
    elif isinstance(term, Leaf):
        found.update(slot for _, assignment in term.forms for slot, _ in assignment)
    return sorted(found)
