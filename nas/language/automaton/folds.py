"""Folds over a circuit with a price on each bundle: the least and the most a point can cost, and the points themselves.

Prices are whole numbers, one for each bundle of the circuit, so that every result is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nas.language.automaton.circuit import TRUE, Circuit, Node, Product
from nas.language.automaton.forms import Assignment

Prices = Sequence[int]
"""Price of each bundle."""


def least(circuit: Circuit, prices: Prices) -> list[int]:
    """What the cheapest point of each node costs. Prices may be negative."""
    values = [0]
    for node in circuit.nodes[1:]:
        if isinstance(node, Product):
            values.append(values[node.left] + values[node.right])
        else:
            values.append(min(prices[branch.bundle] + values[branch.child] for branch in node))
    return values


def most(circuit: Circuit, prices: Prices) -> list[int]:
    """What the dearest point of each node costs."""
    return [-value for value in least(circuit, [-price for price in prices])]


class Point(NamedTuple):
    """One point of a circuit: what it decides and which bundles it buys."""

    decisions: Assignment
    bundles: tuple[int, ...]

    def cost(self, prices: Prices) -> int:
        """What it costs."""
        return sum(prices[bundle] for bundle in self.bundles)


def cheapest_point(circuit: Circuit, prices: Prices) -> Point:
    """The first cheapest point. Prices may be negative."""
    values = least(circuit, prices)
    decisions: list[tuple[int, int]] = []
    bundles: list[int] = []
    agenda = [len(circuit.nodes) - 1]
    while agenda:
        node = circuit.nodes[agenda.pop()]
        if isinstance(node, Product):
            agenda += node
        else:
            chosen = min(node, key=lambda branch: prices[branch.bundle] + values[branch.child])
            decisions += chosen.assignment
            bundles.append(chosen.bundle)
            agenda += [chosen.child] if chosen.child else []
    return Point(tuple(decisions), tuple(bundles))


def slacks(circuit: Circuit, prices: Prices, low: Sequence[int], limit: int) -> list[int]:
    """By how much each node may exceed its own least, in a point that costs at most `limit`; negative: in none."""
    slack = [-1] * len(circuit.nodes)
    slack[-1] = limit - low[-1]
    for number in range(len(circuit.nodes) - 1, 0, -1):
        node, here = circuit.nodes[number], slack[number]
        if here < 0:
            continue
        if isinstance(node, Product):
            for child in node:
                slack[child] = max(slack[child], here)
        else:
            for branch in node:
                left = here + low[number] - prices[branch.bundle] - low[branch.child]
                slack[branch.child] = max(slack[branch.child], left)
    return slack


def restrict(circuit: Circuit, prices: Prices, limit: int) -> Circuit:
    """The circuit without branches that no point of at most `limit` takes. What is left may still be too dear in sum.

    The circuit must have a point that cheap.
    """
    low = least(circuit, prices)
    slack = slacks(circuit, prices, low, limit)
    place: dict[int, int] = {}
    nodes: list[Node] = []
    for number, node in enumerate(circuit.nodes):
        if number != TRUE and slack[number] < 0:
            continue
        place[number] = len(nodes)
        if isinstance(node, Product):
            nodes.append(Product(place[node.left], place[node.right]))
        else:
            afford = slack[number] + low[number]
            kept = (b for b in node if number == TRUE or prices[b.bundle] + low[b.child] <= afford)
            nodes.append(tuple(branch._replace(child=place[branch.child]) for branch in kept))
    return Circuit(nodes, circuit.bundles)


def points(circuit: Circuit, limits: Sequence[tuple[Prices, int]]) -> Iterator[Point]:
    """Every point that costs at most the limit, for each of several prices."""
    lows = [least(circuit, prices) for prices, _ in limits]
    left = [limit - low[-1] for (_, limit), low in zip(limits, lows, strict=True)]
    agenda: list[tuple[Point, list[int], tuple[int, ...]]] = [(Point((), ()), left, (len(circuit.nodes) - 1,))]
    while agenda:
        so_far, left, (number, *waiting) = agenda.pop()
        node = circuit.nodes[number]
        if isinstance(node, Product):
            agenda.append((so_far, left, (*node, *waiting)))
            continue
        for branch in node:
            extra = [p[branch.bundle] + low[branch.child] - low[number] for (p, _), low in zip(limits, lows, strict=True)]
            after = [a - b for a, b in zip(left, extra, strict=True)]
            if min(after, default=0) >= 0:
                point = Point(so_far.decisions + branch.assignment, (*so_far.bundles, branch.bundle))
                going_on = (branch.child, *waiting) if branch.child else tuple(waiting)
                if going_on:
                    agenda.append((point, after, going_on))
                else:
                    yield point
