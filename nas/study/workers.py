"""Where evaluators run: in this process, or in reused worker processes that may crash, hang or leak.

`InlineRunner` calls them here: for evaluators that are plain arithmetic. `PoolRunner` keeps one pebble pool of one process for
each trial in flight: a worker that dies takes only its own trial with it, and a pool that broke is replaced. (In one shared
pool a death between trials aborts everybody's, and one while sending leaves a lock taken that the others wait for.) Workers are
started with `spawn`, since TensorFlow does not survive a fork; each sets up space and evaluators once. TensorFlow leaks about
34 MB a fit, so a process that has grown is replaced; one that has not goes on, since a new one takes seconds of imports.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nas.errors import StudyError, UserError
from nas.study import worker_process
from nas.study.database import GROUP_S
from nas.study.evaluation import EvaluatorChain, Verdict
from nas.study.interrupts import Interrupts
from nas.study.trial import Trial
from nas.study.watch import Assignment

if TYPE_CHECKING:
    from pebble import ProcessPool

    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace

GROWTH_BYTES = 2**30  # a worker that has grown by this since its first trial is replaced: about 30 fits
VANISHED_S = 1.0  # how long a process may be gone before its unanswered trial counts as lost


class Answer(NamedTuple):
    """What came back for a trial; an error is a mistake that stops the study."""

    trial: Trial
    verdict: Verdict | UserError
    worker: str


class InlineRunner:
    """Evaluates in this process, one trial at a time."""

    slots = 1

    def __init__(self, space: SearchSpace, chain: EvaluatorChain, interrupts: Interrupts):
        self._space, self._chain, self._interrupts = space, chain, interrupts
        self._work: tuple[Trial, Architecture | None, Assignment] | None = None

    def submit(self, trial: Trial, architecture: Architecture | None, assignment: Assignment) -> None:
        self._work = trial, architecture, assignment

    def wait(self, settle: Callable[[], object]) -> list[Answer]:
        """The answer for the submitted trial. `settle` (a commit) is called ahead of evaluators that take their time."""
        assert self._work is not None
        (trial, architecture, assignment), self._work = self._work, None

        def before(evaluator) -> None:
            if self._chain.expected_s(evaluator) >= GROUP_S:
                with self._interrupts.held():
                    settle()

        with self._interrupts.allowed():
            try:
                architecture = architecture or worker_process.rebuild(self._space, trial.decisions, trial.fingerprint)
                verdict: Verdict | UserError = self._chain.evaluate(architecture, assignment, before)
            except UserError as error:
                verdict = error
        return [Answer(trial, verdict, "main")]

    def close(self) -> None:
        """Nothing to end."""


class PoolRunner:
    """Evaluates in worker processes.

    Args:
        payload: from `pack`.
        workers: trials in flight.
        timeout_s: seconds for one trial; None: no limit.
        tasks_per_worker: trials after which a process is replaced; None: when it has grown by `GROWTH_BYTES`.
        logs: directory for the output of workers, `worker-PID.log`; None leaves it on the terminal.
        interrupts: lets Ctrl-C end a wait.
    """

    def __init__(
        self,
        payload: bytes,
        interrupts: Interrupts,
        *,
        workers: int,
        timeout_s: float | None,
        tasks_per_worker: int | None,
        logs: Path | None,
    ):
        self.slots = workers
        self._timeout_s, self._interrupts = timeout_s, interrupts
        if logs is not None:
            logs.mkdir(exist_ok=True)
        self._slots = [_Slot((payload, os.getpid(), str(logs) if logs else None), tasks_per_worker) for _ in range(workers)]

    @staticmethod
    def pack(space: SearchSpace, chain: EvaluatorChain) -> bytes:
        """What each worker sets up once, as it is sent there.

        Raises:
            StudyError: something cannot be sent to another process; names it.
        """
        hint = "Define it at the top of a module or script instead of inside a function"
        if not chain.isolated:
            hint += ", or use workers=1 without timeout_s"
        for what, thing in [("the space", space), *((f"evaluator {e.name}", e) for e in chain.evaluators)]:
            try:
                pickle.dumps(thing)
            except Exception as error:
                raise StudyError(
                    f"{what} cannot be sent to a worker process ({error})",
                    path="workers",
                    received=thing,
                    hint=hint,
                ) from error
        return pickle.dumps((space, chain))

    def submit(self, trial: Trial, architecture: Architecture | None, assignment: Assignment) -> None:
        """Begins a trial in a free slot (there must be one). The architecture is made anew from the decisions, over there."""
        slot = next(s for s in self._slots if s.trial is None)
        slot.begin(trial, assignment, self._timeout_s)

    def wait(self, settle: Callable[[], bool]) -> list[Answer]:
        """At least one answer, those there are by the order of trials. `settle` (a commit) is called again and again meanwhile:
        where it says that nothing more is to be waited for, there is none."""
        patience = GROUP_S
        while True:
            busy = [s for s in self._slots if s.trial is not None]
            with self._interrupts.allowed():
                concurrent.futures.wait([s.future for s in busy], patience, concurrent.futures.FIRST_COMPLETED)
            answers = [answer for s in busy if (answer := s.answer()) is not None]
            if answers:
                return sorted(answers, key=lambda a: a.trial.id)
            if settle():
                return []
            patience = VANISHED_S / 2

    def close(self) -> None:
        """Ends all workers at once, busy or not."""
        for slot in self._slots:
            slot.ask_to_end()  # all of them first: each can take seconds to go
        for slot in self._slots:
            slot.end()


class _Slot:
    """One worker process with what it is doing. The process starts with the first trial."""

    def __init__(self, setup: tuple, tasks_per_worker: int | None):
        self._setup, self._tasks_per_worker = setup, tasks_per_worker
        self.pool: ProcessPool | None = None
        self.trial: Trial | None = None

    def _open(self) -> ProcessPool:
        from pebble import ProcessPool

        self.pool = ProcessPool(
            max_workers=1,
            max_tasks=self._tasks_per_worker + 1 if self._tasks_per_worker else 0,  # the first is the greeting; 0: no limit
            initializer=worker_process.set_up,
            initargs=self._setup,
            context=multiprocessing.get_context("spawn"),
        )
        self._greet(self.pool)
        return self.pool

    def _greet(self, pool: ProcessPool) -> None:
        """The first task of each process: says its pid."""
        self._greeting = pool.schedule(worker_process.greet)
        self._tasks = self._first_bytes = 0

    def ask_to_end(self) -> None:
        """Begins to end the process."""
        if self.pool is not None:
            self.pool.stop()
            if (pid := self._pid()) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def end(self) -> None:
        """Ends the process: by force after the three seconds that pebble gives it."""
        if self.pool is not None:
            self.pool.stop()
            self.pool.join()
            self.pool = None

    def begin(self, trial: Trial, assignment: Assignment, timeout_s: float | None) -> None:
        if self.pool is not None and not self.pool.active:  # its process died while it had nothing to do
            self.end()
        pool = self.pool or self._open()
        self.trial, self._timeout_s, self._gone_since = trial, timeout_s, 0.0
        self._tasks += 1
        work = (trial.decisions, trial.fingerprint, assignment)
        self.future = pool.schedule(worker_process.evaluate, args=work, timeout=timeout_s)

    def answer(self) -> Answer | None:
        """The answer if there is one; readies the slot for the next trial."""
        verdict = self._verdict()
        if verdict is None:
            return None
        assert self.trial is not None
        assert self.pool is not None
        answer, self.trial = Answer(self.trial, verdict, self._worker), None
        if not (self.future.done() and self.pool.active) or self._has_grown():
            self.end()
        elif self._tasks == self._tasks_per_worker or self.future.exception() is not None:
            self._greet(self.pool)  # pebble has replaced the process, or is about to
        return answer

    def _verdict(self) -> Verdict | UserError | None:
        """What the worker said or how it ended; None: it is still at work."""
        from pebble import ProcessExpired

        if self.future.done():
            error = self.future.exception()
            if error is None:
                return self.future.result()[0]
            if isinstance(error, TimeoutError):
                return Verdict("failed", {}, f"timed out after {self._timeout_s:g} s")
            if isinstance(error, ProcessExpired):
                return Verdict("failed", {}, f"{self._worker} {_ended_by(error.exitcode)}; its log may say why")
            if not isinstance(error, BrokenProcessPool):
                return Verdict("failed", {}, f"{type(error).__name__}: {error}")
        elif self.pool is not None and self.pool.active:
            vanished = self._has_vanished()  # pebble takes exit code 0 in the middle of a trial for a normal end
            return Verdict("failed", {}, f"{self._worker} exited in the middle of the trial") if vanished else None
        if self._pid() is not None:
            return Verdict("failed", {}, f"{self._worker} ended; its log may say why")
        return StudyError(
            "a worker process ended before it could begin",
            path="workers",
            hint='In a script, put what runs under `if __name__ == "__main__":`; the output above may say more',
        )

    @property
    def _worker(self) -> str:
        return f"worker-{self._pid() or '?'}"

    def _pid(self) -> int | None:
        greeting = self._greeting
        return greeting.result() if greeting.done() and not greeting.cancelled() and greeting.exception() is None else None

    def _has_grown(self) -> bool:
        if self.future.exception() is not None:
            return False
        _, resident_bytes = self.future.result()
        self._first_bytes = self._first_bytes or resident_bytes
        return resident_bytes - self._first_bytes > GROWTH_BYTES

    def _has_vanished(self) -> bool:
        pid = self._pid()
        if pid is None:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            self._gone_since = self._gone_since or time.monotonic()
            return time.monotonic() - self._gone_since > VANISHED_S
        return False


def _ended_by(exitcode: int) -> str:
    """`was ended by SIGSEGV`, `exited with code 3`."""
    if exitcode < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-exitcode).name}"
    return f"exited with code {exitcode}"
