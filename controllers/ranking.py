"""Which trial is better, with constraints, failures and several objectives.

A trial's merit is a pair (tier, score) for each objective, larger is better: completed trials by their score, below them
infeasible ones by how little they violate, below them failed ones (`nas.study.trial.rank_key`; constrained domination,
Deb et al. 2002). One merit dominates another where it is at least as good in every objective and better in one. With one
objective that is a plain order, and everything here is a plain ranking. Only order counts, never the size of a metric: an
accuracy, a loss of 10^-6 and a latency in milliseconds are searched alike.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias

from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial, rank_key

Merit: TypeAlias = tuple[tuple[int, float], ...]
"""(tier, score) for each objective, finite, so that it is plain JSON."""


def merit(trial: Trial, objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> Merit:
    """How good a finished trial is. Infinite scores become the largest finite ones: JSON knows no infinity."""
    keys = (rank_key(trial, objective, constraints) for objective in objectives)
    return tuple((tier, min(max(score, -sys.float_info.max), sys.float_info.max)) for tier, score in keys)


def read_merit(data: Sequence[Sequence[float]]) -> Merit:
    """A merit as it comes back from JSON."""
    return tuple((int(tier), float(score)) for tier, score in data)


def is_failed(given: Merit) -> bool:
    """Whether nothing was learned about the architecture itself (failed, or a metric that is NaN or missing)."""
    return all(tier == 0 for tier, _ in given)


def is_feasible(given: Merit) -> bool:
    """Whether every objective was measured and every constraint held."""
    return all(tier == 2 for tier, _ in given)


def dominates(a: Merit, b: Merit) -> bool:
    """Whether `a` is at least as good in every objective and better in one."""
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


def best(merits: Sequence[Merit]) -> int:
    """The position of the best: the one dominated by fewest of the others; the first of equals."""
    if len(merits[0]) == 1:
        return max(range(len(merits)), key=merits.__getitem__)
    return min(range(len(merits)), key=lambda i: sum(dominates(other, merits[i]) for other in merits))
