"""Several limits at once, as one limit on a weighted sum of costs.

Points that meet all limits also meet any weighted sum of them, so they can be drawn from those by dropping the others. Most
are kept where the weights are those of the exponential family: the total of exp(-sum of w * (cost - limit)) over all points
bounds how many are within the limits, whatever the weights w >= 0 (Chernoff 1952), and the w with the lowest bound point the
half-space at the place where points within the limits are densest. The bound is convex in w and one pass over the circuit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.language.automaton.circuit import Circuit, Product
from nas.language.automaton.folds import Prices, least, most

ROUNDS = 6  # over all metrics
TRIALS = 41  # weights tried for one metric, the others fixed
PRECISION = 1 << 16  # of the smallest weight


def combine(circuit: Circuit, limits: Sequence[tuple[Prices, int]]) -> tuple[list[int], int]:
    """Prices and a limit that every point within all limits meets, and few others.

    Args:
        circuit: which has a point within each of the limits by itself.
        limits: prices of the bundles and a limit, for each metric.
    """
    if len(limits) == 1:
        return list(limits[0][0]), limits[0][1]
    weights = _weights(circuit, limits)
    smallest = min(weight for weight in weights if weight > 0)
    whole = [round(weight / smallest * PRECISION) for weight in weights]
    prices = [
        sum(w * p for w, p in zip(whole, each, strict=True)) for each in zip(*(prices for prices, _ in limits), strict=True)
    ]
    return prices, sum(w * limit for w, (_, limit) in zip(whole, limits, strict=True))


def _weights(circuit: Circuit, limits: Sequence[tuple[Prices, int]]) -> list[float]:
    """The weights with the lowest bound, by turns along each metric."""
    ranges = [max(most(circuit, prices)[-1] - least(circuit, prices)[-1], 1) for prices, _ in limits]
    weights = [1.0 / span for span in ranges]
    span = 1e4
    for _ in range(ROUNDS):
        for k in range(len(limits)):
            tried = np.concatenate([[0.0], (weights[k] or 1.0 / ranges[k]) * np.geomspace(1 / span, span, TRIALS)])
            columns = [tried if i == k else np.full(tried.size, weight) for i, weight in enumerate(weights)]
            bounds = _log_total(circuit, [prices for prices, _ in limits], np.array(columns))
            bounds += sum(column * float(limit) for column, (_, limit) in zip(columns, limits, strict=True))
            weights[k] = float(tried[bounds.argmin()])
        span = max(span**0.5, 1.2)
    return weights if any(weights) else [1.0 / span for span in ranges]


def _log_total(circuit: Circuit, prices: Sequence[Prices], weights: np.ndarray) -> np.ndarray:
    """log of the sum over all points of exp(-weighted cost), for each column of (metrics, trials) weights."""
    costs = weights.T @ np.array(prices, dtype=np.float64)  # (trials, bundles)
    totals = [np.zeros(weights.shape[1])]
    for node in circuit.nodes[1:]:
        if isinstance(node, Product):
            totals.append(totals[node.left] + totals[node.right])
        else:
            totals.append(np.logaddexp.reduce([totals[branch.child] - costs[:, branch.bundle] for branch in node]))
    return totals[-1]
