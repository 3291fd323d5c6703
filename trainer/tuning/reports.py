"""What a trial reported: the metric file that cloudml-hypertune writes, and which report of it counts.

The file is JSON lines, rewritten at each report, its last 100 kept; every value but the timestamp is a string:

    {"checkpoint_path": "", "global_step": "1", "timestamp": 1.79e9, "trial": "1", "val_loss": "0.357"}

Vertex AI takes the last report for the trial's result, or the best one, as its measurement selection says.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Report:
    """One value that a trial reported.

    Attributes:
        value: of the metric; NaN and infinities are kept.
        step: the trial's own count (hypertune's global_step), 0 where it gave none.
        timestamp: seconds since the epoch; 0 where it gave none.
    """

    value: float
    step: int = 0
    timestamp: float = 0.0


@dataclasses.dataclass(frozen=True)
class MetricFile:
    """What a metric file holds: reports of the metric in their order, other metrics' names, lines that are no reports."""

    reports: tuple[Report, ...] = ()
    others: tuple[str, ...] = ()
    unreadable: int = 0


Select = Callable[[Sequence[Report]], Report]


def last_report(reports: Sequence[Report]) -> Report:
    """The measurement that counts is the last one, finite or not."""
    return reports[-1]


def best_report(goal: str) -> Select:
    """The measurement that counts is the best finite one for "minimize" or "maximize", the first of equals."""
    sign = 1 if goal == "minimize" else -1

    def select(reports: Sequence[Report]) -> Report:
        finite = [report for report in reports if math.isfinite(report.value)]
        return min(finite, key=lambda report: sign * report.value) if finite else reports[-1]

    return select


def read_metric_file(path: str | Path, metric: str) -> MetricFile:
    """Reads what hypertune wrote. Never raises: a trial may write anything, or be in the middle of writing."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return MetricFile()
    reports, others, unreadable = [], {}, 0
    for line in filter(None, map(str.strip, text.split("\n"))):
        try:
            entry = json.loads(line)
            if metric in entry:
                reports.append(Report(float(entry[metric]), int(entry.get("global_step", 0)), float(entry.get("timestamp", 0))))
            else:
                others.update(dict.fromkeys(entry.keys() - {"timestamp", "trial", "global_step", "checkpoint_path"}))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            unreadable += 1
    return MetricFile(tuple(reports), tuple(sorted(others)), unreadable)
