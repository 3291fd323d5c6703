"""The parts of the controllers' benchmark: which problems, which controllers, what is required of them.

fitness      NAS-Bench-201, CIFAR-10: the mean test accuracy is searched and reported
val          NAS-Bench-201, three data sets: the published noisy validation accuracy is searched, the test accuracy of the
             pick reported
macro        NAS-Bench-Macro: the first of three trainings is searched, their mean reported
large        a made-up landscape, additive effects and pairs with noise, on colorizer's 10^35 points
pareto       NAS-Bench-201, CIFAR-100 against the measured latency of a device: the hypervolume of the front
constraint   the same under a limit that a tenth of the cells meets, and among these alone: what it costs to learn the limit
timing       milliseconds of ask and tell on colorizer; with `long` to 10,000 trials
own          a table of yours
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import controllers
from benchmarks import peers, problems
from benchmarks.problems import Problem
from benchmarks.requirements import (
    Requirement,
    at_least,
    beats,
    close_to,
    every_seed_by,
    flat,
    ms_at,
    no_duplicates,
    queries_to_best,
)
from evaluators.tabular import Tabular

OURS = tuple(name for name in controllers.NAMES if name != "grid")  # which has nothing to say but the order of a table
SOLVED = {"auto": 200, "bayesian": 200}  # queries: at tens of milliseconds each, the table is solved long before
LEARNERS = tuple(name for name in OURS if name != "random")  # of limits
POLICIES = ("reinforce", "ppo")
LIMIT = 0.1  # share of the cells that meets the limit
SLACK = 0.1  # percent of accuracy
ASK_MS, BAYESIAN_MS = 5.0, 50.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """What sections are made of.

    Attributes:
        folder: where the tables are.
        pareto_devices, limit_devices: columns of the table of latencies.
        long: time up to 10,000 trials.
        own: a table of one's own, if there is one.
    """

    folder: Path
    pareto_devices: tuple[str, ...] = ("pixel3", "1080ti_1")
    limit_devices: tuple[str, ...] = ("pixel3", "1080ti_1", "gold_6240", "samsung_s7")
    long: bool = False
    own: OwnTable | None = None


@dataclasses.dataclass(frozen=True)
class OwnTable:
    """A table of one's own: its file and space, and the columns that are searched and reported."""

    file: Path
    space: str
    search: str
    report: str
    goal: str
    queries: int


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the benchmark.

    Attributes:
        problems: from settings to what is searched.
        requirements: what is printed as met or missed.
        controllers: those that take part, peers too; None: all that can.
        seeds: the most that are worth their time; None: as many as asked for.
        queries: the most of some controllers.
    """

    problems: Callable[[Settings], list[Problem]]
    requirements: Callable[[Settings], list[Requirement]] = lambda settings: []
    controllers: Sequence[str] | None = None
    seeds: int | None = None
    queries: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def most_queries(self, name: str) -> float:
        """After which a search of a controller or peer ends."""
        return peers.PEERS[name].queries if name in peers.NAMES else self.queries.get(name.partition(":")[0], math.inf)

    def takes(self, name: str, problem: Problem) -> bool:
        """Whether a controller or peer takes part in a problem."""
        if self.controllers is not None and name.partition(":")[0] not in self.controllers:
            return False
        if name not in peers.NAMES:
            return True
        peer = peers.PEERS[name]
        return (
            len(problem.objectives) <= peer.objectives and problem.space.genome.width <= peer.width and not problem.constraints
        )


def _fitness(settings: Settings) -> list[Problem]:
    marks = (50, 100, 150, 200, 500)
    return [problems.nb201("fitness/c10", settings.folder, "test_c10", "test_c10", marks)]


def _val(settings: Settings) -> list[Problem]:
    sets = ("c10", "c100", "in16")
    return [problems.nb201(f"val/{one}", settings.folder, f"val_{one}", f"test_{one}", (25, 50, 100, 192)) for one in sets]


def _pareto(settings: Settings) -> list[Problem]:
    return [problems.pareto(f"pareto/{device}", settings.folder, device) for device in settings.pareto_devices]


def _constraint(settings: Settings) -> list[Problem]:
    pairs = [problems.constrained(f"constraint/{d}", settings.folder, d, LIMIT) for d in settings.limit_devices]
    return [problem for pair in pairs for problem in pair]


def _timing(settings: Settings) -> list[Problem]:
    marks = (100, 300, 1_000)
    found = [problems.timing("timing/colorizer", marks)]
    return [*found, problems.timing("timing/colorizer-long", (*marks, 3_000, 10_000))] if settings.long else found


def _own(settings: Settings) -> list[Problem]:
    import nas

    own = settings.own
    if own is None:
        return []
    table = Tabular(own.file, list(dict.fromkeys([own.search, own.report])))
    marks = sorted({max(1, own.queries // 4), max(1, own.queries // 2), own.queries})
    space = nas.load_space(own.space)
    return [
        problems.on_table(
            "own/" + own.file.name.partition(".")[0], space, table, own.search, own.report, tuple(marks), own.goal
        )
    ]


SECTIONS = {
    "fitness": Section(
        _fitness,
        lambda settings: [
            at_least("fitness/c10", 50, 94.33, "auto", "bayesian"),
            every_seed_by("fitness/c10", 150, "auto", "bayesian"),
            queries_to_best("fitness/c10", 60, "auto", "bayesian"),
            at_least("fitness/c10", 50, 94.00, "evolution"),
            at_least("fitness/c10", 200, 94.36, "evolution"),
            at_least("fitness/c10", 200, 94.30, *POLICIES),
            at_least("fitness/c10", 500, 94.37, *POLICIES),
        ],
        queries=SOLVED,
    ),
    "val": Section(
        _val,
        lambda settings: [
            at_least("val/c10", 192, 94.12, "auto"),
            at_least("val/c100", 192, 73.01, "auto"),
            at_least("val/in16", 192, 46.36, "auto"),
        ],
    ),
    "macro": Section(
        lambda settings: [problems.macro("macro", settings.folder)], lambda settings: [at_least("macro", 150, 93.05, "auto")]
    ),
    "large": Section(
        lambda settings: [problems.landscape("large/colorizer", (50, 100, 200, 500))], seeds=10, queries={"bayesian": 200}
    ),
    "pareto": Section(
        _pareto,
        lambda settings: [beats(f"pareto/{d}", 200, "nsga2", "optuna/nsga2") for d in settings.pareto_devices],
    ),
    "constraint": Section(
        _constraint,
        lambda settings: [
            close_to(f"constraint/{device}", f"constraint/{device}/given", 100, SLACK, LEARNERS)
            for device in settings.limit_devices
        ],
        controllers=OURS,
    ),
    "timing": Section(
        _timing,
        lambda settings: [
            ms_at("timing/colorizer", 1_000, ASK_MS, {"bayesian": BAYESIAN_MS}, OURS),
            flat("timing/colorizer-long", 1_000, 10_000, "evolution", *POLICIES),
        ],
        seeds=3,
    ),
    "own": Section(_own),
}

EVERYWHERE = [no_duplicates(OURS)]
"""What is required on all problems."""
