"""Watching a job in the cloud: its trials are read as they come, kept in a directory, and its spending is limited.

    folder = JobFolder.open("runs/cloud")
    job = watch(Vertex(folder.latest.place), folder, every_s=30)
    job["state"]        # "JOB_STATE_SUCCEEDED"

Ending the watch ends nothing else: the job goes on, the directory holds what was seen, and another watch picks up from there.
A trial that has ended is read once, however long the job runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from trainer.vertex.cloud import NoSuchJob, Vertex
from trainer.vertex.folder import JobFolder
from trainer.vertex.kinds import ENDED
from trainer.vertex.spend import Budget, Usage
from trainer.vertex.trials import ENDED_STATES, read_rows, trial_id

MANY = 20
"""More changed trials than this are read in pages, fewer one by one."""


OnChange = Callable[[dict[str, Any], list[dict[str, Any]]], None]
OnLimit = Callable[[str], None]


def watch(
    vertex: Vertex,
    folder: JobFolder,
    *,
    every_s: float = 30.0,
    budget: Budget | None = None,
    on_change: OnChange | None = None,
    on_limit: OnLimit | None = None,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Reads the folder's latest job again and again until it has ended.

    Args:
        vertex: where the job is.
        folder: takes up what is seen.
        every_s: pause between two readings, in seconds.
        budget: once it is spent, the job is cancelled; trials that have ended stay. It is kept only while someone watches.
        on_change: called after each reading with the job and the trials that changed since the one before.
        on_limit: called with the reason before the job is cancelled.
        stop: ends the watch when set; the job goes on.

    Returns:
        The job as last seen.

    Raises:
        NoSuchJob: it was deleted; the folder keeps what was seen of it.
        CloudError: the service refuses, or does not answer for `vertex.patience_s`.
    """
    stop = stop or threading.Event()
    while True:
        job, changed = look(vertex, folder)
        if on_change is not None:
            on_change(job, changed)
        if job["state"] in ENDED or stop.is_set():
            return job
        reason = budget.spent(used(folder, time.time())) if budget is not None else ""
        if reason and job["state"] != "JOB_STATE_CANCELLING":
            if on_limit is not None:
                on_limit(reason)
            vertex.cancel(job["name"])
        stop.wait(every_s)


def look(vertex: Vertex, folder: JobFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Reads the folder's latest job once: the job, and the trials that changed since they were last read."""
    job = vertex.get(folder.latest.name)
    known = folder.trials()
    changed = [trial for trial in _read_trials(vertex, job, known) if known.get(trial_id(trial)) != trial]
    folder.save_trials(changed)  # before the job: an ended job must not be known with trials missing
    folder.save_job({key: value for key, value in job.items() if key != "trials"})
    return job, changed


def used(folder: JobFolder, now: float) -> Usage:
    """What the folder's latest job has used, as far as it was seen."""
    rows = read_rows(folder.trials().values(), now)
    hours = sum(row.seconds or 0.0 for row in rows) * machines_of(folder.latest.request) / 3600
    return Usage(sum(row.seconds is not None for row in rows), hours)


def machines_of(job: Mapping[str, Any]) -> int:
    """How many machines one trial of a job runs on."""
    pools = _find(job, "workerPoolSpecs") or [{}]
    return sum(int(pool.get("replicaCount", 1)) for pool in pools)


def _find(part: Any, key: str) -> Any:
    if not isinstance(part, Mapping):
        return None
    return part[key] if key in part else next(filter(None, (_find(value, key) for value in part.values())), None)


def _read_trials(vertex: Vertex, job: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    if "nasJobSpec" not in job:
        return list(job.get("trials", []))
    output = job.get("nasJobOutput", {}).get("multiTrialJobOutput", {})
    wanted = _changed(output, known)
    if wanted is None or len(wanted) > MANY:
        return list(vertex.trials(job["name"]))
    try:
        return [vertex.trial(f"{job['name']}/nasTrialDetails/{number}") for number in wanted]
    except NoSuchJob:  # the job knows a trial before its details are there
        return list(vertex.trials(job["name"]))


def _changed(output: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """Which details are to be read: of trials that are new, have another state than was seen, or run. None: all of them."""
    if not output.get("searchTrials"):
        return None  # a service that does not tell; its list of details does
    seen = {number: detail.get("searchTrial", {}).get("state") for number, detail in known.items()}
    wanted = [str(trial["id"]) for trial in output["searchTrials"] if not _is_seen(seen.get(str(trial["id"])), trial)]
    trained = {str(detail["trainTrial"]["id"]): number for number, detail in known.items() if "trainTrial" in detail}
    for trial in output.get("trainTrials", []):
        number = trained.get(str(trial["id"]))
        if number is None:
            return None  # whose architecture it trains, only its details say
        if not _is_seen(known[number]["trainTrial"].get("state"), trial):
            wanted.append(number)
    return list(dict.fromkeys(wanted))


def _is_seen(state: str | None, trial: Mapping[str, Any]) -> bool:
    return state == trial.get("state") and state in ENDED_STATES
