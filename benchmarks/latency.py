"""How well latency is predicted on a device of which a few cells were measured, on HELP's table (Lee et al. 2021).

    python -m benchmarks.latency --bench ../shared/bench
    python -m benchmarks.latency --sizes 50 --cells 2000 --seeds 1 --details

For each device of the table, and each number of measured cells of NAS-Bench-201, a model is fitted and predicts the rest of the
15,625 cells. No model sees another device. Beside it stand plain FLOPs and an additive ridge regression on the six decisions.
Cells are measured at random and, as `nas latency calibrate` does, by design.

Required, with 10, 50 and 900 cells at random: mean Spearman over the devices .90, .94, .965, and on no device (mean over seeds)
more than .02 under FLOPs.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import nas
from evaluators.latency_model.design import choose
from evaluators.latency_model.features import Catalogue
from evaluators.latency_model.predictor import LatencyModel
from evaluators.tabular import Tabular
from nas.errors import UserError

LATENCIES, CELLS = "help_latency/nasbench201_latency_ms.csv.gz", "nasbench201/nasbench201.csv.gz"
REQUIRED = {10: 0.90, 50: 0.94, 900: 0.965}
UNDER_FLOPS = 0.02
POOL = 1_000  # cells that a design chooses from
RIDGE = 1.0


class Table(NamedTuple):
    """What was measured.

    Attributes:
        cells: the architectures.
        flops: (cells,) as published: multiply-adds of all that is written.
        latencies: device -> (cells,) ms.
    """

    cells: list[nas.Architecture]
    flops: np.ndarray
    latencies: dict[str, np.ndarray]


class Score(NamedTuple):
    """One model on one device.

    Attributes:
        spearman, ridge, flops: rank correlations on cells that were not measured: of the model, an additive ridge, and FLOPs.
        error, median: mean and median absolute relative error.
        covered: share of the cells that are within the model's 90% intervals.
    """

    spearman: float
    ridge: float
    flops: float
    error: float
    median: float
    covered: float


def load(folder: Path) -> Table:
    """The published table.

    Raises:
        DataError: a file is not there or not what it should be.
    """
    from search_spaces.nasbench201 import from_official_index, nasbench201

    table = Tabular(folder / CELLS, join=folder / LATENCIES)
    with gzip.open(folder / LATENCIES, "rt") as file:
        devices = file.readline().strip().split(",")[1:]
    cells = [nasbench201.architecture(from_official_index(i)) for i in range(len(table))]
    return Table(cells, table.values("mflops_c10"), {name: table.values(name) for name in devices})


def measure(table: Table, devices: Sequence[str], measured: np.ndarray, asked: np.ndarray, catalogue: Catalogue) -> list[Score]:
    """One score for each device: learned from the cells `measured`, judged on those `asked`."""
    known, others = [table.cells[i] for i in measured], [table.cells[i] for i in asked]
    one_hot = np.array([cell.vector for cell in table.cells])[:, :, None] == np.arange(5)
    effects = one_hot.reshape(len(table.cells), -1).astype(float)
    scores = []
    for device in devices:
        latency = table.latencies[device]
        model = LatencyModel.fit(known, latency[measured], device=device, catalogue=catalogue)
        found, truth = model.predict(others), latency[asked]
        scores.append(
            Score(
                spearman=_spearman(found.latency_ms, truth),
                ridge=_spearman(_ridge(effects[measured], latency[measured], effects[asked]), truth),
                flops=_spearman(table.flops[asked], truth),
                error=float(np.mean(np.abs(found.latency_ms / truth - 1))),
                median=float(np.median(np.abs(found.latency_ms / truth - 1))),
                covered=float(np.mean((found.low_ms <= truth) & (truth <= found.high_ms))),
            )
        )
    return scores


def _ridge(known: np.ndarray, latency: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """One effect for each option of each edge (Hoerl & Kennard 1970)."""
    mean, centre = latency.mean(), known.mean(axis=0)
    gram = (known - centre).T @ (known - centre) + RIDGE * np.eye(known.shape[1])
    return mean + (asked - centre) @ np.linalg.solve(gram, (known - centre).T @ (latency - mean))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b)[0])


def picked(table: Table, how: str, n: int, seed: int, catalogue: Catalogue) -> np.ndarray:
    """Numbers of the cells to measure: at random, or those of a random thousand that say most."""
    order = np.random.default_rng(seed).permutation(len(table.cells))
    if how == "random":
        return order[:n]
    pool = order[:POOL]
    return pool[choose(catalogue, catalogue.describe_all(table.cells[i] for i in pool), n)]


def run(
    table: Table, sizes: Sequence[int], seeds: int, ways: Sequence[str], devices: Sequence[str], cells: int | None
) -> Iterator[tuple[str, int, np.ndarray]]:
    """(how the measured cells were picked, how many, scores (seeds, devices, fields)), as they come.

    Args:
        table: what was measured.
        sizes: measured cells.
        seeds: repeats, each with other cells.
        ways: "random", "design".
        devices: of the table.
        cells: how many of the rest are predicted, drawn by seed; None: all.
    """
    catalogue = Catalogue()
    for way in ways:
        for n in sizes:
            found = []
            for seed in range(seeds):
                measured = picked(table, way, n, seed, catalogue)
                rest = np.setdiff1d(np.arange(len(table.cells)), measured)
                asked = rest if cells is None else np.random.default_rng([seed, n]).permutation(rest)[:cells]
                found.append(measure(table, devices, measured, asked, catalogue))
            yield way, n, np.array(found)


def report(way: str, n: int, scores: np.ndarray, devices: Sequence[str], details: bool) -> bool:
    """Prints what came out; whether nothing required was missed."""
    mean = Score(*scores.mean(axis=(0, 1)))
    each = scores.mean(axis=0)
    worst = min(range(len(devices)), key=lambda i: each[i][0] - each[i][2])
    under = each[worst][0] - each[worst][2]
    between = scores[:, :, 0].mean(axis=1)
    goal = REQUIRED.get(n) if way == "random" else None
    met = goal is None or (mean.spearman >= goal and under >= -UNDER_FLOPS)
    print(
        f"{'ok  ' if met else 'MISS'} {n:4} cells, {way:6}: Spearman {mean.spearman:.4f}"
        f"{f' (required {goal})' if goal else ''}, over seeds {between.min():.4f} to {between.max():.4f}; "
        f"ridge {mean.ridge:.3f}, FLOPs {mean.flops:.3f}; least against FLOPs {under:+.3f} ({devices[worst]}, "
        f"{(scores[:, :, 0] - scores[:, :, 2]).min():+.3f} in its worst seed); "
        f"error mean {mean.error:.1%}, median {mean.median:.1%}; in the 90% interval {mean.covered:.1%}",
        flush=True,
    )
    if details:
        for device, row in zip(devices, each, strict=True):
            score = Score(*row)
            print(
                f"       {device:15} Spearman {score.spearman:.3f}, FLOPs {score.flops:.3f}, ridge {score.ridge:.3f}, "
                f"error {score.error:.1%}, median {score.median:.1%}, within {score.covered:.1%}"
            )
    return met


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each number of measured cells; 1 if one misses what is required."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"), help="folder of the published tables")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(REQUIRED), help="numbers of measured cells")
    parser.add_argument("--seeds", type=int, default=3, help="repeats with other cells")
    parser.add_argument("--ways", nargs="+", choices=["random", "design"], default=["random", "design"])
    parser.add_argument("--devices", nargs="+", help="columns of the table; all unless said")
    parser.add_argument("--cells", type=int, help="predict so many of the rest, drawn at random; all unless said")
    parser.add_argument("--details", action="store_true", help="a line for each device")
    given = parser.parse_args(arguments)
    try:
        table = load(given.bench)
    except UserError as error:
        parser.error(str(error))
    devices = given.devices or list(table.latencies)
    met = [
        report(way, n, scores, devices, given.details)
        for way, n, scores in run(table, given.sizes, given.seeds, given.ways, devices, given.cells)
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
