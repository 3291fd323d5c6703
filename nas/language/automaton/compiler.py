"""A whole space as a weighted automaton: every architecture that builds, with what it costs, in one circuit.

The states are the shapes of the tensors in flight, which of them are still needed, and decisions that are made once and read
twice. For each term of the space (terms.py) and the shapes it can be applied to, a relation says which shapes can come out, by
which decisions, and which operations those buy. A layer's relation is worked out by its own rules, form by form; a choice's is
the union of its options'; a plan's follows from its steps' (relations.py) by variable elimination (elimination.py).

Nothing is approximated. Tensors that depend on one decision stay correlated, since their shapes are variables of one plan. What
does not build is left out: a space builds as a whole if and only if its circuit counts all of its points.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from nas.errors import SpaceError
from nas.language.automaton.circuit import TRUE, Branch, Builder, Circuit
from nas.language.automaton.forms import Assignment, TooEntangled
from nas.language.automaton.library import Library
from nas.language.automaton.relations import Outcome, Relation, relate_plan, solve_plan
from nas.language.automaton.terms import Choice, Leaf, Plan, Term, terms_of
from nas.language.operation import Shape

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

STATES = 300_000  # outcomes of all relations together; beyond that a space is too entangled to follow


@dataclasses.dataclass(frozen=True)
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
    compiler = _Compiler()
    plan = terms_of(space.hyper, len(space.inputs))
    root = solve_plan(plan, list(space.inputs.values()), compiler.relate, compiler.builder)
    return Automaton(compiler.builder.circuit(root), compiler.library, plan, compiler.states)


class _Compiler:
    """Makes relations, each once."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.library = Library()
        self.states = 0
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
            self.library.check_floats(term, shapes)
            for form, assignment in term.forms:
                result = self.library.run(form, shapes, term.path)
                if result is not None:
                    add(Outcome(result.shape, result.reads, ()), assignment, self.builder.bundle(result.primitives), TRUE)
        elif isinstance(term, Choice):
            for assignment, option in term.options:
                for outcome, node in self.relate(option, shapes, shown).items():
                    add(outcome, assignment, 0, node)
        else:
            for assignment in term.forms:
                add(Outcome(None, (), ()), assignment, 0, TRUE)
        return {outcome: self.builder.sum(found) for outcome, found in branches.items()}
