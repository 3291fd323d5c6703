"""The genome of a restricted space: the same decisions, slots and names, but only points that fit are drawn and varied.

It has the face of `nas.language.genome.Genome`, so that whatever searches a space searches a restricted one as well. Rules
between decisions (`nas.require`) and limits on costs (`space.within`) both lead here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import pyglove as pg

from nas.errors import DecisionError, UserError
from nas.language.genome import Genome
from nas.language.program import Program, Slot

TRIED_AT_ONCE = 4  # children of each parent that are looked at together
ROUNDS = 12  # of these, before all neighbours are looked at


class Points(Protocol):
    """Where points that fit come from: the genome itself, where it knows no others, or what counts them."""

    @property
    def size(self) -> int | None:
        """How many there are, where they are numbered; None otherwise."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points, (n, width), each equally likely."""

    def unrank(self, index: int) -> np.ndarray:
        """Point number `index`, (width,)."""

    def rank(self, vector: np.ndarray) -> int:
        """The inverse of `unrank`."""


class FeasibleGenome:
    """Points of a genome that fit.

    Args:
        genome: of the whole space.
        points: draws and numbers points that fit.
        fits: (n, width) points -> (n,) whether each fits.
    """

    def __init__(self, genome: Genome, points: Points, fits: Callable[[np.ndarray], np.ndarray]):
        self._genome, self._points, self._fits = genome, points, fits
        self.spec = genome.spec

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every decision point of the whole space."""
        return self._genome.slots

    @property
    def width(self) -> int:
        """How many slots there are."""
        return self._genome.width

    @property
    def program(self) -> Program:
        """The compiled whole space."""
        return self._genome.program

    @property
    def size(self) -> int | None:
        """How many points fit, where they are numbered; None otherwise."""
        return self._points.size

    def fits(self, vectors: np.ndarray) -> np.ndarray:
        """Which points, (n, width), fit, (n,)."""
        return self._fits(vectors)

    # -- points ----------------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points that fit, (n, width), independent, each equally likely."""
        return self._points.sample(rng, n)

    def mutate(self, vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The same points with one decision changed in each, so that they still fit. Same shape.

        As `Genome.mutate` draws, given that the child fits. A point all of whose neighbours do not fit is replaced by one
        that is drawn anew.

        Raises:
            UserError: a single point fits.
        """
        parents = np.atleast_2d(np.asarray(vectors))
        children = parents.copy()
        waiting = np.arange(len(parents))
        for _ in range(ROUNDS):
            tried = self._genome.mutate(np.repeat(parents[waiting], TRIED_AT_ONCE, axis=0), rng)
            fits = self._fits(tried).reshape(-1, TRIED_AT_ONCE)
            found = fits.any(axis=1)
            first = np.arange(waiting.size) * TRIED_AT_ONCE + fits.argmax(axis=1)
            children[waiting[found]] = tried[first[found]]
            waiting = waiting[~found]
            if not waiting.size:
                break
        for row in waiting.tolist():
            around = self.neighbours(parents[row])
            children[row] = around[rng.integers(len(around))] if len(around) else self._another(parents[row], rng)
        return children.reshape(np.shape(vectors))

    def _another(self, vector: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.size == 1:
            raise UserError("nothing to mutate: a single point fits", hint="Allow more")
        while True:
            drawn = self.sample(rng, 1)[0]
            if not np.array_equal(drawn, vector):
                return drawn

    def crossover(self, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A child of each pair of rows that fits, as `Genome.crossover` makes them; where none is found, the first parent."""
        first, second = np.atleast_2d(np.asarray(a)), np.atleast_2d(np.asarray(b))
        children = first.copy()
        waiting = np.arange(len(first))
        for _ in range(ROUNDS):
            tried = self._genome.crossover(first[waiting], second[waiting], rng)
            fits = self._fits(tried)
            children[waiting[fits]] = tried[fits]
            waiting = waiting[~fits]
            if not waiting.size:
                break
        return children.reshape(np.shape(a))

    def neighbours(self, vector: np.ndarray) -> np.ndarray:
        """Every point that fits and differs in one decision, (m, width)."""
        around = self._genome.neighbours(vector)
        return around[self._fits(around)] if len(around) else around

    # -- numbers ---------------------------------------------------------------------------------------------------------

    def unrank(self, index: int) -> np.ndarray:
        """Point number `index` of those that fit.

        Raises:
            UserError: they are too many to be numbered, or it is not in range(size).
        """
        return self._points.unrank(index)

    def rank(self, vector: np.ndarray) -> int:
        """The inverse of `unrank`. Raises `DecisionError` where the point does not fit."""
        self.validate(vector)
        return self._points.rank(vector)

    # -- forms -----------------------------------------------------------------------------------------------------------

    def validate(self, vector: np.ndarray) -> None:
        """Raises `DecisionError` where a vector is not a point of the whole space, or does not fit."""
        self._genome.validate(vector)
        if not self._fits(np.asarray(vector)[None])[0]:
            raise DecisionError("not within the budget", received=self._genome.decisions(vector), hint="Draw with `sample`")

    def decisions(self, vector: np.ndarray) -> dict[str, Any]:
        """As `Genome.decisions`."""
        return self._genome.decisions(vector)

    def encode(self, decisions: Mapping[str, Any], first_by_default: bool = False) -> np.ndarray:
        """As `Genome.encode`; the point need not be within the limits."""
        return self._genome.encode(decisions, first_by_default)

    def to_vertex(self, vector: np.ndarray) -> dict[str, str | float]:
        """As `Genome.to_vertex`."""
        return self._genome.to_vertex(vector)

    def from_vertex(self, parameters: Mapping[str, Any]) -> np.ndarray:
        """As `Genome.from_vertex`; the point need not be within the limits."""
        return self._genome.from_vertex(parameters)

    def to_dna(self, vector: np.ndarray) -> pg.DNA:
        """As `Genome.to_dna`."""
        return self._genome.to_dna(vector)

    def from_dna(self, dna: pg.DNA) -> np.ndarray:
        """As `Genome.from_dna`; the point need not be within the limits."""
        return self._genome.from_dna(dna)

    def __repr__(self) -> str:
        return f"FeasibleGenome({self.width} decision points)"
