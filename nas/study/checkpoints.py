"""What trials have trained, kept as long as a later trial may continue it: `artifacts/trial-N/checkpoint`.

A trial that continues another starts from a copy of its checkpoint, so that both stay whole whenever the study is killed. A
checkpoint is never needed for a result, only for time: where it is gone, training starts over with the same seed and arrives at
the same numbers. So disk is given back early: from trials that were continued, that failed or are over their limits, that are
at the highest fidelity, and from the worse half of those at the same fidelity. (Of those at most the best half are continued at
any common reduction; one that is nevertheless, because the others turned out worse, is trained anew.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nas.study.fidelity import Fidelity
from nas.study.objective import Objective
from nas.study.trial import Trial

KEPT_SHARE = 0.5
FEW = 8  # checkpoints at one fidelity that are kept however they rank: early ranks mean little


class Checkpoints:
    """The checkpoints of one study.

    Args:
        root: the directory of artifacts.
        fidelities: those that trials are judged at, the lowest first.
        objective: which trials are the better ones.
    """

    def __init__(self, root: Path, fidelities: Sequence[Fidelity], objective: Objective):
        self.root, self._fidelities, self._objective = root, tuple(fidelities), objective

    def prepare(self, trial: Trial) -> Path | None:
        """Where a trial that begins keeps its state, with a copy of what it continues; None: it is not worth keeping."""
        if trial.parent is None and trial.fidelity in self._fidelities[-1:]:
            return None
        path = self._path(trial.id)
        if trial.parent is not None and not path.exists() and self._path(trial.parent).is_dir():
            draft = path.with_suffix(".part")
            shutil.rmtree(draft, ignore_errors=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(self._path(trial.parent), draft)
            os.replace(draft, path)  # whole or not at all
        return path

    def sweep(self, trials: Mapping[int, Trial]) -> None:
        """Gives back what no later trial will continue."""
        needed = self._needed(trials.values())
        for path in self.root.glob("trial-*/checkpoint"):
            number = path.parent.name.removeprefix("trial-")
            if number.isdigit() and int(number) not in needed:
                shutil.rmtree(path, ignore_errors=True)
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()

    def _needed(self, trials: Iterable[Trial]) -> set[int]:
        """Trials that have begun, those they continue, and the better half of those that wait to be continued."""
        trials = list(trials)
        needed: set[int] = set()
        continued: set[int] = set()
        for trial in trials:
            if not trial.is_finished:
                needed.add(trial.id)
            if trial.parent is not None:
                continued.add(trial.parent)
                if not trial.is_finished:
                    needed.add(trial.parent)
        for fidelity in self._fidelities[:-1]:
            done = [t for t in trials if t.state == "completed" and t.fidelity == fidelity]
            done.sort(key=lambda t: -self._objective.score(self._objective.value_of(t)))
            needed |= {t.id for t in done[: max(FEW, int(KEPT_SHARE * len(done)))] if t.id not in continued}
        return needed

    def _path(self, trial_id: int) -> Path:
        return self.root / f"trial-{trial_id}" / "checkpoint"
