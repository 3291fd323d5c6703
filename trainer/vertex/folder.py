"""What is known here of jobs in the cloud: a directory that `nas vertex watch` and the others need nothing but.

    vertex.json          the jobs sent from it, in order: kind, project, region, endpoint, name, request, digest, budget
    job-<n>.json         the n-th job as last seen
    trials-<n>.jsonl     its trials as last seen, one line each time one changed; the last line of an id counts

A job is written down before it is sent. Whatever happens between, sending it again finds the job that is there already, by its
label. The service stays the truth: everything but vertex.json can be read again from it, and what was read stays readable after
the job is deleted there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError, UserError
from trainer.journal import write_whole
from trainer.vertex.place import Place
from trainer.vertex.requests import REQUEST_LABEL, labelled
from trainer.vertex.trials import trial_id

if TYPE_CHECKING:
    from trainer.vertex.cloud import Vertex

RECORD_FILE = "vertex.json"


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """One job as it was sent.

    Attributes:
        kind: of job; see `trainer.vertex.kinds`.
        place: where it is.
        request: what was sent.
        name: its resource name; "": it was not answered yet.
        sent: seconds since the epoch.
        notes: what else belongs to it, as plain JSON: a budget, a space's reference.
    """

    kind: str
    place: Place
    request: Mapping[str, Any]
    name: str = ""
    sent: float = 0.0
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the request: equal digests, equal jobs."""
        return hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "place": self.place.to_json(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobRecord:
        fields = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**fields, "place": Place.from_json(data["place"])})


class JobFolder:
    """The directory.

    Args:
        directory: read if it is there; made by `submit`.

    Attributes:
        records: the jobs sent from it, the first one first.

    Raises:
        StudyError: its record is damaged.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self.records: list[JobRecord] = []
        self._trials: dict[int, dict[str, dict[str, Any]]] = {}
        path = self.directory / RECORD_FILE
        if path.exists():
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                self.records = [JobRecord.from_json(entry) for entry in data["jobs"]]
            except (OSError, ValueError, KeyError, TypeError) as error:
                problem = f"it cannot be read ({type(error).__name__})"
                raise StudyError(problem, path=str(path), hint="Restore it, or watch the job from another directory") from None

    @classmethod
    def open(cls, directory: str | Path, number: int | None = None) -> JobFolder:
        """A folder from which a job was sent.

        Args:
            directory: the folder.
            number: to look at an earlier job, the n-th from 1, as if it were the latest; None: the latest.

        Raises:
            StudyError: there is none.
        """
        folder = cls(directory)
        if not folder.records:
            hint = "Begin with `nas vertex search` or `nas vertex tune`"
            raise StudyError(
                "no job was sent from here", path=str(directory), expected=f"a directory with {RECORD_FILE}", hint=hint
            )
        if number is not None and not 1 <= number <= len(folder.records):
            expected = f"1 to {len(folder.records)}"
            raise StudyError(f"no job {number} was sent from here", path=str(directory), received=number, expected=expected)
        folder.records = folder.records[:number]
        return folder

    @property
    def latest(self) -> JobRecord:
        """The job sent last."""
        return self.records[-1]

    def submit(self, vertex: Vertex, kind: str, job: Mapping[str, Any], notes: Mapping[str, Any] | None = None) -> JobRecord:
        """Sends a job, once. One that an interrupted call had written down and not seen answered is found there, or sent now.

        Raises:
            StudyError: another job was being sent from here, and it is there.
            CloudError: the service refuses it, or does not answer; then the same call tries again.
        """
        pending = self.records[-1] if self.records and not self.records[-1].name else None
        if pending is not None:
            found = vertex.find(pending.kind, pending.request)
            self._settle(found)
            if found is not None and same_request(pending.request, job):
                return self.latest
            if found is not None:
                hint = "Watch it or cancel it, or send this one with another --out"
                raise StudyError(f"{found['name']} was sent from here before", path=str(self.directory), hint=hint)
        fresh = JobRecord(kind, vertex.place, labelled(job), sent=time.time(), notes=dict(notes or {}))
        self._write([*self.records, fresh])
        try:
            self._settle(vertex.create(kind, fresh.request))
        except UserError as error:
            if getattr(error, "code", 0) in (400, 401, 403, 404):
                self._settle(None)
            raise
        return self.latest

    def _settle(self, job: Mapping[str, Any] | None) -> None:
        """The record that was written down last has this job; None: there is no job."""
        *before, pending = self.records
        self._write([*before, dataclasses.replace(pending, name=job["name"])] if job else before)

    def save_job(self, job: Mapping[str, Any]) -> None:
        """Keeps the latest job as the service shows it now."""
        write_whole(self._file("job", ".json"), json.dumps(job, indent=1) + "\n")

    def job(self) -> dict[str, Any]:
        """The latest job as last seen; {}: never."""
        path = self._file("job", ".json")
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def save_trials(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Adds trials of the latest job as the service shows them now."""
        if trials:
            self.trials()
            lines = "".join(json.dumps(trial) + "\n" for trial in trials)
            with self._file("trials", ".jsonl").open("ab+") as file:
                if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                    lines = "\n" + lines  # a crash cut the last line short; it must not take this one with it
                file.write(lines.encode())
            self.trials().update((trial_id(trial), dict(trial)) for trial in trials)

    def trials(self) -> dict[str, dict[str, Any]]:
        """The latest job's trials as last seen, by id."""
        which = len(self.records)
        if which not in self._trials:
            self._trials[which] = {trial_id(trial): trial for trial in self._lines()}
        return self._trials[which]

    def _lines(self) -> Iterator[dict[str, Any]]:
        path = self._file("trials", ".jsonl")
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # a crash cut it short; the service still has it

    def _file(self, stem: str, ending: str) -> Path:
        return self.directory / f"{stem}-{len(self.records)}{ending}"

    def _write(self, records: list[JobRecord]) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            data = {"jobs": [record.to_json() for record in records]}
            write_whole(self.directory / RECORD_FILE, json.dumps(data, indent=1) + "\n")
        except OSError as error:
            problem = f"it cannot be written, {error.strerror}"
            raise UserError(problem, path=str(self.directory), hint="Choose another directory with --out") from None
        self.records = records


def same_request(one: Any, other: Any) -> bool:
    """Whether two requests ask for the same, apart from their labels of their own and the time in their directories' names."""
    return _essence(one) == _essence(other)


def _essence(part: Any) -> Any:
    if isinstance(part, Mapping):
        kept = {key: _essence(value) for key, value in part.items() if key not in (REQUEST_LABEL, "outputUriPrefix")}
        return {key: value for key, value in kept.items() if value not in ({}, [])}
    return [_essence(item) for item in part] if isinstance(part, list | tuple) else part
