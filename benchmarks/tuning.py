"""Bayesian tuning against random search: the best of 30 trials, mean of 20 seeds, on test functions and on a real problem.

    python -m benchmarks.tuning

branin      Branin's function, two flat valleys beside the three minima; the least is .3979
hartmann3   Hartmann's in three dimensions; the least is -3.8628
hartmann6   Hartmann's in six; the least is -3.3224
bowl        smooth, one axis logarithmic over four decades; the least is 0
winner      what the winner of a search has learned after 384 tiles: learning rate, optimizer, batch size, and a momentum that
            only one optimizer has; from 156 trainings (tuning_table), on the learning rate interpolated between its neighbours

A line has the means, and the p-value of the one-sided Mann-Whitney test (Mann and Whitney 1947) that Bayesian is no better.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import tuning_table
from trainer.tuning import Categorical, Discrete, Double, When
from trainer.tuning.algorithms import get
from trainer.tuning.parameters import Parameter

TRIALS, SEEDS = 30, 20
Loss = Callable[[Mapping[str, Any]], float | None]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is tuned, and the loss of values; None: no result."""

    parameters: Mapping[str, Parameter]
    loss: Loss


def best_of(algorithm: str, problem: Problem, seed: int, trials: int = TRIALS) -> float:
    """The least loss of so many trials, one at a time."""
    tuner = get(algorithm, problem.parameters, seed)
    best = math.inf
    for trial_id in range(1, trials + 1):
        values = tuner.ask(trial_id)
        if values is None:
            break
        loss = problem.loss(values)
        tuner.tell(trial_id, None if loss is None else -loss)
        best = min(best, math.inf if loss is None else loss)
    return best


def compare(problem: Problem, seeds: int = SEEDS, trials: int = TRIALS) -> dict[str, float]:
    """`random` and `bayesian`, the means over seeds, and `p`."""
    from scipy.stats import mannwhitneyu

    found = {name: [best_of(name, problem, seed, trials) for seed in range(seeds)] for name in ("random", "bayesian")}
    p = float(mannwhitneyu(found["bayesian"], found["random"], alternative="less").pvalue)
    return {name: float(np.mean(values)) for name, values in found.items()} | {"p": p}


def winner_loss() -> Loss:
    """`val_mse` by the table; between two learning rates it changes evenly with the logarithm."""
    curves: dict[tuple[Any, ...], dict[float, float | None]] = {}
    for line in tuning_table.read():
        curves.setdefault(_kind(line), {})[line["learning_rate"]] = line["val_mse"]
    rates = tuning_table.RATES

    def loss(values: Mapping[str, Any]) -> float | None:
        curve = curves[_kind(values)]
        right = min(max(bisect.bisect(rates, values["learning_rate"]), 1), len(rates) - 1)
        low, high = rates[right - 1], rates[right]
        share = math.log(values["learning_rate"] / low) / math.log(high / low)
        below, above = curve[low], curve[high]
        if share in (0.0, 1.0):
            return above if share else below
        return None if below is None or above is None else below + share * (above - below)

    return loss


def _kind(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return values["optimizer"], values.get("momentum"), values["batch_size"]


def branin(values: Mapping[str, Any]) -> float:
    x, y = values["x"], values["y"]
    valley = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return valley + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann3(values: Mapping[str, Any]) -> float:
    steepness = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
    centres = [[0.3689, 0.117, 0.2673], [0.4699, 0.4387, 0.747], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
    return _hartmann(values, steepness, centres)


def hartmann6(values: Mapping[str, Any]) -> float:
    steepness = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    centres = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
    return _hartmann(values, steepness, centres)


def _hartmann(values: Mapping[str, Any], steepness: list[list[float]], centres: list[list[float]]) -> float:
    x = np.array(list(values.values()))
    far = (np.array(steepness) * (x - np.array(centres)) ** 2).sum(1)
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-far))


def bowl(values: Mapping[str, Any]) -> float:
    return (math.log10(values["rate"]) + 3.3) ** 2 + 4 * (values["share"] - 0.6) ** 2


def problems() -> dict[str, Problem]:
    """By name, the real one last."""
    unit = {name: Double(0.0, 1.0) for name in "abcdef"}
    return {
        "branin": Problem({"x": Double(-5.0, 10.0), "y": Double(0.0, 15.0)}, branin),
        "hartmann3": Problem({name: unit[name] for name in "abc"}, hartmann3),
        "hartmann6": Problem(unit, hartmann6),
        "bowl": Problem({"rate": Double(1e-5, 1e-1, "log"), "share": Double(0.0, 1.0)}, bowl),
        "winner": Problem(
            {
                "learning_rate": Double(tuning_table.RATES[0], tuning_table.RATES[-1], "log"),
                "optimizer": Categorical(("adam", "sgd")),
                "momentum": Discrete(tuning_table.MOMENTA, when=When("optimizer", "sgd")),
                "batch_size": Discrete(tuning_table.BATCHES),
            },
            winner_loss(),
        ),
    }


def main() -> int:
    """Prints a line for each problem; 1 where Bayesian tuning is not significantly better."""
    misses = 0
    for name, problem in problems().items():
        found = compare(problem)
        met = found["bayesian"] < found["random"] and found["p"] < 0.05
        misses += not met
        said = f"{name:<10} random {found['random']:8.4f}   bayesian {found['bayesian']:8.4f}   p = {found['p']:.1e}"
        print(f"{'ok  ' if met else 'MISS'} {said}", flush=True)
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
