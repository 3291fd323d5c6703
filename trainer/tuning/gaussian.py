"""A Gaussian process over hyperparameters: what is likely of values that were not tried, and how sure that is.

Likeness of two trials is a Matern-5/2 function of their distance, each parameter with a length of its own, so the data say
which parameters matter (Rasmussen & Williams 2006, eq. 4.17 and 5.2):

    k(a, b) = v (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r),     r^2 = sum_i d_i(a_i, b_i)^2 / l_i^2

d is the difference of positions on the parameter's scale, from 0 to 1; for words 0 or 1. A parameter that a trial does not have
counts as the middle of its scale, or as a word of its own. Lengths, v and the noise are fitted by maximum a posteriori.

Targets are warped before (`warp`), as in Google's Vizier (Song et al. 2024): only good trials are told apart by how
good they are, so that one diverged training does not flatten all others.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.tuning.parameters import Categorical, Discrete, Double, Parameter, Value

LENGTH, VARIANCE, NOISE = 0.5, 1.0, 1e-3
"""Centres of the priors; lengths in units of a parameter's whole scale, the variances in those of the warped targets."""
WIDTHS = 1.0, 0.7, 1.5
"""Standard deviations of their logarithms."""
BOUND = 6.0
"""On how far a logarithm goes from the centre of its prior."""
JITTER = 1e-8
STEPS = 60


