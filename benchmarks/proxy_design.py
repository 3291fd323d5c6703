"""How often a proxy design accepts what it should not, and what it should, on NAS-Bench-201.

    python -m benchmarks.proxy_design --folder ../shared/bench [--designs 400]

The truth is each cell's test accuracy on CIFAR-10. Candidates are a column of the table whose true tau over all 15,625 cells
is known (parameters, FLOPs, the Zen-score), and proxies drawn at random. References are drawn uniformly, so the true tau of a
design's sample is that of the whole table, and an interval can be seen to hold it or not.

    random     designs with eight random candidates in three rounds that accept any (allowed: 5%)
    accepted   designs with this candidate, and seven random ones beside it to pay for, that accept it
    missed     lower bounds above the true tau, for one look at 5% (allowed: 5%)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problems import NB201
from evaluators.proxy_design import agreement

ROUNDS = (12, 18, 24)
CANDIDATES = 8
ALPHA = 0.05
COLUMNS = ("mparams_c10", "mflops_c10", "zen_c10")


def run(folder: Path, designs: int = 400, at_least: float = 0.3, seed: int = 0) -> dict[str, Any]:
    """Simulates designs; see the module.

    Returns:
        `random`: share; `columns`: name -> `tau` (of all cells), `accepted`, `missed` and `low` (mean lower bound at n = 24).
    """
    from scipy.stats import kendalltau

    from evaluators import Tabular

    table = Tabular(folder / NB201, ["test_c10", *COLUMNS])
    truth = table.values("test_c10")
    rng = np.random.default_rng(seed)
    samples = [rng.choice(len(truth), ROUNDS[-1], replace=False) for _ in range(designs)]
    noise = rng.standard_normal((designs, CANDIDATES, ROUNDS[-1]))
    each = ALPHA / (CANDIDATES * len(ROUNDS))
    by_chance = [
        any(agreement(scores[:n], truth[rows][:n], each).low >= 0 for scores in drawn for n in ROUNDS)
        for rows, drawn in zip(samples, noise, strict=True)
    ]
    columns = {}
    for name in COLUMNS:
        scores = table.values(name)
        tau = float(kendalltau(scores, truth).statistic)
        accepted = [any(agreement(scores[r][:n], truth[r][:n], each).low >= at_least for n in ROUNDS) for r in samples]
        single = [agreement(scores[r], truth[r], ALPHA).low for r in samples]
        columns[name] = {
            "tau": tau,
            "accepted": float(np.mean(accepted)),
            "missed": float(np.mean(np.array(single) > tau)),
            "low": float(np.mean(single)),
        }
    return {"random": float(np.mean(by_chance)), "columns": columns, "designs": designs, "at_least": at_least}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--designs", type=int, default=400)
    parser.add_argument("--at-least", type=float, default=0.3)
    options = parser.parse_args(arguments)
    found = run(options.folder, options.designs, options.at_least)
    print(f"{found['designs']} designs of {CANDIDATES} candidates, {', '.join(map(str, ROUNDS))} references, error {ALPHA}")
    print(f"random proxies: {found['random']:.1%} of designs accept one at tau >= 0 (allowed {ALPHA:.0%})")
    for name, row in found["columns"].items():
        print(
            f"{name:12} true tau {row['tau']:.2f}: accepted at tau >= {found['at_least']:g} in {row['accepted']:.0%}; "
            f"one look at n = {ROUNDS[-1]}: mean lower bound {row['low']:.2f}, above the truth in {row['missed']:.1%}"
        )


if __name__ == "__main__":
    main()
