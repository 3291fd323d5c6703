"""Other tools as searchers, on the same spaces: the algorithms that people would otherwise use, each as its makers ship it.

    optuna/tpe, optuna/gp, optuna/nsga2     Optuna's samplers (the second needs PyTorch)
    pyglove/evolution                       PyGlove's regularized evolution, population 100 and tournament 10
    pyglove/evolution-dedup                 the same without repeats, by a hash of the decisions (its own hashes metadata too)
    syne-tune/rea                           Syne Tune's regularized evolution, population 100 and tournament 10

A tool that is not installed is left out with the reason (`missing`). None of them knows which decisions make the same network,
so they repeat fingerprints; that is counted, and a repeat costs them a query, as it would cost a training.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import nas
from benchmarks.searching import Outcome, Searcher
from nas.study.objective import Objective

INACTIVE = -1


class Optuna:
    """A sampler of Optuna through ask and tell; each active decision is a categorical parameter named after its slot."""

    def __init__(self, space: nas.SearchSpace, objectives: Sequence[Objective], sampler: Any):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._objectives, self._waiting = space, objectives, {}  # type: ignore[var-annotated]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(directions=[objective.goal for objective in objectives], sampler=sampler)

    def ask(self, n: int) -> list[nas.Architecture]:
        asked = []
        for _ in range(n):
            trial = self._study.ask()
            vector = np.full(self._space.genome.width, INACTIVE, dtype=np.int64)
            for i, slot in enumerate(self._space.genome.slots):
                if slot.parent is None or vector[slot.parent[0]] == slot.parent[1]:
                    vector[i] = trial.suggest_categorical(slot.id, range(slot.options))
            asked.append(self._space.architecture(vector))
            self._waiting[id(asked[-1])] = trial
        return asked

    def tell(self, architectures: Sequence[nas.Architecture], outcomes: Sequence[Outcome]) -> None:
        for architecture, outcome in zip(architectures, outcomes, strict=True):
            values = [outcome.values[objective.metric] for objective in self._objectives]
            self._study.tell(self._waiting.pop(id(architecture)), values)


class PyGlove:
    """A DNA generator of PyGlove."""

    def __init__(self, space: nas.SearchSpace, objectives: Sequence[Objective], generator: Any):
        self._space, self._objective, self._generator = space, objectives[0], generator
        self._waiting: dict[int, Any] = {}
        generator.setup(space.genome.spec)

    def ask(self, n: int) -> list[nas.Architecture]:
        asked = []
        for _ in range(n):
            try:
                dna = self._generator.propose()
            except StopIteration:
                break
            asked.append(self._space.architecture(self._space.genome.from_dna(dna)))
            self._waiting[id(asked[-1])] = dna
        return asked

    def tell(self, architectures: Sequence[nas.Architecture], outcomes: Sequence[Outcome]) -> None:
        for architecture, outcome in zip(architectures, outcomes, strict=True):
            score = self._objective.score(outcome.values[self._objective.metric])
            self._generator.feedback(self._waiting.pop(id(architecture)), score)


class SyneTune:
    """A scheduler of Syne Tune (`suggest`, `on_trial_add`, `on_trial_complete`).

    It has no conditions: each slot is a parameter, whether it is active or not.
    """

    METRIC = "value"

    def __init__(self, space: nas.SearchSpace, objectives: Sequence[Objective], seed: int):
        from syne_tune.config_space import choice
        from syne_tune.optimizer.baselines import REA

        np.random.seed(seed)  # its first population is drawn from here, whatever its own seed
        self._space, self._objective, self._waiting, self._asked = space, objectives[0], {}, 0  # type: ignore[var-annotated]
        parameters = {f"slot{i}": choice(list(range(slot.options))) for i, slot in enumerate(space.genome.slots)}
        self._scheduler = REA(parameters, self.METRIC, do_minimize=False, random_seed=seed)

    def ask(self, n: int) -> list[nas.Architecture]:
        import datetime

        from syne_tune.backend.trial_status import Trial

        asked = []
        for _ in range(n):
            suggested = self._scheduler.suggest()
            if suggested is None:
                break
            trial = Trial(self._asked, suggested.config, datetime.datetime.now(datetime.UTC))
            self._asked += 1
            self._scheduler.on_trial_add(trial)
            asked.append(self._space.architecture(self._decided(suggested.config)))
            self._waiting[id(asked[-1])] = trial
        return asked

    def tell(self, architectures: Sequence[nas.Architecture], outcomes: Sequence[Outcome]) -> None:
        for architecture, outcome in zip(architectures, outcomes, strict=True):
            score = self._objective.score(outcome.values[self._objective.metric])
            self._scheduler.on_trial_complete(self._waiting.pop(id(architecture)), {self.METRIC: score})

    def _decided(self, config: dict[str, Any]) -> np.ndarray:
        vector = np.full(self._space.genome.width, INACTIVE, dtype=np.int64)
        for i, slot in enumerate(self._space.genome.slots):
            if slot.parent is None or vector[slot.parent[0]] == slot.parent[1]:
                vector[i] = int(config[f"slot{i}"])
        return vector


def _optuna(sampler: str) -> Callable[[nas.SearchSpace, Sequence[Objective], int], Searcher]:
    def make(space: nas.SearchSpace, objectives: Sequence[Objective], seed: int) -> Searcher:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some say that they are experimental
            return Optuna(space, objectives, getattr(optuna.samplers, sampler)(seed=seed))

    return make


def _evolution(seed: int) -> Any:
    from pyglove.ext import evolution

    return evolution.regularized_evolution(evolution.mutators.Uniform(seed=seed), seed=seed)


def _pyglove(space: nas.SearchSpace, objectives: Sequence[Objective], seed: int) -> Searcher:
    return PyGlove(space, objectives, _evolution(seed))


def _pyglove_dedup(space: nas.SearchSpace, objectives: Sequence[Objective], seed: int) -> Searcher:
    import pyglove as pg

    deduping = pg.geno.Deduping(_evolution(seed), hash_fn=lambda dna: hash(tuple(dna.to_numbers())))
    return PyGlove(space, objectives, deduping)


class Peer(NamedTuple):
    """Another tool.

    Attributes:
        needs: the packages it needs beyond what is always there.
        make: (space, objectives, seed) -> a searcher.
        objectives: how many it can have at most.
        queries: a search of it ends there: a proposal takes seconds by then.
        width: decisions of a space at most, for the same reason.
    """

    needs: tuple[str, ...]
    make: Callable[[nas.SearchSpace, Sequence[Objective], int], Searcher]
    objectives: int = 1
    queries: int = 10**9
    width: int = 10**9


PEERS = {
    "optuna/tpe": Peer(("optuna",), _optuna("TPESampler"), objectives=9),
    "optuna/gp": Peer(("optuna", "torch"), _optuna("GPSampler"), queries=100, width=30),
    "optuna/nsga2": Peer(("optuna",), _optuna("NSGAIISampler"), objectives=9),
    "pyglove/evolution": Peer((), _pyglove, queries=200, width=30),
    "pyglove/evolution-dedup": Peer((), _pyglove_dedup, queries=200, width=30),
    "syne-tune/rea": Peer(("syne_tune",), SyneTune),
}

NAMES = tuple(PEERS)


def missing(name: str) -> str:
    """The packages that a peer needs and that are not installed, as a reason; empty: it can run."""
    lacking = [package for package in PEERS[name].needs if importlib.util.find_spec(package) is None]
    return f"needs {' and '.join(lacking)}" if lacking else ""


def make(name: str, space: nas.SearchSpace, objectives: Sequence[Objective], seed: int) -> Searcher:
    """A peer by name."""
    return PEERS[name].make(space, objectives, seed)
