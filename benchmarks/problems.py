"""What controllers are compared on: tables of trained and timed networks, and a made-up landscape on a large space.

A problem is a space, what says how good its architectures are, objectives, constraints, and how a search is scored after each
query: the reported metric of the architecture that it would pick by then (`Pick`), the share of the true front that it has
covered (`Front`), or the milliseconds that it took (`Milliseconds`).

The tables' files are not part of this repository: `folder` is where they lie, each under the path named here.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

import nas
from benchmarks.searching import Run, picked, remember_fingerprints
from controllers.fronts import fronts, hypervolume
from evaluators.tabular import Tabular
from nas.language.feasible_genome import FeasibleGenome
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.objective import Constraint, Objective
from nas.study.trial import Measurement

NB201 = "nasbench201/nasbench201.csv.gz"
LATENCY = "help_latency/nasbench201_latency_ms.csv.gz"
MACRO = "nasbench_macro/nasbench_macro_cifar10.csv.gz"


class Scoring(Protocol):
    """How a search is scored.

    Attributes:
        what: what the scores are, for titles.
        best: the best possible score; None: it is not known.
        better: which way is better.
    """

    @property
    def what(self) -> str: ...
    @property
    def best(self) -> float | None: ...
    @property
    def better(self) -> str: ...

    def scores(self, run: Run) -> list[float]:
        """After each query."""


@dataclasses.dataclass(frozen=True)
class Pick:
    """What is reported of the best feasible architecture by the objective.

    Attributes:
        objective: by which is picked.
        report: the metric that is reported; larger is better.
        best: the largest that a feasible architecture has.
    """

    objective: Objective
    report: str
    best: float | None = None
    better = "more"

    @property
    def what(self) -> str:
        searched = self.objective.metric
        return searched if searched == self.report else f"{self.report} of the pick by {searched}"

    def scores(self, run: Run) -> list[float]:
        values = [self.objective.score(found[self.objective.metric]) for found in run.measured]
        return picked(values, [found[self.report] for found in run.measured], run.feasible)


@dataclasses.dataclass(frozen=True)
class Front:
    """The hypervolume that a search covers, as a share of what the whole table covers.

    The front is picked by the objectives; what it covers is measured with `report` in the place of the first of them. The
    reference point is the worst of the table in each.

    Attributes:
        objectives: of the search.
        report: the metric that is reported in the place of the first objective's.
        reference, span: (2,) scores of the worst, and from there to the best, of each.
        whole: the hypervolume of the table.
    """

    objectives: tuple[Objective, Objective]
    report: str
    reference: np.ndarray
    span: np.ndarray
    whole: float
    best = None
    better = "more"

    @property
    def what(self) -> str:
        first, second = self.objectives
        return f"hypervolume of {self.report} and {second.metric}, share of the table's; searched by {first.metric}"

    @classmethod
    def of(cls, table: Tabular, objectives: tuple[Objective, Objective], report: str) -> Front:
        """The reference and the hypervolume of a table."""
        scores = _scores([table.values(report), table.values(objectives[1].metric)], objectives)
        scores = scores[np.isfinite(scores).all(axis=1)]
        reference, span = scores.min(axis=0), np.ptp(scores, axis=0)
        return cls(objectives, report, reference, span, hypervolume((scores - reference) / span, np.zeros(2)))

    def scores(self, run: Run) -> list[float]:
        searched = _scores([[found[o.metric] for found in run.measured] for o in self.objectives], self.objectives)
        second = self.objectives[1].metric
        shown = _scores([[found[m] for found in run.measured] for m in (self.report, second)], self.objectives)
        shown = (shown - self.reference) / self.span
        covered, kept = [], np.zeros(0, dtype=int)
        for query in range(len(searched)):
            kept = np.append(kept, query)
            front = fronts(searched[kept]) == 0
            if front[-1]:  # only a new member of the front changes it
                kept = kept[front]
                volume = hypervolume(shown[kept], np.zeros(2)) / self.whole
            else:
                kept = kept[:-1]
            covered.append(volume)
        return covered


@dataclasses.dataclass(frozen=True)
class Milliseconds:
    """Processor milliseconds of ask and tell of each query."""

    what = "milliseconds of ask and tell"
    best = None
    better = "less"

    def scores(self, run: Run) -> list[float]:
        return run.ms


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A search to be made.

    Attributes:
        name: section and what it is about, `pareto/pixel3`.
        space: what is searched.
        evaluator: what says how good an architecture is.
        objectives, constraints: what the search is for.
        scoring: how it is scored.
        marks: queries after which the score is printed; a search ends at the last.
    """

    name: str
    space: nas.SearchSpace
    evaluator: Evaluator
    objectives: tuple[Objective, ...]
    scoring: Scoring
    marks: tuple[int, ...]
    constraints: tuple[Constraint, ...] = ()

    @property
    def budget(self) -> int:
        """Queries of a search."""
        return self.marks[-1]

    @functools.cached_property
    def digest(self) -> str:
        """Identifies what is searched and how it is scored, so that results of another table are not taken for this one's."""
        parts = [
            self.space.digest,
            self.space.genome.size,
            self.evaluator.describe(),
            [objective.to_json() for objective in self.objectives],
            [str(constraint) for constraint in self.constraints],
            self.scoring.what,
        ]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()


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
        self._seed, self._pairs_each, self._noise = seed, pairs, noise
        rng = np.random.default_rng(seed)
        width = space.genome.width
        options = max(slot.options for slot in space.genome.slots)
        self._single = rng.standard_normal((width, options))
        self._pairs = rng.integers(width, size=(pairs * width, 2))
        self._together = rng.standard_normal((pairs * width, options, options))
        drawn = np.array([self._raw(vector) for vector in space.genome.sample(rng, 500)])
        self._mean, self._deviation = drawn.mean(), drawn.std()

    def describe(self) -> dict[str, object]:
        """Which landscape it is."""
        return {"name": self.name, "seed": self._seed, "pairs": self._pairs_each, "noise": self._noise}

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


