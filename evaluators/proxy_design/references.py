"""Which architectures a proxy is judged on: spread over what they cost and how good they are guessed to be.

Drawn at random, most architectures of a space are alike, and an order among them is mostly noise; the reference set should
reach from the cheap to the expensive and from the bad to the good. Only guesses that are made before any training are used, so
the choice favours no proxy.
"""

from __future__ import annotations

import numpy as np


def choose_references(guesses: np.ndarray, n: int) -> list[int]:
    """Which `n` of the architectures to take, in an order whose beginnings are spread too (farthest point first, Gonzalez
    1985).

    Args:
        guesses: `(architectures, criteria)`, such as log FLOPs and a zero-cost score; NaN counts as the lowest. Ranks are
            compared, so units do not matter.

    Returns:
        Rows of `guesses`: first the one nearest to the middle, then each time the one farthest from those before.
    """
    from scipy.stats import rankdata

    filled = np.where(np.isnan(guesses), -np.inf, guesses)
    ranks = (rankdata(filled, axis=0) - 0.5) / len(filled)
    chosen = [int(np.argmin(np.linalg.norm(ranks - 0.5, axis=1)))]
    nearest = np.linalg.norm(ranks - ranks[chosen[0]], axis=1)
    while len(chosen) < min(n, len(filled)):
        chosen.append(int(np.argmax(np.where(np.isin(np.arange(len(filled)), chosen), -1.0, nearest))))
        nearest = np.minimum(nearest, np.linalg.norm(ranks - ranks[chosen[-1]], axis=1))
    return chosen
