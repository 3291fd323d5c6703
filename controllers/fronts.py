"""Fronts of compromises: who dominates whom, how crowded a front is, how much it covers.

With several objectives there is no best trial but a front of trials that no other beats everywhere. All functions take points
as rows of scores, (n, objectives), larger is better in each column (negate a loss or a latency).

Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (sorting, section III-A; crowding, III-B);
Fonseca et al. 2006, "An Improved Dimension-Sweep Algorithm for the Hypervolume Indicator" (slicing by the last objective).
"""

from __future__ import annotations

import numpy as np


def domination(scores: np.ndarray) -> np.ndarray:
    """`[i, j]`: whether point i is at least as good as point j in every objective and better in one, (n, n) booleans."""
    at_least = (scores[:, None, :] >= scores[None, :, :]).all(axis=2)
    return np.logical_and(at_least, ~at_least.T)


def fronts(scores: np.ndarray) -> np.ndarray:
    """The front of each point, (n,): 0 where no other dominates it, 1 where only those of front 0 do, and so on."""
    dominates = domination(scores)
    dominators = dominates.sum(axis=0)
    found = np.full(len(scores), -1)
    level = 0
    while (found < 0).any():
        front = (found < 0) & (dominators == 0)
        found[front] = level
        dominators -= dominates[front].sum(axis=0)
        level += 1
    return found


def crowding(scores: np.ndarray) -> np.ndarray:
    """The crowding distance of each point of one front, (n,): the sum over objectives of the gap between its two neighbours, as
    a share of the front's range; infinite at both ends of each objective."""
    distance = np.zeros(len(scores))
    for column in scores.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        spread = ordered[-1] / 2 - ordered[0] / 2  # halved, so that the largest floats do not overflow
        if spread > 0:
            distance[order[1:-1]] += (ordered[2:] / 2 - ordered[:-2] / 2) / spread
            distance[order[[0, -1]]] = np.inf
    return distance


def hypervolume(scores: np.ndarray, reference: np.ndarray) -> float:
    """The volume of all that is dominated by a point and dominates the reference.

    Exact. Points that do not beat the reference in every objective add nothing. Two objectives take n log n steps, each further
    one a factor of n.

    Args:
        scores: (n, objectives).
        reference: (objectives,), what is just not worth having.

    Example:
        >>> hypervolume(np.array([[2.0, 1.0], [1.0, 3.0]]), np.zeros(2))
        4.0
    """
    scores, reference = np.asarray(scores, dtype=float), np.asarray(reference, dtype=float)
    worth = scores[(scores > reference).all(axis=1)]
    return _volume(worth - reference) if len(worth) else 0.0


def _volume(points: np.ndarray) -> float:
    """The volume that points with positive coordinates cover above the origin, slice by slice along the last axis."""
    if points.shape[1] == 1:
        return float(points.max())
    points = points[np.argsort(-points[:, -1], kind="stable")]
    below = np.append(points[1:, -1], 0.0)
    if points.shape[1] == 2:
        return float((np.maximum.accumulate(points[:, 0]) * (points[:, 1] - below)).sum())
    depths = points[:, -1] - below
    return float(sum(depth * _volume(points[: i + 1, :-1]) for i, depth in enumerate(depths) if depth > 0))