# -- problems ----------------------------------------------------------------------------------------------------------------


def nb201(name: str, folder: Path, search: str, report: str, marks: tuple[int, ...]) -> Problem:
    """NAS-Bench-201: one column is searched, another one of the pick reported."""
    table = Tabular(folder / NB201, list(dict.fromkeys([search, report])))
    return on_table(name, _nasbench201(), table, search, report, marks)


def macro(name: str, folder: Path) -> Problem:
    """NAS-Bench-Macro: the first of three trainings is searched, the mean of all reported."""
    from search_spaces.nasbench_macro import nasbench_macro

    table = Tabular(folder / MACRO, ["test_acc_0", "mean_acc"])
    return on_table(name, _remembering(nasbench_macro), table, "test_acc_0", "mean_acc", (25, 50, 100, 150))


def on_table(
    name: str, space: nas.SearchSpace, table: Tabular, search: str, report: str, marks: tuple[int, ...], goal: str = "maximize"
) -> Problem:
    """Any table: one metric is searched, another one reported."""
    objective = nas.maximize(search) if goal == "maximize" else nas.minimize(search)
    best = float(np.nanmax(table.values(report)))
    return Problem(name, space, table, (objective,), Pick(objective, report, best), marks)


def landscape(name: str, marks: tuple[int, ...]) -> Problem:
    """The made-up landscape on `colorizer`, 10^35 points."""
    from search_spaces.colorizer import colorizer

    objective = nas.maximize("reading")
    return Problem(name, colorizer, Landscape(colorizer), (objective,), Pick(objective, "score"), marks)


def timing(name: str, marks: tuple[int, ...]) -> Problem:
    """How long a proposal takes, on the same landscape."""
    return dataclasses.replace(landscape(name, marks), scoring=Milliseconds())


def pareto(name: str, folder: Path, device: str) -> Problem:
    """NAS-Bench-201 on CIFAR-100 against the measured latency of a device."""
    table = _with_latency(folder, device)
    objectives = (nas.maximize("val_c100"), nas.minimize(device))
    scoring = Front.of(table, objectives, "test_c100")
    return Problem(name, _nasbench201(), table, objectives, scoring, (25, 50, 100, 200))


def constrained(name: str, folder: Path, device: str, share: float = 0.1) -> tuple[Problem, Problem]:
    """NAS-Bench-201 on CIFAR-100 under a limit on a device's latency that a share of the cells meets; and the same search among
    these cells alone, with no limit to be learned."""
    table = _with_latency(folder, device)
    latency = table.values(device)
    limit = nas.at_most(device, float(np.quantile(latency, share)))
    objective = nas.maximize("val_c100")
    best = float(table.values("test_c100")[latency <= limit.bound].max())
    scoring, space = Pick(objective, "test_c100", best), _nasbench201()
    given = Problem(name, space, table, (objective,), scoring, (25, 50, 100), (limit,))
    within = dataclasses.replace(given, name=f"{name}/given", space=subspace(space, table, limit), constraints=())
    return given, within


def subspace(space: nas.SearchSpace, table: Tabular, limit: Constraint) -> nas.SearchSpace:
    """The architectures of a small space that meet a limit on a metric of a table."""
    genome = space.plain_genome
    meets = np.array([not limit.violation(table.evaluate(a)[limit.metric].value) for a in space])
    found = object.__new__(type(space))  # copy() would go by the reference, to the whole space
    vars(found).update({name: value for name, value in vars(space).items() if name != "digest"})  # it has one of its own
    points = _Listed(genome, np.flatnonzero(meets))
    vars(found)["genome"] = FeasibleGenome(genome, points, lambda vectors: meets[[genome.rank(v) for v in vectors]])
    return found


class _Listed:
    """Some points of a genome, by index."""

    def __init__(self, genome: nas.language.genome.Genome, indices: np.ndarray):  # type: ignore[name-defined]
        self._genome, self._indices = genome, indices
        self.size = len(indices)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return np.array([self.unrank(int(i)) for i in rng.integers(self.size, size=n)])

    def unrank(self, index: int) -> np.ndarray:
        return self._genome.unrank(int(self._indices[index]))

    def rank(self, vector: np.ndarray) -> int:
        return int(np.searchsorted(self._indices, self._genome.rank(vector)))


def _with_latency(folder: Path, device: str) -> Tabular:
    return Tabular(folder / NB201, ["val_c100", "test_c100", device], join=folder / LATENCY)


def _nasbench201() -> nas.SearchSpace:
    from search_spaces.nasbench201 import nasbench201

    return _remembering(nasbench201)


def _remembering(space: nas.SearchSpace) -> nas.SearchSpace:
    if "fingerprint_of" not in vars(space):
        remember_fingerprints(space)
    return space


def _scores(columns: Sequence[Sequence[float] | np.ndarray], objectives: Sequence[Objective]) -> np.ndarray:
    """(n, objectives), larger is better."""
    pairs = zip(columns, objectives, strict=True)
    return np.column_stack([-np.asarray(c, float) if o.goal == "minimize" else np.asarray(c, float) for c, o in pairs])
