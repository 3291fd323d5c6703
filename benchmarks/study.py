"""What the study adds to a trial: its whole loop, durable on disk, with an evaluator and a controller that cost nothing.

    python -m benchmarks.study [--trials 20000] [--json]

Printed: milliseconds a trial for all trials and for the last tenth (a loop that slows down as trials pile up shows there), the
same in memory (what SQLite and the disk take is the difference), seconds to take the study up again, and bytes a trial on disk.
The budget is 2 ms a trial.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nas.study.events import TrialFinished
from nas.study.interfaces import Controller
from nas.study.objective import minimize
from nas.study.study import Study

BUDGET_MS = 2.0


class Numbered:
    """An architecture with as many decisions as a space of the usual size has."""

    def __init__(self, number: int):
        self.decisions = {f"enc{i}.width": (number >> i) % 4 * 16 for i in range(20)} | {"number": number}
        self.fingerprint = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


class Numbers:
    """A space of numbered architectures."""

    name, reference, digest, size, limits = "numbers", None, "numbers", 10**9, None

    def architecture(self, point: Any) -> Numbered:
        return Numbered(point["number"] if isinstance(point, dict) else point)


class Counter(Controller):
    """Proposes one number after the other and remembers only how far it is."""

    def __init__(self) -> None:
        self.asked = self.told = 0

    def ask(self, n: int = 1) -> list[Any]:
        self.asked += n
        return [self.space.architecture(i) for i in range(self.asked - n, self.asked)]

    def tell(self, trials: Any) -> None:
        self.told += len(trials)

    def state(self) -> dict[str, Any]:
        return {"asked": self.asked, "told": self.told}

    def restore(self, state: Any) -> None:
        self.asked, self.told = state["asked"], state["told"]


def free(architecture: Any) -> dict[str, float]:
    return {"loss": 1.0 / (1 + architecture.decisions["number"])}


def make(directory: Path | None) -> Study:
    return Study(Numbers(), Counter(), free, minimize("loss"), directory=directory)  # type: ignore[arg-type]


def measure(trials: int, directory: Path) -> dict[str, float]:
    """All figures, for a number of trials."""
    stamps: list[float] = []

    def listen(event: Any) -> None:
        if isinstance(event, TrialFinished):
            stamps.append(time.perf_counter())

    started = time.perf_counter()
    make(directory).run(trials, on_event=listen)
    durable = time.perf_counter() - started
    tenth = max(1, trials // 10)
    last = stamps[-1] - stamps[-1 - tenth] if trials > tenth else durable

    started = time.perf_counter()
    make(None).run(trials)
    in_memory = time.perf_counter() - started

    started = time.perf_counter()
    make(directory).run(trials + 1)
    again = time.perf_counter() - started
    return {
        "trials": trials,
        "durable_ms": 1e3 * durable / trials,
        "last_tenth_ms": 1e3 * last / tenth,
        "in_memory_ms": 1e3 * in_memory / trials,
        "resume_s": again,
        "bytes_a_trial": (directory / "study.db").stat().st_size / trials,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:  # the disk one works on: in /tmp, if that is memory, a sync is free
        found = measure(arguments.trials, Path(folder) / "study")
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"study loop, {arguments.trials} trials with a free evaluator and controller")
        print(f"  durable on disk   {found['durable_ms']:.3f} ms a trial (budget {BUDGET_MS:g})")
        print(f"  the last tenth    {found['last_tenth_ms']:.3f} ms a trial")
        print(f"  in memory         {found['in_memory_ms']:.3f} ms a trial")
        print(f"  taken up again    {found['resume_s']:.2f} s")
        print(f"  on disk           {found['bytes_a_trial']:.0f} bytes a trial")
    return 0 if found["durable_ms"] <= BUDGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
