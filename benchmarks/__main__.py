"""All figures that CI can hold on to, as ratios in one run: `python -m benchmarks`.

genome   sampling and mutation against PyGlove's own on the same space     required: 1,000 times
cost     an architecture's cost against build and count in Keras           required: 100 times
budget   colorizer: draws and prices a second, against PyGlove and Keras   required: 20,000 and 100,000
         10,000 draws within a budget that one in 137 million meets        required: under 10 s
study    durable overhead of the study loop at 20,000 trials               required: at most 2 ms a trial
ask      ask and tell of evolution and REINFORCE at trial 1,000 on colorizer        required: at most 5 ms

How good controllers are takes longer: `python -m benchmarks.controllers`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import controllers
from benchmarks import budget, cost, genome, problems, study
from benchmarks.searching import Ours, search
from benchmarks.sections import ASK_MS


def main() -> int:
    """Prints a line for each figure; 1 if one misses what is required."""
    misses = 0
    found = genome.run()
    misses += _say(
        found["ratio"] >= 1_000,
        f"genome: {found['samples']:,.0f} samples and {found['mutations']:,.0f} mutations a second, PyGlove "
        f"{found['pyglove_samples']:.1f} and {found['pyglove_mutations']:.1f}: {found['ratio']:,.0f} times (required 1,000)",
    )
    found = cost.run()
    misses += _say(
        found["ratio"] >= 100,
        f"cost: {found['arithmetic_ms']:.2f} ms by arithmetic, {found['keras_ms']:.0f} ms in Keras: "
        f"{found['ratio']:.0f} times (required 100)",
    )
    keras_per_s = 1e3 / found["keras_ms"]
    found = budget.run(checked=500)
    misses += _say(
        budget.is_accepted(found),
        f"budget: {found['drawn_per_s']:,.0f} draws a second, {found['drawn_per_s'] / found['pyglove_drawn_per_s']:,.0f} times "
        f"PyGlove's {found['pyglove_drawn_per_s']:.1f} (required 20,000); {found['priced_per_s']:,.0f} prices a second, "
        f"{found['priced_per_s'] / keras_per_s:,.0f} times Keras's {keras_per_s:.1f} (required 100,000); "
        f"{found['draws']:,} draws within one in {1 / found['share']:,.0f} in {found['draws_s']:.1f} s (required 10)",
    )
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = study.measure(20_000, Path(folder) / "study")
    misses += _say(
        found["durable_ms"] <= study.BUDGET_MS,
        f"study: {found['durable_ms']:.3f} ms a trial on disk, {found['in_memory_ms']:.3f} in memory (required 2)",
    )
    problem = problems.timing("ask", (1_000,))
    for name in ("evolution", "reinforce"):
        searcher = Ours(controllers.get(name), problem.space, problem.objectives)
        last = search(searcher, problem.evaluator, problem.budget, problem.objectives).ms[-100:]
        ms = sum(last) / len(last)
        misses += _say(ms <= ASK_MS, f"ask: {name} {ms:.2f} ms at trial {problem.budget:,} (required {ASK_MS:g})")
    return 1 if misses else 0


def _say(met: bool, text: str) -> int:
    print(f"{'ok  ' if met else 'MISS'} {text}", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
