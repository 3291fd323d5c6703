"""One trial as Vertex AI runs it: a command with flags, an environment, a metric file; and how it ended, by name.

The command is the user's real entry point. It gets its values as `--name=value`, learns from the environment where to report
and where to save, and reports with cloudml-hypertune. It cannot tell this machine from a Vertex worker:

    CLOUD_ML_TRIAL_ID           the trial's number, from 1
    CLOUD_ML_HP_METRIC_TAG      the metric to report; empty: no report is expected (stage 2 of architecture search)
    CLOUD_ML_HP_METRIC_FILE     where hypertune writes; a fresh file for every trial, read by `trainer.tuning.reports`
    AIP_MODEL_DIR, AIP_CHECKPOINT_DIR, AIP_TENSORBOARD_LOG_DIR      its own directories

    outcome = run_trial([sys.executable, "-m", "trainer.task"], ["--epochs=1"], "runs/trial-1", trial_id=1, metric="val_loss")
    outcome.state, outcome.value        # ("succeeded", 0.031)

Source: https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nas.errors import UserError
from trainer.tuning.guard import GUARD, kill_group
from trainer.tuning.reports import MetricFile, Report, Select, last_report, read_metric_file

Ending = Literal["succeeded", "stopped", "infeasible", "failed", "timed_out", "interrupted"]
"""succeeded: exit code 0 and a finite final measurement. stopped: told to end early, with a finite measurement from before.
infeasible: exit code 0, or stopped, without one. failed: another exit code. timed_out: killed when its time was up.
interrupted: killed because the tuner ends; it is run again when tuning is resumed."""

GRACE_S = 5.0
"""How long a trial that is told to stop may save what it has, before it is killed."""

METRIC_FILE, LOG_FILE = "metrics.jsonl", "output.log"
LOG_LINES, LOG_BYTES = 15, 8192


@dataclasses.dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
        state: see `Ending`.
        measurement: the report that counts; None unless it succeeded or was stopped and a metric was asked for.
        reports: all it reported of the metric, in order; also where it failed later.
        reason: why it did not succeed, in one line.
        log_tail: the last lines of its log, where it failed or ran out of time.
        exit_code: negative: the signal that ended it.
        seconds: from start to end.
    """

    state: Ending
    measurement: Report | None = None
    reports: tuple[Report, ...] = ()
    reason: str = ""
    log_tail: str = ""
    exit_code: int | None = None
    seconds: float = 0.0

    @property
    def value(self) -> float:
        """The metric's final value; NaN where there is none."""
        return self.measurement.value if self.measurement else math.nan


