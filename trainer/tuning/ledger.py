"""What a tuning has done, on disk, so that nothing finished is ever lost or done twice.

A directory holds one tuning:

    tuning.json      its settings; written whole or not at all
    trials.jsonl     one line when a trial begins (its values are decided), one when it has ended; synced to the disk each time
    trial-<id>/      what the trial itself wrote: output.log, metrics.jsonl, model/, checkpoints/, logs/

The last line of a trial counts. A line that a crash cut short is dropped when the ledger is opened: whatever it said had not
been acknowledged. One process at a time may hold a ledger, by a lock that ends with the process, however it ends.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from nas.errors import StudyError
from trainer.tuning.parameters import Value
from trainer.tuning.protocol import Ending, TrialOutcome
from trainer.tuning.reports import Report

SETTINGS_FILE, TRIALS_FILE, LOCK_FILE = "tuning.json", "trials.jsonl", "lock"


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
        self._mutex = threading.Lock()
        self._lock = self._file = -1
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self._agree_on(settings)
            write_whole(self.directory / SETTINGS_FILE, json.dumps({**settings, **limits}, indent=1) + "\n")
            self.trials = read_trials(self.directory)
            self._file = self._open_trials()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                problem = f"it cannot be written, {error.strerror}"
                raise StudyError(problem, path=str(self.directory), hint="Choose another directory") from None
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, trial: TuningTrial) -> None:
        """Writes a trial's line; when this returns, it is on the disk. From any thread."""
        line = json.dumps(trial.to_json()).encode() + b"\n"
        with self._mutex:
            if os.write(self._file, line) != len(line):
                hint = "Free space, then run the same command again"
                raise StudyError("the disk is full", path=str(self.directory), hint=hint)
            os.fsync(self._file)
            self.trials[trial.id] = trial

    def close(self) -> None:
        """Gives the directory back."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._file = -1

    def _take_lock(self) -> int:
        descriptor = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            hint = "Wait for it, stop it, or choose another directory"
            raise StudyError("another process is tuning here", path=str(self.directory), hint=hint) from None
        return descriptor

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

    def _open_trials(self) -> int:
        """Opens the file for appending, right after its last whole line."""
        path = self.directory / TRIALS_FILE
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(descriptor, path.read_bytes().rfind(b"\n") + 1)
        sync_directory(self.directory)
        return descriptor


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
    path = directory / TRIALS_FILE
    trials: dict[int, TuningTrial] = {}
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            trial = TuningTrial.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError):
            hint = "Remove the line; its trial is run again"
            raise StudyError(f"line {number} is no trial", path=str(path), hint=hint) from None
        trials[trial.id] = trial
    return dict(sorted(trials.items()))


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(number: float) -> float | str:
    return number if math.isfinite(number) else repr(number)
