"""Searches of one controller on one problem, over all seeds, as a row: means, intervals, comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.problems import Milliseconds, Problem
from benchmarks.records import Record

AROUND = 100  # queries whose milliseconds are averaged: some controllers refit now and then


def interval(samples: Sequence[float] | np.ndarray, seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """A 95% bootstrap interval of the mean (Efron 1979, percentiles)."""
    given = np.asarray(samples, dtype=float)
    drawn = np.random.default_rng(seed).integers(len(given), size=(resamples, len(given)))
    low, high = np.quantile(given[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Row:
    """What is said of a controller on a problem.

    Attributes:
        controller: its name.
        curves: (seeds, queries) scores; as many queries as its budget was.
        reached: for each seed, the query that asked for the best there is; None: it did not.
        duplicates: queries whose network was asked for before, share of all.
        feasible: share of queries that meet the constraints.
        ms: milliseconds of ask and tell a query, mean over all.
    """

    controller: str
    curves: np.ndarray
    reached: list[int | None]
    duplicates: float
    feasible: float
    ms: float

    @classmethod
    def of(cls, problem: Problem, controller: str, budget: int, records: Sequence[Record]) -> Row:
        """The searches of one controller, cut to a budget; one that exhausted its space keeps its last score."""
        curves = np.array([one.scores[:budget] + one.scores[-1:] * (budget - len(one.scores)) for one in records])
        if isinstance(problem.scoring, Milliseconds):
            curves = _smoothed(curves)
        reached = [one.reached if one.reached is not None and one.reached <= budget else None for one in records]
        queries = sum(len(one.scores) for one in records)
        return cls(
            controller,
            curves,
            reached,
            sum(one.duplicates for one in records) / queries,
            float(np.mean([one.feasible for one in records])),
            float(np.mean([one.ms for one in records])),
        )

    def samples(self, queries: int) -> np.ndarray | None:
        """The score of each seed after so many queries; None: its searches were shorter."""
        return self.curves[:, queries - 1] if queries <= self.curves.shape[1] else None

    def at(self, queries: int) -> tuple[float, float, float] | None:
        """The mean score after so many queries, and its 95% interval."""
        found = self.samples(queries)
        return None if found is None else (float(found.mean()), *interval(found))

    def to_json(self, marks: Sequence[int]) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "controller": self.controller,
            "seeds": len(self.curves),
            "scores": {str(mark): self.at(mark) for mark in marks},
            "reached": self.reached,
            "duplicates": self.duplicates,
            "feasible": self.feasible,
            "ms": self.ms,
        }


def table(problem: Problem, rows: Sequence[Row]) -> str:
    """A table of Markdown, the best first."""
    scoring, timed = problem.scoring, isinstance(problem.scoring, Milliseconds)
    seeds = max(len(row.curves) for row in rows)
    order = sorted(rows, key=lambda row: [_mean(row, mark) for mark in problem.marks[::-1]])
    header = ["controller", *(f"{mark}" for mark in problem.marks)]
    header += [] if scoring.best is None else ["queries to the best"]
    header += ["feasible"] if problem.constraints else []
    header += ["duplicates"] + ([] if timed else ["ms a trial"])
    lines = [header, ["---"] * len(header)]
    for row in order if scoring.better == "less" else order[::-1]:
        fewer = "" if len(row.curves) == seeds else f" ({len(row.curves)} seeds)"
        cells = [row.controller + fewer, *(_cell(row.at(mark)) for mark in problem.marks)]
        cells += [] if scoring.best is None else [_reached(row)]
        cells += [f"{row.feasible:.0%}"] if problem.constraints else []
        lines.append([*cells, f"{row.duplicates:.1%}", *([] if timed else [f"{row.ms:.2f}"])])
    best = f", the best there is {scoring.best:.3f}" if scoring.best is not None else ""
    title = f"### {problem.name}: {scoring.what}{best}; {seeds} seeds"
    limits = "".join(f"; {constraint}" for constraint in problem.constraints)
    return "\n".join([title + limits, "", *("| " + " | ".join(line) + " |" for line in lines)])


def _mean(row: Row, queries: int) -> float:
    """The mean score after so many queries, or at the end of a search that was shorter; rounded, so that ties are ties."""
    return round(float(row.curves[:, min(queries, row.curves.shape[1]) - 1].mean()), 3)


def _cell(found: tuple[float, float, float] | None) -> str:
    return "-" if found is None else "{:.3f} [{:.3f}, {:.3f}]".format(*found)


def _reached(row: Row) -> str:
    found = [query for query in row.reached if query is not None]
    return f"{np.mean(found):.0f} ({len(found)} of {len(row.reached)})" if found else f"none of {len(row.reached)}"


def _smoothed(curves: np.ndarray) -> np.ndarray:
    """The mean of up to `AROUND` queries before each, itself included."""
    sums = np.cumsum(np.pad(curves, ((0, 0), (1, 0))), axis=1)
    ends = np.arange(1, curves.shape[1] + 1)
    begins = np.maximum(0, ends - AROUND)
    return (sums[:, ends] - sums[:, begins]) / (ends - begins)
