"""Early stopping: ends a running trial whose curve says that it will not be among the better half.

The median rule of Vizier and Vertex AI (Golovin et al. 2017, section 3.2; `medianAutomatedStoppingSpec`): a trial is stopped
at step s if the best it has reported by then is worse than the median of the other trials' averages over their steps up to s.
It assumes nothing about the shape of curves. Trials that ended count, and those that were stopped as far as they came.

    rule = MedianRule("minimize")
    rule.learn(reports)                    # of each trial that ended
    rule.objection(reports)                # of one that runs: "" or why it should end
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from trainer.tuning.reports import Report


class MedianRule:
    """Remembers the curves of trials that ended, and says which running ones are behind.

    Args:
        goal: "minimize" or "maximize".
    """

    needed = 3
    """Curves that reach back to a step, before anyone is stopped at it: the median of fewer is one or two trials' luck."""

    def __init__(self, goal: str):
        self._sign = 1 if goal == "minimize" else -1
        self._curves: list[list[Report]] = []

    def learn(self, reports: Sequence[Report]) -> None:
        """The curve of a trial that ended; steps may come in any order."""
        curve = _finite(reports)
        if curve:
            self._curves.append(curve)

    def objection(self, reports: Sequence[Report]) -> str:
        """Why a trial with these reports so far should be stopped; "": it may go on.

        Each of its reports is judged with those before it, so it does not matter how often one looks.
        """
        seen: list[Report] = []
        for report in reports:
            seen.append(report)
            step = max(known.step for known in seen)
            averages = [average for average in (self._average(curve, step) for curve in self._curves) if average is not None]
            if len(averages) < self.needed:
                continue
            median = statistics.median(averages)
            best = min((self._sign * known.value for known in _finite(seen)), default=math.inf)
            if best > median:
                said = f"{self._sign * best:.5g}" if math.isfinite(best) else "no number"
                return f"{said} by step {step}, median {self._sign * median:.5g}"
        return ""

    def _average(self, curve: Sequence[Report], step: int) -> float | None:
        """Of a trial's values up to a step, smaller is better; None: it has none."""
        values = [self._sign * report.value for report in curve if report.step <= step]
        return math.fsum(values) / len(values) if values else None


def _finite(reports: Sequence[Report]) -> list[Report]:
    return [report for report in reports if math.isfinite(report.value)]
