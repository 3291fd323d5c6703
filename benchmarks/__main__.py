"""All figures that CI can hold on to, as ratios in one run: `python -m benchmarks`.

genome   sampling and mutation against PyGlove's own on the same space     required: 1,000 times
cost     an architecture's cost against build and count in Keras           required: 100 times
study    durable overhead of the study loop at 20,000 trials               required: at most 2 ms a trial
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import cost, genome, study


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
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = study.measure(20_000, Path(folder) / "study")
    misses += _say(
        found["durable_ms"] <= study.BUDGET_MS,
        f"study: {found['durable_ms']:.3f} ms a trial on disk, {found['in_memory_ms']:.3f} in memory (required 2)",
    )
    return 1 if misses else 0


def _say(met: bool, text: str) -> int:
    print(f"{'ok  ' if met else 'MISS'} {text}", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
