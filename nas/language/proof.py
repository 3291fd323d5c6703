"""Does every architecture of a space build? A proof, or a smallest counterexample.

The automaton of a space counts the architectures that build, exactly. If that is all of them, the space is *proved*. If not
it is *refuted*: an architecture that does not build is searched for by counting (at each decision, go where fewer build than
exist), and of its decisions those are kept without which some architecture would build: the witness. Where the automaton
would be too large the question is *undecided*, and what a sample says is reported with its bound.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nas.errors import UserError
from nas.language.automaton import forms
from nas.language.automaton.circuit import Circuit
from nas.language.automaton.forms import TooEntangled
from nas.language.naming import name_decisions
from nas.language.program import INACTIVE, Program
from nas.language.requirements import Ruled
from nas.language.units import Choice, Group, Space, Unit, Values

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

SAMPLED = 1_000  # random architectures built where nothing is proved
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Proof:
    """What is known about a space.

    Attributes:
        status: "proved": every architecture builds. "refuted": some do not. "undecided": too entangled to say.
        points: how many architectures there are (floats count as one).
        building: how many of them build, exactly; None where it is undecided, or where a sample refuted.
        states: how many states the automaton has; 0 where it was not needed or is too large to make.
        witness: decisions that no architecture survives, whatever else is decided. None of them can be left out, if
            `building` is known; otherwise all decisions of an architecture that fails.
        error: what the architecture with these decisions raises: path, rule and what to do.
        sampled: how many random architectures were built, all successfully, where it is undecided.
        bound: at most this share of architectures fails, with 95% confidence; 0 where it is proved.
        reason: why it is undecided.
    """

    status: Literal["proved", "refuted", "undecided"]
    points: int
    building: int | None = None
    states: int = 0
    witness: Mapping[str, Any] | None = None
    error: UserError | None = None
    sampled: int = 0
    bound: float = 0.0
    reason: str = ""

    def as_error(self) -> UserError:
        """Of what is refuted: path, rule and what to do, with the witness."""
        assert self.error is not None, self.status
        error, witness = self.error, dict(self.witness or {})
        happens = f"It happens with {json.dumps(witness)}"
        hint = f"{error.hint.rstrip('.')}. {happens}" if error.hint else happens
        return type(error)(error.problem, path=error.path, received=witness, expected=error.expected, hint=hint)

    def __str__(self) -> str:
        if self.status == "proved":
            return f"all {self.points:,} architectures build"
        if self.status == "refuted":
            share = "some" if self.building is None else f"{self.points - self.building:,} of {self.points:,}"
            return f"{share} architectures do not build: {self.error}"
        return f"undecided ({self.reason}): {self.sampled:,} random architectures build, so at most {self.bound:.2%} fail"


def prove(space: SearchSpace, certain: bool = False) -> Proof:
    """Whether every architecture of a space builds. `space.proof` keeps the answer.

    Args:
        space: a network.
        certain: shape inference over the whole space (shapes.py) has left no doubt: that is a proof, and no automaton is
            needed.

    Raises:
        SpaceError: the values of the space have no graph.
    """
    points = space.genome.program.points
    if certain:
        return Proof("proved", points, points)
    try:
        automaton = space.automaton
    except TooEntangled as error:
        return _sample(space, points, str(error))
    if automaton.count == points:
        return Proof("proved", points, points, automaton.states)
    search = _Search(space.genome.program, automaton.circuit)
    witness, point = search.smallest_witness()
    failing = space.architecture(space.genome.program.vectors([point])[0])
    return Proof("refuted", points, automaton.count, automaton.states, _named(space, witness), _error_of(failing))


def _sample(space: SearchSpace, points: int, reason: str) -> Proof:
    for architecture in space.sample(seed=0, n=SAMPLED):
        error = _error_of(architecture)
        if error is not None:
            return Proof("refuted", points, witness=architecture.decisions, error=error)
    bound = 1 - (1 - CONFIDENCE) ** (1 / SAMPLED)  # the largest share that goes unseen in so many draws as often as that
    return Proof("undecided", points, sampled=SAMPLED, bound=bound, reason=reason)


def _error_of(architecture: Any) -> UserError | None:
    try:
        architecture.network  # noqa: B018
    except UserError as error:
        return error
    return None


def _named(space: SearchSpace, decisions: Mapping[int, int]) -> dict[str, Any]:
    """Decisions by slot as decisions by name."""
    named = {identity: (name, labels) for identity, name, labels in name_decisions(space.hyper)}
    found = {}
    for slot in sorted(decisions):
        name, labels = named[space.genome.slots[slot].id]
        found[name] = labels[decisions[slot]]
    return found


class _Search:
    """Looks for decisions under which fewer points build than there are."""

    def __init__(self, program: Program, circuit: Circuit):
        self._program, self._circuit = program, circuit

    def smallest_witness(self) -> tuple[dict[int, int], Values]:
        """Decisions under which nothing builds, and a point that has them: a single one if there is one, else none too many."""
        point = self._failing_point({})
        witness = self._reduced(point)
        if len(witness) > 1:
            for slot, found in enumerate(self._program.slots):
                for option in range(found.options):
                    single = self._with_parents({slot: option})
                    if not self._building(single) and self._failing(single):
                        return {slot: option}, self._failing_point(single)
        return witness, point

    def _failing_point(self, fixed: dict[int, int]) -> Values:
        """A point with the fixed decisions that does not build. There must be one. Parents of what is fixed are fixed too."""
        values: Values = [INACTIVE] * self._program.width
        for i, slot in enumerate(self._program.slots):
            if not self._program.is_active(i, values):
                continue
            if slot.kind == "float":
                values[i] = slot.low
                continue
            options = (option for option in range(slot.options) if fixed.get(i, option) == option)
            values[i] = next(option for option in options if self._failing(fixed | {i: option}))
            fixed = fixed | {i: values[i]}
        return values

    def _reduced(self, point: Values) -> dict[int, int]:
        """Decisions of a failing point under which nothing builds, none of which can be left out."""
        kept = {i: value for i, value in enumerate(point) if self._program.slots[i].kind == "choice" and value != INACTIVE}
        for slot in sorted(kept, reverse=True):  # what hangs below a decision before the decision itself
            rest = {i: value for i, value in kept.items() if i != slot}
            if not self._building(self._with_parents(rest)):
                kept = rest
        return kept

    def _building(self, fixed: Mapping[int, int]) -> int:
        """How many points with the fixed decisions build."""
        return self._circuit.counts(fixed)[-1]

    def _failing(self, fixed: Mapping[int, int]) -> bool:
        """Whether some points with the fixed decisions do not build."""
        return _count(self._program.space, fixed) > self._building(fixed)

    def _with_parents(self, fixed: Mapping[int, int]) -> dict[int, int]:
        """The decisions with those that make them active."""
        closed = dict(fixed)
        for slot in fixed:
            while (parent := self._program.slots[slot].parent) is not None:
                slot, closed[parent[0]] = parent
        return closed


def _count(space: Space, fixed: Mapping[int, int]) -> int:
    """How many points of a space have the fixed decisions. The decisions that make these active are fixed too."""
    return math.prod(_count_unit(unit, fixed) for unit in space)


def _count_unit(unit: Unit, fixed: Mapping[int, int]) -> int:
    if isinstance(unit, Ruled):
        agree = [unit.rows[:, i] == fixed[slot] for i, slot in enumerate(unit.slots) if slot in fixed]
        return int(np.logical_and.reduce(agree).sum()) if agree else unit.size
    if isinstance(unit, Group):
        picks: Iterator[tuple[int, ...]] = forms.Group(unit.slots, unit.options, unit.distinct, unit.sorted).allowed()
    elif isinstance(unit, Choice):
        picks = ((option,) for option in range(unit.options))
    else:
        return 1
    total = 0
    for picked in picks:
        if all(fixed.get(slot, option) == option for slot, option in zip(unit.slots, picked, strict=True)):
            total += math.prod(_count(spaces[option], fixed) for spaces, option in zip(unit.inner, picked, strict=True))
    return total
