"""What a trial of an architecture search is given: its directory, its flags, its command.

    <root>/<job>_20261124_144601/nas/search/1/      trial 1 of the search
    <root>/<job>_20261124_144601/nas/train/1/       trial 1 of stage 2

A trainer finds its directory in `--job-dir`, and again in AIP_MODEL_DIR (`<directory>/model/`), from which trainers take what
matches `.*nas/(search|train)/\\d+`. It is told what to build by `--nas_params_str`, JSON text or a path that ends in .json. In
stage 2 it also gets the way back to the search, `--retrain_search_job_dir` and `--retrain_search_job_trials=1,9`: stage-2 trial
k trains the k-th id. The user's own flags come last, so that theirs win.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nas.errors import UserError
from trainer.journal import write_whole
from trainer.vertex.job_spec import NasJobSpec, TrialJob

Stage = Literal["search", "train"]
Params = Mapping[str, str | float]

STAGE_FOLDER = re.compile(r"/nas/(search|train)$")
PARAMS_FILE = "nas_params_str.json"
LONGEST_FLAG_BYTES = 100_000  # Linux passes at most 128 KiB in one argument


def job_folder(job: NasJobSpec, now: float) -> str:
    """The name of a job's folder: that of its output directory in the cloud, else its display name and the time (UTC)."""
    named = STAGE_FOLDER.sub("", job.search.job.output.rstrip("/")).rpartition("://")[2].partition("/")[2].rpartition("/")[2]
    slug = re.sub(r"[^\w.-]+", "_", named or job.display_name).strip("._")
    return slug if named and slug else f"{slug or 'nas'}_{time.strftime('%Y%m%d_%H%M%S', time.gmtime(now))}"


def trial_directory(job_directory: Path, job: TrialJob, stage: Stage, trial_id: int) -> Path:
    """Where a trial's files are: in `nas/search` and `nas/train`, or in the one of them that the job's output directory names.

    A job that only trains has its trials in `nas/train`, though the service takes them for search trials.
    """
    named = STAGE_FOLDER.search(job.output.rstrip("/"))
    return job_directory / "nas" / (named[1] if named else stage) / str(trial_id)


def program_of(job: TrialJob, entry: Sequence[str] = ()) -> str:
    """The program that a trial runs; "": there is none.

    `python`, `nas` and what else stands beside this process's own Python is meant rather than another on the PATH: it has what
    trainers import.
    """
    program = next(iter(entry or job.command), "")
    beside = shutil.which(program, path=str(Path(sys.executable).parent)) if program else None
    return beside or program


def check_runnable(job: NasJobSpec, entry: Sequence[str] = ()) -> None:
    """Raises UserError where this machine has no program to run for a trial, or a trial needs more machines."""
    hint = "Say what to run in its place, as in --command 'python my_trainer.py'"
    for custom in [job.search.job, *([job.train.job] if job.train else [])]:
        program = program_of(custom, entry)
        if not program:
            problem = f"the program is inside the image {custom.image or '(none)'}, which is not run here"
            raise UserError(problem, path="containerSpec.command", received=custom.image, expected="a command", hint=hint)
        if shutil.which(program) is None:
            raise UserError(f"{program!r} is no program here", path="command", received=program, hint=hint)
        if custom.machines > 1:
            expected = "one machine for a trial, to be run here"
            raise UserError(f"{custom.machines} machines", path="workerPoolSpecs", received=custom.machines, expected=expected)


def keep_params(params: Params, directory: Path) -> str:
    """Writes `nas_params_str.json`, which stage 2 looks for; returns the value of `--nas_params_str`: text, or that path."""
    text = json.dumps(dict(params))
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / PARAMS_FILE, text)
    return text if len(text.encode()) <= LONGEST_FLAG_BYTES else str(directory / PARAMS_FILE)


def trial_command(
    job: TrialJob,
    nas_params_str: str,
    directory: Path,
    retrain: tuple[Path, Sequence[int]] | None = None,
    entry: Sequence[str] = (),
) -> list[str]:
    """Program and arguments of a trial.

    The flags of the protocol stand before the user's first `--flag`, so after a script's name that `args` may begin with.

    Args:
        job: the spec's.
        nas_params_str: from `keep_params`.
        directory: the trial's.
        retrain: for stage 2, the directory of the search, and the search trial of each stage-2 trial, as far as they are known.
        entry: a local program in place of the container's entry point.
    """
    flags = [f"--nas_params_str={nas_params_str}", f"--job-dir={directory}"]
    if retrain is not None:
        search, ids = retrain
        flags += [f"--retrain_search_job_dir={search}", f"--retrain_search_job_trials={','.join(map(str, ids))}"]
    first = next((i for i, arg in enumerate(job.args) if arg.startswith("--")), len(job.args))
    return [program_of(job, entry), *(entry or job.command)[1:], *job.args[:first], *flags, *job.args[first:]]
