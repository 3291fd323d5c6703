"""What a tuning has done, on disk, so that nothing finished is ever lost or done twice.

A directory holds one tuning:

    tuning.json      its settings; written whole or not at all
    trials.jsonl     one line when a trial begins (its values are decided), one when it has ended; synced to the disk each time
    trial-<id>/      what the trial itself wrote: output.log, metrics.jsonl, model/, checkpoints/, logs/

The last line of a trial counts. What a crash cuts short, and that one process at a time holds a ledger: see `trainer.journal`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from nas.errors import StudyError
from trainer.journal import Journal, read_lines, refusals, write_whole
from trainer.tuning.parameters import Value
from trainer.tuning.protocol import Ending, TrialOutcome
from trainer.tuning.reports import Report

SETTINGS_FILE, TRIALS_FILE = "tuning.json", "trials.jsonl"


@dataclasses.dataclass(frozen=True)
class TuningTrial:
    """One set of values and what became of it.

    Attributes:
        id: from 1, in the order of asking.
        values: parameter -> value, in the order of the flags.
        state: "running", or how it ended: see `trainer.tuning.protocol.Ending`.
        value: the metric's final value; NaN unless it succeeded or was stopped early.
        reports: all it reported of the metric, in order.
        reason: why it did not succeed, in one line.
        log_tail: the last lines of its log, where it failed or ran out of time.
        exit_code: of its process; negative: the signal that ended it.
        started: seconds since the epoch.
        seconds: how long it ran.
    """

    id: int
    values: Mapping[str, Value]
    state: Literal["running"] | Ending = "running"
    value: float = math.nan
    reports: Sequence[Report] = ()
    reason: str = ""
    log_tail: str = ""
    exit_code: int | None = None
    started: float = 0.0
    seconds: float = 0.0

    @property
    def is_finished(self) -> bool:
        return self.state not in ("running", "interrupted")

    @property
    def has_result(self) -> bool:
        """It succeeded, or was stopped early: it has a value that can be compared."""
        return self.state in ("succeeded", "stopped")

    @property
    def is_broken(self) -> bool:
        """It ended without telling anything about its values: a mistake in the script is likelier than bad values."""
        return self.state in ("failed", "timed_out") or (self.state == "infeasible" and not self.reports)

    def ended(self, outcome: TrialOutcome) -> TuningTrial:
        """This trial with its outcome."""
        return dataclasses.replace(
            self,
            state=outcome.state,
            value=outcome.value,
            reports=outcome.reports,
            reason=outcome.reason,
            log_tail=outcome.log_tail,
            exit_code=outcome.exit_code,
            seconds=outcome.seconds,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: NaN and infinities as strings, an unknown value as null."""
        data = dataclasses.asdict(self)
        data["value"] = None if math.isnan(self.value) else self.value
        data["reports"] = [[_plain(report.value), report.step, _plain(report.timestamp)] for report in self.reports]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TuningTrial:
        known = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        if known["state"] not in ("running", *get_args(Ending)) or not isinstance(known["id"], int):
            raise ValueError("no trial")
        known["value"] = math.nan if known["value"] is None else float(known["value"])
        known["reports"] = tuple(Report(float(value), int(step), float(time)) for value, step, time in known["reports"])
        return cls(**known | {"values": dict(known["values"])})


class Ledger:
    """An open ledger; a context manager.

    Args:
        directory: made if missing.
        settings: plain JSON; the settings of an earlier tuning in this directory must be equal.
        limits: plain JSON, recorded beside them; an earlier tuning may have had others.

    Attributes:
        trials: id -> trial, as recorded last.

    Raises:
        StudyError: the directory cannot be written, is held by another process, holds other settings, or is damaged.
    """

    def __init__(self, directory: str | Path, settings: Mapping[str, Any], limits: Mapping[str, Any]):
        self.directory = Path(directory).absolute()
        self._journal = Journal(self.directory / TRIALS_FILE, "another process is tuning here")
        try:
            with refusals(self.directory):
                self._agree_on(settings)
                write_whole(self.directory / SETTINGS_FILE, json.dumps({**settings, **limits}, indent=1) + "\n")
                self.trials = read_trials(self.directory)
                self._journal.open()
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the directory back."""
        self._journal.close()

    def record(self, trial: TuningTrial) -> None:
        """Writes a trial's line; when this returns, it is on the disk. From any thread."""
        self._journal.append(trial.to_json())
        self.trials[trial.id] = trial

    def _agree_on(self, settings: Mapping[str, Any]) -> None:
        path = self.directory / SETTINGS_FILE
        if not path.exists():
            return
        earlier = read_settings(self.directory)
        for name, value in settings.items():
            if earlier.get(name) != value or (isinstance(value, dict) and list(earlier[name]) != list(value)):  # order counts
                problem = f"an earlier tuning here has {name} {json.dumps(earlier.get(name))}, this one {json.dumps(value)}"
                hint = "Continue with the earlier settings, or choose another directory"
                raise StudyError(problem, path=str(path), received=value, expected="the same settings", hint=hint)


def read_settings(directory: Path) -> dict[str, Any]:
    """The settings in a directory.

    Raises:
        StudyError: there is no tuning, or its settings are damaged.
    """
    path = directory / SETTINGS_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError("there is no tuning", path=str(directory), expected=f"a directory with {SETTINGS_FILE}") from None
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise StudyError("its settings are damaged", path=str(path), hint="Choose another directory")
    return settings


def read_trials(directory: Path) -> dict[int, TuningTrial]:
    """Every trial in a directory as recorded last, by id; also while someone is tuning there.

    Raises:
        StudyError: a line other than an unfinished last one is no trial.
    """
    last = {trial.id: trial for trial in read_lines(directory / TRIALS_FILE, TuningTrial.from_json)}
    return dict(sorted(last.items()))


def _plain(number: float) -> float | str:
    return number if math.isfinite(number) else repr(number)
