"""What makes a candidate worth a trial, given what a model expects of it; and what a model learns of what was measured.

Everything is a logarithm, so that factors add up and candidates differ also where a product would be zero to the computer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.study.objective import Constraint

CHEBYSHEV = 0.05  # weight of the sum beside the maximum: Knowles 2006, eq. 2
FARTHEST = 1e100  # measured values are cut here, so that their squares are finite


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Values by rank alone: quantiles of the standard normal at (rank + 1/2) / n; equals share their mean rank."""
    from scipy.special import ndtri

    return ndtri((_ranks(values) + 0.5) / len(values))


def chebyshev(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Several objectives as one, larger is better.

    Args:
        scores: (n, objectives), larger is better; each enters by its rank.
        weights: (objectives,), summing to 1.
    """
    if scores.shape[1] == 1:
        return scores[:, 0]
    missed = weights * (1.0 - np.stack([_ranks(column) for column in scores.T], axis=1) / max(1, len(scores) - 1))
    return -missed.max(axis=1) - CHEBYSHEV * missed.sum(axis=1)


def log_expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """log E[max(0, value - best)] of normal values: log(deviation) + log h(u), where u = (mean - best) / deviation and
    h(u) = pdf(u) + u cdf(u).

    Where u is far below zero, h is a difference of nearly equal numbers; there pdf(u) is taken out (Ament et al. 2023, eq. 9):
    h(u) = pdf(u) (1 + u sqrt(pi / 2) erfcx(-u / sqrt 2)).
    """
    from scipy.special import erfcx, ndtr

    u = (mean - best) / deviation
    log_pdf = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
    near = np.maximum(u, -1.0)
    far = np.minimum(u, -1.0)
    log_near = np.log(np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi) + near * ndtr(near))
    rest = 1.0 + far * math.sqrt(math.pi / 2) * erfcx(-far / math.sqrt(2))
    log_far = log_pdf + np.log(np.where(far > -1e4, rest, 1 / far**2))  # 1 / u^2 - 3 / u^4 + ...: rounding would leave nothing
    return np.log(deviation) + np.where(u > -1.0, log_near, log_far)


def log_probability_below(mean: np.ndarray, deviation: np.ndarray, bound: float) -> np.ndarray:
    """log P[value <= bound] of normal values."""
    from scipy.special import log_ndtr

    return log_ndtr((bound - mean) / deviation)


def as_below(values: Sequence[float], constraint: Constraint) -> tuple[np.ndarray, float]:
    """What was measured of a constraint's metric as targets of a model, and the bound below which it holds.

    Standardized, in logarithms where all are positive (costs and times multiply); `at_least` is turned around.
    """
    found = np.clip(np.array([*values, constraint.bound]), -FARTHEST, FARTHEST)
    if (found > 0).all():
        found = np.log(found)
    if constraint.kind == "at_least":
        found = -found
    targets, bound = found[:-1], found[-1]
    spread = targets.std() or 1.0
    return (targets - targets.mean()) / spread, float((bound - targets.mean()) / spread)


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 0 for the smallest; equals share their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count + 1) / 2)[place]
