"""One search on a table, as a study would run it, without a study around it: what `benchmarks.controllers` repeats over seeds.

    run_search("evolution", space, table, budget=200, seed=0, metric="test_c10")    # best so far after each query
    search(Ours(controller, space, objectives), table, 200, objectives)             # all queries, with their cost

A searcher is anything with `ask(n)` and `tell(architectures, outcomes)`; `Ours` makes one of a controller, `benchmarks.peers`
of other tools. A query over a limit counts like any other, and only what is limited is told of it: it would not have been
trained.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import controllers
import nas
from nas.study.interfaces import Controller, Evaluator
from nas.study.objective import Constraint, Objective
from nas.study.trial import State, Trial


class Outcome(NamedTuple):
    """What a searcher is told of an architecture.

    Attributes:
        values: metric -> value, of all objectives and constraints; of the constraints alone where one is broken.
        feasible: whether all constraints hold.
    """

    values: Mapping[str, float]
    feasible: bool


class Searcher(Protocol):
    """What is compared: it proposes, and is told what came of each proposal."""

    def ask(self, n: int) -> list[nas.Architecture]:
        """Up to `n` architectures; fewer: it has no more."""

    def tell(self, architectures: Sequence[nas.Architecture], outcomes: Sequence[Outcome]) -> None:
        """The outcome of each."""


class Ours:
    """One of our controllers as a searcher.

    Args:
        controller: fresh from its class.
        space: what it searches.
        objectives, constraints: what for.
    """

    def __init__(
        self,
        controller: Controller,
        space: nas.SearchSpace,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
    ):
        self.controller, self._told = controller, 0
        controller.setup(space, objectives, constraints)

    def ask(self, n: int) -> list[nas.Architecture]:
        return [asked for asked in self.controller.ask(n) if isinstance(asked, nas.Architecture)]

    def tell(self, architectures: Sequence[nas.Architecture], outcomes: Sequence[Outcome]) -> None:
        trials = []
        for architecture, outcome in zip(architectures, outcomes, strict=True):
            self._told += 1
            found = {metric: nas.Measurement(value) for metric, value in outcome.values.items()}
            state: State = "completed" if outcome.feasible else "infeasible"
            trials.append(Trial(self._told, architecture.decisions, architecture.fingerprint, state, found))
        self.controller.tell(trials)


@dataclasses.dataclass(frozen=True)
class Run:
    """What one search asked for.

    Attributes:
        measured: all that the table says of each query, metric -> value.
        feasible: whether each meets the constraints.
        duplicates: queries whose fingerprint an earlier query had.
        ms: processor milliseconds of ask and tell of each.
    """

    measured: list[dict[str, float]]
    feasible: list[bool]
    duplicates: int
    ms: list[float]


def search(
    searcher: Searcher,
    evaluator: Evaluator,
    budget: int,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    batch: int = 1,
) -> Run:
    """Asks for `budget` architectures and tells what the table says.

    Args:
        searcher: fresh, with its seed in it.
        evaluator: a table.
        budget: how many queries; fewer where the searcher has no more.
        objectives, constraints: whose metrics are told.
        batch: how many are asked for before any is told.
    """
    run = Run([], [], 0, [])
    limited = [constraint.metric for constraint in constraints]
    wanted = [metric for objective in objectives for metric in objective.metrics] + limited
    seen: set[str] = set()
    while len(run.measured) < budget:
        begun = time.process_time()
        asked = searcher.ask(min(batch, budget - len(run.measured)))
        spent = time.process_time() - begun
        if not asked:
            break
        outcomes = []
        for architecture in asked:
            found = {metric: m.value for metric, m in evaluator.evaluate(architecture).items()}
            feasible = not any(constraint.violation(found[constraint.metric]) for constraint in constraints)
            run.measured.append(found)
            run.feasible.append(feasible)
            outcomes.append(Outcome({metric: found[metric] for metric in (wanted if feasible else limited)}, feasible))
            seen.add(architecture.fingerprint)
        begun = time.process_time()
        searcher.tell(asked, outcomes)
        spent += time.process_time() - begun
        run.ms.extend([spent * 1e3 / len(asked)] * len(asked))
    return dataclasses.replace(run, duplicates=len(run.measured) - len(seen))


def picked(values: Sequence[float], reported: Sequence[float], feasible: Sequence[bool] | None = None) -> list[float]:
    """For each length of prefix, the entry of `reported` where `values` is largest among the feasible (the first of equals).

    NaN before anything feasible was asked for.
    """
    leader, found = None, []
    for i, value in enumerate(values):
        if (feasible is None or feasible[i]) and (leader is None or value > values[leader]):
            leader = i
        found.append(float("nan") if leader is None else reported[leader])
    return found


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
    objectives = [nas.maximize(metric)]
    run = search(Ours(made, space, objectives), table, budget, objectives, batch=batch)
    return picked([found[metric] for found in run.measured], [found[report or metric] for found in run.measured])


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
