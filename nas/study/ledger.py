"""Trials and the controller's memory, moving in step with the store.

The controller is event-sourced: what it was asked and told is journalled in order. A study taken up again restores the latest
snapshot of the controller and asks and tells it the rest anew; a deterministic controller then proposes what is stored, which
is verified. So grouping commits never changes what a study computes: a tail that was not committed happens again the same way.

Snapshots cost as much as the controller remembers; they are taken at geometrically growing distances, so that all of them
together stay linear in the number of trials.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.errors import StudyError, UserError
from nas.study.evaluation import Verdict
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Controller, Proposal
from nas.study.store import Event, Store, trial_from_json, trial_to_json
from nas.study.trial import Trial

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

SNAPSHOT_FIRST = 64  # journal entries before the first snapshot, and at least between two
SNAPSHOT_GROWTH = 0.5  # the next one after half as many entries again: at most a third of the journal is replayed


class Asked(NamedTuple):
    """What the controller proposed: trials to evaluate, and how many proposals were equal to known trials."""

    new: list[tuple[Trial, Architecture]]
    repeats: int
    waiting: int  # of the repeats, those whose trial is not finished


Key = tuple[str, Fidelity]
"""What there is at most one trial of: a fingerprint at a fidelity."""


def trial_seed(study_seed: int, trial_id: int) -> int:
    """The seed of everything random in a trial: 31 bits, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{study_seed}/{trial_id}".encode()).digest()[:4], "big") >> 1


