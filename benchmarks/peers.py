"""Other tools as searchers, on the same spaces: the algorithms that people would otherwise use, each as its makers ship it.

    optuna-tpe, optuna-gp, optuna-nsga2     Optuna's samplers (the second needs PyTorch)
    pyglove-evolution                       PyGlove's regularized evolution, population 100 and tournament 10
    pyglove-evolution-dedup                 the same without repeats, by a hash of the decisions (its own hashes metadata too)

A tool that is not installed is left out with the reason (`missing`). None of them knows which decisions make the same network,
so they repeat fingerprints; that is counted, and a repeat costs them a query, as it would cost a training.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import nas
from benchmarks.searching import Searcher

INACTIVE = -1


class Optuna:
    """A sampler of Optuna through ask and tell; each active decision is a categorical parameter named after its slot."""

    def __init__(self, space: nas.SearchSpace, sampler: Any):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._waiting = space, {}  # type: ignore[var-annotated]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(direction="maximize", sampler=sampler)

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

    def tell(self, architectures: Sequence[nas.Architecture], values: Sequence[float]) -> None:
        for architecture, value in zip(architectures, values, strict=True):
            self._study.tell(self._waiting.pop(id(architecture)), value)


class PyGlove:
    """A DNA generator of PyGlove."""

    def __init__(self, space: nas.SearchSpace, generator: Any):
        self._space, self._generator, self._waiting = space, generator, {}  # type: ignore[var-annotated]
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

    def tell(self, architectures: Sequence[nas.Architecture], values: Sequence[float]) -> None:
        for architecture, value in zip(architectures, values, strict=True):
            self._generator.feedback(self._waiting.pop(id(architecture)), value)


def _optuna_tpe(space: nas.SearchSpace, seed: int) -> Searcher:
    import optuna

    return Optuna(space, optuna.samplers.TPESampler(seed=seed))


def _optuna_gp(space: nas.SearchSpace, seed: int) -> Searcher:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is experimental
        return Optuna(space, optuna.samplers.GPSampler(seed=seed))


def _optuna_nsga2(space: nas.SearchSpace, seed: int) -> Searcher:
    import optuna

    return Optuna(space, optuna.samplers.NSGAIISampler(seed=seed))


def _evolution(seed: int) -> Any:
    from pyglove.ext import evolution

    return evolution.regularized_evolution(evolution.mutators.Uniform(seed=seed), seed=seed)


def _pyglove(space: nas.SearchSpace, seed: int) -> Searcher:
    return PyGlove(space, _evolution(seed))


def _pyglove_dedup(space: nas.SearchSpace, seed: int) -> Searcher:
    import pyglove as pg

    return PyGlove(space, pg.geno.Deduping(_evolution(seed), hash_fn=lambda dna: hash(tuple(dna.to_numbers()))))


_MAKERS: dict[str, tuple[tuple[str, ...], Callable[[nas.SearchSpace, int], Searcher]]] = {
    "optuna-tpe": (("optuna",), _optuna_tpe),
    "optuna-gp": (("optuna", "torch"), _optuna_gp),
    "optuna-nsga2": (("optuna",), _optuna_nsga2),
    "pyglove-evolution": ((), _pyglove),
    "pyglove-evolution-dedup": ((), _pyglove_dedup),
}
"""Name -> (packages it needs, how it is made for a space and a seed)."""

NAMES = tuple(_MAKERS)


def missing(name: str) -> str:
    """The packages that a peer needs and that are not installed, as a reason; empty: it can run."""
    lacking = [package for package in _MAKERS[name][0] if importlib.util.find_spec(package) is None]
    return f"needs {' and '.join(lacking)}" if lacking else ""


def make(name: str, space: nas.SearchSpace, seed: int) -> Searcher:
    """A peer by name."""
    return _MAKERS[name][1](space, seed)
