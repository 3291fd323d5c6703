"""Small containers for the local Vertex AI: programs that report as on Vertex, and take milliseconds."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

TUNED = """
    import argparse, hypertune
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=float)
    parser.add_argument("--n", type=int)
    parser.add_argument("--optimizer", default="")
    parser.add_argument("--momentum", type=float, default=0.0)
    given = parser.parse_args()
    report = hypertune.HyperTune().report_hyperparameter_tuning_metric
    for step in (1, 2):
        report("loss", (given.x - 1) ** 2 + given.n / 10 / step + given.momentum, step)
"""

SEARCHED = """
    import argparse, hypertune, json, time
    parser = argparse.ArgumentParser()
    for name in ("nas_params_str", "job-dir", "retrain_search_job_dir", "retrain_search_job_trials"):
        parser.add_argument("--" + name)
    parser.add_argument("--slow", type=float, default=0)
    given = parser.parse_args()
    time.sleep(given.slow)
    chosen = [int(str(value).split("/")[0]) for value in json.loads(given.nas_params_str).values()]
    hypertune.HyperTune().report_hyperparameter_tuning_metric("reward", sum(chosen), 1)
"""

FAILING = "import sys; print('no data'); sys.exit(3)"
HANGING = "import time; time.sleep(600)"


def script(directory: Path, text: str) -> list[str]:
    """The command that runs a program."""
    path = directory / "program.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path)]
