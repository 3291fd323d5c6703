"""Speed of the genome against PyGlove's own operations on the same space, in one run.

    python -m benchmarks.genome

The space is plain PyGlove: an encoder-decoder of 96 decision points, of which about 50 are active at a time. Both sides do the
same work: a point drawn, a point with one decision changed. Figures are ratios, so that they carry over to another machine;
the accepted one is `ratio` (sampling and mutation together) of at least 1,000.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyglove as pg
from pyglove.ext.evolution import mutators

from nas.language.genome import Genome

ACCEPTED_RATIO = 1000
BATCH = 2000


class Conv(pg.Object):
    kernel: int
    width: int


class Separable(pg.Object):
    kernel: int


class Bottleneck(pg.Object):
    kernel: int
    expand: int


class Stage(pg.Object):
    first: Any
    second: Any


class Resample(pg.Object):
    kernel: int


class Network(pg.Object):
    encoder: list[Any]
    down: list[Any]
    decoder: list[Any]
    up: list[Any]
    skips: list[Any]
    middle: int
    dropout: float
    output: str


def space_value() -> Network:
    """The space as a plain PyGlove value: 96 decision points."""

    def block() -> pg.hyper.OneOf:
        kernels = [3, 5, 7]
        return pg.oneof(
            [
                Conv(kernel=pg.oneof(kernels), width=pg.oneof([1, 2, 4])),
                Separable(kernel=pg.oneof(kernels)),
                Bottleneck(kernel=pg.oneof(kernels), expand=pg.oneof([2, 4, 6])),
            ]
        )

    def stage() -> Stage:
        return Stage(first=block(), second=pg.oneof([None, block()]))

    return Network(
        encoder=[stage() for _ in range(3)],
        down=[pg.oneof([Resample(kernel=pg.oneof([2, 3])), "max"]) for _ in range(3)],
        decoder=[stage() for _ in range(3)],
        up=[pg.oneof([Resample(kernel=pg.oneof([2, 3])), "nearest", "bilinear"]) for _ in range(3)],
        skips=[pg.oneof(["add", "concat", "none"]) for _ in range(3)],
        middle=pg.oneof([128, 256, 512]),
        dropout=pg.oneof([0.0, 0.25, 0.5]),
        output=pg.oneof(["tanh", "residual"]),
    )


def run(seconds: float = 3.0) -> dict[str, float]:
    """Rates per second of both sides and their ratios.

    Args:
        seconds: how long to watch PyGlove at each of its two operations; the genome takes a fraction of that.
    """
    spec = pg.dna_spec(space_value())
    began = time.perf_counter()
    genome = Genome(spec)
    compile_ms = 1e3 * (time.perf_counter() - began)

    rng, source = np.random.default_rng(0), random.Random(0)
    vectors = genome.sample(rng, BATCH)
    parent = spec.random_dna(source)
    mutator = mutators.Uniform(seed=0)
    share = seconds / 10
    figures = {
        "decision_points": genome.width,
        "active": float(genome.program.active(vectors).sum(axis=1).mean()),
        "compile_ms": compile_ms,
        "samples": BATCH * _rate(lambda: genome.sample(rng, BATCH), share),
        "mutations": BATCH * _rate(lambda: genome.mutate(vectors, rng), share),
        "crossovers": BATCH * _rate(lambda: genome.crossover(vectors, vectors[::-1], rng), share),
        "samples_one_at_a_time": _rate(lambda: genome.sample(rng, 1), share),
        "mutations_one_at_a_time": _rate(lambda: genome.mutate(vectors[:1], rng), share),
        "unranks": _rate(lambda: genome.unrank(genome.size // 3), share),
        "ranks": _rate(lambda: genome.rank(vectors[0]), share),
        "pyglove_samples": _rate(lambda: spec.random_dna(source), seconds),
        "pyglove_mutations": _rate(lambda: mutator.mutate(parent), seconds),
    }
    ours = 1 / figures["samples"] + 1 / figures["mutations"]
    theirs = 1 / figures["pyglove_samples"] + 1 / figures["pyglove_mutations"]
    return figures | {"ratio": theirs / ours}


def _rate(operation: Callable[[], object], seconds: float) -> float:
    """Calls per second."""
    operation()
    calls, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        operation()
        calls += 1
    return calls / elapsed


def main() -> None:
    figures = run()
    for name, value in figures.items():
        print(f"{name:26}{value:14,.1f}")
    print(f"accepted from {ACCEPTED_RATIO:,}: {'yes' if figures['ratio'] >= ACCEPTED_RATIO else 'NO'}")


if __name__ == "__main__":
    main()
