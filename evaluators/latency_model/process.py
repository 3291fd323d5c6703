"""Latency as a Gaussian process whose prior is the roofline: additive over operations, plus what adding up misses.

    latency(x) = sum over operations i of  count_i(x) * s_i * (1 + g_i)  +  h(x)  +  noise

    s_i = w_f flops_i / F + w_b bytes_i / B + w_s / S       the time arithmetic expects: work, traffic and a start
    g_i ~ layer + kind + size                               how an operation differs from that, see kernel.py
    h   ~ options + decisions + together + depth            what is fused, in parallel, or slower beside something else

F, B and S are the measured architectures' mean FLOPs, bytes and operations as written, so that the three weights are about
shares of the mean latency. With ten measurements it is the roofline that speaks, with a hundred the operations' own times, with
a thousand the residual h as well.

Weights and variances are those of the largest posterior: the marginal likelihood (Rasmussen & Williams 2006, eq. 5.8, 5.9)
times log-normal priors that are the same for every space and device. So is whether the device executes dead operations
(written.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from evaluators.latency_model.kernel import LEVELS, RESIDUALS, WORK, Kernel, by_decisions, own_by_decisions
from evaluators.latency_model.threads import on_one_thread
from evaluators.latency_model.views import Views

NUMBERS = (*WORK, *LEVELS, *RESIDUALS, "noise", "relative")
CENTRES = dict(zip(NUMBERS, (0.3, 0.2, 0.3, 0.2, 0.1, 0.05, 0.05, 0.02, 0.01, 0.005, 0.001, 0.001), strict=True))
"""The middle of each number's prior: weights as shares of the mean latency, the others variances in squares of it."""

EXECUTED = (0.0, 1.0)
"""Shares of the dead operations that a device may execute."""

WIDTH = 1.5  # standard deviation of the logarithm of each number
BOUND = 8.0  # on how far a logarithm goes from its centre
OFFSET = 0.1  # variance of a constant
FITTED_ON = 250  # at most so many measurements choose the numbers; all of them are used to predict
STEPS = 60
JITTER = 1e-6
NEGLIGIBLE = 1e-9  # a variance
STRAY = 4.0  # usual deviations from what the others say, beyond which a measurement is doubted
MEDIAN_OF_NORMAL = 0.6745  # standard deviations
ROUNDS = 3
BATCH = 1_000  # architectures predicted at a time


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The prior's numbers.

    Attributes:
        values: in the order of `NUMBERS`.
        executed: share of the dead operations that the device executes.
        offset: variance of a constant.
    """

    values: np.ndarray
    executed: float = 0.0
    offset: float = OFFSET

    @property
    def weights(self) -> np.ndarray:
        return self.values[:3]

    @property
    def levels(self) -> np.ndarray:
        return self.values[3:6]

    @property
    def residuals(self) -> np.ndarray:
        return self.values[6:10]

    def noise(self, targets: np.ndarray) -> np.ndarray:
        """Variance of each measurement: a constant part, and one that grows with what was measured."""
        return self.values[10] + self.values[11] * _growth(targets) + JITTER


PRIOR = Numbers(np.array(list(CENTRES.values())))
"""Before anything is measured."""


def _growth(targets: np.ndarray) -> np.ndarray:
    return np.square((np.maximum(targets, 0.0) + 1.0) / 2.0)  # half its own, half the mean: a reading near 0 is not exact


def expected(kernel: Kernel, numbers: Numbers, a: Views) -> np.ndarray:
    """(n,) what arithmetic says."""
    return kernel.expected(a.executed(numbers.executed)) @ numbers.weights


def covariance(kernel: Kernel, numbers: Numbers, a: Views, b: Views) -> np.ndarray:
    """(n, m), without noise."""
    times = (kernel.work @ numbers.weights)[:, None]
    work = kernel.by_operations(a.executed(numbers.executed), b.executed(numbers.executed), times)[:, 0, 0]
    return np.tensordot(numbers.levels, work, 1) + np.tensordot(numbers.residuals, by_decisions(a, b), 1) + numbers.offset


def own_variance(kernel: Kernel, numbers: Numbers, a: Views) -> np.ndarray:
    """(n,) the diagonal of it."""
    work = kernel.own(a.executed(numbers.executed), kernel.work @ numbers.weights)
    return numbers.levels @ work + numbers.residuals @ own_by_decisions(a) + numbers.offset


class Process:
    """A process that has seen data; targets are latencies as shares of their mean.

    Attributes:
        left_out: (n,) what each measurement is predicted to be from all others (eq. 5.12), and
        left_out_deviation: (n,) how far it expects an undoubted measurement to be from that.
        doubt: (n,) by how much the variance of each measurement's noise is more than usual, from 1.
    """

    @on_one_thread
    def __init__(self, kernel: Kernel, numbers: Numbers, known: Views, targets: np.ndarray, doubt: np.ndarray):
        self.kernel, self.numbers, self.doubt, self._known = kernel, numbers, doubt, known
        noise = numbers.noise(targets)
        whole = covariance(kernel, numbers, known, known) + np.diag(noise * doubt)
        self._inverse = np.linalg.inv(whole)
        self._weights = self._inverse @ (targets - expected(kernel, numbers, known))
        variance = 1.0 / np.diag(self._inverse)
        self.left_out = targets - self._weights * variance
        self.left_out_deviation = np.sqrt(variance - noise * (doubt - 1))

    @on_one_thread
    def predict(self, asked: Views) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a measurement of each of m architectures, (m,) and (m,)."""
        mean, deviation = np.empty(len(asked.depth)), np.empty(len(asked.depth))
        for start in range(0, len(mean), BATCH):
            rows = np.arange(start, min(start + BATCH, len(mean)))
            some = asked.take(rows)
            across = covariance(self.kernel, self.numbers, some, self._known)
            mean[rows] = expected(self.kernel, self.numbers, some) + across @ self._weights
            explained = ((across @ self._inverse) * across).sum(axis=1)
            own = own_variance(self.kernel, self.numbers, some) + self.numbers.noise(mean[rows])
            deviation[rows] = np.sqrt(np.maximum(own - explained, JITTER))
        return mean, deviation

    def operation_times(self, operations: int) -> np.ndarray:
        """(operations,) what is expected of each operation of the kernel by itself: its part of the sum, never below 0."""
        counts, times = np.eye(operations), (self.kernel.work @ self.numbers.weights)[:, None]
        known = self._known.executed(self.numbers.executed)
        across = np.tensordot(self.numbers.levels, self.kernel.by_operations(counts, known, times)[:, 0, 0], 1)
        return np.maximum(times[:operations, 0] + across @ self._weights, 0.0)


def likeliest(kernel: Kernel, known: Views, targets: np.ndarray, doubt: np.ndarray, earlier: Numbers | None = None) -> Numbers:
    """The prior's numbers of the largest posterior; looked for from `earlier` ones on, if there are any."""
    rows = _representatives(len(targets))
    known, targets, doubt = known.take(rows), targets[rows], doubt[rows]
    if earlier is not None:
        return _Posterior(kernel, known, targets, doubt, earlier.executed).climbed(earlier.values)[0]
    shares = EXECUTED if known.dead.any() else EXECUTED[:1]
    found = [_Posterior(kernel, known, targets, doubt, executed).climbed(PRIOR.values) for executed in shares]
    return min(found, key=lambda each: each[1])[0]


@on_one_thread
def additive(kernel: Kernel, known: Views, targets: np.ndarray, doubt: np.ndarray) -> Process:
    """A process that explains all it can by the operations of the live network, and leaves the rest to noise."""
    rows = _representatives(len(targets))
    posterior = _Posterior(kernel, known.take(rows), targets[rows], doubt[rows], 0.0, offset=0.0)
    values = PRIOR.values.copy()
    values[6:10] = NEGLIGIBLE
    return Process(kernel, posterior.climbed(values, fixed=(6, 7, 8, 9))[0], known, targets, doubt)


def _representatives(n: int) -> np.ndarray:
    """Rows that choose the prior's numbers."""
    return np.linspace(0, n - 1, min(n, FITTED_ON)).astype(int)


class _Posterior:
    """The negative logarithm of the posterior of the prior's numbers, and its slope."""

    def __init__(
        self, kernel: Kernel, known: Views, targets: np.ndarray, doubt: np.ndarray, executed: float, offset: float = OFFSET
    ):
        counts = known.executed(executed)
        self._executed, self._offset = executed, offset
        self._targets, self._doubt = targets, doubt
        self._expected = kernel.expected(counts)
        self._work = kernel.by_operations(counts, counts, kernel.work)
        self._residuals = by_decisions(known, known)
        self._growth = _growth(targets)
        self._centre = np.log(PRIOR.values)

    def climbed(self, start: np.ndarray, fixed: Sequence[int] = ()) -> tuple[Numbers, float]:
        """The numbers at its least, and how little that is; some of them stay as they start."""
        from scipy.optimize import minimize

        bounds = [(at - BOUND, at + BOUND) for at in self._centre]
        for i in fixed:
            bounds[i] = (np.log(start[i]), np.log(start[i]))
        found = minimize(self.at, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
        return Numbers(np.exp(found.x), self._executed, self._offset), float(found.fun)

    def at(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and slope at the logarithms of the numbers (eq. 5.8 and 5.9)."""
        numbers = Numbers(np.exp(logs), self._executed, self._offset)
        weights, levels = numbers.weights, numbers.levels
        mixture = levels[:, None, None] * np.outer(weights, weights)
        whole = np.tensordot(mixture, self._work, 3) + np.tensordot(numbers.residuals, self._residuals, 1) + numbers.offset
        whole += np.diag(numbers.noise(self._targets) * self._doubt)
        root = np.linalg.cholesky(whole)
        inverse = np.linalg.inv(whole)
        rest = self._targets - self._expected @ weights
        solved = inverse @ rest
        strays = (logs - self._centre) / WIDTH
        value = 0.5 * rest @ solved + np.log(np.diag(root)).sum() + 0.5 * strays @ strays
        change = 0.5 * (inverse - np.outer(solved, solved))
        by_work = np.tensordot(self._work, change, 2)
        both = by_work + by_work.transpose(0, 2, 1)
        slopes = [
            np.einsum("l,lij,j->i", levels, both, weights) - self._expected.T @ solved,
            np.einsum("lij,i,j->l", by_work, weights, weights),
            np.tensordot(self._residuals, change, 2),
            [np.diag(change) @ self._doubt, np.diag(change) @ (self._doubt * self._growth)],
        ]
        return float(value), np.concatenate(slopes) * numbers.values + strays / WIDTH


@on_one_thread
def fit(kernel: Kernel, known: Views, targets: np.ndarray) -> Process:
    """The process with the likeliest numbers, which measurements that went wrong do not bend.

    One that is further from what the others say than `STRAY` usual deviations is doubted: its noise gets that much more
    variance, as under a noise with heavy tails (Student's t by reweighting: Lange, Little & Taylor 1989). Then the numbers are
    looked for again.
    """
    doubt, numbers = np.ones(len(targets)), None
    for _ in range(ROUNDS):
        numbers = likeliest(kernel, known, targets, doubt, numbers)
        process = Process(kernel, numbers, known, targets, doubt)
        ratios = np.abs(process.left_out - targets) / process.left_out_deviation
        usual = float(np.median(ratios)) / MEDIAN_OF_NORMAL or 1.0
        before, doubt = doubt, np.maximum(1.0, np.square(ratios / usual / STRAY))
        if (before == doubt).all():
            break
    return process
