"""How far a proxy orders architectures as full training does, and how sure that is after ten or thirty of them.

Kendall's tau counts pairs: (pairs in the same order - pairs in the opposite order) / pairs, from -1 to 1. Here a tied pair
counts for neither side (tau-a), so a proxy that says the same of everything has tau 0.

The interval inverts a test. With n architectures, the number of discordant pairs of an order that is unrelated to the truth
has the Mahonian distribution, whatever the proxy's scores are distributed like: that is exact. For orders that are related to
it, Mallows' model (Mallows 1957, "Non-null ranking models") tilts this distribution by q^discordant; tau is then its only
parameter, and its spread is that of correlated normal scores (standard deviation at tau .65: .095 and .095 for n = 20, .157
and .158 for n = 10; at tau .3, n = 30: .117 and .117). The lower bound is the largest tau under which what was seen would be
as rare as alpha; for normal scores it lies above the truth in 3 to 5% of cases at alpha = 5%, in .05 to .13% at .25%. It holds
where normal approximations do not: for few architectures, and for a perfect order, from which they would conclude tau = 1.

Ties are broken in nobody's favour. If all ties of a proxy are broken at random, the gain is symmetric around zero, so an
observed tau is at least half as rare as that of the broken order: with ties in one of the two, alpha is halved, with ties in
both, quartered.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

LOG_Q = 40.0  # from -LOG_Q to LOG_Q, log q takes the expected tau from 1 to -1 to within 1e-17


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a proxy agrees with the truth.

    Attributes:
        tau: Kendall's tau-a; 0 for a flat proxy.
        low, high: its interval; each end is missed with probability `alpha`.
        p: the probability of a tau as large from a proxy that is unrelated to the truth (one-sided, exact).
        n: architectures.
        alpha: as above; of one end.
        tied: whether either has ties.
    """

    tau: float
    low: float
    high: float
    p: float
    n: int
    alpha: float
    tied: bool


def agreement(scores: Sequence[float], truth: Sequence[float], alpha: float = 0.05) -> Agreement:
    """Kendall's tau of `scores` with `truth`, both larger for better architectures (or both smaller).

    Args:
        scores, truth: one number for each architecture; NaN: unknown, last, and tied with other unknowns.
        alpha: the chance that is taken of missing tau on one side.
    """
    x, y = _ordered(scores), _ordered(truth)
    n = len(x)
    assert len(y) == n >= 2
    assert 0 < alpha < 0.5
    tau = kendall(x, y)
    ties = sum(len(np.unique(ranks)) < n for ranks in (x, y))
    shared = alpha / 2**ties
    pairs = n * (n - 1) // 2
    discordant, concordant = (math.ceil((1 + sign * tau) * pairs / 2 - 1e-9) for sign in (-1, 1))  # halves, of ties, go up
    return Agreement(
        tau=tau,
        low=_largest_tau_of_so_few(discordant, n, shared),
        high=-_largest_tau_of_so_few(concordant, n, shared),
        p=min(1.0, _at_most(discordant, n, 0.0) * 2**ties),
        n=n,
        alpha=alpha,
        tied=bool(ties),
    )


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-a: (concordant - discordant) / pairs."""
    i, j = np.triu_indices(len(x), 1)
    return float(np.mean(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])))


def _ordered(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, float)
    return np.unique(np.where(np.isnan(array), -np.inf, array), return_inverse=True)[1]


# -- Mallows' model ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _log_mahonian(n: int) -> np.ndarray:
    """log of the share of the permutations of n that have k discordant pairs, for each k."""
    share = np.ones(1)
    for m in range(2, n + 1):
        share = np.convolve(share, np.full(m, 1 / m))  # the m-th architecture is placed before 0 to m - 1 of the others
    with np.errstate(divide="ignore"):
        return np.log(share)


def _weights(n: int, log_q: float) -> np.ndarray:
    """P(k discordant pairs), tilted by q^k."""
    logs = _log_mahonian(n) + log_q * np.arange(n * (n - 1) // 2 + 1)
    shares = np.exp(logs - logs.max())
    return shares / shares.sum()


def _at_most(discordant: int, n: int, log_q: float) -> float:
    """P(no more than so many discordant pairs)."""
    return float(min(1.0, _weights(n, log_q)[: discordant + 1].sum()))


def _tau(n: int, log_q: float) -> float:
    """Expected tau."""
    weights = _weights(n, log_q)
    return float(1 - 2 * (weights @ np.arange(len(weights))) / (len(weights) - 1))


@functools.lru_cache(maxsize=4096)
def _largest_tau_of_so_few(discordant: int, n: int, alpha: float) -> float:
    """The largest expected tau under which so few discordant pairs have a probability of at most `alpha`; else -1."""
    few, many = -LOG_Q, LOG_Q  # log q: the larger it is, the more pairs are discordant, and the rarer are few of them
    if _at_most(discordant, n, many) > alpha:
        return -1.0
    for _ in range(60):
        middle = (few + many) / 2
        few, many = (few, middle) if _at_most(discordant, n, middle) <= alpha else (middle, many)
    return _tau(n, many)
