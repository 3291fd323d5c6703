"""A probability for every option of every decision: the policies that reinforcement learning learns.

A point is drawn from the outermost decisions inward, and its probability is the product over its active decisions: a decision
below an option exists only where that option is chosen, and the elements of a manyof exclude each other where they must be
distinct or in order. Inactive decisions have no part in it and learn nothing from it. A number (`floatv`) is decided by a
softmax over equal parts of its range along its scale, and is uniform within the part.

Two policies fill this in. `Factorized`, here, gives each decision a softmax of its own. `Autoregressive` (autoregressive.py)
lets it depend on the decisions before.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nas.language.feasible_genome import FeasibleGenome
from nas.language.genome import Genome, Slot
from nas.language.program import INACTIVE
from nas.language.units import Real

PARTS = 8  # of the range of a number

Parameters: TypeAlias = "dict[str, np.ndarray]"
"""Name -> array; of a gradient the same names and shapes."""


class Policy(abc.ABC):
    """What policies have in common: the decisions of a space, and gradients as far as the logits.

    Args:
        genome: the space's.

    Attributes:
        parameters: what is learned.
    """

    parameters: Parameters

    def __init__(self, genome: Genome | FeasibleGenome):
        self._program = genome.program
        self._slots = genome.slots
        self._numbers = {i: unit for i, unit in self._program.units.items() if isinstance(unit, Real)}
        counts = np.array([slot.options or PARTS for slot in genome.slots], dtype=np.int64)
        self._counts: list[int] = counts.tolist()
        self._exists = np.arange(max(self._counts, default=1)) < counts[:, None]
        self._groups = _ruled_groups(genome.slots)

    @abc.abstractmethod
    def _draw(self, chances: np.ndarray) -> np.ndarray:
        """The options that numbers in [0, 1), (n, slots), stand for; of inactive slots any. Same shape."""

    @abc.abstractmethod
    def _logits(self, options: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Of points, both arguments (n, slots): (n, slots, options)."""

    @abc.abstractmethod
    def _pull_back(self, options: np.ndarray, active: np.ndarray, slopes: np.ndarray) -> Parameters:
        """The gradient of the parameters, given that of the logits, (n, slots, options); summed over points."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points, (n, width), as the genome writes them."""
        program = self._program
        options = self._draw(rng.random((n, program.width)))
        vectors = options.astype(program.dtype)
        for i, unit in self._numbers.items():
            within = rng.random(n)
            vectors[:, i] = [unit.at(position) for position in ((options[:, i] + within) / PARTS).tolist()]
        for level in program.levels[1:]:
            active = vectors[:, program.parents[level]] == program.conditions[level]
            vectors[:, level] = np.where(active, vectors[:, level], INACTIVE)
        return vectors

    def log_probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Of each decision of points, (n, width), given those before it: (n, width), 0 where inactive."""
        options, active = self._read(vectors)
        p = _softmax(self._logits(options, active), self._mask(options, active))
        taken = np.take_along_axis(p, options[..., None], axis=-1)[..., 0]
        return np.log(np.where(active, np.maximum(taken, np.finfo(float).tiny), 1.0))

    def gradient(self, vectors: np.ndarray, weights: np.ndarray, entropy: float) -> Parameters:
        """Of the sum over points and their active decisions of `weight * log p + entropy * H`.

        d log p / d logit_k = [k is chosen] - p_k and dH / d logit_k = -p_k (log p_k + H): Williams 1992; Zoph & Le 2017, eq. 2.

        Args:
            vectors: points, (n, width).
            weights: of each decision, (n, width), or of each point, (n, 1).
            entropy: weight of the entropy H of each decision's softmax.
        """
        options, active = self._read(vectors)
        p = _softmax(self._logits(options, active), self._mask(options, active))
        log_p = np.log(np.where(p > 0, p, 1.0))
        taken = np.arange(p.shape[-1]) == options[..., None]
        spread = -(p * log_p).sum(axis=-1, keepdims=True)
        slopes = weights[..., None] * (taken - p) - entropy * p * (log_p + spread)
        return self._pull_back(options, active, np.where(active[..., None], slopes, 0.0))

    def ascend(self, gradient: Mapping[str, np.ndarray], learning_rate: float) -> None:
        """A step along a gradient."""
        for name, slope in gradient.items():
            self.parameters[name] += learning_rate * slope

    def state(self) -> dict[str, Any]:
        """The parameters, as plain JSON: those of options that exist, one after the other."""
        return {name: values[self._exists].tolist() for name, values in self.parameters.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for name, values in self.parameters.items():
            values[self._exists] = state[name]

    def _read(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The option of each slot, the part of its range for a number, 0 where inactive; and which are active."""
        active = self._program.active(vectors)
        options = np.where(active, vectors, 0)
        for i, unit in self._numbers.items():
            parts = [min(int(unit.position(number) * PARTS), PARTS - 1) for number in vectors[active[:, i], i].tolist()]
            options[active[:, i], i] = parts
        return options.astype(np.int64), active

    def _mask(self, options: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Which options each decision could take: (n, slots, options), or (slots, options) where no manyof has a rule."""
        if not self._groups:
            return self._exists
        mask = np.repeat(self._exists[None], len(options), axis=0)
        for group in self._groups:
            columns = list(group[0].group)
            rows = np.flatnonzero(active[:, columns[0]])
            for place, slot in enumerate(group):
                mask[rows, columns[place], : slot.options] = allowed(slot, options[rows][:, columns[:place]])
        return mask


class Factorized(Policy):
    """Independent softmax distributions over the decisions of a space; uniform over each decision's options at first.

    Its one parameter is `logits`, (slots, most options of any slot); columns beyond a slot's own options stay 0.
    """

    def __init__(self, genome: Genome | FeasibleGenome):
        super().__init__(genome)
        self.parameters = {"logits": np.zeros(self._exists.shape)}

    def probabilities(self) -> list[np.ndarray]:
        """Of each slot's options, where the slot is active; for elements of a manyof before its rules."""
        p = _softmax(self.parameters["logits"], self._exists)
        return [row[:count] for row, count in zip(p, self._counts, strict=True)]

    def _draw(self, chances: np.ndarray) -> np.ndarray:
        logits = self.parameters["logits"]
        options = (chances[:, :, None] >= edges(logits, self._exists)).sum(axis=2)
        for group in self._groups:
            columns = list(group[0].group)
            for place, (slot, i) in enumerate(zip(group, columns, strict=True)):
                ends = edges(logits[i, : slot.options], allowed(slot, options[:, columns[:place]]))
                options[:, i] = (chances[:, i, None] >= ends).sum(axis=1)
        return options

    def _logits(self, options: np.ndarray, active: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.parameters["logits"], (len(options), *self._exists.shape))

    def _pull_back(self, options: np.ndarray, active: np.ndarray, slopes: np.ndarray) -> Parameters:
        return {"logits": slopes.sum(axis=0)}


def allowed(slot: Slot, before: np.ndarray) -> np.ndarray:
    """Which options an element of a manyof can take after the elements before it, (n, place) -> (n, options) booleans."""
    n, place = before.shape
    options = np.arange(slot.options)
    free = np.ones((n, slot.options), dtype=bool)
    if slot.distinct:
        free[np.arange(n)[:, None], before] = False
    if slot.sorted and place:
        free &= options >= before[:, -1:]
    if slot.sorted and slot.distinct:  # leave room for the elements that follow
        free &= options <= slot.options - (len(slot.group) - place)
    return free


def edges(logits: np.ndarray, mask: np.ndarray | bool) -> np.ndarray:
    """Upper ends of the options' shares of [0, 1); exactly 1 from the last possible option on, so that none beyond is drawn."""
    ends = _softmax(logits, mask).cumsum(axis=-1)
    return ends / ends[..., -1:]


def _softmax(logits: np.ndarray, mask: np.ndarray | bool) -> np.ndarray:
    """Over the last axis, over what the mask lets through."""
    raised = np.where(mask, logits, -np.inf)
    raised = np.exp(raised - raised.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _ruled_groups(slots: Sequence[Slot]) -> list[list[Slot]]:
    """The manyofs whose elements exclude each other."""
    ruled = {slot.group: None for slot in slots if len(slot.group) > 1 and (slot.distinct or slot.sorted)}
    return [[slots[i] for i in group] for group in ruled]
