"""How much of the difference between architectures is the seed's doing.

If full training itself would order them otherwise with another seed, no proxy can agree with it, and a low tau says nothing
against the proxy. Some architectures are therefore judged again with another seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Noise:
    """Seed noise against the spread between architectures, in the unit of the metric.

    Attributes:
        seed_deviation: standard deviation between seeds of one architecture; NaN: nothing was repeated.
        spread: standard deviation between architectures, seed noise included.
        repeats: architectures judged more than once.
    """

    seed_deviation: float
    spread: float
    repeats: int

    @property
    def reliability(self) -> float:
        """The share of the variance between architectures that is theirs, not the seed's, in [0, 1]; NaN: unknown."""
        if not self.spread > 0:
            return 0.0 if self.spread == 0 else float("nan")
        return max(0.0, 1 - (self.seed_deviation / self.spread) ** 2)


def seed_noise(values: Sequence[float], again: Sequence[Sequence[float]]) -> Noise:
    """The noise of a metric.

    Args:
        values: of all architectures with the first seed.
        again: for each repeated architecture, its values with every seed. Those that are not finite are left out.
    """
    finite = np.asarray(values, float)[np.isfinite(values)]
    spread = float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
    groups = [np.asarray(group, float)[np.isfinite(group)] for group in again]
    groups = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return Noise((squares / freedom) ** 0.5 if freedom else float("nan"), spread, len(groups))
