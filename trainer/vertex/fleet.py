"""The jobs of a study, seen together: what they have used, and their common end.

    fleet = Fleet(Vertex(place), study, Budget(machine_hours=50), every_s=30)
    fleet.spent()       # "" or why no job may run any more: "50 machine hours of 50 are used"
    fleet.cancel()      # ends those that run, and waits until they have ended

A study knows trials, but jobs are what costs money, and a trial can have several: one on a machine that was lost, one that was
cancelled when the study was stopped. So Vertex AI is asked for all jobs with the study's label
(`evaluators.VertexCustomJob(..., study=...)`), those of failed trials and of killed workers among them.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer.vertex.kinds import ENDED
from trainer.vertex.requests import STUDY_LABEL
from trainer.vertex.spend import Budget, Usage
from trainer.vertex.trials import seconds_of, time_of
from trainer.vertex.watch import machines_of

if TYPE_CHECKING:
    from trainer.vertex.cloud import Vertex

KIND = "customJobs"
LIST_LAGS_S = 600.0  # a job is listed by then, and clocks differ by less
CREATE_LAGS_S = 2.0  # a job that was sent before its sender was ended is there by then


def machine_hours(job: Mapping[str, Any], now: float | None = None) -> float:
    """What a job has used: its machines times the hours from start to end; of one that runs, until now."""
    return seconds_of(job, None if job["state"] in ENDED else now) * machines_of(job) / 3600


class Fleet:
    """All jobs of one study.

    Args:
        vertex: where they are.
        study: the value of their `STUDY_LABEL`.
        budget: what they may use together.
        every_s: pause between two looks at them, in seconds.
        measured_h: the machine hours that finished trials have reported. Where the jobs come to less, some were deleted: what
            they used counts all the same.
    """

    def __init__(self, vertex: Vertex, study: str, budget: Budget, *, every_s: float = 30.0, measured_h: float = 0.0):
        self._vertex, self._study, self._budget, self._every_s = vertex, study, budget, every_s
        self._measured_h, self._deleted_h = measured_h, 0.0
        self._ended_h: dict[str, float] = {}
        self._running: dict[str, dict[str, Any]] = {}
        self._looked: float | None = None
        self._next_look = 0.0

    def used(self, now: float) -> Usage:
        """What was used up to now, as far as was seen: jobs that ran when they were last looked at are taken to run on."""
        running_h = sum(machine_hours(job, now) for job in self._running.values())
        hours = self._deleted_h + sum(self._ended_h.values()) + running_h
        return Usage(len(self._ended_h) + len(self._running), hours)

    def spent(self) -> str:
        """Why no job may run any more; "": they may. Quick, but for a look at Vertex AI every `every_s` seconds.

        Raises:
            CloudError: the service refuses, or does not answer for `vertex.patience_s`.
        """
        if time.monotonic() >= self._next_look:
            self._look()
        return self._budget.spent(self.used(time.time()))

    def cancel(self) -> None:
        """Cancels the jobs that run, and waits for their end.

        Raises:
            CloudError: the service refuses, or does not answer for `vertex.patience_s`.
        """
        time.sleep(CREATE_LAGS_S)
        self._look()
        while self._running:
            for name, job in self._running.items():
                if job["state"] != "JOB_STATE_CANCELLING":
                    self._cancel(name)
            time.sleep(self._every_s)
            self._look()

    def _cancel(self, name: str) -> None:
        from trainer.vertex.cloud import CloudError

        try:
            self._vertex.cancel(name)
        except CloudError:
            if self._vertex.get(name)["state"] not in ENDED:  # else it ended before it could be cancelled
                raise

    def _look(self) -> None:
        """Reads the jobs that can have changed since the last look: those that ran then, and new ones."""
        now, wanted = time.time(), f"labels.{STUDY_LABEL}={self._study}"
        if self._looked is not None:
            begun = [time_of(job["createTime"]) or 0.0 for job in self._running.values()]
            since = datetime.datetime.fromtimestamp(min([self._looked, *begun]) - LIST_LAGS_S, datetime.UTC)
            wanted += f' AND create_time>="{since:%Y-%m-%dT%H:%M:%SZ}"'
        found = {job["name"]: job for job in self._vertex.jobs(KIND, wanted)}
        running = {name: job for name, job in found.items() if job["state"] not in ENDED}
        ended = {name: job for name, job in (self._running | found).items() if name not in running}  # or deleted since
        self._ended_h |= {name: machine_hours(job, now) for name, job in ended.items()}
        self._running = running
        if self._looked is None:
            self._deleted_h = max(0.0, self._measured_h - sum(self._ended_h.values()))
        self._looked, self._next_look = now, time.monotonic() + self._every_s
