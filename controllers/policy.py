"""A probability for every option of every decision: the policy that REINFORCE learns.

The policy is factorized. Each decision has a softmax over its options, independent of the others except for what the space
itself says: a decision below an option exists only where that option is chosen, and the elements of a manyof exclude each
other where they must be distinct or in order. A point is drawn from the outermost decisions inward, and its probability is the
product over its active decisions; inactive ones have no part in it and learn nothing from it.

A number (`floatv`) is decided by a softmax over equal parts of its range along its scale, and is uniform within the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.language.feasible_genome import FeasibleGenome
from nas.language.genome import Genome, Slot
from nas.language.program import INACTIVE
from nas.language.units import Real

PARTS = 8  # of the range of a number


class Policy:
    """Independent softmax distributions over the decisions of a space; uniform over each decision's options at first.

    Args:
        genome: the space's.

    Attributes:
        logits: (slots, most options of any slot); columns beyond a slot's own options stay 0 and are never drawn.
    """

    def __init__(self, genome: Genome | FeasibleGenome):
        self._program = genome.program
        self._numbers = {i: unit for i, unit in self._program.units.items() if isinstance(unit, Real)}
        counts = [slot.options or PARTS for slot in genome.slots]
        self._counts = np.array(counts, dtype=np.int64)
        self._exists = np.arange(max(counts, default=1)) < self._counts[:, None]
        self._groups = _ruled_groups(genome.slots)
        self.logits = np.zeros(self._exists.shape)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points, (n, width), as the genome writes them."""
        program = self._program
        chances = rng.random((n, program.width))
        options = (chances[:, :, None] >= _edges(self.logits, self._exists)).sum(axis=2)
        for group in self._groups:
            self._draw_group(group, options, chances)
        vectors = options.astype(program.dtype)
        for i, unit in self._numbers.items():
            within = rng.random(n)
            vectors[:, i] = [unit.at(position) for position in ((options[:, i] + within) / PARTS).tolist()]
        for level in program.levels[1:]:
            active = vectors[:, program.parents[level]] == program.conditions[level]
            vectors[:, level] = np.where(active, vectors[:, level], INACTIVE)
        return vectors

    def ascend(self, vector: np.ndarray, advantage: float, learning_rate: float, entropy: float) -> None:
        """One step along the gradient of `advantage * log p(vector) + entropy * H`, H summed over the active decisions.

        d log p / d logit_k = [k is chosen] - p_k and dH / d logit_k = -p_k (log p_k + H) for each active decision;
        Williams 1992 and Zoph & Le 2017, eq. 2.
        """
        active = self._program.active(vector[None])[0]
        options = self._options(vector, active)
        mask = self._exists.copy()
        for group in self._groups:
            if active[group[0].group[0]]:
                chosen = options[None, list(group[0].group)]
                for place, slot in enumerate(group):
                    mask[slot.group[place], : slot.options] = _allowed(slot, chosen[:, :place])[0]
        p = _softmax(self.logits, mask)
        log_p = np.log(np.where(p > 0, p, 1.0))
        taken = np.zeros_like(p)
        taken[np.arange(len(p)), options] = 1.0
        spread = -(p * log_p).sum(axis=1, keepdims=True)
        gradient = advantage * (taken - p) - entropy * p * (log_p + spread)
        self.logits += learning_rate * np.where(active[:, None], gradient, 0.0)

    def probabilities(self) -> list[np.ndarray]:
        """Of each slot's options, where the slot is active; for elements of a manyof before its rules."""
        return [row[:count] for row, count in zip(_softmax(self.logits, self._exists), self._counts, strict=True)]

    def state(self) -> list[list[float]]:
        """The logits of each slot, as plain JSON."""
        return [row[:count].tolist() for row, count in zip(self.logits, self._counts, strict=True)]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        for row, count, values in zip(self.logits, self._counts, state, strict=True):
            row[:count] = values

    def _options(self, vector: np.ndarray, active: np.ndarray) -> np.ndarray:
        """The option of each slot, the part of its range for a number; 0 where inactive."""
        options = np.where(active, vector, 0)
        for i, unit in self._numbers.items():
            if active[i]:
                options[i] = min(int(unit.position(float(vector[i])) * PARTS), PARTS - 1)
        return options.astype(np.int64)

    def _draw_group(self, group: Sequence[Slot], options: np.ndarray, chances: np.ndarray) -> None:
        """Draws the elements of a manyof one after the other, each among what its rules still allow, into (n, width)."""
        columns = list(group[0].group)
        for place, (slot, i) in enumerate(zip(group, columns, strict=True)):
            edges = _edges(self.logits[i, : slot.options], _allowed(slot, options[:, columns[:place]]))
            options[:, i] = (chances[:, i, None] >= edges).sum(axis=1)


def _ruled_groups(slots: Sequence[Slot]) -> list[list[Slot]]:
    """The manyofs whose elements exclude each other."""
    ruled = {slot.group: None for slot in slots if len(slot.group) > 1 and (slot.distinct or slot.sorted)}
    return [[slots[i] for i in group] for group in ruled]


def _allowed(slot: Slot, before: np.ndarray) -> np.ndarray:
    """Which options an element of a manyof can take after the elements before it, (n, place) -> (n, options) booleans."""
    n, place = before.shape
    options = np.arange(slot.options)
    allowed = np.ones((n, slot.options), dtype=bool)
    if slot.distinct:
        allowed[np.arange(n)[:, None], before] = False
    if slot.sorted and place:
        allowed &= options >= before[:, -1:]
    if slot.sorted and slot.distinct:  # leave room for the elements that follow
        allowed &= options <= slot.options - (len(slot.group) - place)
    return allowed


def _softmax(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Row by row over what the mask lets through."""
    raised = np.where(mask, logits, -np.inf)
    raised = np.exp(raised - raised.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _edges(logits: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Upper ends of the options' shares of [0, 1); exactly 1 from the last possible option on, so that none beyond is drawn."""
    edges = _softmax(logits, mask).cumsum(axis=1)
    return edges / edges[:, -1:]
