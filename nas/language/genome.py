"""The genome of a space: every architecture as a short array of decisions, counted, drawn, varied, numbered and named.

Use it wherever points of a space are handled by the thousand; PyGlove itself makes about ten a second in a space of a hundred
decisions. A `pg.DNASpec` is compiled once; from then on a point is a vector with one value per slot (see program.py for the
layout):

    genome = Genome(pg.dna_spec(value))
    genome.size                                     # exact
    parents = genome.sample(np.random.default_rng(0), 100)
    children = genome.mutate(parents, rng)          # one decision changed in each
    genome.unrank(12345), genome.decisions(parents[0]), genome.to_dna(parents[0])

Randomness comes from the given `numpy.random.Generator` alone; the same generator state, arguments and batch size give the same
points. A genome never changes, so threads can share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyglove as pg

from nas.errors import DecisionError, UserError
from nas.language import units, variation
from nas.language.codec import Codec
from nas.language.program import INACTIVE, Program, Slot
from nas.language.requirements import Requirement
from nas.language.vocabulary import Vocabulary

__all__ = ["Genome", "Slot"]


class Genome:
    """A compiled search space.

    Vectors are arrays of shape (n, width), one point of the space per row, or (width,) for a single point: int64, or float64
    where the space has a float; -1 in inactive slots. Methods that vary vectors trust them; `validate`, `rank` and everything
    that names decisions check.

    Args:
        spec: what `pg.dna_spec(value)` gives.
        names: id -> the name that people use; the id where it has none.
        labels: id -> a label for each option, plain JSON; PyGlove's literals where it has none. A label that repeats within its
            choice gets `#2`.
        requirements: which combinations of decisions may stand together. No point that breaks one is drawn, numbered, read or
            written; what varies points (`mutate`, `crossover`, `neighbours`) knows nothing of them, see feasible_genome.py.

    Raises:
        SpaceError: a custom decision point, two decisions with one name, or labels that do not fit.
    """

    def __init__(
        self,
        spec: pg.DNASpec,
        names: Mapping[str, str] | None = None,
        labels: Mapping[str, Sequence[Any]] | None = None,
        requirements: Sequence[Requirement] = (),
    ):
        self.spec = spec
        self._program = Program(spec, requirements)
        self._codec = Codec(self._program, Vocabulary(self._program.slots, names or {}, labels or {}))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every decision point, in pre-order: the subtree of slot i is the range [i, slots[i].end)."""
        return self._program.slots

    @property
    def width(self) -> int:
        """How many slots there are."""
        return self._program.width

    @property
    def size(self) -> int | None:
        """How many points the space has, exactly; None where a float makes it continuous."""
        return None if self._program.continuous else self._program.points

    @property
    def program(self) -> Program:
        """The compiled space, for whatever else folds over its tree."""
        return self._program

    def __repr__(self) -> str:
        return f"Genome({self.width} decision points, {'continuous' if self.size is None else f'{self.size:,} points'})"

    def fits(self, vectors: np.ndarray) -> np.ndarray:
        """Which points, (n, width), break no rule between decisions, (n,)."""
        rules = self._program.rules
        return rules.meets(vectors) if rules else np.ones(len(vectors), dtype=bool)

    # -- points ----------------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points, (n, width), independent, each point of the space equally likely.

        Not each option: a candidate that opens a thousand points comes up a thousand times as often as one that opens one.
        Exact up to 2^63 points below a decision; beyond, the probability of an option is off by less than 2^-62. Floats
        count as one point each and are uniform along their scale.
        """
        return variation.sample(self._program, rng, n)

    def mutate(self, vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The same points with one decision changed in each; never a no-op. Same shape.

        The decision is uniform among the active ones that have an alternative, its new option uniform among those. A new
        candidate takes over what the old one had decided at the same place; the rest below it is drawn uniformly. In a manyof
        an element is replaced by one that keeps it distinct and sorted, or in a full permutation two change places. A
        float moves by a Gaussian step of 0.1 of its range along its scale.

        Raises:
            UserError: the space has a single point.
        """
        vectors = np.asarray(vectors)
        return variation.mutate(self._program, np.atleast_2d(vectors), rng).reshape(vectors.shape)

    def crossover(self, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A child of each pair of rows. Same shape.

        Walking down from the outermost decisions, each active one takes the value of a parent in which it is active too, of
        either with probability 1/2 where it is in both; a manyof is taken whole.
        """
        a, b = np.asarray(a), np.asarray(b)
        return variation.crossover(self._program, np.atleast_2d(a), np.atleast_2d(b), rng).reshape(a.shape)

    def neighbours(self, vector: np.ndarray) -> np.ndarray:
        """Every point that differs in one decision, (m, width), without repetition and without the point itself.

        As `mutate` changes it, except that what is left open below a new candidate takes its first option, and a float moves
        0.1 of its range up and down.
        """
        return variation.neighbours(self._program, np.asarray(vector))

    # -- numbers ---------------------------------------------------------------------------------------------------------

    def unrank(self, index: int) -> np.ndarray:
        """Point number `index`, in the order of PyGlove's `iter_dna`: the last decision turns fastest.

        Raises:
            UserError: `index` is not in range(size), or the space is continuous.
        """
        self._refuse_continuous()
        if not 0 <= index < self._program.points:
            expected = f"0 to {self._program.points - 1}"
            raise UserError(f"{index!r} is not an architecture's index", path="index", received=index, expected=expected)
        values: units.Values = [INACTIVE] * self.width
        units.write(self._program.space, int(index), values, None)
        return np.array(values, dtype=np.int64)

    def rank(self, vector: np.ndarray) -> int:
        """The inverse of `unrank`.

        Raises:
            DecisionError: not a point of the space.
            UserError: the space is continuous.
        """
        self._refuse_continuous()
        return units.rank(self._program.space, self._check(vector))

    def _refuse_continuous(self) -> None:
        if self._program.continuous:
            slot = next(slot for slot in self.slots if slot.kind == "float")
            raise UserError(
                "a continuous decision, so points have no index",
                path=slot.id,
                hint="Draw with `sample`, or choose among numbers: oneof([...])",
            )

    # -- forms -----------------------------------------------------------------------------------------------------------

    def name(self, slot: int) -> str:
        """What people call the decision of a slot."""
        return self._codec.name(slot)

    def label(self, slot: int, option: int) -> Any:
        """What people call an option of it."""
        return self._codec.label(slot, option)

    def validate(self, vector: np.ndarray) -> None:
        """Raises `DecisionError`, naming the decision, where a vector is not a point of the space."""
        self._check(vector)

    def decisions(self, vector: np.ndarray) -> dict[str, Any]:
        """Name -> label (or number) for each active decision, in pre-order; plain JSON. A manyof is one list."""
        return self._codec.decisions(self._check(vector))

    def encode(self, decisions: Mapping[str, Any], first_by_default: bool = False) -> np.ndarray:
        """The inverse of `decisions`.

        Names may be ids, and the subchoices of a manyof may be given one by one as `name[0]`, `name[1]`; values may be labels,
        PyGlove's literals or Vertex's "1/3 (5)". A number is a value, never an index.

        Args:
            decisions: name -> value.
            first_by_default: active decisions that are left out take their first option (a float its low end).

        Raises:
            DecisionError: an unknown or missing name, an inactive decision, or a value that is not an option.
        """
        return self._vector(self._codec.from_decisions(decisions, first_by_default))

    def to_vertex(self, vector: np.ndarray) -> dict[str, str | float]:
        """`{"id": "1/3 (5)"}`, floats as numbers: what Vertex passes a trial, and `dna.parameters(use_literal_values=True)`."""
        return self._codec.vertex(self._check(vector))

    def from_vertex(self, parameters: Mapping[str, Any]) -> np.ndarray:
        """The inverse of `to_vertex`. Raises `DecisionError` as `encode` does."""
        return self._vector(self._codec.from_vertex(parameters))

    def to_dna(self, vector: np.ndarray) -> pg.DNA:
        """The point as PyGlove's DNA, bound to the spec."""
        return pg.DNA.from_numbers(self._codec.numbers(self._check(vector)), self.spec)

    def from_dna(self, dna: pg.DNA) -> np.ndarray:
        """The inverse of `to_dna`; a DNA without a spec will do. Raises `DecisionError` where it does not fit."""
        if not isinstance(dna, pg.DNA):
            raise DecisionError(f"a {type(dna).__name__}", path="dna", received=dna, expected="a pg.DNA")
        return self._vector(self._codec.from_numbers(dna.to_numbers()))

    def _vector(self, values: units.Values) -> np.ndarray:
        self._check_rules(values)
        return self._program.vectors([values])[0]

    def _check(self, vector: np.ndarray) -> units.Values:
        values = self._codec.check(vector)
        self._check_rules(values)
        return values

    def _check_rules(self, values: units.Values) -> None:
        broken = self._program.rules.broken(values) if self._program.rules else None
        if broken is not None:
            slots, rule = broken
            stated = self._codec.decisions(values)
            received = {name: stated[name] for name in map(self._codec.name, slots)}
            raise DecisionError(
                " with ".join(f"{name} {value!r}" for name, value in received.items()) + " is not allowed",
                path=rule,
                received=received,
                hint="Choose a combination that the rule allows",
            )
