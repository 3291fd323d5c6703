"""A NAS job run on this machine: Vertex AI's part of the trial protocol, spoken to an unchanged trainer.

    job = NasJobSpec.from_json(Path("nasjob.json").read_text())
    space = decode_search_space(job.search_space_spec)
    proposer = ControllerProposer(controllers.get("ppo"), space, job.metric_id, job.goal)
    engine = NasEngine(job, "runs/job", proposer, command=["python", "my_trainer.py"])
    engine.run()                            # "JOB_STATE_SUCCEEDED"
    engine.trials, engine.details()

Each trial is a process with the flags, environment, directories and metric file of the protocol (`trainer.tuning.protocol`,
`trainer.vertex.layout`). Whatever ends the engine, kill -9 too, another one in the same directory goes on: finished trials are
read, interrupted ones run again with the same id and architecture, and the proposer is replayed. With one trial at a time and
a trainer that gives equal results for equal flags, a job that was killed equals one that was not.

A search trial succeeds if it exits with 0 and its last report is finite. A stage-2 trial need not report: what counts are the
files that it leaves.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal

from nas.errors import UserError
from nas.study.interrupts import Interrupts
from trainer.journal import write_whole
from trainer.tuning.protocol import TrialOutcome, TrialProcess, trial_environment
from trainer.vertex.details import trial_detail
from trainer.vertex.job_ledger import JobLedger, NasTrial, read_trials
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.layout import Stage, check_runnable, job_folder, keep_params, trial_command, trial_directory
from trainer.vertex.measured import other_metrics
from trainer.vertex.progress import Key, Progress
from trainer.vertex.proposer import Proposer
from trainer.vertex.replay import Snapshots, replay
from trainer.vertex.spend import Budget, Usage

JobState = Literal["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"]
OnEvent = Callable[[NasTrial], None]

DETAILS_FILE = "nas_trial_details.json"


class NasEngine:
    """One job in one directory.

    Args:
        job: what to do.
        directory: holds everything, see `trainer.vertex.job_ledger`; continued if the job is there.
        proposer: who proposes.
        parallel: trials at a time, both stages together; None: as the job says, for each stage.
        timeout_s: how long a trial may run; None: as the job says.
        on_event: called with each trial when it begins and when it has ended, in the thread that runs the job.
        command: a local program in place of the container's entry point.
        budget: ends the job when it is used up.
        earlier: trials of another job over the same space; the proposer is told of its searched ones first.

    Raises:
        UserError: there is nothing to run here, or a trial needs more than one machine.
        StudyError: the directory's record is damaged.

    Attributes:
        state: Vertex AI's word for the job.
        error: why it did not succeed; "" otherwise.
    """

    def __init__(
        self,
        job: NasJobSpec,
        directory: str | Path,
        proposer: Proposer,
        *,
        parallel: int | None = None,
        timeout_s: float | None = None,
        on_event: OnEvent | None = None,
        command: Sequence[str] = (),
        budget: Budget | None = None,
        earlier: Sequence[NasTrial] = (),
    ):
        self.job, self.directory, self._proposer = job, Path(directory).absolute(), proposer
        self._parallel, self._timeout_s, self._command = parallel, timeout_s, tuple(command)
        self._on_event, self._budget, self._earlier = on_event or (lambda trial: None), budget or Budget(), tuple(earlier)
        check_runnable(job, self._command)
        if parallel is not None and parallel < 1:
            raise UserError(f"{parallel} does not fit", path="parallel", received=parallel, expected="at least 1")
        self.state: JobState = "JOB_STATE_PENDING"
        self.error = ""
        self._progress = Progress(job)
        for line in read_trials(self.directory):
            self._progress.take_in(line)
        self._interrupted: dict[Stage, deque[int]] = {"search": deque(), "train": deque()}
        self._running: dict[Future[TrialOutcome], Key] = {}
        self._processes: dict[Key, TrialProcess] = {}
        self._lock = threading.Lock()
        self._stopped = self._refused = ""

    # -- from any thread -------------------------------------------------------------------------------------------------

    @property
    def trials(self) -> list[NasTrial]:
        """Every trial as it stands: those of the search, then those of stage 2, each in the order of ids."""
        with self._lock:
            found = list(self._progress.trials.values())
        return sorted(found, key=lambda trial: (trial.stage != "search", trial.id))

    def details(self, name: str = "", first: int = 0, count: int | None = None) -> list[dict[str, Any]]:
        """Search trials as Vertex AI's NasTrialDetail, in the order of ids.

        Args:
            name: the job's resource name; any by default.
            first, count: only so many after the first so many: a page costs what it holds, however many trials there are.
        """
        with self._lock:
            pairs = self._progress.pairs(first, count)
        name = name or f"nasJobs/{self.directory.name}"
        return [trial_detail(search, train, self.job.metric_id, name) for search, train in pairs]

    def preview(self) -> dict[str, Any]:
        """Command and environment of a first search trial, as `run` would give it; nothing is written or run."""
        custom = self.job.search.job
        directory = trial_directory(self.directory / job_folder(self.job, time.time()), custom, "search", 1)
        command = trial_command(custom, json.dumps(dict(self._proposer.ask() or {})), directory, None, self._command)
        return {"command": command, "environment": trial_environment(directory, 1, self.job.metric_id) | dict(custom.env)}

    def stop(self, reason: str = "it was cancelled") -> None:
        """Ends the job for this engine: running trials are asked to end, and killed a few seconds later."""
        with self._lock:
            self._stopped = self._stopped or reason
            running = dict(self._processes)
            for key in running:
                self._progress.trials[key] = dataclasses.replace(self._progress.trials[key], state="STOPPING")
        for process in running.values():
            process.stop("interrupted", reason)

    # -- the run ---------------------------------------------------------------------------------------------------------

    def run(self) -> JobState:
        """Runs what is missing, and returns how the job ended; at the end `nas_trial_details.json` lists every trial.

        Raises:
            StudyError: the directory cannot be used, holds another job, or the proposer proposes something else than before.
            KeyboardInterrupt: after Ctrl-C, when the running trials are dead.
        """
        with JobLedger(self.directory, self.job) as ledger, Interrupts() as interrupts:
            self._ledger = ledger
            progress = replay(self.job, ledger, self._proposer, self._earlier)
            with self._lock:
                self._progress = progress
            self._snapshots = Snapshots(ledger, self._proposer, progress.events)
            for (stage, trial_id), trial in progress.trials.items():
                if not trial.is_finished:
                    self._interrupted[stage].append(trial_id)
            self.state = "JOB_STATE_RUNNING"
            try:
                with ThreadPoolExecutor(self._slots("search") + self._slots("train")) as pool:
                    self._loop(pool, interrupts)
            except BaseException as error:
                self.state = "JOB_STATE_CANCELLED" if isinstance(error, KeyboardInterrupt) else "JOB_STATE_FAILED"
                self.error = str(error) or "it was interrupted"
                raise
            finally:
                details = json.dumps({"nasTrialDetails": self.details()}, indent=1)
                write_whole(self.directory / DETAILS_FILE, details + "\n")
        return self.state

    def _loop(self, pool: ThreadPoolExecutor, interrupts: Interrupts) -> None:
        try:
            while True:
                while not self._stopped and (trial := self._next()) is not None:
                    self._start(pool, trial)
                if not self._running:
                    return self._conclude()
                with interrupts.allowed():
                    done, _ = wait(self._running, timeout=self._patience(), return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda future: self._running[future]):
                    self._on_event(self._finish(future))
                if self._running and (reason := self._budget.spent(self._usage())):
                    self.stop(reason)
        finally:  # whatever ended the loop, no trial outlives it, and what has ended meanwhile is kept
            if self._running:
                self.stop("the engine ends")
                wait(self._running)
                for future in list(self._running):
                    self._finish(future)

    def _conclude(self) -> None:
        trials = self._progress.trials.values()
        failed = next((t for t in reversed(trials) if t.state == "INFEASIBLE" and t.stage == "search"), None)
        nothing = not self._stopped and not any(trial.state == "SUCCEEDED" for trial in trials)
        if failed and (nothing or self._too_many_failed):
            self.state = "JOB_STATE_FAILED"
            self.error = f"{self._progress.failed} search trials failed, the last of them trial {failed.id}: {failed.reason}"
            return
        self.error = self._stopped or self._refused
        self.state = "JOB_STATE_CANCELLED" if self.error else "JOB_STATE_SUCCEEDED"

    @property
    def _too_many_failed(self) -> bool:
        return self._progress.failed >= self.job.search.max_failed

    # -- what runs next --------------------------------------------------------------------------------------------------

    def _next(self) -> NasTrial | None:
        """The next trial, before it begins; None: there is none now."""
        self._refused = ""
        if self._too_many_failed or (self._parallel is not None and len(self._running) >= self._parallel):
            return None
        fresh: Mapping[Stage, Callable[[], NasTrial | None]] = {"train": self._next_training, "search": self._next_search}
        for stage, find in fresh.items():
            if sum(key[0] == stage for key in self._running.values()) >= self._slots(stage):
                continue
            if self._interrupted[stage]:
                return self._progress.trials[stage, self._interrupted[stage].popleft()]
            if (trial := find()) is not None:
                return trial
        return None

    def _next_training(self) -> NasTrial | None:
        if not self._progress.to_train or self._refuses():
            return None
        search_id = self._progress.to_train[0]
        params = self._progress.trials["search", search_id].params
        return NasTrial("train", len(self._progress.trained) + 1, params, "REQUESTED", search_id)

    def _next_search(self) -> NasTrial | None:
        trial_id = self._progress.asked + 1
        if trial_id > self.job.search.max_trial_count or self._refuses():
            return None
        params = self._proposer.ask()
        return None if params is None else NasTrial("search", trial_id, params, "REQUESTED", trial_id)

    def _refuses(self) -> bool:
        self._refused = self._budget.next_trial(self._usage())
        return bool(self._refused)

    def _slots(self, stage: Stage) -> int:
        train = self.job.train
        most = self.job.search.max_parallel if stage == "search" else train.top if train else 0
        return most if self._parallel is None else min(most, self._parallel)

    def _patience(self) -> float | None:
        """How long to wait for a trial's end before the budget must be looked at again."""
        left = self._budget.seconds_left(self._usage(), len(self._running))
        return None if left > threading.TIMEOUT_MAX else left

    def _usage(self) -> Usage:
        now, progress = time.time(), self._progress
        running = sum(now - (progress.trials[key].start or now) for key in self._running.values())
        return Usage(progress.asked + len(progress.trained), (progress.ended_s + running) / 3600)

    # -- one trial -------------------------------------------------------------------------------------------------------

    def _start(self, pool: ThreadPoolExecutor, requested: NasTrial) -> None:
        trial = dataclasses.replace(requested, state="ACTIVE", start=time.time())
        key: Key = (trial.stage, trial.id)
        training = self.job.train if trial.stage == "train" else None
        custom = training.job if training else self.job.search.job
        where, searched = self._ledger.job_directory, self.job.search.job
        directory = trial_directory(where, custom, trial.stage, trial.id)
        search_directory = trial_directory(where, searched, "search", trial.search_id).parent
        retrain = (search_directory, [*self._progress.trained, *self._progress.to_train]) if training else None
        command = trial_command(custom, keep_params(trial.params, directory), directory, retrain, self._command)
        process = TrialProcess(command, (), directory, trial.id, self.job.metric_id, environment=custom.env)
        self._record(trial)
        with self._lock:
            self._processes[key] = process
            stopped = self._stopped
        if stopped:
            process.stop("interrupted", stopped)
        timeout_s = custom.timeout_s if self._timeout_s is None else self._timeout_s
        self._running[pool.submit(_see_through, process, timeout_s)] = key
        self._on_event(trial)

    def _finish(self, future: Future[TrialOutcome]) -> NasTrial:
        key = self._running.pop(future)
        with self._lock:
            process = self._processes.pop(key)
        trial, outcome = self._progress.trials[key], future.result()
        if outcome.state == "interrupted":
            spent_s = trial.spent_s + outcome.seconds
            self._record(dataclasses.replace(trial, state="REQUESTED", start=None, spent_s=spent_s))
            return self._progress.trials[key]
        ended = _ended(trial, outcome)
        if ended.measurement is not None:
            others = other_metrics(process.metric_file, self.job.metric_id)
            ended = dataclasses.replace(ended, other_metrics=others)
        self._record(ended)
        if ended.stage == "search":
            self._proposer.tell(ended)
            self._snapshots.after(self._progress.events)
        if self._too_many_failed:
            self.stop("too many trials failed")
        return ended

    def _record(self, trial: NasTrial) -> None:
        self._ledger.record(trial)
        with self._lock:
            self._progress.take_in(trial)


def _see_through(process: TrialProcess, timeout_s: float | None) -> TrialOutcome:
    process.start()
    return process.wait(timeout_s)


def _ended(trial: NasTrial, outcome: TrialOutcome) -> NasTrial:
    """A trial with how its process ended; see the module's docstring for what counts as success."""
    unreported = trial.stage == "train" and outcome.state == "infeasible" and not outcome.reports
    succeeded = outcome.state == "succeeded" or unreported
    return dataclasses.replace(
        trial,
        state="SUCCEEDED" if succeeded else "INFEASIBLE",
        measurement=outcome.measurement,
        end=time.time(),
        ending="succeeded" if succeeded else outcome.state,
        reason="" if succeeded else outcome.reason,
        log_tail=outcome.log_tail,
        exit_code=outcome.exit_code,
    )
