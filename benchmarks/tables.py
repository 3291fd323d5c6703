"""What controllers are compared on: tables of trained networks, and a made-up landscape on a large space.

    nb201-c10-test      NAS-Bench-201, CIFAR-10: the mean test accuracy is what is searched and reported
    nb201-c10, -c100, -in16     the published noisy validation accuracy is searched, the mean test accuracy of the pick reported
    macro               NAS-Bench-Macro: the first of three runs is searched, their mean reported
    colorizer           additive effects and interactions drawn at random on a space of 10^35 points; no network is trained

The tables' files are not part of this repository: `folder` is where they lie (`nasbench201/nasbench201.csv.gz`,
`nasbench_macro/nasbench_macro_cifar10.csv.gz`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

import nas
from evaluators.tabular import Tabular
from nas.errors import DataError
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

NB201, MACRO = "nasbench201/nasbench201.csv.gz", "nasbench_macro/nasbench_macro_cifar10.csv.gz"


@dataclasses.dataclass(frozen=True)
class Table:
    """A search to be made.

    Attributes:
        name: as on the command line.
        space: what is searched.
        evaluator: what says how good an architecture is.
        metric: what is searched, larger is better.
        report: what is reported of the best by `metric`.
        budget: queries, unless said otherwise.
        optimum: the best `report` of the whole space; None: not known.
    """

    name: str
    space: nas.SearchSpace
    evaluator: Evaluator
    metric: str
    report: str
    budget: int
    optimum: float | None = None


class Landscape(Evaluator):
    """A made-up metric on any space: `score`, a normal effect for each option and for some pairs of options; and `reading`,
    the same with noise.

    Args:
        space: any without floats.
        seed: which effects.
        pairs: pairs of decisions that act together, for each decision.
        noise: standard deviation of a reading, where the score of random points has about 1; the reading of an architecture is
            always the same.
    """

    name = "landscape"
    metrics = ("score", "reading")

    def __init__(self, space: nas.SearchSpace, seed: int = 0, pairs: int = 2, noise: float = 0.1):
        self._seed, self._noise = seed, noise
        rng = np.random.default_rng(seed)
        width = space.genome.width
        options = max(slot.options for slot in space.genome.slots)
        self._single = rng.standard_normal((width, options))
        self._pairs = rng.integers(width, size=(pairs * width, 2))
        self._together = rng.standard_normal((pairs * width, options, options))
        drawn = np.array([self._raw(vector) for vector in space.genome.sample(rng, 500)])
        self._mean, self._deviation = drawn.mean(), drawn.std()

    def evaluate(
        self, architecture: nas.Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0
    ) -> dict[str, Measurement]:
        vector = architecture.vector
        score = float((self._raw(vector) - self._mean) / self._deviation)
        noise = np.random.default_rng([self._seed, *(int(option) + 1 for option in vector)]).standard_normal()
        return {"score": Measurement(score), "reading": Measurement(score + self._noise * float(noise))}

    def _raw(self, vector: np.ndarray) -> float:
        active = np.flatnonzero(vector >= 0)
        first, second = vector[self._pairs[:, 0]], vector[self._pairs[:, 1]]
        both = np.flatnonzero((first >= 0) & (second >= 0))
        return float(self._single[active, vector[active]].sum() + self._together[both, first[both], second[both]].sum())


def load(name: str, folder: Path) -> Table:
    """A table by name.

    Raises:
        DataError: no such table, or its file is not there.
    """
    if name not in NAMES:
        raise DataError(f"no table {name!r}", path="--tables", received=name, expected=f"some of {', '.join(NAMES)}")
    return _MAKERS[name](name, folder)


def _nb201(name: str, folder: Path, metric: str, report: str, budget: int) -> Table:
    from search_spaces.nasbench201 import nasbench201

    table = Tabular(folder / NB201, list(dict.fromkeys([metric, report])))
    return Table(name, nasbench201, table, metric, report, budget, float(table.values(report).max()))


def _macro(name: str, folder: Path) -> Table:
    from search_spaces.nasbench_macro import nasbench_macro

    table = Tabular(folder / MACRO, ["test_acc_0", "mean_acc"])
    return Table(name, nasbench_macro, table, "test_acc_0", "mean_acc", 150, float(table.values("mean_acc").max()))


def _colorizer(name: str, folder: Path) -> Table:
    from search_spaces.colorizer import colorizer

    return Table(name, colorizer, Landscape(colorizer), "reading", "score", 200)


_MAKERS: dict[str, Callable[[str, Path], Table]] = {
    "nb201-c10-test": functools.partial(_nb201, metric="test_c10", report="test_c10", budget=200),
    "nb201-c10": functools.partial(_nb201, metric="val_c10", report="test_c10", budget=192),
    "nb201-c100": functools.partial(_nb201, metric="val_c100", report="test_c100", budget=192),
    "nb201-in16": functools.partial(_nb201, metric="val_in16", report="test_in16", budget=192),
    "macro": _macro,
    "colorizer": _colorizer,
}

NAMES = tuple(_MAKERS)
