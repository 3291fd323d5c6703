"""Which architectures to measure: those that say most about all the others.

Under the prior (process.py) the variance that is left of every other architecture is known before anything is measured: it
depends on which ones are measured, not on what comes out. So they are chosen one after another, each the one that takes away
most of the variance left over a pool drawn from the space (I-optimal, greedy; Cohn, Ghahramani & Jordan 1996, section 2).
Variances are of latency relative to what arithmetic expects: a slow network's error counts as much as a fast one's of the same
share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluators.latency_model.features import Catalogue, Described
from evaluators.latency_model.kernel import Kernel
from evaluators.latency_model.process import PRIOR, Numbers, covariance, expected
from evaluators.latency_model.threads import on_one_thread
from evaluators.latency_model.views import Frame

NOISE = 0.02**2  # of a measurement, relative
SMALLEST = 0.3  # of the mean: the error of a smaller network counts in milliseconds
UNDECIDED = Numbers(PRIOR.values, executed=0.5)
"""Before it is known whether the device executes dead operations."""


@on_one_thread
def choose(catalogue: Catalogue, pool: Sequence[Described], n: int) -> list[int]:
    """Numbers of up to `n` of a pool, in the order in which they should be measured: any beginning of it is a good design."""
    views = Frame(catalogue, pool).views(pool)
    kernel = Kernel(catalogue.operations, views.executed(1.0))
    times = expected(kernel, UNDECIDED, views)
    times = np.maximum(times, SMALLEST * times.mean())
    return most_telling(covariance(kernel, UNDECIDED, views, views) / np.outer(times, times), n)


def most_telling(covariance: np.ndarray, n: int, noise: float = NOISE) -> list[int]:
    """The same, given the covariance of the pool, (m, m)."""
    left = covariance.copy()
    chosen: list[int] = []
    for _ in range(min(n, len(left))):
        gain = np.square(left).sum(axis=0) / (np.diag(left) + noise)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        left -= np.outer(left[:, best], left[best]) / (left[best, best] + noise)
    return chosen
