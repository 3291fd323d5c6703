"""A number predicted from a point's decisions, as a sum of effects, with its uncertainty: Bayesian linear regression.

Use it for costs of networks (a latency, a size), which are nearly sums over their parts: after a dozen trials it says well
enough which points are likely to meet a bound. It is a Gaussian process with a linear kernel (Rasmussen & Williams 2006,
"Gaussian Processes for Machine Learning", section 2.1)

    k(x, z) = (1 - share) * <decisions(x), decisions(z)> + share * <counts(x), counts(z)>

on two views of a point (encoding.py), each scaled to a mean of 1: which decision takes which option, and how often each option
is taken. With few trials the counts are what works: six edges with five operations are five effects to learn instead of thirty.
The `share` of the effects that decisions have in common, and the noise, are those of the largest marginal likelihood (section
5.4.1) on a small grid, looked for again whenever the number of trials has grown by a quarter.

What matters is on which side of a bound a value is, so the fit is local: the noise of a trial grows with the square of its
distance from the bound. On the latencies of NAS-Bench-201 that makes half again as many proposals feasible.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

SHARES = (0.0, 0.5, 0.9, 0.99)
NOISES = (1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)  # of a value at the bound, relative to the variance of the effects
LOCALITY = 5.0  # how much more noise a value has that is one standard deviation from the bound
SMALLEST = 1e-12
LARGEST = 1e100
SPREADS = 8.0  # values further from the median than so many median deviations are pulled in: infinities, time-outs


class Views(NamedTuple):
    """Points as a model sees them.

    Attributes:
        decisions: (n, columns), which options are taken.
        counts: (n, columns), how often each is.
    """

    decisions: np.ndarray
    counts: np.ndarray

    def take(self, rows: Any) -> Views:
        """Those of some rows."""
        return Views(self.decisions[rows], self.counts[rows])


def joined(parts: Iterable[Views]) -> Views:
    """Several batches as one."""
    decisions, counts = zip(*parts, strict=True)
    return Views(np.concatenate(decisions), np.concatenate(counts))


class LinearModel:
    """Regression of one metric.

    Attributes:
        share, noise: of the kernel, as they were found last.
        fitted: from how many trials they were found. The three are the model's whole memory beside the trials.
    """

    def __init__(self) -> None:
        self.share, self.noise, self.fitted = SHARES[-2], NOISES[-2], 0

    def fit(self, known: Views, values: np.ndarray, bound: float, told: int) -> None:
        """Learns from n points and their values.

        Args:
            known: the points.
            values: (n,) of the metric, any numbers but NaN.
            bound: the value that predictions will be compared with.
            told: how many trials there were in all, also those that are no longer among the points.
        """
        values = _pulled_in(values, bound)
        self._known, self._mean, self._scale = known, float(values.mean()), float(values.std()) or 1.0
        self._sizes = tuple(float(np.einsum("ij,ij->", view, view)) / len(values) or 1.0 for view in known)
        targets = (values - self._mean) / self._scale
        noises = 1.0 + LOCALITY * np.square((values - bound) / self._scale).clip(max=1e6)
        products = self._products(known, known)
        if told >= 1.25 * self.fitted:
            grid = [(share, noise) for share in SHARES for noise in NOISES]
            found = [_likelihood(_mixed(share, products) + np.diag(noise * noises), targets) for share, noise in grid]
            self.share, self.noise = grid[int(np.argmax(found))]
            self.fitted = told
        self._inverse = np.linalg.inv(_mixed(self.share, products) + np.diag(self.noise * noises))
        self._weights = self._inverse @ targets
        self._variance = max(float(targets @ self._weights) / len(targets), SMALLEST)

    def predict(self, views: Views) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the value of each of m points, were it measured near the bound, (m,) and (m,)."""
        covariance = _mixed(self.share, self._products(views, self._known))
        own = _mixed(self.share, [np.einsum("ij,ij->i", x, x) / size for x, size in zip(views, self._sizes, strict=True)])
        unexplained = own + self.noise - ((covariance @ self._inverse) * covariance).sum(axis=1)
        deviation = np.sqrt(np.maximum(unexplained, SMALLEST) * self._variance)
        return self._mean + self._scale * (covariance @ self._weights), self._scale * deviation

    def _products(self, a: Views, b: Views) -> list[np.ndarray]:
        """Of each view, scaled, (n, m)."""
        return [x @ z.T / size for x, z, size in zip(a, b, self._sizes, strict=True)]


def _mixed(share: float, products: Sequence[np.ndarray]) -> np.ndarray:
    """The covariance, up to the variance of the effects."""
    decisions, counts = products
    return (1 - share) * decisions + share * counts


def _likelihood(covariance: np.ndarray, targets: np.ndarray) -> float:
    """The logarithm of the marginal likelihood, the variance of the effects being at its best; up to a constant."""
    root = np.linalg.cholesky(covariance)
    variance = max(float(np.square(np.linalg.solve(root, targets)).mean()), SMALLEST)
    return -0.5 * len(targets) * math.log(variance) - float(np.log(np.diag(root)).sum())


def _pulled_in(values: np.ndarray, bound: float) -> np.ndarray:
    """The values with outliers, infinite ones included, moved to where the others end, but never to the bound's other side."""
    values = np.clip(values, -LARGEST, LARGEST)
    middle = float(np.median(values))
    distance = np.abs(values - middle)
    usual = float(np.median(distance)) or float(distance.mean())
    low, high = middle - SPREADS * usual, middle + SPREADS * usual
    return np.clip(values, min(low, bound - usual), max(high, bound + usual))
