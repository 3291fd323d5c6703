"""Grid search: every architecture of a space in a fixed order, without chance and without learning.

Use it to judge a small space completely, or to cover a large one evenly. Asked often enough it proposes every distinct network
once; networks that are equal come once. Two orders:

- `order="index"`: by their numbers, from 0. The last decision turns fastest, so that a search which ends early has seen one
  corner of the space only.
- `order="spread"`: number `i * stride` modulo the size, where the stride is about the golden section of the size and shares no
  factor with it. However many were asked, they are spread evenly over the numbers (the three-distance theorem; Knuth 1998, "The
  Art of Computer Programming" 3, section 6.4), and nothing comes twice. The seed says where it begins.

The default, "auto", is by index in spaces of at most 10,000 points and spread beyond: no study ends a larger one. A number in a
range takes `levels` values, evenly spaced along its scale, ends included. In a space restricted so that its points have no
numbers (`space.within` of a large one), the whole space is walked and what does not fit left out; where 20,000 points in a row
do not fit, points that do are drawn instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from controllers.checks import check_whole
from controllers.memory import DRAWS, Memory
from controllers.ranking import is_failed, merit
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.program import INACTIVE
from nas.language.space import SearchSpace
from nas.language.units import Real, size_of, write
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

ORDERS = ("auto", "index", "spread")
LISTED = 10_000  # points up to which "auto" goes by index


class Grid(Controller):
    """Every architecture, in order.

    Args:
        seed: where the order begins, if it is "spread"; without effect otherwise.
        order: "index", "spread", or "auto", which chooses by the size of the space.
        levels: values that each number of a range takes.

    Raises:
        UserError: a setting out of range.
    """

    name = "grid"

    def __init__(self, seed: int = 0, order: Literal["auto", "index", "spread"] = "auto", levels: int = 5):
        self.seed = check_whole("Grid(seed)", seed, 0)
        self.levels = check_whole("Grid(levels)", levels, 2)
        if order not in ORDERS:
            raise UserError(f"no order {order!r}", path="Grid(order)", received=order, expected=f"one of {', '.join(ORDERS)}")
        self.order = order

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._points = _Points(space, self.levels)
        spread = self.order == "spread" or (self.order == "auto" and self._points.size > LISTED)
        self._stride = _coprime(_golden_section(self._points.size), self._points.size) if spread else 1
        self._first = self.seed * self._stride if spread else 0
        self._position = 0

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed, "order": self.order, "levels": self.levels}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._memory.learn(trial, is_failed(merit(trial, self.objectives, self.constraints)))

    def state(self) -> dict[str, Any]:
        return self._memory.state() | {"first": self._first, "place": self._position}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._first, self._position = int(state["first"]), int(state["place"])

    def _propose(self) -> Architecture | None:
        for _ in range(DRAWS):
            if self._position >= self._points.size:
                return None
            vector = self._points[(self._first + self._position * self._stride) % self._points.size]
            self._position += 1
            if vector is not None and (architecture := self._memory.admit(vector)) is not None:
                return architecture
        return self._memory.draw()


class _Points:
    """The points of a grid by number: those of the genome, times the levels of its numbers.

    Args:
        space: any.
        levels: values of each number.
    """

    def __init__(self, space: SearchSpace, levels: int):
        self._genome, self._levels = space.genome, levels
        self._program = space.genome.program
        self._numbers = [unit for unit in self._program.units.values() if isinstance(unit, Real)]
        self._is_numbered = self._genome.size is not None
        self._whole = self._genome.size if self._genome.size is not None else size_of(self._program.space)
        self.size = self._whole * levels ** len(self._numbers)

    def __getitem__(self, number: int) -> np.ndarray | None:
        """Point `number`; None where it does not fit, or where it repeats another because a number in it is inactive."""
        if self._is_numbered:
            return self._genome.unrank(number)
        index, turns = divmod(number, self._levels ** len(self._numbers))
        values: list[Any] = [INACTIVE] * self._program.width
        write(self._program.space, index, values, None)
        for unit in self._numbers:
            turns, level = divmod(turns, self._levels)
            if self._program.is_active(unit.first, values):
                values[unit.first] = unit.at(level / (self._levels - 1))
            elif level:
                return None
        vector = self._program.vectors([values])[0]
        fits = not isinstance(self._genome, FeasibleGenome) or bool(self._genome.fits(vector[None])[0])
        return vector if fits else None


def _golden_section(size: int) -> int:
    """`size` times (sqrt(5) - 1) / 2, to the last digit."""
    return (math.isqrt(5 * size * size) - size) // 2


def _coprime(number: int, size: int) -> int:
    """The first number from `number` on that shares no factor with `size`."""
    number = max(1, number)
    while math.gcd(number, size) > 1:
        number += 1
    return number
