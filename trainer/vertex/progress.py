"""How far a job is, as its record says: the same when a line is written and when it is read again.

Stage 2: after every M searched trials (ended, however), those of the top N so far that were not trained yet are to be trained.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Literal

from nas.study.objective import Objective
from trainer.vertex.job_ledger import NasTrial
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.layout import Stage

Key = tuple[Stage, int]
Event = Literal["", "asked", "told"]


class Progress:
    """Grows line by line; each line costs the same, however many there are.

    Attributes:
        trials: each as its last line says.
        asked: search trials begun.
        failed: search trials that ended without success.
        events: search trials begun and ended together: what the proposer was asked and told.
        trained: the search trial of each stage-2 trial, in order.
        to_train: search trials whose stage-2 trial has not begun.
        ended_s: seconds of all trials that ended.
    """

    def __init__(self, job: NasJobSpec):
        self.trials: dict[Key, NasTrial] = {}
        self.asked = self.failed = self.events = 0
        self.trained: list[int] = []
        self.to_train: deque[int] = deque()
        self.ended_s = 0.0
        self._train, self._objective = job.train, Objective(job.metric_id, job.goal)
        self._searched = 0
        self._training_of: dict[int, int] = {}
        self._top: list[tuple[float, int]] = []

    def take_in(self, trial: NasTrial) -> Event:
        """A trial's new state; says what it was to the proposer."""
        first = (trial.stage, trial.id) not in self.trials
        self.trials[trial.stage, trial.id] = trial
        if trial.is_finished:
            self.ended_s += trial.spent_s + (trial.end or 0.0) - (trial.start or 0.0)
        if trial.stage == "train":
            if first:
                self.trained.append(trial.search_id)
                self._training_of[trial.search_id] = trial.id
                if trial.search_id in self.to_train:  # not where the job's N or M was another when it began
                    self.to_train.remove(trial.search_id)
            return ""
        if first:
            self.asked, self.events = self.asked + 1, self.events + 1
            return "asked"
        if trial.is_finished:
            self.events += 1
            self._judge(trial)
            return "told"
        return ""

    def pairs(self, first: int = 0, count: int | None = None) -> list[tuple[NasTrial, NasTrial | None]]:
        """Search trials with their stage-2 trials, in the order of ids: `count` of them after the first `first`."""
        last = self.asked if count is None else min(first + count, self.asked)
        ids = range(first + 1, last + 1)
        return [(self.trials["search", i], self.trials.get(("train", self._training_of.get(i, 0)))) for i in ids]

    def _judge(self, trial: NasTrial) -> None:
        self._searched += 1
        self.failed += trial.state != "SUCCEEDED"
        if self._train is None:
            return
        if trial.measurement is not None:
            known = self._objective.score(trial.value), -trial.id
            if len(self._top) < self._train.top:
                heapq.heappush(self._top, known)
            else:
                heapq.heappushpop(self._top, known)
        if self._searched % self._train.frequency == 0:
            chosen = {*self.trained, *self.to_train}
            best = [-negative for _, negative in sorted(self._top, reverse=True)]
            self.to_train.extend(search_id for search_id in best if search_id not in chosen)
