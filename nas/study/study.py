"""The study: a space, a controller and evaluators in a loop, with every finished trial kept.

    study = nas.Study(space, controllers.RegularizedEvolution(seed=0), [evaluators.Cost(), evaluators.ProxyTraining(data)],
                      objectives=[nas.minimize("val_mse")], constraints=[nas.at_most("flops", 250e6)], directory="runs/first")
    study.run(trials=100, workers=2)
    study.best(), study.pareto_front(), study.trials

The same lines run again continue the study: they load what is stored, evaluate what was interrupted, and go on as if nothing
had happened. With one worker and evaluators that depend on nothing but architecture and seed, an interrupted study equals an
uninterrupted one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError, UserError
from nas.study import identity
from nas.study.checkpoints import Checkpoints
from nas.study.database import exists
from nas.study.directory import check_location
from nas.study.evaluation import EvaluatorChain, as_evaluator
from nas.study.events import Outcome, StudyEvent
from nas.study.fidelity import AS_SET
from nas.study.interfaces import Controller, Evaluator, Fidelity
from nas.study.interrupts import Interrupts
from nas.study.ledger import Ledger
from nas.study.loop import Loop
from nas.study.objective import Constraint, Objective
from nas.study.progress import ProgressBar
from nas.study.results import StudyView, best_trial, pareto_front
from nas.study.store import Store
from nas.study.transfer import Transfer, transfer
from nas.study.trial import Trial
from nas.study.workers import InlineRunner, PoolRunner

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace


class Study:
    """A search and its results. Making one writes nothing; `run` does.

    Args:
        space: what is searched.
        controller: who proposes; one that was just made.
        evaluators: who judges, one or several; a function `architecture -> {"metric": value}` is one too. Cheap ones are asked
            first whatever their order here.
        objectives: what is wanted, one or several; the first one decides what is best.
        constraints: what must hold; a trial that breaks one is infeasible.
        directory: where everything is kept, a local path; None keeps it in memory.
        seed: from which each trial's seed follows.
        fidelity: how thoroughly architectures are judged.
        notes: plain JSON kept with the study, for whoever will continue it; not compared.

    Attributes:
        transfers: what `warm_start` took over from other studies, one entry each.

    Raises:
        StudyError: an argument does not fit, a metric is measured by no evaluator, or the directory cannot be written or holds
            another study (says what differs).
    """

    def __init__(
        self,
        space: SearchSpace,
        controller: Controller,
        evaluators: Evaluator | Callable[[Architecture], Mapping[str, Any]] | Sequence[Any],
        objectives: Objective | Sequence[Objective],
        constraints: Constraint | Sequence[Constraint] = (),
        directory: str | os.PathLike[str] | None = None,
        seed: int = 0,
        fidelity: Fidelity = Fidelity(),
        notes: Mapping[str, Any] | None = None,
    ):
        if not isinstance(controller, Controller):
            raise StudyError(f"{controller!r} does not do", path="controller", received=controller, expected="a controller")
        if not hasattr(space, "architecture"):
            hint = "Decorate it with @nas.space, or use nas.as_space"
            raise StudyError(f"{space!r} is not a search space", path="space", received=space, hint=hint)
        given: list[Any] = list(evaluators) if isinstance(evaluators, list | tuple) else [evaluators]
        self.space, self.controller, self.fidelity = space, controller, fidelity
        self.seed = _whole(seed, "seed", least=0)
        self.objectives: tuple[Objective, ...] = _all_of(Objective, objectives, "objectives", 'nas.minimize("metric")')
        self.constraints: tuple[Constraint, ...] = _all_of(Constraint, constraints, "constraints", 'nas.at_most("metric", 5)')
        if not self.objectives or not given:
            missing = "evaluators" if self.objectives else "objectives"
            raise StudyError("there is none", path=missing, expected="at least one")
        self._chain = EvaluatorChain([as_evaluator(e) for e in given], self.objectives, self.constraints)
        self.directory = None if directory is None else check_location(directory)
        controller.setup(space, self.objectives, self.constraints)
        self._identity = {
            "space": identity.describe_space(space),
            "settings": identity.describe_study(controller, self._chain, self.seed, fidelity),
            "notes": dict(notes or {}),
        }
        self._ledger = Ledger(controller, self.seed, keep_snapshots=self.directory is not None)
        self._in_memory: Store | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._warm: list[Trial] = []
        self._given: list[Architecture] = []
        self.transfers: list[Transfer] = []
        self._look()

    def run(
        self,
        trials: int = 100,
        workers: int = 1,
        timeout_s: float | None = None,
        on_event: Callable[[StudyEvent], None] | None = None,
        progress: bool = False,
        tasks_per_worker: int | None = None,
        until: Callable[[], str] | None = None,
    ) -> Outcome:
        """Searches until `trials` trials are finished, those of earlier runs included.

        Args:
            trials: how many finished trials (completed, infeasible or failed) there shall be.
            workers: trials evaluated at a time. With 1, and neither `timeout_s` nor `until`, evaluators that need no process of
                their own run in this one.
            timeout_s: seconds after which a trial's worker is ended and the trial has failed.
            on_event: hears TrialStarted, TrialFinished and StudyProgress, each once it is durable.
            progress: show a progress bar.
            tasks_per_worker: trials after which a worker process is replaced; None: when its memory has grown by 1 GiB.
            until: asked before trials begin and twice a second while they run; anything but "" is why the run ends now. Running
                trials are then back in the queue, and `run` again continues.

        Returns:
            How it ended: enough trials, the controller has nothing new to propose, or `until` ended it.

        Raises:
            UserError: a mistake that every trial would repeat; running trials are back in the queue.
            StudyError: another process runs this study, the controller does not take the way that is stored, evaluators cannot
                be sent to a worker, ...
            KeyboardInterrupt: Ctrl-C; every finished trial is kept, running ones are back in the queue, `run` again continues.
        """
        wanted = _whole(trials, "trials", least=1)
        workers = _whole(workers, "workers", least=1)
        if tasks_per_worker is not None:
            _whole(tasks_per_worker, "tasks_per_worker", least=1)
        if timeout_s is not None and not (isinstance(timeout_s, int | float) and timeout_s > 0):
            raise UserError(f"{timeout_s!r} does not do", path="timeout_s", received=timeout_s, expected="seconds or None")
        in_process = workers == 1 and timeout_s is None and until is None and not self._chain.isolated
        with contextlib.ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            payload = None if in_process else PoolRunner.pack(self.space, self._chain)
            store = self._open_store()
            if self.directory is not None:
                stack.callback(store.close)
            self._ledger.attach(store)
            self._ledger.warm_start(self._warm)
            self._ledger.give(self._given)
            self._warm, self._given = [], []
            store.commit()
            runner: InlineRunner | PoolRunner
            if payload is None:
                runner = InlineRunner(self.space, self._chain, interrupts)
            else:
                logs = self.directory / "logs" if self.directory is not None else None
                runner = PoolRunner(
                    payload, interrupts, workers=workers, timeout_s=timeout_s, tasks_per_worker=tasks_per_worker, logs=logs
                )
            stack.callback(runner.close)
            listeners = [on_event] if on_event is not None else []
            if progress:
                listeners.append(stack.enter_context(ProgressBar(self.objectives[0], self._ledger.finished, wanted)))

            def tell_listeners(event: StudyEvent) -> None:
                for listener in listeners:
                    listener(event)

            checkpoints = self._open_checkpoints()
            if checkpoints is not None:
                checkpoints.sweep(self._ledger.trials)  # of a run that was killed before it could
            return Loop(
                self._ledger, runner, wanted, self.objectives[0], interrupts, tell_listeners, self.fidelity, checkpoints, until
            ).run()

    def warm_start(self, earlier: str | os.PathLike[str] | StudyView | Sequence[Trial | Architecture], best: int = 10) -> Study:
        """Begins with what is known: results that the controller learns from, and architectures that are tried first.

        It takes effect at the start of the next run and is kept in the journal, so it counts once however often a script that
        is run again says so.

        Args:
            earlier: one of
                - the directory of another study, or its `Study.open`. Its space may be another one that overlaps with this: its
                  decisions are matched by name (`nas.study.transfer`; `study.transfers` says what came of it). Results of the
                  same networks under the same evaluators are told, the best of the others tried first;
                - finished trials, to be told as they are. They are not trials of this study;
                - architectures of this space, to be tried first. They become trials of this study.
            best: how many architectures of another study are tried first.
        """
        if isinstance(earlier, str | os.PathLike | StudyView):
            found = self._transfer(earlier if isinstance(earlier, StudyView) else StudyView.read(earlier), best)
            self.transfers.append(found)
            self._warm.extend(found.told)
            self._given.extend(found.given)
            return self
        for one in earlier:
            if isinstance(one, Trial):
                self._warm.append(one)
            else:
                self._given.append(one)
        return self

    def _transfer(self, view: StudyView, best: int) -> Transfer:
        """What of another study holds here: its results only where it measured in the same way."""
        mine, theirs = self._identity["settings"], view.settings
        same = all(identity.differences(theirs.get(key), mine[key], key) == [] for key in ("evaluators", "fidelity"))
        fidelities = list(self.controller.fidelities) or [AS_SET]

        def holds(trial: Trial) -> bool:
            measured = all(metric in trial.measurements for objective in self.objectives for metric in objective.metrics)
            return same and trial.fidelity in fidelities and (measured or trial.state != "completed")

        # Ranked by what they looked for themselves: it may have another name here.
        return transfer(view.trials, self.space, view.objectives[0], holds, best)

    @property
    def trials(self) -> list[Trial]:
        """All trials by id, unfinished ones included; before the first run those that the directory holds."""
        if self.directory is not None and not self._ledger.is_attached and exists(self.directory):
            with Store(self.directory, read_only=True) as store:
                return store.trials()
        return list(self._ledger.trials.values())

    def best(self) -> Trial | None:
        """The best completed trial by the first objective; None if none is completed."""
        return best_trial(self.trials, self.objectives[0])

    def pareto_front(self) -> list[Trial]:
        """Completed trials that no other beats in all objectives at once, the best by the first objective first."""
        return pareto_front(self.trials, self.objectives)

    def architecture(self, trial: Trial) -> Architecture:
        """The architecture of a trial."""
        return self.space.architecture(trial.decisions)

    def artifacts(self, trial: Trial) -> Path:
        """A directory for what belongs to a trial; made when first asked for.

        Raises:
            StudyError: the study is in memory only, or the directory cannot be made.
        """
        if self.directory is None:
            raise StudyError("a study in memory keeps no files", path="directory", hint="Give the study a directory")
        path = self.directory / "artifacts" / f"trial-{trial.id}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(str(error), path=str(path)) from error
        return path

    @staticmethod
    def open(directory: str | os.PathLike[str]) -> StudyView:
        """A study on disk, to look at: trials, settings and stages, without its space, also while it runs."""
        return StudyView.read(directory)

    def _look(self) -> None:
        """Refuses a directory that holds another study."""
        if self.directory is None:
            return
        identity.check_space_file(self.directory, self._identity["space"])
        if exists(self.directory):
            with Store(self.directory, read_only=True) as store:
                self._check_identity(store)

    def _check_identity(self, store: Store) -> None:
        identity.check_same(self.directory, "space", store.meta("space"), self._identity["space"])
        if store.has_results():
            identity.check_same(self.directory, "study", store.meta("settings"), self._identity["settings"])

    def _open_checkpoints(self) -> Checkpoints | None:
        """Where trainings keep their state, if there is anything to continue; of a study in memory, a temporary directory."""
        if not (self.controller.fidelities and self._chain.is_gradual):
            return None
        if self.directory is None and self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="espalier-study-")
        root = self.directory / "artifacts" if self.directory is not None else Path(self._scratch.name)  # type: ignore[union-attr]
        return Checkpoints(root, self.controller.fidelities, self.objectives[0])

    def _open_store(self) -> Store:
        """The store to write to, holding this study and no other."""
        if self._in_memory is not None:
            return self._in_memory
        store = Store(self.directory, create=self._identity)
        if self.directory is None:
            self._in_memory = store
            return store
        try:
            self._check_identity(store)
            if store.meta("settings") != self._identity["settings"]:
                store.clear()  # a study without a finished trial may be defined anew
                store.put_meta("settings", self._identity["settings"])
            if self._identity["notes"] not in ({}, store.meta("notes")):
                store.put_meta("notes", self._identity["notes"])
            identity.write_space_file(self.directory, self._identity["space"])
        except BaseException:
            store.close()
            raise
        return store


def _whole(value: Any, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{value!r} does not do", path=name, received=value, expected=f"a whole number from {least}")
    return value


def _all_of(kind: type, given: Any, name: str, example: str) -> tuple:
    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    for item in found:
        if not isinstance(item, kind):
            raise StudyError(f"{item!r} does not do", path=name, received=item, expected=f"something like {example}")
    return found
