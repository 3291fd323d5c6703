"""What zero-cost proxies say about cells of NAS-Bench-201 that our language builds, against the table's accuracies.

    python -m benchmarks.zero_cost --folder ../shared/bench [--cells 100] [--batch-size 16] [--out scores.jsonl]

Cells are drawn uniformly from all 15,625, as published correlations are over all of them. Beside each rank correlation stand
its 95% interval (bootstrap over cells) and what others published. A score that is not defined for a cell ranks last; how many
is told. With `--out` every scored cell is kept, and a later run goes on from there.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problems import NB201

PUBLISHED = {
    "params": 0.753,
    "flops": 0.732,
    "zen": 0.386,
    "grad_norm": 0.594,
    "snip": 0.596,
    "synflow": 0.737,
    "jacob_cov": 0.731,
    "naswot": 0.787,
}
"""Spearman with the accuracy on CIFAR-10. params, flops, zen: columns of the table itself, all cells. grad_norm, snip, synflow,
jacob_cov: all cells, the released results behind table 1 of Abdelfattah et al. 2021 (.58, .58, .74, .73 there;
github.com/SamsungLabs/zero-cost-nas, notebooks/nasbench201_correlations.ipynb). naswot: the 725 cells that NASLib publishes
scores of (github.com/automl/NASLib, data/zc_nasbench201.json; Krishnakumar et al. 2022)."""

RESAMPLES = 2000


def run(folder: Path, cells: int = 100, seed: int = 0, batch_size: int = 16, out: Path | None = None) -> dict[str, Any]:
    """Scores `cells` cells.

    Returns:
        `rows`, one for each proxy (see `correlate`); `seconds`, the median of a cell for all proxies with building; `cells`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from evaluators import Tabular
    from evaluators.zero_cost import COUNTED, SCORES
    from search_spaces.nasbench201 import from_official_index, nasbench201

    table = Tabular(folder / NB201, ["test_c10", "idx", "zen_c10"], key="{edge01}")  # only its columns are read
    accuracy = dict(zip(table.values("idx").astype(int).tolist(), table.values("test_c10").tolist(), strict=True))
    drawn = np.random.default_rng(seed).choice(len(accuracy), cells, replace=False).tolist()
    known = _known(out, batch_size)
    for index in drawn:
        if index not in known:
            known[index] = _score(nasbench201.architecture(from_official_index(index)), batch_size)
            if out is not None:
                with out.open("a") as file:
                    file.write(json.dumps({"idx": index, "batch_size": batch_size, **known[index]}) + "\n")
    truth = np.array([accuracy[index] for index in drawn])
    rows = {}
    for name in (*COUNTED, *SCORES):
        scores = np.array([-math.inf if known[index][name] is None else known[index][name] for index in drawn])
        rows[name] = correlate(scores, truth, seed) | {
            "undefined": int(np.isinf(scores).sum()),
            "published": PUBLISHED.get(name),
        }
    return {"rows": rows, "seconds": statistics.median(known[index]["seconds"] for index in drawn), "cells": cells}


def correlate(scores: np.ndarray, truth: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Spearman and Kendall (tau-b) of scores with the truth, each with a 95% interval (BCa bootstrap over pairs)."""
    from scipy import stats

    scores = stats.rankdata(scores)  # infinities have ranks
    found: dict[str, float] = {}
    for name, measure in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
        interval = stats.bootstrap(
            (scores, truth),
            functools.partial(_statistic, measure),
            paired=True,
            n_resamples=RESAMPLES,
            rng=seed,
            vectorized=False,
        ).confidence_interval
        found |= {name: float(measure(scores, truth).statistic), f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _statistic(measure: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> float:
    return measure(x, y).statistic


def _score(architecture: Any, batch_size: int) -> dict[str, float | None]:
    """Every score of a cell, None where it is not defined, and the seconds all of them took."""
    from evaluators.zero_cost import COUNTED, SCORES, ZeroCost
    from nas.errors import Infeasible

    try:
        found = ZeroCost((*COUNTED, *SCORES), batch_size=batch_size).evaluate(architecture)
        return {"seconds": found["zero_cost_seconds"].value} | {name: found[name].value for name in (*COUNTED, *SCORES)}
    except Infeasible:
        scores: dict[str, float | None] = {}
        seconds = 0.0
        for name in (*COUNTED, *SCORES):
            try:
                found = ZeroCost(name, batch_size=batch_size).evaluate(architecture)
            except Infeasible:
                scores[name] = None
            else:
                scores[name], seconds = found[name].value, seconds + found["zero_cost_seconds"].value
        return {"seconds": seconds} | scores


def _known(out: Path | None, batch_size: int) -> dict[int, dict[str, Any]]:
    if out is None or not out.exists():
        return {}
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return {row["idx"]: row for row in rows if row["batch_size"] == batch_size}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    found = run(options.folder, options.cells, options.seed, options.batch_size, options.out)
    print(f"{found['cells']} cells of NAS-Bench-201, CIFAR-10 test accuracy; {found['seconds']:.1f} s a cell for all scores")
    print(f"{'':12} {'Spearman (95%)':24} {'Kendall (95%)':24} {'published':>9}  undefined")
    for name, row in found["rows"].items():
        texts = [
            f"{row[kind]:+.2f} ({row[f'{kind}_low']:+.2f} to {row[f'{kind}_high']:+.2f})" for kind in ("spearman", "kendall")
        ]
        published = "-" if row["published"] is None else f"{row['published']:.2f}"
        print(f"{name:12} {texts[0]:24} {texts[1]:24} {published:>9}  {row['undefined']}")


if __name__ == "__main__":
    main()
