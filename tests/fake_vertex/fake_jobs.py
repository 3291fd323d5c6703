"""The jobs of the local Vertex AI: resources as the API shows them, kept in a directory, listed in pages, run in threads."""

from __future__ import annotations

import base64
import contextlib
import datetime
import itertools
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

MESSAGES = {"customJobs": v1.CustomJob, "hyperparameterTuningJobs": v1.HyperparameterTuningJob, "nasJobs": v1.NasJob}
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
SERVER_SET = ("name", "state", "create_time", "start_time", "end_time", "update_time", "error", "trials", "nas_job_output")
PAGE = 20


class ApiError(Exception):
    """An answer other than 200, as the API words it."""

    NAMES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status

    def to_json(self) -> dict[str, Any]:
        return {"error": {"code": self.status, "message": str(self), "status": self.NAMES.get(self.status, "UNKNOWN")}}


class Job:
    """One job: its resource, its directory, its thread.

    Attributes:
        resource: the API's message; change it under `lock`.
        cancelled: set when someone asked for its end.
        refresh: brings the resource up to date before it is shown.
        stoppers: each ends something that the job has running.
        details: answers a page of NasTrialDetails: (first, count) -> list; architecture searches only.
    """

    def __init__(self, kind: str, resource: Any, directory: Path):
        self.kind, self.resource, self.directory = kind, resource, directory
        self.lock, self.cancelled = threading.RLock(), threading.Event()
        self.details: Callable[[int, int], list[dict[str, Any]]] = lambda first, count: []
        self.refresh: Callable[[], None] = lambda: None
        self.stoppers: set[Callable[[], None]] = set()

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def id(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def state(self) -> str:
        return v1.JobState(self.resource.state).name

    def to_json(self) -> dict[str, Any]:
        with self.lock:
            return json_format.MessageToDict(type(self.resource).pb(self.resource))

    def enter(self, state: str, reason: str = "") -> None:
        """Changes the state, with the times that go with it, and saves."""
        with self.lock:
            now = time.time()
            self.resource.state = v1.JobState[state]
            stamps = {"JOB_STATE_PENDING": "create_time", "JOB_STATE_RUNNING": "start_time"}
            field = stamps.get(state, "end_time" if state in ENDED else "")
            for stamp in filter(None, (field, "update_time")):
                getattr(type(self.resource).pb(self.resource), stamp).FromNanoseconds(int(now * 1e9))
            if reason:
                type(self.resource).pb(self.resource).error.code = 3
                type(self.resource).pb(self.resource).error.message = reason
            self.save()

    def save(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        fresh = self.directory / "job.json.new"
        fresh.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")
        os.replace(fresh, self.directory / "job.json")

    def cancel(self) -> None:
        with self.lock:
            if self.state in ENDED:
                return
            self.cancelled.set()
            self.enter("JOB_STATE_CANCELLING")
        self.stop()

    def stop(self) -> None:
        """Ends what the job has running."""
        with self.lock:
            stoppers = list(self.stoppers)
        for stopper in stoppers:
            stopper()


class Jobs:
    """All jobs, in the order of their making.

    Args:
        root: where they are kept; jobs of an earlier server are there again, those it was running have failed.
        run: what a job does, in a thread of its own; an exception is its failure.
    """

    def __init__(self, root: Path, run: Callable[[Job], None]):
        self.root, self.run = root, run
        self.lock = threading.Lock()
        self.known: dict[str, Job] = {job.name: job for job in self._load()}
        self._ids = itertools.count(max([1000, *(int(job.id) for job in self.known.values())]) + 1)
        self.threads: list[threading.Thread] = []

    def create(self, parent: str, kind: str, body: Mapping[str, Any]) -> Job:
        resource = MESSAGES[kind].pb()()
        try:
            json_format.ParseDict(dict(body), resource)
        except json_format.ParseError as error:
            raise ApiError(400, f"Invalid JSON payload received. {error}") from None
        for field in SERVER_SET:
            if field in resource.DESCRIPTOR.fields_by_name:
                resource.ClearField(field)
        if not resource.display_name:
            raise ApiError(400, "display_name is required")
        for key, value in resource.labels.items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                raise ApiError(400, f"labels: {key}={value} has characters other than lowercase letters, digits, _ and -")
        with self.lock:
            resource.name = f"{parent}/{kind}/{next(self._ids)}"
            job = Job(kind, MESSAGES[kind].wrap(resource), self.root / kind / resource.name.rpartition("/")[2])
            job.enter("JOB_STATE_PENDING")
            self.known[job.name] = job
        thread = threading.Thread(target=self._see_through, args=(job,), daemon=True)
        self.threads.append(thread)
        thread.start()
        return job

    def get(self, name: str) -> Job:
        job = self.known.get(name)
        if job is None:
            raise ApiError(404, f"The {name.split('/')[-2]} {name} does not exist.")
        return job

    def delete(self, name: str) -> None:
        job = self.get(name)
        if job.state not in ENDED:
            raise ApiError(400, f"{name} is {job.state}: cancel it first.")
        with self.lock:
            del self.known[name]
        shutil.rmtree(job.directory, ignore_errors=True)

    def page(self, parent: str, kind: str, query: Mapping[str, str]) -> dict[str, Any]:
        wanted = _filter(query.get("filter", ""))
        with self.lock:
            jobs = [job for job in self.known.values() if job.name.startswith(f"{parent}/{kind}/") and wanted(job)]
        first, count = window(query)
        shown = jobs[::-1][first : first + count]
        answer: dict[str, Any] = {kind: [job.to_json() for job in shown]}
        if first + count < len(jobs):
            answer["nextPageToken"] = token(first + count)
        return answer

    def end(self) -> None:
        """Ends what runs."""
        for job in list(self.known.values()):
            job.cancel()
        for thread in self.threads:
            thread.join(timeout=10)

    def _see_through(self, job: Job) -> None:
        try:
            if not job.cancelled.is_set():
                job.enter("JOB_STATE_RUNNING")
                self.run(job)
            job.enter("JOB_STATE_CANCELLED" if job.cancelled.is_set() else "JOB_STATE_SUCCEEDED")
        except Exception as error:
            job.enter("JOB_STATE_FAILED", str(error) or type(error).__name__)

    def _load(self) -> Iterator[Job]:
        for file in sorted(self.root.glob("*/*/job.json"), key=lambda file: int(file.parent.name)):
            kind = file.parent.parent.name
            resource = json_format.ParseDict(json.loads(file.read_text(encoding="utf-8")), MESSAGES[kind].pb()())
            job = Job(kind, MESSAGES[kind].wrap(resource), file.parent)
            if job.state not in ENDED:
                job.enter("JOB_STATE_FAILED", "the local server was stopped while the job ran")
            yield job


def window(query: Mapping[str, str]) -> tuple[int, int]:
    """First item and number of items of the page that is asked for."""
    count = int(query.get("pageSize") or PAGE) or PAGE
    if count < 0 or count > 1000:
        raise ApiError(400, "page_size must be from 0 to 1000")
    text = query.get("pageToken", "")
    if not text:
        return 0, count
    with contextlib.suppress(ValueError):
        return int(base64.urlsafe_b64decode(text).decode().removeprefix("from-")), count
    raise ApiError(400, "page_token is not one of ours")


def token(first: int) -> str:
    """What asks for the page that begins there; not a number, so that no client counts on one."""
    return base64.urlsafe_b64encode(f"from-{first}".encode()).decode()


def _filter(text: str) -> Callable[[Job], bool]:
    """`labels.KEY=VALUE`, `display_name="..."`, `state="..."`, `create_time>="..."`, joined by AND."""
    terms = []
    for term in filter(None, (part.strip() for part in text.split(" AND "))):
        found = re.fullmatch(r'(labels\.[a-z0-9_-]+|display_name|state|create_time)\s*(>?=)\s*"?([^"]*)"?', term)
        if found is None or (found[1] == "create_time") != (found[2] == ">="):
            raise ApiError(400, f"Invalid filter: {term}")
        terms.append((found[1], found[3]))

    def wanted(job: Job) -> bool:
        for field, value in terms:
            if field == "create_time":
                if job.resource.create_time < datetime.datetime.fromisoformat(value):
                    return False
                continue
            if field.startswith("labels."):
                has = job.resource.labels.get(field.removeprefix("labels."))
            else:
                has = job.state if field == "state" else job.resource.display_name
            if has != value:
                return False
        return True

    return wanted
