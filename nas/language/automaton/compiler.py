"""A whole space as a weighted automaton: every architecture that builds, with what it costs, in one circuit.

The states are the shapes of the tensors in flight, which of them are still needed, and decisions that are made once and read
twice. For each term of the space (terms.py) and the shapes it can be applied to, a relation says which shapes can come out, by
which decisions, and which operations those buy. A layer's relation is worked out by its own rules, form by form; a choice's is
the union of its options'; a plan's follows from its steps' (relations.py, network.py) by variable elimination (elimination.py).

Nothing is approximated. Tensors that depend on one decision stay correlated, since their shapes are variables of one plan. What
does not build is left out: a space builds as a whole if and only if its circuit counts all of its points.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nas.errors import SpaceError
from nas.language.automaton.circuit import TRUE, Branch, Builder, Circuit
from nas.language.automaton.forms import Assignment, TooEntangled
from nas.language.automaton.library import Library, Result
from nas.language.automaton.network import solve_network
from nas.language.automaton.relations import Outcome, Relation, relate_plan
from nas.language.automaton.terms import Choice, Leaf, Plan, Term
from nas.language.operation import Shape
from nas.language.zeros import is_zero_state

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

STATES = 300_000  # outcomes of all relations together; beyond that a space is too entangled to follow


@dataclasses.dataclass(frozen=True, repr=False)
class Automaton:
    """A compiled space.

    Attributes:
        circuit: the architectures that build. Its bundles hold numbers of the library's primitives.
        library: the operations they are made of, and combinations of shapes that do not fit a layer; an architecture need
            not contain any of these.
        plan: the space taken apart.
        states: how many outcomes were followed.
    """

    circuit: Circuit
    library: Library
    plan: Plan
    states: int

    def __repr__(self) -> str:
        return f"Automaton({self.states:,} states, {len(self.circuit.nodes):,} nodes)"

    @functools.cached_property
    def count(self) -> int:
        """How many points build, exactly. A float counts as one."""
        return self.circuit.count()


def compile_space(space: SearchSpace) -> Automaton:
    """The automaton of a space that is a network.

    Raises:
        TooEntangled: more than `STATES` states, more than `elimination.ROWS` in flight at once, or a layer with more than
            `forms.FORMS` forms.
        SpaceError: its values have no graph.
    """
    if not space.is_network:
        raise SpaceError(
            "its values have no graph, so no shapes and costs", path=space.name, hint="Write the space with @nas.space"
        )
    compiler = _Compiler(library=space.library)
    plan = space.plan
    root = solve_network(plan, list(space.inputs.values()), compiler)
    return Automaton(compiler.builder.circuit(root), compiler.library, plan, compiler.states)


class _Compiler:
    """Makes relations, each once.

    Args:
        times: None: shapes are shapes. Or how often each of several places counts, where one set of decisions is followed in
            all of them at once (network.py): then whatever is called a shape here is a tuple of shapes, one for each place,
            and None where it does not build there.
    """

    def __init__(self, builder: Builder | None = None, library: Library | None = None, times: Sequence[int] | None = None):
        self.builder = builder or Builder()
        self.library = library or Library()
        self.states = 0
        self._times = times
        self._relations: dict[tuple[Term, tuple[Shape, ...], frozenset[int]], Relation] = {}

    def relate(self, term: Term, shapes: tuple[Shape, ...], shown: frozenset[int]) -> Relation:
        """What can come out of a term on inputs of the given shapes."""
        shown &= term.slots
        key = term, shapes, shown
        if key not in self._relations:
            self._relations[key] = found = self._work_out(term, shapes, shown)
            self.states += len(found)
            if self.states > STATES:
                hint = "Offer fewer widths where tensors are kept for later"
                raise TooEntangled(f"more than {STATES:,} states", received=self.states, hint=hint)
        return self._relations[key]

    def _work_out(self, term: Term, shapes: tuple[Shape, ...], shown: frozenset[int]) -> Relation:
        if isinstance(term, Plan):
            return relate_plan(term, shapes, shown, self.relate, self.builder)
        branches: dict[Outcome, list[Branch]] = {}

        def add(outcome: Outcome, assignment: Assignment, bundle: int, child: int) -> None:
            told = tuple(sorted(outcome.shown + tuple(pair for pair in assignment if pair[0] in shown)))
            own = tuple(pair for pair in assignment if pair[0] not in shown)
            branches.setdefault(outcome._replace(shown=told), []).append(Branch(own, bundle, child))

        if isinstance(term, Leaf):
            run = self._run if self._times is None else self._run_in_places
            for assignment, result in run(term, shapes):
                add(Outcome(result.shape, result.reads, ()), assignment, self.builder.bundle(result.primitives), TRUE)
        elif isinstance(term, Choice):
            for assignment, option in term.options:
                decided = dict(assignment)
                for outcome, node in self.relate(option, shapes, shown).items():
                    # An option may read the decision that selects it.
                    if all(decided.get(slot, picked) == picked for slot, picked in outcome.shown):
                        told = tuple(pair for pair in outcome.shown if pair[0] not in decided)
                        add(outcome._replace(shown=told), assignment, 0, node)
        else:
            for assignment in term.forms:
                add(Outcome(None, (), ()), assignment, 0, TRUE)
        return {outcome: self.builder.sum(found) for outcome, found in branches.items()}

    def _run(self, leaf: Leaf, shapes: tuple[Shape, ...]) -> Iterator[tuple[Assignment, Result]]:
        self.library.check_floats(leaf, shapes)
        for form, assignment in leaf.forms:
            result = self.library.run(form, shapes, leaf.path)
            if result is not None:
                yield assignment, result

    def _run_in_places(self, leaf: Leaf, shapes: tuple[Any, ...]) -> Iterator[tuple[Assignment, Result]]:
        assert self._times is not None
        places = [None if None in given else given for given in zip(*shapes, strict=True)]
        for given in places:
            if given is not None:
                self.library.check_floats(leaf, given)
        for form, assignment in leaf.forms:
            results = [None if given is None else self.library.run(form, given, leaf.path) for given in places]
            if any(result is not None for result in results):
                reads = tuple(_reads_everywhere(given, results, i, leaf.path) for i, given in enumerate(shapes))
                bought = [
                    number
                    for times, result in zip(self._times, results, strict=True)
                    if result is not None
                    for number in result.primitives * times
                ]
                together: Any = tuple(None if result is None else result.shape for result in results)
                yield assignment, Result(together, reads, tuple(bought))

    def in_places(self, times: Sequence[int]) -> _Compiler:
        """One that follows decisions in several places at once."""
        return _Compiler(self.builder, self.library, times)


def _reads_everywhere(given: Sequence[Shape | None], results: Sequence[Result | None], number: int, path: str) -> bool:
    """Whether an input is needed, the same in all places. What is zero is made by nothing, so needing it makes no difference.

    Args:
        given: the input's shape in each place.
        results: what is made of it there.
        number: which input it is.
    """
    needed = {
        result.reads[number]
        for shape, result in zip(given, results, strict=True)
        if shape is not None and result is not None and not is_zero_state(shape)
    }
    if len(needed) > 1:
        raise TooEntangled("which inputs a tied operation needs depends on their shapes", path=path)
    return any(needed)
