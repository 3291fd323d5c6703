"""A Gaussian process over architectures: what is likely of one that was not tried, and how sure that is.

The prior is a sum of four parts, each on its own features (encoding.py), so that the data say which kind of likeness counts:

    main        v1 * phi phi' / d                     every decision adds its own effect
    together    v2 * exp(-w |phi - phi'|^2 / 2)       decisions act together: likeness falls with each that differs
    counts      v3 * exp(-|c - c'|^2 / 2 l^2)         what is used how often, wherever it stands
    costs       v4 * exp(-sum (p - p')^2 / 2 m^2)     size: FLOPs and parameters, each with a length of its own

phi phi' counts the decisions on which two architectures agree, so the second part is the exponential of their Hamming distance
(Oh et al. 2019, COMBO). Sums of kernels over different views of an architecture are those of Kandasamy et al. 2018 (NAS-BOT)
and Ru et al. 2021 (NAS-BOWL). The numbers in it are fitted to the data by maximum a posteriori: the marginal likelihood
(Rasmussen & Williams 2006, eq. 5.8 and 5.9) times log-normal priors, which hold where there are few data. Or they are drawn
from that posterior, and several such models averaged (Snoek et al. 2012, section 3.2).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from controllers.encoding import Encoding, Features, joined

JITTER = 1e-5  # added to the variance of noise, so that equal architectures do no harm
PRIOR_WIDTH = 1.0  # standard deviation of the logarithm of each number
BOUND = 7.0  # on how far a logarithm goes from the centre of its prior
FIT_STEPS = 15  # of the optimizer; the next fit goes on from there
DRAW_STEPS = 25  # of the sampler; likewise
NARROWEST = 1e-6  # angle of a slice; a chain that finds nothing stays where it is
FIT_EVERY = 0.15  # more data, and it is fitted again

MAIN, TOGETHER, COUNTS, COSTS, NOISE, DECAY, COUNT_LENGTH, COST_LENGTHS = range(8)
"""Where the logarithm of each number stands; the lengths of costs are last."""


@functools.cache
def _libraries() -> Any:
    """The linear algebra of this process."""
    import scipy.linalg  # brings libraries of its own
    import scipy.optimize  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_one_thread() -> contextlib.AbstractContextManager[Any]:
    """Matrices of a few hundred rows gain nothing from threads, and beside a training that fills all cores they lose very much:
    measured 20 times, as threads wait for each other."""
    return _libraries().limit(limits=1, user_api="blas")


class Likeness:
    """How alike the architectures of two batches are, by each kind of feature, before any number of the prior enters.

    Attributes:
        agree: phi phi', (n, m).
        differ: |phi - phi'|^2 / 2.
        counts: |c - c'|^2.
        costs: (p - p')^2 for each cost.
    """

    def __init__(self, a: Features, b: Features):
        self.agree = (a.decisions @ b.decisions.T).astype(np.float64)
        self.differ = np.maximum(np.add.outer(a.sizes / 2, b.sizes / 2) - self.agree, 0.0)
        self.counts = np.maximum(np.add.outer(a.count_sizes, b.count_sizes) - 2 * (a.counts @ b.counts.T), 0.0)
        self.costs = [np.subtract.outer(a.costs[:, i], b.costs[:, i]) ** 2 for i in range(a.costs.shape[1])]


class Surrogate:
    """The model of one quantity. Its memory is the prior's numbers; data are given anew each time.

    Args:
        encoding: says which kinds of features there are.
    """

    def __init__(self, encoding: Encoding):
        self._roles, costs = max(1, encoding.roles), encoding.priced
        present = {MAIN: True, TOGETHER: True, COUNTS: encoding.counted > 0, COSTS: costs > 0}
        self._parts = [part for part, is_present in present.items() if is_present]
        self._centre = np.log([0.3, 0.3, 0.3, 0.3, 0.05, 1.8 / self._roles, 1.0, *[1.0] * costs])
        self._logs = self._centre.copy()
        self._fitted = 0
        self._rows: dict[bytes, np.ndarray] = {}  # covariances with a lasting pool; they follow from the rest

    # -- learning --------------------------------------------------------------------------------------------------------

    def learn(
        self,
        known: Features,
        targets: np.ndarray,
        told: int,
        pending: Features | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Takes the data.

        Args:
            known: the architectures that were measured.
            targets: (n,) their values, about standard normal.
            told: how much was ever told; the prior's numbers are fitted again when that has grown.
            pending: architectures whose values are on their way. They are taken to be what is expected of them (the kriging
                believer of Ginsbourger et al. 2010), so that the next proposal goes elsewhere.
            rng: draws the prior's numbers from their posterior; None: the likeliest ones.
        """
        if told >= self._fitted + max(5, FIT_EVERY * self._fitted):
            likeness, deviations = Likeness(known, known), targets - targets.mean()
            if rng is None:
                self._fit(likeness, deviations)
            else:
                self._draw(likeness, deviations, rng)
            self._fitted = told
            self._rows.clear()
        self._offset = float(targets.mean())
        self._all = known if pending is None else joined([known, pending])
        factor = self._factor(known)
        self._root = factor if pending is None else self._factor(self._all)
        self._weights = _solve(factor, targets - self._offset)

    def keep(self, pool: Features, names: Sequence[bytes]) -> np.ndarray:
        """Covariances with a pool that comes again, (known and pending, m): what was computed before is not computed again.

        It goes row by row, so that a row is the same to the last digit whenever it is computed.

        Args:
            pool: always the same.
            names: of the known and the pending architectures, in their order.
        """
        for i, name in enumerate(names):
            if name not in self._rows:
                self._rows[name] = self._covariance(self._all.take([i]), pool)[0].astype(np.float32)
        return np.stack([self._rows[name] for name in names])

    def covariance(self, pool: Features) -> np.ndarray:
        """Covariances with a pool, (known and pending, m)."""
        return self._covariance(self._all, pool)

    def mean(self, covariance: np.ndarray) -> np.ndarray:
        """What is expected of each architecture of a pool, (m,), given its covariances."""
        return self._offset + self._weights @ covariance[: len(self._weights)]

    def deviation(self, covariance: np.ndarray, pool: Features) -> np.ndarray:
        """How far each may be from what is expected of it, (m,); without the noise of measuring."""
        from scipy.linalg import solve_triangular

        explained = (solve_triangular(self._root, covariance, lower=True, check_finite=False) ** 2).sum(axis=0)
        own = np.exp(self._logs[MAIN]) / self._roles * pool.sizes + np.exp(self._logs[self._parts[1:]]).sum()
        return np.sqrt(np.maximum(own - explained, 1e-9))

    def state(self) -> dict[str, Any]:
        """The prior's numbers, as plain JSON."""
        return {"logs": self._logs.tolist(), "fitted": self._fitted}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._logs, self._fitted = np.array(state["logs"], dtype=float), int(state["fitted"])
        self._rows.clear()

    # -- the prior -------------------------------------------------------------------------------------------------------

    def _terms(self, likeness: Likeness, logs: np.ndarray) -> dict[int, np.ndarray]:
        """Each part of the covariance."""
        size = np.exp(logs)
        terms = {
            MAIN: size[MAIN] / self._roles * likeness.agree,
            TOGETHER: size[TOGETHER] * np.exp(-size[DECAY] * likeness.differ),
        }
        if COUNTS in self._parts:
            terms[COUNTS] = size[COUNTS] * np.exp(-0.5 / size[COUNT_LENGTH] ** 2 * likeness.counts)
        if COSTS in self._parts:
            far = sum(cost / length**2 for cost, length in zip(likeness.costs, size[COST_LENGTHS:], strict=True))
            terms[COSTS] = size[COSTS] * np.exp(-0.5 * far)
        return terms

    def _covariance(self, a: Features, b: Features) -> np.ndarray:
        return sum(self._terms(Likeness(a, b), self._logs).values())  # type: ignore[return-value]

    def _factor(self, known: Features) -> np.ndarray:
        """Cholesky's, of the covariance of what is known, noise included."""
        covariance = self._covariance(known, known)
        return np.linalg.cholesky(covariance + (np.exp(self._logs[NOISE]) + JITTER) * np.eye(len(covariance)))

    def _fit(self, likeness: Likeness, targets: np.ndarray) -> None:
        from scipy.optimize import minimize

        bounds = [(centre - BOUND, centre + BOUND) for centre in self._centre]
        options = {"maxiter": FIT_STEPS}
        found = minimize(self._loss, self._logs, (likeness, targets), "L-BFGS-B", jac=True, bounds=bounds, options=options)
        if np.isfinite(found.fun):
            self._logs = found.x

    def _draw(self, likeness: Likeness, targets: np.ndarray, rng: np.random.Generator) -> None:
        """Elliptical slice sampling (Murray, Adams & MacKay 2010, figure 2), from where the last draw ended."""
        logs, likelihood = self._logs, self._log_likelihood(self._logs, likeness, targets)
        for _ in range(DRAW_STEPS):
            other = self._centre + PRIOR_WIDTH * rng.standard_normal(len(logs))
            threshold = likelihood + np.log(1.0 - rng.random())
            angle = rng.uniform(0, 2 * np.pi)
            low, high = angle - 2 * np.pi, angle
            while True:
                tried = self._centre + (logs - self._centre) * np.cos(angle) + (other - self._centre) * np.sin(angle)
                found = self._log_likelihood(tried, likeness, targets)
                if found > threshold or high - low < NARROWEST:
                    break
                low, high = (angle, high) if angle < 0 else (low, angle)
                angle = rng.uniform(low, high)
            if found > threshold:
                logs, likelihood = tried, found
        self._logs = logs

    def _log_likelihood(self, logs: np.ndarray, likeness: Likeness, targets: np.ndarray) -> float:
        covariance = sum(self._terms(likeness, logs).values()) + (np.exp(logs[NOISE]) + JITTER) * np.eye(len(targets))
        factor = np.linalg.cholesky(covariance)
        return float(-targets @ _solve(factor, targets) / 2 - np.log(np.diag(factor)).sum())

    def _loss(self, logs: np.ndarray, likeness: Likeness, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """The negative logarithm of the posterior of the prior's numbers, and its gradient."""
        terms, n = self._terms(likeness, logs), len(targets)
        noise = np.exp(logs[NOISE])
        factor = np.linalg.cholesky(sum(terms.values()) + (noise + JITTER) * np.eye(n))
        root = np.linalg.inv(factor)
        inverse = root.T @ root
        weights = inverse @ targets
        away = (logs - self._centre) / PRIOR_WIDTH
        loss = targets @ weights / 2 + np.log(np.diag(factor)).sum() + away @ away / 2
        pull = inverse - np.outer(weights, weights)  # d loss / d theta = tr(pull dK/d theta) / 2
        gradient = away / PRIOR_WIDTH
        for part, term in terms.items():
            gradient[part] += (pull * term).sum() / 2
        gradient[NOISE] += noise * np.trace(pull) / 2
        gradient[DECAY] -= np.exp(logs[DECAY]) * (pull * terms[TOGETHER] * likeness.differ).sum() / 2
        if COUNTS in terms:
            gradient[COUNT_LENGTH] += np.exp(-2 * logs[COUNT_LENGTH]) * (pull * terms[COUNTS] * likeness.counts).sum() / 2
        if COSTS in terms:
            pulled = pull * terms[COSTS]
            for i, cost in enumerate(likeness.costs, COST_LENGTHS):
                gradient[i] += np.exp(-2 * logs[i]) * (pulled * cost).sum() / 2
        return float(loss), gradient


def _solve(factor: np.ndarray, targets: np.ndarray) -> np.ndarray:
    from scipy.linalg import cho_solve

    return cho_solve((factor, True), targets, check_finite=False)
