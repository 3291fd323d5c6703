"""Hyperparameter tuning here as on Vertex AI: the unchanged script, run trial by trial as a process, every result kept.

    result = tune([sys.executable, "-m", "trainer.task", "--data=photos"], BOOK, directory="runs/tuning")
    print(result.best.values, result.best.value)

Whatever ends it (Ctrl-C, kill -9, a power cut), the same call continues: finished trials are read from the directory,
interrupted ones run again with the values they had, and the algorithm goes on from there. With one trial at a time and a
script that gives equal results for equal flags, a resumed tuning equals an uninterrupted one; with more, the order in which
trials end plays a part.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from nas.errors import StudyError, UserError
from nas.study.objective import Objective
from trainer.tuning import algorithms, conditions
from trainer.tuning.ledger import Ledger, TuningTrial
from trainer.tuning.parameters import Parameter, flags
from trainer.tuning.protocol import TrialProcess
from trainer.tuning.reports import best_report, last_report
from trainer.tuning.result import TuningResult
from trainer.tuning.spec import EarlyStopping, Goal, Selection, TuningSpec
from trainer.tuning.stopping import MedianRule

OnEvent = Callable[[TuningTrial], None]

LOOK_S = 0.2
"""How often the reports of running trials are looked at, where they may be stopped early."""


def tune(
    command: Sequence[str],
    parameters: Mapping[str, Parameter],
    metric: str = "val_loss",
    goal: Goal = "minimize",
    max_trial_count: int = 5,
    parallel_trial_count: int = 1,
    algorithm: str = "bayesian",
    *,
    directory: str | Path,
    seed: int = 0,
    timeout_s: float | None = None,
    max_failed_trial_count: int | None = None,
    measurement_selection: Selection = "last",
    early_stopping: EarlyStopping | None = None,
    environment: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
) -> TuningResult:
    """Runs trials until there are `max_trial_count`, or the space holds no more; continues what `directory` holds.

    Args:
        command: the program and its fixed arguments; each trial adds `--name=value` for every parameter that it has.
        parameters: flag name -> parameter.
        metric, goal: what trials report, and whether to "minimize" or "maximize" it.
        max_trial_count: trials in all, those of earlier calls included. May be raised to go on.
        parallel_trial_count: trials at a time.
        algorithm: "bayesian", "random" or "grid".
        directory: where everything is kept; see `trainer.tuning.ledger`.
        seed: of the algorithm.
        timeout_s: how long a trial may run, in seconds; None: as long as it likes.
        max_failed_trial_count: see `TuningSpec`.
        measurement_selection: a trial's result is its "last" report, or its "best" one.
        early_stopping: "median" stops trials that are behind, see `trainer.tuning.stopping`; what they reported counts.
        environment: more variables for every trial.
        on_event: called with each trial when it begins (its state is "running") and when it has ended.

    Raises:
        UserError: a setting that does not fit, or a program that does not exist; before anything is written.
        StudyError: the directory cannot be used, or holds a tuning with other settings, or too many trials failed.
        KeyboardInterrupt: after Ctrl-C, when the running trials are dead.
    """
    limits = max_trial_count, parallel_trial_count, max_failed_trial_count
    spec = TuningSpec(parameters, metric, goal, *limits, algorithm, measurement_selection, early_stopping, timeout_s)
    _check(command, seed)
    run = Run([*command], spec, seed, dict(environment or {}), on_event or (lambda trial: None))
    with Ledger(directory, run.settings, run.limits) as ledger:
        run.go_on(ledger)
        return TuningResult(spec, tuple(ledger.trials[known] for known in sorted(ledger.trials)), ledger.directory)


@dataclasses.dataclass
class Run:
    """One call of `tune`: the settings, and the loop over trials."""

    command: list[str]
    spec: TuningSpec
    seed: int
    environment: dict[str, str]
    on_event: OnEvent

    @property
    def settings(self) -> dict[str, Any]:
        """What a continuation must agree on."""
        fixed = ("parameters", "metric", "goal", "algorithm", "measurement_selection", "early_stopping")
        spec = self.spec.to_dict()
        command = ["python" if word == sys.executable else word for word in self.command]  # a virtual environment may move
        return {"command": command, **{name: spec[name] for name in fixed}, "seed": self.seed}

    @property
    def limits(self) -> dict[str, Any]:
        """What a continuation may change."""
        spec = self.spec
        return {
            "max_trial_count": spec.max_trial_count,
            "parallel_trial_count": spec.parallel_trial_count,
            "max_failed_trial_count": spec.max_failed_trial_count,
            "timeout_s": spec.timeout_s,
        }

    def go_on(self, ledger: Ledger) -> None:
        """Runs what is missing, `parallel_trial_count` trials at a time."""
        algorithm = self._replay(ledger)
        interrupted = [trial for trial in ledger.trials.values() if not trial.is_finished]
        rule = self._rule(ledger)
        processes: dict[int, TrialProcess] = {}
        running: set[Future[TuningTrial]] = set()
        broken = 0
        with ThreadPoolExecutor(self.spec.parallel_trial_count) as pool:
            try:
                while True:
                    while len(running) < self.spec.parallel_trial_count:
                        trial = self._begin(ledger, algorithm, interrupted)
                        if trial is None:
                            break
                        processes[trial.id] = self._process(ledger, trial)
                        running.add(pool.submit(self._see_through, ledger, trial, processes[trial.id]))
                        self.on_event(trial)
                    if not running:
                        return
                    ended, running = wait(running, LOOK_S if rule else None, FIRST_COMPLETED)
                    for trial in sorted((future.result() for future in ended), key=lambda trial: trial.id):
                        del processes[trial.id]
                        algorithm.tell(trial.id, self._score(trial))
                        if rule and trial.has_result:
                            rule.learn(trial.reports)
                        self.on_event(trial)
                        broken += trial.is_broken
                        self._check_failures(ledger, broken, trial)
                    if rule:
                        _stop_those_behind(rule, processes.values())
            finally:  # whatever ended the loop, no trial outlives it
                for process in processes.values():
                    process.stop("interrupted")

    def _replay(self, ledger: Ledger) -> algorithms.Algorithm:
        algorithm = algorithms.get(self.spec.algorithm, self.spec.parameters, self.seed)
        for trial in ledger.trials.values():
            if not conditions.fits(self.spec.parameters, trial.values):
                raise StudyError(f"trial {trial.id} has values out of range", path=str(ledger.directory), received=trial.values)
            algorithm.adopt(trial.id, trial.values)
            if trial.is_finished:
                algorithm.tell(trial.id, self._score(trial))
        return algorithm

    def _rule(self, ledger: Ledger) -> MedianRule | None:
        if self.spec.early_stopping is None:
            return None
        rule = MedianRule(self.spec.goal)
        for trial in ledger.trials.values():
            if trial.has_result:
                rule.learn(trial.reports)
        return rule

    def _begin(self, ledger: Ledger, algorithm: algorithms.Algorithm, interrupted: list[TuningTrial]) -> TuningTrial | None:
        """The next trial, recorded as running before anything of it exists; None: there is none."""
        if interrupted:
            trial = dataclasses.replace(interrupted.pop(0), started=time.time())
        else:
            trial_id = max(ledger.trials, default=0) + 1
            values = algorithm.ask(trial_id) if trial_id <= self.spec.max_trial_count else None
            if values is None:
                return None
            trial = TuningTrial(trial_id, values, started=time.time())
        ledger.record(trial)
        return trial

    def _process(self, ledger: Ledger, trial: TuningTrial) -> TrialProcess:
        select = last_report if self.spec.measurement_selection == "last" else best_report(self.spec.goal)
        directory = ledger.directory / f"trial-{trial.id}"
        arguments = flags(trial.values)
        return TrialProcess(
            self.command, arguments, directory, trial.id, self.spec.metric, select=select, environment=self.environment
        )

    def _see_through(self, ledger: Ledger, trial: TuningTrial, process: TrialProcess) -> TuningTrial:
        """A trial from start to record, in a thread: Ctrl-C in the main one cannot come between its end and its record."""
        process.start()
        ended = trial.ended(process.wait(self.spec.timeout_s))
        if ended.is_finished:
            ledger.record(ended)
        return ended

    def _score(self, trial: TuningTrial) -> float | None:
        return Objective(self.spec.metric, self.spec.goal).score(trial.value) if trial.has_result else None

    def _check_failures(self, ledger: Ledger, broken: int, last: TuningTrial) -> None:
        """Ends a tuning whose script seems broken, while there is something left to save."""
        if broken >= self.spec.failures_allowed and last.is_broken and len(ledger.trials) < self.spec.max_trial_count:
            problem = f"{broken} trials failed, the last of them trial {last.id}: {last.reason}"
            log = f". The end of its log:\n{last.log_tail}" if last.log_tail else ""
            hint = f"Mend the script and run the same command again, or raise max_failed_trial_count{log}"
            raise StudyError(problem, path=str(ledger.directory), received=broken, hint=hint)


def _stop_those_behind(rule: MedianRule, processes: Iterable[TrialProcess]) -> None:
    for process in processes:
        if objection := rule.objection(process.reports()):
            process.stop("stopped", objection)


def _check(command: Any, seed: Any) -> None:
    if isinstance(command, str) or not command or not all(isinstance(word, str) for word in command):
        expected, hint = "a list of strings", "Split it, as in [sys.executable, 'task.py'] or shlex.split(command)"
        raise UserError(f"{command!r} does not fit", path="command", received=command, expected=expected, hint=hint)
    if shutil.which(command[0]) is None:
        raise UserError(f"{command[0]!r} is no program", path="command", received=command[0], expected="a program on the PATH")
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f"{seed!r} does not fit", path="seed", received=seed, expected="a whole number of at least 0")
