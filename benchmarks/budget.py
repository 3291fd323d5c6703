"""Proof, exact counts and uniform draws within a budget, on a space of 10^35 architectures.

    python -m benchmarks.budget

The space is `colorizer`, the budget one that fewer than one in a million of its architectures meets, so that drawing from the
whole space and dropping what is too dear would take a hundred million draws for each one kept. Accepted: 10,000 uniform draws
within the budget in under 10 s, every one of them checked by lowering it and adding up its operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nas.language.automaton import compile_space
from nas.language.automaton.batch import Pricer
from nas.language.budget import within
from nas.language.costing import COUNTED, find_metric
from nas.language.proof import prove
from search_spaces.colorizer import colorizer

FLOPS = 60e6
DRAWN = 10_000
ACCEPTED_SHARE = 1e-6
ACCEPTED_SECONDS = 10.0


def run(checked: int = DRAWN) -> dict[str, float]:
    """Times in seconds (of this process, so that a busy machine does not count), sizes and shares.

    Args:
        checked: how many of the draws are lowered and priced one by one.
    """
    points = colorizer.genome.size or 0
    compile_s, automaton = _timed(lambda: compile_space(colorizer))
    prove_s, proof = _timed(lambda: prove(colorizer, automaton))
    within_s, found = _timed(lambda: within(colorizer, automaton=automaton, flops=FLOPS))
    size_s, size = _timed(lambda: found.size_bracket)
    draw_s, drawn = _timed(lambda: found.genome.sample(np.random.default_rng(0), DRAWN))
    architectures = [colorizer.architecture(vector) for vector in drawn[:checked]]
    lower_s, costs = _timed(lambda: [architecture.cost().flops for architecture in architectures])
    mutate_s, _ = _timed(lambda: found.genome.mutate(drawn, np.random.default_rng(1)))
    pricer = Pricer.of(automaton, colorizer, [find_metric(name) for name in COUNTED])
    vectors = colorizer.genome.sample(np.random.default_rng(0), DRAWN)
    pricer.price(vectors)
    price_s, _ = _timed(lambda: pricer.price(vectors))
    return {
        "points": points,
        "proved": proof.building == points,
        "states": automaton.states,
        "circuit_nodes": len(automaton.circuit.nodes),
        "compile_s": compile_s,
        "prove_s": prove_s,
        "within_s": within_s,
        "size_low": size.low,
        "size_high": size.high,
        "size_s": size_s,
        "share": size.high / points,
        "draws": DRAWN,
        "draws_s": draw_s,
        "checked": len(costs),
        "within_budget": sum(cost <= FLOPS for cost in costs),
        "distinct": len({vector.tobytes() for vector in drawn}),
        "mutations_per_s": DRAWN / mutate_s,
        "priced_per_s": DRAWN / price_s,
        "lowered_per_s": len(costs) / lower_s,
    }


def is_accepted(figures: dict[str, float]) -> bool:
    """Whether the figures are what the project asks for."""
    return bool(
        figures["proved"]
        and figures["share"] < ACCEPTED_SHARE
        and figures["draws_s"] < ACCEPTED_SECONDS
        and figures["within_budget"] == figures["checked"]
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    figures = run()
    for name, value in figures.items():
        print(f"{name:18}{value:>16.4g}" if isinstance(value, float) or value > 10**9 else f"{name:18}{value:>16,}")
    print(f"accepted: {'yes' if is_accepted(figures) else 'NO'}")


if __name__ == "__main__":
    main()
