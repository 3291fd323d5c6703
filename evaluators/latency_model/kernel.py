"""How alike the latencies of two networks are expected to be: by the operations they execute, and by their decisions.

Two networks that run the same operations have the same latency, so likeness is summed over pairs of operations, one from each:

    k(x, y) = sum over i, j of  count_i(x) s_i  alike(i, j)  s_j count_j(y)

with s_i the time that arithmetic expects of operation i. `alike` has three levels: same layer, same kind (layer and settings),
and same kind and about the same size. That is the covariance of sums of unknown times of operations (Duvenaud et al. 2011,
"Additive Gaussian Processes"; Rasmussen & Williams 2006, section 4.2.2 on kernels of a sum).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluators.latency_model.operations import OperationFacts
from evaluators.latency_model.views import Views

WORK = ("flops", "bytes", "starts")
LEVELS = ("layer", "kind", "size")
RESIDUALS = ("options", "decisions", "together", "depth")
OCTAVES = 2.0  # operations of a kind that are so many doublings of work or traffic apart are alike by e^-1/2


class Kernel:
    """What arithmetic says about each operation, and which operations are alike.

    Args:
        operations: all that occur, by number.
        counts: (n, operations) how often each was written in the measured architectures, dead ones included.
    """

    def __init__(self, operations: Sequence[OperationFacts], counts: np.ndarray):
        raw = _raw_work(operations)
        total = counts.mean(axis=0) @ raw[: counts.shape[1]]
        self._scale = np.where(total > 0, total, 1.0)
        self.cover(operations)

    def cover(self, operations: Sequence[OperationFacts]) -> None:
        """Takes in operations that were met since."""
        self.work = _raw_work(operations) / self._scale
        """(operations, 3) work, traffic and starts; a measured architecture's sum to 1 on average, each, as it was written."""
        self._groups = [_numbered([each.layer for each in operations]), _numbered([each.kind for each in operations])]
        sizes = np.array([[each.flops, each.traffic_bytes] for each in operations], dtype=float)
        self._sizes = np.log2(1.0 + sizes) / OCTAVES

    def expected(self, counts: np.ndarray) -> np.ndarray:
        """(n, 3) work, traffic and starts of architectures, as shares of the mean."""
        return counts @ self.work[: counts.shape[1]]

    def by_operations(self, a: np.ndarray, b: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Likeness by level, for each pair of ways to time an operation.

        Args:
            a, b: (n, operations) and (m, operations) counts.
            times: (operations, ways).

        Returns:
            (levels, ways, ways, n, m)
        """
        ways = times.shape[1]
        out = np.zeros((len(LEVELS), ways, ways, len(a), len(b)))
        for level, groups in enumerate(self._groups):
            left, right = self._summed(a, groups, times), self._summed(b, groups, times)
            out[level] = left[:, None] @ right[None].transpose(0, 1, 3, 2)
        for here_a, here_b, alike in self._kinds(a, b):
            left = (a[:, here_a] * times[here_a].T[:, None, :]) @ alike
            right = b[:, here_b] * times[here_b].T[:, None, :]
            out[2] += left[:, None] @ right[None].transpose(0, 1, 3, 2)
        return out

    def own(self, a: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(levels, n) likeness of each architecture to itself; `times`: (operations,)."""
        out = np.zeros((len(LEVELS), len(a)))
        for level, groups in enumerate(self._groups):
            out[level] = np.square(self._summed(a, groups, times[:, None])[0]).sum(axis=1)
        for here, _, alike in self._kinds(a, a):
            timed = a[:, here] * times[here]
            out[2] += ((timed @ alike) * timed).sum(axis=1)
        return out

    def _kinds(self, a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each kind, the operations of it that occur in `a`, those in `b`, and how alike their sizes are."""
        in_a, in_b = a.any(axis=0), b.any(axis=0)
        kinds = self._groups[1]
        for kind in range(int(kinds.max(initial=-1)) + 1):
            here_a = np.flatnonzero(in_a & (kinds[: a.shape[1]] == kind))
            here_b = np.flatnonzero(in_b & (kinds[: b.shape[1]] == kind))
            if here_a.size and here_b.size:
                apart = np.square(self._sizes[here_a, None] - self._sizes[None, here_b]).sum(axis=2)
                yield here_a, here_b, np.exp(-0.5 * apart)

    def _summed(self, counts: np.ndarray, groups: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(ways, n, groups): times of each group of operations."""
        known = counts.shape[1]
        member = np.zeros((known, int(groups.max(initial=-1)) + 1))
        member[np.arange(known), groups[:known]] = 1.0
        return (counts * times[:known].T[:, None, :]) @ member


def by_decisions(a: Views, b: Views) -> np.ndarray:
    """(residuals, n, m) likeness by what was decided and by depth."""
    agree = a.decisions @ b.decisions.T
    apart = np.maximum(np.add.outer(_own_decisions(a), _own_decisions(b)) - 2 * agree, 0.0)
    return np.stack([a.options @ b.options.T, agree, np.exp(-apart), np.multiply.outer(a.depth - 1, b.depth - 1)])


def own_by_decisions(a: Views) -> np.ndarray:
    """(residuals, n) of each to itself."""
    options = np.square(a.options).sum(axis=1) + a.options_unknown
    return np.stack([options, _own_decisions(a), np.ones(len(a.depth)), np.square(a.depth - 1)])


def _own_decisions(a: Views) -> np.ndarray:
    return np.square(a.decisions).sum(axis=1) + a.decisions_unknown


def _raw_work(operations: Sequence[OperationFacts]) -> np.ndarray:
    return np.array([[each.flops, each.traffic_bytes, 1.0] for each in operations], dtype=float).reshape(-1, len(WORK))


def _numbered(names: Sequence[str]) -> np.ndarray:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=int)
