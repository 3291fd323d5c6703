"""How long `nas check` takes on each shipped space: proof, count, costs and copies, the command's start included.

    python -m benchmarks.check_time
    python -m benchmarks.check_time colorizer nasfpn --repeats 3

Processor time of the whole command, the least of several runs. Required: under 5 s each.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import search_spaces

REQUIRED_S = 5.0


def seconds(name: str) -> float:
    """Processor time of one `nas check`; the space must be found to build."""
    before = _spent_by_children()
    command = [sys.executable, "-m", "nas.cli", "check", name, "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if found["builds"] != "proved":
        raise RuntimeError(f"{name}: {found['builds']}, expected a proof")
    return _spent_by_children() - before


def _spent_by_children() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each space; 1 if one takes longer than required."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=list(search_spaces.NAMES), metavar="SPACE", help="default: all")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the fastest counts")
    options = parser.parse_args(arguments)
    slow = 0
    for name in options.spaces:
        least = min(seconds(name) for _ in range(max(options.repeats, 1)))
        slow += least >= REQUIRED_S
        verdict = "ok  " if least < REQUIRED_S else "MISS"
        print(f"{verdict} {name:20s} {least:5.2f} s (required: under {REQUIRED_S:g})", flush=True)
    return min(slow, 1)


if __name__ == "__main__":
    sys.exit(main())