class Ledger:
    """The trials of a study by id, kept equal to the store.

    Args:
        controller: set up for the space, otherwise untouched.
        seed: the study's.
        keep_snapshots: False where nothing outlives the process.
    """

    def __init__(self, controller: Controller, seed: int, keep_snapshots: bool = True):
        self.controller, self.seed = controller, seed
        self.trials: dict[int, Trial] = {}
        self.finished = 0
        self._keep_snapshots = keep_snapshots
        self._store: Store | None = None
        self._seq: int | None = None
        self._snapshot_seq = 0
        self._ids: dict[Key, int] = {}
        self._warm: set[Key] = set()

    # -- opening -----------------------------------------------------------------------------------------------------------

    def attach(self, store: Store) -> None:
        """Takes a store to write to; the first time, its trials and the controller's memory are taken up.

        Raises:
            StudyError: the controller does not propose again what is stored, or another process went on with it since.
        """
        self._store = store
        if self._seq is None:
            self._take_up(store)
        elif self._seq != store.last_seq():
            problem = "the stored study is not where this object left it"
            raise StudyError(problem, path=str(store.directory), hint="Make the Study object again")

    @property
    def is_attached(self) -> bool:
        """Whether a store was taken: until then `trials` is empty."""
        return self._seq is not None

    def _take_up(self, store: Store) -> None:
        self.trials = {t.id: t for t in store.trials()}
        self._ids = {key_of(t): t.id for t in self.trials.values()}
        self.finished = sum(t.is_finished for t in self.trials.values())
        snapshot = store.snapshot()
        if snapshot is None:
            self._snapshot(0)
            snapshot = (0, None)
        else:
            with _explained("its stored state is not one it can take up"):
                self.controller.restore(snapshot[1])
        self._snapshot_seq = snapshot[0]
        for event in store.events(after=self._snapshot_seq):
            self._replay(event)
        for event in store.events(kind="warm"):
            self._warm |= {key_of(trial_from_json(t)) for t in event.payload}
        self._seq = store.last_seq()
        for trial in [t for t in self.trials.values() if t.state == "running"]:
            self.requeue(trial)

    def _replay(self, event: Event) -> None:
        with _explained(f"it fails at step {event.seq} of the journal"):
            if event.kind == "ask":
                self._verify(event, list(map(as_proposal, self.controller.ask(event.payload["n"]))))
            elif event.kind == "tell":
                self.controller.tell([self.trials[i] for i in event.payload])
            elif event.kind == "given":
                self.controller.tell([as_asked(self.trials[i]) for i in event.payload])
            else:
                self.controller.tell([trial_from_json(t) for t in event.payload])

    def _verify(self, event: Event, proposals: Sequence[Proposal]) -> None:
        stored = [self.trials[i] for i in event.payload["ids"]]
        # Decisions first: they are at hand, while a fingerprint costs milliseconds. A repeat can be equal with other decisions.
        new = set(event.payload["new"])
        same = len(proposals) == len(stored) and all(
            p.fidelity == t.fidelity
            and (plain(p.decisions) == t.decisions or (t.id not in new and p.fingerprint == t.fingerprint))
            for p, t in zip(proposals, stored, strict=True)
        )
        if not same:
            raise StudyError(
                f"{type(self.controller).__name__} does not propose again what is stored (step {event.seq} of the journal, "
                f"trials {', '.join(map(str, event.payload['ids'])) or 'none'})",
                path="controller",
                hint="The controller has changed, or is not deterministic: start a new directory and warm-start it",
            )

    # -- steps -------------------------------------------------------------------------------------------------------------

    def ask(self, n: int) -> Asked:
        """Asks the controller; new proposals become queued trials, known ones are answered from the store."""
        proposals = list(map(as_proposal, self.controller.ask(n)))
        ids: list[int] = []
        new: list[tuple[Trial, Architecture]] = []
        repeated: dict[int, Trial] = {}
        known: dict[Key, int] = {}
        for proposal in proposals:
            key = key_of(proposal)
            found = self._ids.get(key) or known.get(key)
            if found is None:
                trial = self._new_trial(proposal, len(self.trials) + len(new) + 1)
                found = known[key] = trial.id
                new.append((trial, proposal.architecture))
            elif found in self.trials:
                repeated[found] = self.trials[found]
            ids.append(found)
        for trial, _ in new:
            self.store.add_trial(trial)
        self._append("ask", {"n": n, "ids": ids, "new": [trial.id for trial, _ in new]})
        self._ids |= known
        self.trials |= {trial.id: trial for trial, _ in new}
        finished = [t for t in repeated.values() if t.is_finished]
        if finished:
            self._append("tell", [t.id for t in finished])
            self.controller.tell(finished)
        self._snapshot_if_due()
        repeats = len(proposals) - len(new)
        return Asked(new, repeats, len(repeated) - len(finished))

    def _new_trial(self, proposal: Proposal, number: int) -> Trial:
        """Queued. Where it continues a trial at a lower fidelity it takes over its seed, so that the two are one training."""
        what = number, plain(proposal.decisions), proposal.fingerprint
        parents = [self.trials[self._ids[key]] for key in self._lower(proposal) if key in self._ids]
        parents = [t for t in parents if t.state == "completed"]
        if not parents:
            return Trial(*what, seed=trial_seed(self.seed, number), fidelity=proposal.fidelity)
        return Trial(*what, seed=parents[-1].seed, fidelity=proposal.fidelity, parent=parents[-1].id)

    def _lower(self, proposal: Proposal) -> list[Key]:
        """The same architecture at the fidelities that its training can continue, the lowest first."""
        return [(proposal.fingerprint, f) for f in self.controller.fidelities if proposal.fidelity.continues(f)]

    def give(self, architectures: Sequence[Architecture]) -> None:
        """Queues architectures that the user names, at the lowest fidelity; those that there is a trial of are left out.

        The controller is told that they need not be proposed, and later what came of them, as of any trial.
        """
        fidelity = self.controller.fidelities[0] if self.controller.fidelities else Fidelity()
        proposals = {key_of(p): p for p in (Proposal(a, fidelity) for a in architectures)}
        fresh = [p for key, p in proposals.items() if key not in self._ids]
        if not fresh:
            return
        new = [self._new_trial(p, len(self.trials) + i) for i, p in enumerate(fresh, start=1)]
        for trial in new:
            self.store.add_trial(trial)
        self._append("given", [trial.id for trial in new])
        self.trials |= {trial.id: trial for trial in new}
        self._ids |= {key_of(trial): trial.id for trial in new}
        self.controller.tell(new)

    def start(self, trial: Trial) -> Trial:
        """The trial is being evaluated from now on."""
        return self._put(dataclasses.replace(trial, state="running", started=time.time()))

    def requeue(self, trial: Trial) -> Trial:
        """The trial was not finished: it will be evaluated again, with the same id and seed."""
        return self._put(dataclasses.replace(trial, state="queued", started=None, worker=""))

    def finish(self, trial: Trial, verdict: Verdict, worker: str) -> Trial:
        """Writes a verdict down and tells the controller."""
        trial = dataclasses.replace(trial, state=verdict.state, measurements=dict(verdict.measurements), reason=verdict.reason)
        trial = self._put(
            dataclasses.replace(trial, finished=time.time(), worker=worker, curve=verdict.curve, stages=verdict.stages)
        )
        self.finished += 1
        self._append("tell", [trial.id])
        self.controller.tell([trial])
        self._snapshot_if_due()
        return trial

    def warm_start(self, trials: Sequence[Trial]) -> None:
        """Tells the controller finished trials of other studies, each once however often this is said."""
        fresh = list({key_of(t): t for t in trials if t.is_finished and key_of(t) not in self._warm}.values())
        if fresh:
            self._append("warm", [trial_to_json(t) for t in fresh])
            self._warm |= {key_of(t) for t in fresh}
            self.controller.tell(fresh)

    def queued(self) -> list[Trial]:
        """Trials that wait for evaluation, by id."""
        return [t for t in self.trials.values() if t.state == "queued"]

    @property
    def store(self) -> Store:
        assert self._store is not None, "attach a store first"
        return self._store

    def _put(self, trial: Trial) -> Trial:
        self.store.update_trial(trial)
        self.trials[trial.id] = trial
        return trial

    def _append(self, kind: str, payload: Any) -> None:
        assert self._seq is not None
        self.store.append(self._seq + 1, kind, payload)
        self._seq += 1

    def _snapshot_if_due(self) -> None:
        assert self._seq is not None
        if self._keep_snapshots and self._seq - self._snapshot_seq >= max(SNAPSHOT_FIRST, SNAPSHOT_GROWTH * self._snapshot_seq):
            self._snapshot(self._seq)

    def _snapshot(self, seq: int) -> None:
        try:
            self.store.put_snapshot(seq, self.controller.state())
        except (TypeError, ValueError) as error:
            name = f"{type(self.controller).__name__}.state()"
            raise StudyError(f"{name} is not plain JSON ({error})", path="controller") from error
        self._snapshot_seq = seq


def key_of(what: Trial | Proposal) -> Key:
    return what.fingerprint, what.fidelity


def as_proposal(proposed: Architecture | Proposal) -> Proposal:
    return proposed if isinstance(proposed, Proposal) else Proposal(proposed)


def as_asked(trial: Trial) -> Trial:
    """A trial as it was when it was new."""
    return Trial(trial.id, trial.decisions, trial.fingerprint, seed=trial.seed, fidelity=trial.fidelity, parent=trial.parent)


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Decisions as they are after storing (tuples become lists), so that a resumed study sees the same."""
    return json.loads(json.dumps(value))


class _explained:
    """Turns what a controller raises while it is taken up into a StudyError."""

    def __init__(self, problem: str):
        self._problem = problem

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError):
            raise StudyError(
                f"the study cannot be taken up: {self._problem} ({type(error).__name__}: {error})",
                path="controller",
                hint="Use the controller and settings the study was made with",
            ) from error
