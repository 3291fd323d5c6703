"""What an architecture search job has done, on disk, so that nothing finished is ever lost or done twice.

    job.json        the job as it was begun, and the name of its folder; written whole or not at all
    trials.jsonl    a line when a trial begins and one when it has ended, in the order in which it happened; synced each time
    proposer.json   what the proposer remembered after so many lines, to save time; may be missing
    <folder>/nas/   what trials wrote; see `trainer.vertex.layout`

The last line of a trial counts, and the order of all lines is the order of asking and telling: replayed, the proposer knows
what it knew. What a crash cuts short, and that one process at a time holds a job: see `trainer.journal`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from nas.errors import StudyError
from trainer.journal import Journal, read_lines, refusals, write_whole
from trainer.tuning.protocol import Ending
from trainer.tuning.reports import Report
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.layout import Params, Stage, job_folder

JOB_FILE, TRIALS_FILE, PROPOSER_FILE = "job.json", "trials.jsonl", "proposer.json"
LIMITS = ("maxTrialCount", "maxParallelTrialCount", "maxFailedTrialCount", "frequency", "scheduling")
"""What may change when a job is continued."""

State = Literal["REQUESTED", "ACTIVE", "STOPPING", "SUCCEEDED", "INFEASIBLE"]
"""Vertex AI's. REQUESTED: it is to run (again). STOPPING: it was told to end. INFEASIBLE: it ended without a measurement."""


@dataclasses.dataclass(frozen=True)
class NasTrial:
    """A trial of the search, or of stage 2.

    Attributes:
        stage, id: ids count from 1 in each stage.
        params: the architecture, as `--nas_params_str` says it.
        state: Vertex AI's word.
        search_id: the search trial whose architecture it is.
        measurement: the report that counts; None unless it succeeded and reported.
        other_metrics: what else it reported beside it.
        start, end: seconds since the epoch; None where it has not happened.
        ending: how its process ended: see `trainer.tuning.protocol.Ending`; "" before that.
        reason: why it did not succeed, in one line.
        log_tail: the last lines of its log, where it failed or ran out of time.
        exit_code: of its process; negative: the signal that ended it.
        spent_s: seconds of attempts that were interrupted.
    """

    stage: Stage
    id: int
    params: Params
    state: State
    search_id: int
    measurement: Report | None = None
    other_metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    start: float | None = None
    end: float | None = None
    ending: Ending | Literal[""] = ""
    reason: str = ""
    log_tail: str = ""
    exit_code: int | None = None
    spent_s: float = 0.0

    @property
    def is_finished(self) -> bool:
        return self.state in ("SUCCEEDED", "INFEASIBLE")

    @property
    def value(self) -> float:
        """The metric's final value; NaN where there is none."""
        return self.measurement.value if self.measurement else math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, only what is not the default."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != _default(f)}
        return plain | ({"measurement": dataclasses.astuple(self.measurement)} if self.measurement else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NasTrial:
        known = {field.name: data[field.name] for field in dataclasses.fields(cls) if field.name in data}
        if "measurement" in known:
            value, step, timestamp = known["measurement"]
            known["measurement"] = Report(float(value), int(step), float(timestamp))
        trial = cls(**known)
        if trial.state not in get_args(State) or trial.stage not in get_args(Stage) or not isinstance(trial.id, int):
            raise ValueError("no trial")
        return trial


class JobLedger:
    """An open job; a context manager.

    Args:
        directory: made if missing.
        job: must agree with the job that was begun here, in everything but `LIMITS`.

    Attributes:
        lines: every line so far, in order, as trials.
        job_directory: where trials write.

    Raises:
        StudyError: the directory cannot be written, is held by another process, holds another job, or is damaged.
    """

    def __init__(self, directory: str | Path, job: NasJobSpec):
        self.directory = Path(directory).absolute()
        self._journal = Journal(self.directory / TRIALS_FILE, "another process runs this job")
        try:
            with refusals(self.directory):
                self.job_directory = self.directory / self._agree_on(job)
                self.lines = read_trials(self.directory)
                self._journal.open()
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> JobLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the directory back."""
        self._journal.close()

    def record(self, trial: NasTrial) -> None:
        """Writes a trial's new state; when this returns, it is on the disk."""
        self._journal.append(trial.to_json())

    def remember(self, state: Mapping[str, Any]) -> None:
        """Keeps what the proposer knows."""
        write_whole(self.directory / PROPOSER_FILE, json.dumps(state))

    def recall(self) -> dict[str, Any] | None:
        """What `remember` kept, if it is there and whole."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.directory / PROPOSER_FILE).read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else None
        return None

    def _agree_on(self, job: NasJobSpec) -> str:
        """The name of the folder; writes `job.json` where there is none."""
        path = self.directory / JOB_FILE
        if not path.exists():
            folder = job_folder(job, time.time())
            facts = {"displayName": job.display_name, "nasJobSpec": job.to_json(), "folder": folder}
            write_whole(path, json.dumps(facts, indent=1) + "\n")
            return folder
        earlier, folder = read_job(self.directory)
        changed = _differences(_fixed(earlier.message), _fixed(job.message), "")
        if changed:
            hint = "Continue with the job as it was, or choose another directory"
            raise StudyError(f"an earlier job here differs in {', '.join(changed[:3])}", path=str(path), hint=hint)
        return folder


def read_job(directory: str | Path) -> tuple[NasJobSpec, str]:
    """The job in a directory as it was begun, and the name of its folder.

    Raises:
        StudyError: there is none, or its file is damaged.
    """
    path = Path(directory) / JOB_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        folder = facts["folder"]
    except FileNotFoundError:
        raise StudyError("there is no job", path=str(directory), expected=f"a directory with {JOB_FILE}") from None
    except (OSError, ValueError, TypeError, KeyError):
        folder = None
    if not isinstance(folder, str) or Path(folder).name != folder:
        raise StudyError("it is damaged", path=str(path), hint="Choose another directory")
    return NasJobSpec.from_json({key: facts[key] for key in ("displayName", "nasJobSpec") if key in facts}), folder


def read_trials(directory: str | Path) -> list[NasTrial]:
    """Every line of a job's record, in order; also while someone runs it.

    Raises:
        StudyError: a line other than an unfinished last one is no trial.
    """
    return read_lines(Path(directory) / TRIALS_FILE, NasTrial.from_json)


def _default(field: dataclasses.Field) -> Any:
    return {} if field.default_factory is not dataclasses.MISSING else field.default


def _fixed(message: Any) -> Any:
    """A job without what may change."""
    if isinstance(message, Mapping):
        return {key: _fixed(value) for key, value in message.items() if key not in LIMITS}
    return [_fixed(value) for value in message] if isinstance(message, list) else message


def _differences(a: Any, b: Any, path: str) -> list[str]:
    """The paths where two plain values differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = [*a, *(key for key in b if key not in a)]
        return [found for key in keys for found in _differences(a.get(key), b.get(key), f"{path}.{key}" if path else key)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [found for i, pair in enumerate(zip(a, b, strict=True)) for found in _differences(*pair, f"{path}[{i}]")]
    return [] if a == b else [path]
