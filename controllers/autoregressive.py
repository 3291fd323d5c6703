"""A policy in which a decision depends on those before it, so that options can be learned that are good only together.

Decisions are made in the order of their slots. What was decided so far is summed up in a hidden vector, from which the next
decision's logits follow:

    h_i = tanh(sum of E[j, option_j] over the active decisions j before i)        logits_i = b[i] + V[i] h_i

This is a neural autoregressive distribution (NADE, Larochelle & Murray 2011), the smallest of its kind: where Zoph & Le 2017
run an LSTM over the decisions, the sum makes all hidden vectors of a point one cumulative sum, and the gradient exact in a few
lines. At first V is 0, which is the factorized policy; E is drawn at random, so that different pasts are told apart.
"""

from __future__ import annotations

import numpy as np

from controllers.policy import Parameters, Policy, allowed
from nas.language.feasible_genome import FeasibleGenome
from nas.language.genome import Genome

HIDDEN = 16  # numbers that sum up the past
SPREAD = 0.5  # of the entries of E at first: tanh is then nearly linear over a few decisions and bounded over many


class Autoregressive(Policy):
    """Softmax distributions that depend on the earlier decisions of a point; uniform at first.

    Args:
        genome: the space's.
        seed: of the embeddings E.

    Its parameters are `b`, (slots, options), and `V` and `E`, (slots, options, HIDDEN).
    """

    def __init__(self, genome: Genome | FeasibleGenome, seed: int = 0):
        super().__init__(genome)
        shape = self._exists.shape
        drawn = SPREAD * np.random.default_rng(seed).standard_normal((*shape, HIDDEN))
        self.parameters = {"b": np.zeros(shape), "V": np.zeros((*shape, HIDDEN)), "E": drawn}
        self._before = {i: list(group[0].group)[:place] for group in self._groups for place, i in enumerate(group[0].group)}

    def _draw(self, chances: np.ndarray) -> np.ndarray:
        b, v, e = (self.parameters[name] for name in "bVE")
        none = np.zeros(len(chances), dtype=np.int64)
        options = [none] * len(self._slots)
        where: dict[tuple[int, int] | None, np.ndarray | None] = {None: np.ones((len(chances), 1))}
        past = np.zeros((len(chances), HIDDEN))
        for i, slot in enumerate(self._slots):
            if slot.parent is not None and slot.parent not in where:
                above, condition = slot.parent
                over = where[self._slots[above].parent]
                here = None if over is None else over * (options[above] == condition)[:, None]
                where[slot.parent] = here if here is not None and here.any() else None
            active = where[slot.parent]
            if active is None:  # in none of the points
                continue
            logits = np.tanh(past) @ v[i, : self._counts[i]].T
            logits += b[i, : self._counts[i]]
            if i in self._before:
                before = np.array([options[j] for j in self._before[i]], dtype=np.int64).reshape(-1, len(chances)).T
                logits[~allowed(slot, before)] = -np.inf
            options[i] = _pick(logits, chances[:, i])
            past += e[i].take(options[i], axis=0) * active
        return np.array(options, dtype=np.int64).reshape(-1, len(chances)).T

    def _logits(self, options: np.ndarray, active: np.ndarray) -> np.ndarray:
        hidden = self._hidden(options, active)
        return self.parameters["b"] + np.einsum("nsh,soh->nso", hidden, self.parameters["V"])

    def _pull_back(self, options: np.ndarray, active: np.ndarray, slopes: np.ndarray) -> Parameters:
        hidden = self._hidden(options, active)
        inward = np.einsum("nso,soh->nsh", slopes, self.parameters["V"]) * (1 - hidden**2)
        later = inward.sum(axis=1, keepdims=True) - inward.cumsum(axis=1)  # E[j, option_j] is in every h_i with i > j
        embedded = np.zeros_like(self.parameters["E"])
        rows, slots = np.nonzero(active)
        np.add.at(embedded, (slots, options[rows, slots]), later[rows, slots])
        return {"b": slopes.sum(axis=0), "V": np.einsum("nso,nsh->soh", slopes, hidden), "E": embedded}

    def _hidden(self, options: np.ndarray, active: np.ndarray) -> np.ndarray:
        """h of each decision, (n, slots, HIDDEN)."""
        taken = self.parameters["E"][np.arange(options.shape[1]), options] * active[..., None]
        return np.tanh(taken.cumsum(axis=1) - taken)


def _pick(logits: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """The option that each of the chances, (n,), falls on, (n, options) -> (n,). Done for each slot: the cost of a draw."""
    logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
    shares = np.add.accumulate(np.exp(logits), axis=1)
    shares /= shares[:, -1:]  # exactly 1 from the last possible option on, so that none beyond is drawn
    return np.add.reduce(chances[:, None] >= shares[:, :-1], axis=1)
