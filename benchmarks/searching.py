"""One search on a table, as a study would run it, without a study around it: what `benchmarks.controllers` repeats over seeds.

    run_search("evolution", table.space, table.evaluator, budget=200, seed=0, metric="test_c10")    # best so far after each
    query search(make, table, budget=200, seed=0)                                                          # the same with its
    cost

A searcher is anything with `ask(n)` and `tell(architectures, values)`; `Ours` makes one of a controller, `benchmarks.peers` of
other tools. Values are as the table gives them, larger is better.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

import controllers
import nas
from nas.study.interfaces import Controller, Evaluator
from nas.study.trial import Trial


class Searcher(Protocol):
    """What is compared: it proposes, and is told a value for each proposal."""

    def ask(self, n: int) -> list[nas.Architecture]:
        """Up to `n` architectures; fewer: it has no more."""

    def tell(self, architectures: Sequence[nas.Architecture], values: Sequence[float]) -> None:
        """The value of each."""


class Ours:
    """One of our controllers as a searcher.

    Args:
        controller: fresh from its class.
        space: what it searches.
        metric: what it maximizes.
    """

    def __init__(self, controller: Controller, space: nas.SearchSpace, metric: str):
        self.controller, self.metric, self._told = controller, metric, 0
        controller.setup(space, [nas.maximize(metric)])

    def ask(self, n: int) -> list[nas.Architecture]:
        return [asked for asked in self.controller.ask(n) if isinstance(asked, nas.Architecture)]

    def tell(self, architectures: Sequence[nas.Architecture], values: Sequence[float]) -> None:
        trials = []
        for architecture, value in zip(architectures, values, strict=True):
            self._told += 1
            found = {self.metric: nas.Measurement(float(value))}
            trials.append(Trial(self._told, architecture.decisions, architecture.fingerprint, "completed", found))
        self.controller.tell(trials)


@dataclasses.dataclass(frozen=True)
class Run:
    """What one search found.

    Attributes:
        values: of the searched metric, in the order of the queries.
        reported: of the reported metric, in the same order.
        duplicates: queries whose fingerprint an earlier query had.
        ms: CPU milliseconds of ask and tell a query.
    """

    values: list[float]
    reported: list[float]
    duplicates: int
    ms: list[float]

    @property
    def best(self) -> list[float]:
        """After each query, what is reported of the architecture that is best by the searched metric."""
        return picked(self.values, self.reported)


def picked(values: Sequence[float], reported: Sequence[float]) -> list[float]:
    """For each length of prefix, the entry of `reported` where `values` is largest (the first of equals)."""
    leader, found = 0, []
    for i, value in enumerate(values):
        if value > values[leader]:
            leader = i
        found.append(reported[leader])
    return found


def search(
    searcher: Searcher, evaluator: Evaluator, budget: int, metric: str, report: str | None = None, batch: int = 1
) -> Run:
    """Asks for `budget` architectures and tells their values.

    Args:
        searcher: fresh, with its seed in it.
        evaluator: a table.
        budget: how many queries; fewer where the searcher has no more.
        metric: what is searched; larger is better.
        report: what is reported of the best; None: the same.
        batch: how many are asked for before any is told.
    """
    values: list[float] = []
    reported: list[float] = []
    ms: list[float] = []
    seen: set[str] = set()
    while len(values) < budget:
        begun = time.process_time()
        asked = searcher.ask(min(batch, budget - len(values)))
        spent = time.process_time() - begun
        if not asked:
            break
        found = [evaluator.evaluate(architecture) for architecture in asked]
        told = [measured[metric].value for measured in found]
        seen.update(architecture.fingerprint for architecture in asked)
        begun = time.process_time()
        searcher.tell(asked, told)
        spent += time.process_time() - begun
        values += told
        reported += [measured[report or metric].value for measured in found]
        ms += [spent * 1e3 / len(asked)] * len(asked)
    return Run(values, reported, len(values) - len(seen), ms)


def run_search(
    controller: str | Callable[[int], Controller],
    space: nas.SearchSpace,
    table: Evaluator,
    budget: int,
    seed: int,
    metric: str,
    report: str | None = None,
    batch: int = 1,
) -> list[float]:
    """Best so far after each query.

    Args:
        controller: the name of one of ours, or a function from a seed to a fresh one.
        space: what is searched.
        table: what says how good an architecture is.
        budget: how many queries.
        seed: the controller's.
        metric: of the table; larger is better.
        report: another metric of the best one; None: the same.
        batch: how many are asked for before any is told.
    """
    made = controllers.get(controller, seed) if isinstance(controller, str) else controller(seed)
    return search(Ours(made, space, metric), table, budget, metric, report, batch).best


def remember_fingerprints(space: nas.SearchSpace) -> None:
    """Lets a space compute each fingerprint once a process: searches of one table meet the same architectures again."""
    known: dict[bytes, str] = {}
    compute = space.fingerprint_of

    def fingerprint_of(architecture: nas.Architecture) -> str:
        point = architecture.vector.tobytes()
        if point not in known:
            known[point] = compute(architecture)
        return known[point]

    space.fingerprint_of = fingerprint_of  # type: ignore[method-assign]


def interval(samples: Sequence[float], seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """A 95% bootstrap interval of the mean (Efron 1979, percentiles)."""
    given = np.asarray(samples, dtype=float)
    drawn = np.random.default_rng(seed).integers(len(given), size=(resamples, len(given)))
    low, high = np.quantile(given[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