class TrialProcess:
    """A trial's process, from start to outcome.

    Args:
        command: the program and its fixed arguments.
        flags: this trial's arguments, appended.
        directory: the trial's own; made if missing. What is in it stays (an interrupted run may continue from its
            checkpoints), but the metric file and the log are begun anew.
        trial_id: from 1.
        metric: the tag it reports under; "": no report is expected.
        select: which of its reports counts.
        environment: variables beside or instead of those of the protocol.
    """

    def __init__(
        self,
        command: Sequence[str],
        flags: Sequence[str],
        directory: str | Path,
        trial_id: int,
        metric: str,
        *,
        select: Select = last_report,
        environment: Mapping[str, str] | None = None,
    ):
        self.command, self.directory, self.metric, self.select = [*command, *flags], Path(directory).absolute(), metric, select
        self.environment = trial_environment(self.directory, trial_id, metric) | dict(environment or {})
        self.metric_file, self.log = Path(self.environment["CLOUD_ML_HP_METRIC_FILE"]), self.directory / LOG_FILE
        self._lock = threading.Lock()
        self._verdict: tuple[Ending, str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self) -> None:
        """Starts the process, unless it was stopped before.

        Raises:
            UserError: there is no such program, or the directory cannot be written.
        """
        try:
            for variable in ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR"):
                if "://" not in self.environment[variable]:
                    Path(self.environment[variable]).mkdir(parents=True, exist_ok=True)
            self.metric_file.parent.mkdir(parents=True, exist_ok=True)
            self.metric_file.unlink(missing_ok=True)
            log = self.log.open("wb")
        except OSError as error:
            problem = f"it cannot be written, {error.strerror}"
            raise UserError(problem, path=str(error.filename), hint="Choose another directory") from None
        with self._lock, log:
            if self._verdict is not None:
                return
            self._started = time.monotonic()
            self._process = self._launch(log)
            GUARD.watch(self._process.pid)

    def _launch(self, log: Any) -> subprocess.Popen[bytes]:
        unbuffered = {"PYTHONUNBUFFERED": "1"}  # so that the log of a killed trial has its last words
        try:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=unbuffered | os.environ | self.environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            program = self.command[0]
            problem = f"{program!r} cannot be started, {getattr(error, 'strerror', None) or error}"
            raise UserError(problem, path="command", received=program, expected="a program and its arguments") from None

    def stop(self, state: Ending, reason: str = "") -> None:
        """Ends the trial with this outcome: asks it to (SIGTERM), and kills it `GRACE_S` later. From any thread."""
        with self._lock:
            if self._verdict is not None or (self._process is not None and self._process.returncode is not None):
                return
            self._verdict = state, reason
            process = self._process
        if process is not None:
            kill_group(process.pid, signal.SIGTERM)
            _later(GRACE_S, self._kill)

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            kill_group(self._process.pid, signal.SIGKILL)

    def wait(self, timeout_s: float | None = None) -> TrialOutcome:
        """Waits for the end, and kills whatever the process left running; after `timeout_s` seconds stops it as timed out."""
        if self._process is None:
            state, reason = self._verdict or ("interrupted", "it was not started")
            return TrialOutcome(state, reason=reason)
        too_long = f"it ran for more than {timeout_s} s"
        limit = _later(timeout_s, lambda: self.stop("timed_out", too_long)) if timeout_s else None
        try:
            exit_code = self._process.wait()
        finally:
            if limit is not None:
                limit.cancel()
        kill_group(self._process.pid, signal.SIGKILL)
        GUARD.forget(self._process.pid)
        return self._judge(exit_code, time.monotonic() - self._started)

    def reports(self) -> tuple[Report, ...]:
        """What it reported so far, also while it runs."""
        return read_metric_file(self.metric_file, self.metric).reports

    def _judge(self, exit_code: int, seconds: float) -> TrialOutcome:
        found = read_metric_file(self.metric_file, self.metric)
        measurement = None
        if self._verdict is not None:
            state, reason = self._verdict
        elif exit_code != 0:
            state, reason = "failed", f"it {_say_exit(exit_code)}"
        else:
            state, reason = "succeeded", ""
        if state in ("succeeded", "stopped") and self.metric:
            final = self.select(found.reports) if found.reports else None
            if final is None:
                state, reason = "infeasible", self._say_nothing(found)
            elif not math.isfinite(final.value):
                state, reason = "infeasible", f"{self.metric} is {final.value} at step {final.step}"
            else:
                measurement = final
        tail = read_tail(self.log) if state in ("failed", "timed_out") else ""
        return TrialOutcome(state, measurement, found.reports, reason, tail, exit_code, seconds)

    def _say_nothing(self, found: MetricFile) -> str:
        if found.others:
            return f"it never reported {self.metric!r}, only {', '.join(map(repr, found.others))}"
        if found.unreadable:
            return f"it reported nothing readable: {found.unreadable} lines of {self.metric_file} are no reports"
        return f"it ended without a report of {self.metric!r} (hypertune.HyperTune().report_hyperparameter_tuning_metric)"


def run_trial(
    command: Sequence[str],
    flags: Sequence[str],
    directory: str | Path,
    trial_id: int,
    metric: str,
    timeout_s: float | None = None,
    *,
    select: Select = last_report,
    environment: Mapping[str, str] | None = None,
) -> TrialOutcome:
    """Runs one trial to its end; arguments as for `TrialProcess`. Ctrl-C ends the trial too."""
    process = TrialProcess(command, flags, directory, trial_id, metric, select=select, environment=environment)
    process.start()
    try:
        return process.wait(timeout_s)
    except BaseException:
        process.stop("interrupted")
        process.wait()
        raise


def trial_environment(directory: Path, trial_id: int, metric: str) -> dict[str, str]:
    """The variables of the protocol. Directories end in a slash, as on Vertex."""
    return {
        "CLOUD_ML_TRIAL_ID": str(trial_id),
        "CLOUD_ML_HP_METRIC_TAG": metric,
        "CLOUD_ML_HP_METRIC_FILE": str(directory / METRIC_FILE),
        "AIP_MODEL_DIR": f"{directory}/model/",
        "AIP_CHECKPOINT_DIR": f"{directory}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{directory}/logs/",
    }


def read_tail(path: str | Path) -> str:
    """The last lines of a log, fit to print: progress bars' overwritten lines and control characters are gone."""
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    clean = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]", "", line).rstrip() for line in lines]
    return "\n".join([line for line in clean if line][-LOG_LINES:])


def _say_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was killed by {name}" + (" (often: out of memory)" if -exit_code == signal.SIGKILL else "")


def _later(seconds: float, action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer
