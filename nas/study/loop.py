"""The loop of a study: ask, evaluate, write down, tell.

Trials that an earlier process left unfinished go first, with their id and seed. Then the controller is asked as slots fall
free. What ends the loop early (Ctrl-C, `until`, a mistake of configuration, an error in the controller) puts running trials
back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nas.errors import StudyError, UserError
from nas.study.checkpoints import Checkpoints
from nas.study.events import Outcome, StudyEvent, StudyProgress, TrialFinished, TrialStarted
from nas.study.fidelity import Fidelity
from nas.study.interrupts import Interrupts
from nas.study.ledger import Ledger
from nas.study.objective import Objective
from nas.study.results import better
from nas.study.trial import Trial
from nas.study.watch import Assignment
from nas.study.workers import Answer

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

REPEATS_IN_A_ROW = 1000  # a controller that proposes only known architectures this often has nothing more to say


class Runner(Protocol):
    """Evaluates up to `slots` trials at a time (see `nas.study.workers`)."""

    slots: int

    def submit(self, trial: Trial, architecture: Architecture | None, assignment: Assignment) -> None: ...
    def wait(self, settle: Callable[[], bool]) -> list[Answer]: ...


class Loop:
    """One run of a study.

    Args:
        ledger: attached to the store.
        runner: where evaluators run.
        wanted: finished trials there shall be, earlier runs included.
        objective: by which the best trial is told.
        interrupts: holds Ctrl-C back within a step.
        on_event: hears what happens, after it is durable.
        fidelity: the study's, which a trial's own refines.
        checkpoints: where trainings keep their state; None: nothing is continued.
        until: asked before trials begin and while they run; anything but "" is why the run ends.
    """

    def __init__(
        self,
        ledger: Ledger,
        runner: Runner,
        wanted: int,
        objective: Objective,
        interrupts: Interrupts,
        on_event: Callable[[StudyEvent], None] | None,
        fidelity: Fidelity = Fidelity(),
        checkpoints: Checkpoints | None = None,
        until: Callable[[], str] | None = None,
    ):
        self._ledger, self._runner, self._wanted, self._objective = ledger, runner, wanted, objective
        self._interrupts, self._on_event = interrupts, on_event
        self._fidelity, self._checkpoints = fidelity, checkpoints
        self._until, self._stopped = until, ""
        self._queue = deque(ledger.queued())
        self._running: dict[int, Trial] = {}
        self._unsent: list[StudyEvent] = []
        self._repeats = self._repeats_in_a_row = 0
        self._best: Trial | None = None
        for trial in ledger.trials.values():
            self._best = better(self._best, trial, objective)

    def run(self) -> Outcome:
        """Runs until enough trials are finished, the controller has nothing new, or `until` ends it.

        Raises:
            UserError: an evaluator showed a mistake of configuration.
            KeyboardInterrupt: Ctrl-C. Running trials are back in the queue, everything finished is committed.
        """
        try:
            while self._ledger.finished < self._wanted and not self._is_stopped():
                self._interrupts.check()
                self._fill()
                if not self._running:
                    break
                self._take(self._runner.wait(self._settle))
            self._return_running()
        except BaseException as error:
            try:
                self._return_running()
            except StudyError as failure:
                error.add_note(f"The last moments before this could not be stored: {failure}")
            raise
        return self._outcome()

    def _return_running(self) -> None:
        """Puts what still runs back into the queue, and commits."""
        for trial in self._running.values():
            self._ledger.requeue(trial)
        self._commit()

    def _is_stopped(self) -> bool:
        """Whether `until` has ended the run; it may take its time, so Ctrl-C may end it."""
        if self._until is not None and not self._stopped:
            with self._interrupts.allowed():
                self._stopped = self._until()
        return bool(self._stopped)

    def _settle(self) -> bool:
        """Commits before a wait; whether there is nothing more to wait for."""
        self._commit()
        return self._is_stopped()

    def _fill(self) -> None:
        """Puts a trial into each free slot, as far as there are any to be had."""
        while free := self._free():
            if self._queue:
                self._start(self._queue.popleft(), None)
                continue
            if self._repeats_in_a_row >= REPEATS_IN_A_ROW:
                return
            asked = self._ledger.ask(free)
            self._repeats += asked.repeats
            self._repeats_in_a_row = 0 if asked.new else self._repeats_in_a_row + asked.repeats
            for trial, architecture in asked.new:
                if self._free():
                    self._start(trial, architecture)
                else:  # it gave more than it was asked for
                    self._queue.append(trial)
            self._commit_if_due()
            if not asked.new and (not asked.repeats or asked.waiting):
                return  # nothing to propose, or nothing until a running trial finishes
            self._interrupts.check()

    def _free(self) -> int:
        wanted = self._wanted - self._ledger.finished - len(self._running)
        return max(0, min(self._runner.slots - len(self._running), wanted))

    def _start(self, trial: Trial, architecture: Architecture | None) -> None:
        trial = self._ledger.start(trial)
        self._running[trial.id] = trial
        self._unsent.append(TrialStarted(trial))
        self._runner.submit(trial, architecture, self._assignment(trial))

    def _assignment(self, trial: Trial) -> Assignment:
        parent = self._ledger.trials.get(trial.parent) if trial.parent is not None else None
        return Assignment(
            fidelity=self._fidelity.refined(trial.fidelity),
            seed=trial.seed,
            bars=dict(self._ledger.controller.bars()),
            curve=parent.curve if parent is not None else (),
            found=dict(parent.measurements) if parent is not None else {},
            checkpoint=self._checkpoints.prepare(trial) if self._checkpoints is not None else None,
        )

    def _take(self, answers: list[Answer]) -> None:
        mistakes = []
        for trial, verdict, worker in answers:
            if isinstance(verdict, UserError):
                mistakes.append(verdict)
                continue
            del self._running[trial.id]
            finished = self._ledger.finish(trial, verdict, worker)
            self._best = better(self._best, finished, self._objective)
            self._unsent.append(TrialFinished(finished))
            self._unsent.append(StudyProgress(self._ledger.finished, self._wanted, len(self._running), self._best))
        if mistakes:
            raise mistakes[0]
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        if self._ledger.store.is_due:
            self._commit()

    def _commit(self) -> None:
        self._ledger.store.commit()
        events, self._unsent = self._unsent, []
        if self._checkpoints is not None and any(isinstance(event, TrialFinished) for event in events):
            self._checkpoints.sweep(self._ledger.trials)  # only now: what is committed needs no checkpoint any more
        for event in events:
            if self._on_event is not None:
                self._on_event(event)

    def _outcome(self) -> Outcome:
        finished = self._ledger.finished
        if finished >= self._wanted:
            return Outcome("reached", finished, self._repeats, f"{finished} trials are finished.")
        so_far = f"{finished} of {self._wanted} trials are finished"
        if self._stopped:
            return Outcome("stopped", finished, self._repeats, f"{so_far}: {self._stopped}.")
        why = "the controller proposes nothing more"
        if self._repeats_in_a_row >= REPEATS_IN_A_ROW:
            why = f"the controller proposed {self._repeats_in_a_row} known architectures in a row"
        return Outcome("exhausted", finished, self._repeats, f"{so_far}: {why}.")
