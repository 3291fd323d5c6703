"""How much a measured latency varies from one measurement to the next, for each runtime on three networks.

    python -m benchmarks.latency_repeat
    python -m benchmarks.latency_repeat --runtimes litert onnxruntime --repeats 5

Each measurement is made as `evaluators.Latency()` makes it; repeats of one network are apart from one another, as rounds go
over all networks and runtimes. Required on an otherwise idle machine: a coefficient of variation of at most 3%. What the
machine was doing is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluators import Latency, device, runtimes
from evaluators.latency_bench import time_file
from evaluators.latency_statistics import fastest
from nas.errors import UserError
from search_spaces.colorizer import colorizer

REQUIRED = 0.03
SKIPPED = ("tensorflow-gpu",)  # ask for it where there is a GPU


class Spread(NamedTuple):
    """One network on one runtime.

    Attributes:
        values_ms: of each measurement.
        single_cv: variation of the figures that single processes gave, for comparison.
        noisy: how many of the measurements would have been refused.
    """

    values_ms: list[float]
    single_cv: float
    noisy: int

    @property
    def cv(self) -> float:
        return statistics.stdev(self.values_ms) / statistics.mean(self.values_ms)


def networks(seed: int = 0) -> dict[str, object]:
    """A small, a middling and a large network of `colorizer`: the least and the most FLOPs of 50, and the book's."""
    drawn = sorted(colorizer.sample(seed, n=50), key=lambda architecture: architecture.cost().flops)
    return {"smallest of 50": drawn[0], "book": colorizer.baselines["book"], "largest of 50": drawn[-1]}


def measure(names: list[str], repeats: int, folder: Path) -> dict[tuple[str, str], Spread]:
    """(runtime, network) -> how its figure varied."""
    files: dict[tuple[str, str], Path] = {}
    for network, architecture in networks().items():
        model = architecture.build(seed=0)  # type: ignore[attr-defined]
        for name in names:
            runtime = runtimes.get(name)
            path = folder / f"{len(files)}{runtime.adapter.SUFFIX}"
            runtime.adapter.convert(model, path, **runtime.conversion)
            files[name, network] = path
    values: dict[tuple[str, str], list[float]] = {key: [] for key in files}
    single: dict[tuple[str, str], list[float]] = {key: [] for key in files}
    noisy = dict.fromkeys(files, 0)
    for _ in range(repeats):
        for key, path in files.items():
            timing = time_file(path, runtimes.get(key[0]), Latency(key[0]).settings)
            values[key].append(fastest(timing.runs).value)
            single[key] += [run.fastest_ms for run in timing.runs]
            noisy[key] += bool(timing.noise)
    return {key: Spread(values[key], float(np.std(single[key], ddof=1) / np.mean(single[key])), noisy[key]) for key in files}


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each network and runtime; 1 if one varies more than required."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = [name for name, runtime in runtimes.RUNTIMES.items() if runtime.is_installed and name not in SKIPPED]
    parser.add_argument("--runtimes", nargs="+", default=there, choices=list(runtimes.RUNTIMES))
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args(arguments)
    if asked.repeats < 2:
        raise UserError("one measurement does not vary", path="--repeats", received=asked.repeats, expected="2 or more")
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="espalier-repeat-") as folder:
        found = measure(asked.runtimes, asked.repeats, Path(folder))
    print(f"{device.describe(device.fingerprint())}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    for (runtime, network), spread in found.items():
        print(
            f"{runtime:15} {network:15} {statistics.mean(spread.values_ms):8.3f} ms  variation {spread.cv:6.2%} "
            f"(required {REQUIRED:.0%}; of single processes {spread.single_cv:.2%}), noisy {spread.noisy} of {asked.repeats}"
        )
    return int(any(spread.cv > REQUIRED for spread in found.values()))


if __name__ == "__main__":
    sys.exit(main())
