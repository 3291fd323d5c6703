"""Drawing points from a tally: uniformly, many at a time.

Points are drawn from the root down. Each carries the cost it is to have, in steps; a sum splits the points that reach it among
its branches in proportion to how many points of that cost each branch has, a product splits each point's cost between its two
children. All points that meet at a node are drawn together, so that the work goes with the nodes that are visited.

The counts are exact whole numbers and become floats only as weights: a point's probability is off by a relative 1e-12 at most.
Where a tally has rounded costs down it also holds points a little over the limit. They are drawn like the others and then
dropped, which leaves the others uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.language.automaton.circuit import TRUE, Branch, Circuit, Product
from nas.language.automaton.tally import Tally

CELLS = 1 << 21  # weights looked at together; 16 MB


class Drawn(NamedTuple):
    """Points and what they cost.

    Attributes:
        options: (n, slots) options, -1 where a slot is inactive.
        costs: (n, prices) exact costs.
    """

    options: np.ndarray
    costs: np.ndarray


class Drawer:
    """Draws points of a tally.

    Args:
        tally: with the counts of all nodes.
        width: how many slots the genome has.
        prices: (bundles, prices) whole numbers, summed up for each point drawn.
    """

    def __init__(self, tally: Tally, width: int, prices: np.ndarray):
        self._tally, self._width, self._prices = tally, width, prices
        self._circuit: Circuit = tally.circuit
        self._decided: dict[int, list[tuple[int, np.ndarray]]] = {}
        self._supports: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def draw(self, rng: np.random.Generator, n: int) -> Drawn:
        """`n` points, each point of the tally equally likely, with replacement."""
        steps, weights = self._support(len(self._circuit.nodes) - 1)
        edges = weights.cumsum()
        found = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
        return self.draw_at(rng, steps[np.minimum(found, steps.size - 1)])

    def draw_at(self, rng: np.random.Generator, steps: np.ndarray) -> Drawn:
        """One point for each cost, given in steps above the least, uniform among the points of that cost."""
        drawn = Drawn(
            np.full((steps.size, self._width), -1, dtype=np.int64),
            np.zeros((steps.size, self._prices.shape[1]), dtype=np.int64),
        )
        root = len(self._circuit.nodes) - 1
        waiting: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {root: [(np.arange(steps.size), steps)]}
        for number in range(root, 0, -1):  # children come before their parents
            if number in waiting:
                arrived = waiting.pop(number)
                points, left = (np.concatenate(parts) for parts in zip(*arrived, strict=True))
                node = self._circuit.nodes[number]
                if isinstance(node, Product):
                    going_on = self._split(node, points, left, rng)
                else:
                    going_on = self._branch(number, node, points, left, rng, drawn)
                for child, *who in going_on:
                    if child != TRUE and who[0].size:
                        waiting.setdefault(child, []).append((who[0], who[1]))
        return drawn

    def _split(
        self, node: Product, points: np.ndarray, left: np.ndarray, rng: np.random.Generator
    ) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Divides what is left between two children."""
        a, b = sorted(node, key=lambda child: self._support(child)[0].size)
        steps, weights = self._support(a)
        if steps.size == 1:
            return [(a, points, np.full_like(left, steps[0])), (b, points, left - steps[0])]
        others = self._tally.weights(b)
        spent = np.empty_like(left)
        for rows in _chunks(left.size, steps.size):
            rest = left[rows, None] - steps
            rest[(rest < 0) | (rest >= others.size)] = others.size - 1
            spent[rows] = steps[_pick(rng, (weights * others[rest]).cumsum(axis=1))]
        return [(a, points, spent), (b, points, left - spent)]

    def _branch(
        self, number: int, node: Sequence[Branch], points: np.ndarray, left: np.ndarray, rng: np.random.Generator, drawn: Drawn
    ) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Takes a branch for each point and notes what it decides and costs."""
        shifts = np.array([self._tally.shift(number, branch) for branch in node])
        if len(node) == 1:
            chosen = np.zeros(points.size, dtype=np.int64)
        else:
            ways = np.empty((points.size, len(node)))
            for i, branch in enumerate(node):
                weights = self._tally.weights(branch.child)
                rest = left - shifts[i]
                rest[(rest < 0) | (rest >= weights.size)] = weights.size - 1
                ways[:, i] = weights[rest]
            chosen = _pick(rng, ways.cumsum(axis=1))
        drawn.costs[points] += self._prices[np.array([branch.bundle for branch in node])[chosen]]
        for slot, options in self._decisions(number, node):
            decided = options[chosen]
            here = decided >= 0
            drawn.options[points[here], slot] = decided[here]
        children = np.array([branch.child for branch in node])[chosen]
        rest = left - shifts[chosen]
        return [(child, points[children == child], rest[children == child]) for child in np.unique(children).tolist()]

    def _support(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The costs at which a node has points, and how many."""
        if number not in self._supports:
            weights = self._tally.weights(number)
            steps = np.flatnonzero(weights)
            self._supports[number] = steps, weights[steps]
        return self._supports[number]

    def _decisions(self, number: int, node: Sequence[Branch]) -> list[tuple[int, np.ndarray]]:
        """Slot -> the option that each branch decides for it, -1 where none."""
        if number not in self._decided:
            decided = [dict(branch.assignment) for branch in node]
            slots = sorted(set().union(*decided))
            self._decided[number] = [(slot, np.array([d.get(slot, -1) for d in decided])) for slot in slots]
        return self._decided[number]


def _pick(rng: np.random.Generator, edges: np.ndarray) -> np.ndarray:
    """For each row of cumulative weights, an index in proportion to the weights."""
    total = edges[:, -1]
    drawn = np.minimum(rng.random(total.size) * total, np.nextafter(total, 0))
    return (edges <= drawn[:, None]).sum(axis=1)


def _chunks(rows: int, columns: int) -> list[slice]:
    size = max(1, CELLS // columns)
    return [slice(at, at + size) for at in range(0, rows, size)]