class Encoding:
    """Trials as rows of numbers, one column a parameter, and their distances."""

    def __init__(self, parameters: Mapping[str, Parameter]):
        self.parameters = dict(parameters)
        self.is_word = np.array([isinstance(parameter, Categorical) for parameter in parameters.values()])

    def rows(self, trials: Sequence[Mapping[str, Value]]) -> np.ndarray:
        """`(trial, parameter)`: positions from 0 to 1, and the numbers of words."""
        rows = [
            [
                _number(parameter, values[name]) if name in values else _absent(parameter)
                for name, parameter in self.parameters.items()
            ]
            for values in trials
        ]
        return np.array(rows, float).reshape(len(rows), len(self.parameters))

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Squared distances `(parameter, row of a, row of b)`."""
        apart = a.T[:, :, None] - b.T[:, None, :]
        return np.where(self.is_word[:, None, None], apart != 0, apart * apart)


class GaussianProcess:
    """Fitted to rows `(trial, parameter)` and targets `(trial,)`, larger is better.

    Attributes:
        lengths: of each parameter: how far one goes until trials are no longer alike.
    """

    def __init__(self, encoding: Encoding, rows: np.ndarray, targets: np.ndarray):
        import scipy.optimize

        self._encoding, self._rows = encoding, rows
        self._mean = float(targets.mean())
        self._targets = targets - self._mean
        width = rows.shape[1]
        self._centre = np.log([LENGTH] * width + [VARIANCE, NOISE])
        self._width = np.array([WIDTHS[0]] * width + list(WIDTHS[1:]))
        distances = encoding.distances(rows, rows)
        with on_one_thread():
            found = scipy.optimize.minimize(
                lambda logs: self._loss(logs, distances),
                self._centre,
                jac=True,
                method="L-BFGS-B",
                bounds=[(centre - BOUND, centre + BOUND) for centre in self._centre],
                options={"maxiter": STEPS},
            )
            self._logs = found.x
            covariance, _ = _matern(distances, self._logs)
            self._factor, self._weights = self._solve(covariance, self._targets)
        self.lengths = np.exp(self._logs[:-2])

    def add(self, rows: np.ndarray) -> None:
        """Takes trials that are running as if they had ended as expected (Ginsbourger et al. 2010, the kriging believer)."""
        means, _ = self.predict(rows)
        self._rows = np.concatenate([self._rows, rows])
        self._targets = np.concatenate([self._targets, means - self._mean])
        with on_one_thread():
            covariance, _ = _matern(self._encoding.distances(self._rows, self._rows), self._logs)
            self._factor, self._weights = self._solve(covariance, self._targets)

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation `(row,)` of the targets' noiseless values."""
        import scipy.linalg

        with on_one_thread():
            shared, _ = _matern(self._encoding.distances(self._rows, rows), self._logs)
            explained = np.sum(shared * scipy.linalg.cho_solve(self._factor, shared), axis=0)
        variance = math.exp(self._logs[-2]) - explained
        return self._mean + shared.T @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def _solve(self, covariance: np.ndarray, targets: np.ndarray) -> tuple[Any, np.ndarray]:
        import scipy.linalg

        noisy = covariance + (math.exp(self._logs[-1]) + JITTER) * np.eye(len(targets))
        factor = scipy.linalg.cho_factor(noisy, lower=True)
        return factor, scipy.linalg.cho_solve(factor, targets)

    def _loss(self, logs: np.ndarray, distances: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the logarithm of likelihood times prior, and its gradient (Rasmussen & Williams 2006, eq. 5.8 and 5.9)."""
        import scipy.linalg

        covariance, slope = _matern(distances, logs)
        noise = math.exp(logs[-1])
        count = len(self._targets)
        factor = scipy.linalg.cho_factor(covariance + (noise + JITTER) * np.eye(count), lower=True)
        weights = scipy.linalg.cho_solve(factor, self._targets)
        outer = np.outer(weights, weights) - scipy.linalg.cho_solve(factor, np.eye(count))
        by_length = np.tensordot(distances, outer * slope, 2) / np.exp(2 * logs[:-2])
        gradient = -0.5 * np.concatenate([by_length, [np.sum(outer * covariance), noise * np.trace(outer)]])
        loss = 0.5 * self._targets @ weights + np.log(np.diag(factor[0])).sum()
        away = (logs - self._centre) / self._width
        return float(loss + 0.5 * away @ away), gradient + away / self._width


def warp(scores: Sequence[float | None]) -> np.ndarray:
    """Scores, larger is better, as targets: the better half keeps its proportions, the worse half only its order.

    The worse half is laid where a normal distribution would have it that agrees with the better half; None, a trial without a
    result, is as bad as the worst.

    Returns:
        Targets in the same order, with zero at the median and a standard deviation of about 1.
    """
    from scipy.special import ndtri

    worst = min((score for score in scores if score is not None), default=0.0)
    values = np.array([worst if score is None else score for score in scores], float)
    median = float(np.median(values))
    better = values > median
    if not better.any():
        return np.zeros(len(values)) - (values < median)
    targets = (values - median) / (values.max() - median)
    targets /= math.sqrt(float(np.mean(targets[better] ** 2)))
    order = np.unique(values)
    ranks = np.searchsorted(order, values)
    share = (ranks + 0.5) / (2 * max(1, int(np.searchsorted(order, median))))
    return np.where(values < median, ndtri(np.clip(share, 1e-3, 0.5)), targets)


def _matern(distances: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The covariance, and its derivative by the logarithm of a length, but for the factor d^2 / l^2."""
    r = np.sqrt(5 * np.tensordot(np.exp(-2 * logs[:-2]), distances, 1))
    decayed = math.exp(logs[-2]) * np.exp(-r)
    return (1 + r + r * r / 3) * decayed, 5 / 3 * (1 + r) * decayed


def _number(parameter: Parameter, value: Value) -> float:
    if isinstance(parameter, Discrete) and parameter.scale is not None:
        return Double(parameter.values[0], parameter.values[-1], parameter.scale).position(value)
    if isinstance(parameter, Categorical | Discrete):
        rank = parameter.values.index(value)  # type: ignore[arg-type]
        return rank if isinstance(parameter, Categorical) else rank / max(1, parameter.count - 1)
    return parameter.position(value)


def _absent(parameter: Parameter) -> float:
    return -1.0 if isinstance(parameter, Categorical) else 0.5


@functools.cache
def _libraries() -> Any:
    """The linear algebra of this process."""
    import scipy.linalg  # brings libraries of its own
    import scipy.optimize  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_one_thread() -> contextlib.AbstractContextManager[Any]:
    """Small matrices gain nothing from threads, and sums come out in the same order every time."""
    return _libraries().limit(limits=1, user_api="blas")
