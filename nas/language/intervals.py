"""Intervals for a share that was estimated from draws."""

from __future__ import annotations

import math


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share that `n` draws have shown (Wilson 1927): narrow, and holds on average. z = 1.96: 95%, 2.576: 99%."""
    if n == 0:
        return 0.0, 1.0
    middle = share + z**2 / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share of which `n` draws have met `successes`: holds at least as often as it says, whatever the share.

    Clopper & Pearson 1934: the shares under which neither so many nor so few successes are unlikely.

    Example:
        >>> low, high = clopper_pearson(0, 100)
        >>> low, round(high, 4)
        (0.0, 0.0362)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _where(lambda p: 1 - _at_most(successes - 1, n, p) - tail)
    high = 1.0 if successes == n else _where(lambda p: tail - _at_most(successes, n, p))
    return low, high


def _where(rising) -> float:
    """The root in (0, 1) of a function that rises."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return low


def _at_most(k: int, n: int, p: float) -> float:
    """The chance of at most k successes in n draws."""
    logs = (
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    )
    return math.fsum(map(math.exp, logs))
