"""What a search can find under a latency limit that asks for each network once, if it knew everything beforehand.

    python -m benchmarks.spellings --tables ../shared/bench

Isomorphic cells of NAS-Bench-201 are one network, but HELP's table has a measured latency for each cell, and some devices were
noisy: of two ways to write one network, one can meet a limit and the other not. A search that is given the cells which meet it
can choose the lucky one; one that asks for each network once has whichever it asked for. Here the best by validation accuracy
is picked from one random cell of each network, many times: the mean is what the section `constraint` of
`benchmarks.controllers` can come to, however good a controller is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import problems
from benchmarks.sections import Settings
from nas.language.automaton.keys import Keys

DRAWS = 200
REPORTED = "test_c100"


class Ceiling(NamedTuple):
    """Of one device.

    Attributes:
        known: test accuracy of the pick among all cells that meet the limit.
        once: the same among one random cell of each network, mean over draws.
        some, only: how many networks have a cell that meets the limit, and how many have only such.
    """

    known: float
    once: float
    some: int
    only: int


def ceiling(folder: Path, device: str, draws: int = DRAWS, seed: int = 0) -> Ceiling:
    """What can be found where the table of latencies has this column."""
    problem, _ = problems.constrained(f"constraint/{device}", folder, device)
    space, limit = problem.space, problem.constraints[0]
    vectors = np.array([architecture.vector for architecture in space])
    metrics = (problem.objectives[0].metric, REPORTED, limit.metric)
    found = [problem.evaluator.evaluate(space.architecture(vector)) for vector in vectors]
    signal, report, latency = np.array([[each[metric].value for metric in metrics] for each in found]).T
    meets = latency <= limit.bound
    keys = Keys(space.whole).of(vectors)
    order = np.argsort(keys, kind="stable")
    networks = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)

    def pick(cells: np.ndarray) -> float:
        return float(report[cells[np.argmax(signal[cells])]])

    rng = np.random.default_rng(seed)
    once = []
    for _ in range(draws):
        cells = np.array([rng.choice(network) for network in networks])
        once.append(pick(cells[meets[cells]]))
    some, only = (sum(bool(test(meets[network])) for network in networks) for test in (np.any, np.all))
    return Ceiling(pick(np.flatnonzero(meets)), float(np.mean(once)), some, only)


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=Path("../shared/bench"), metavar="DIR")
    parser.add_argument("--device", action="append", metavar="COLUMN")
    options = parser.parse_args(arguments)
    for device in options.device or Settings.limit_devices:
        found = ceiling(options.tables, device)
        print(
            f"{device:12s} all that meet the limit known: {found.known:.3f}; one cell of each network: {found.once:.3f} in the "
            f"mean ({found.some} networks have a cell that meets it, {found.only} have only such)",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
