"""The trials on disk, durable through a crash at any moment.

A trial is completed only once it is committed. Commits are grouped in time, so that a fast loop does not wait for the disk at
every trial; what a crash takes is the tail that was never committed, and the journal makes the study take the same way again
(see `nas.study.ledger`).

    meta       space, settings, notes: key -> JSON
    trials     one row per architecture and fidelity; the fingerprint with the fidelity is unique
    journal    what the controller was asked and told, in order
    snapshots  the controller's state after a journal entry (the latest only)
    stages     results of what follows the search (tuning, full training, export): name -> state, JSON
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.study.database import Database
from nas.study.fidelity import Fidelity
from nas.study.trial import Measurement, StageVerdict, Trial


@dataclasses.dataclass(frozen=True)
class Stage:
    """A durable result of what follows the search.

    Attributes:
        name: `tuning`, `training`, `export`, ...
        state: `running`, `completed` or `failed`, as the stage itself says.
        payload: plain JSON.
    """

    name: str
    state: str
    payload: Any


@dataclasses.dataclass(frozen=True)
class Event:
    """One entry of the journal.

    Attributes:
        seq: its number, from 1 without gaps.
        kind: `ask` {n, ids, new}: what was proposed, of that new; `tell` [ids]; `warm` [trials of other studies];
            `given` [ids]: trials that the user named.
        payload: plain JSON.
    """

    seq: int
    kind: str
    payload: Any


class Store:
    """The database of one study. A context manager; closing without `commit` forgets what was not committed.

    Args:
        directory: the study's directory; None keeps everything in memory.
        create: what a new study is (meta key -> plain JSON): directory and database are made where they are missing, whole or
            not at all. None: they must be there.
        read_only: look while another process may be writing; takes no lock.

    Raises:
        StudyError: nothing there, not a study, not readable or writable, or another process drives it.

    Example:
        >>> with Store(None) as store:
        ...     store.put_stage("tuning", {"learning_rate": 1e-3})
        ...     store.stage("tuning").payload
        {'learning_rate': 0.001}
    """

    def __init__(
        self, directory: str | os.PathLike[str] | None, *, create: Mapping[str, Any] | None = None, read_only: bool = False
    ):
        self.directory = None if directory is None else Path(directory).expanduser().absolute()
        fill = None if create is None else [_meta_row(key, value) for key, value in create.items()]
        self._database = Database(self.directory, fill, read_only)

    # -- what the study is -------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> Any:
        """What is stored under a key, or None."""
        rows = self._database.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return self._database.json(rows[0][0], f"meta {key}") if rows else None

    def put_meta(self, key: str, value: Any) -> None:
        self._database.write(*_meta_row(key, value))

    def has_results(self) -> bool:
        """Whether any trial is finished."""
        return bool(self._database.rows("SELECT 1 FROM trials WHERE finished IS NOT NULL LIMIT 1"))

    def clear(self) -> None:
        """Forgets trials and the journal (a study without a finished trial may be defined anew)."""
        for table in ("trials", "journal", "snapshots"):
            self._database.write(f"DELETE FROM {table}")

    # -- trials ------------------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """All trials, by id."""
        return [self._trial(row) for row in self._database.rows("SELECT * FROM trials ORDER BY id")]

    def add_trial(self, trial: Trial) -> None:
        self._database.write(f"INSERT INTO trials VALUES ({', '.join('?' * 14)})", trial_row(trial))

    def update_trial(self, trial: Trial) -> None:
        """Replaces what changes on a trial's way: state, measurements, reason, times, worker, curve."""
        changing = ("state", "measurements", "reason", "started", "finished", "worker", "curve", "stages")
        values = (
            trial.state,
            _measurements(trial),
            trial.reason,
            trial.started,
            trial.finished,
            trial.worker,
            _curve(trial),
            _stages(trial),
        )
        self._database.write(f"UPDATE trials SET {' = ?, '.join(changing)} = ? WHERE id = ?", (*values, trial.id))

    # -- the controller's memory -------------------------------------------------------------------------------------------

    def append(self, seq: int, kind: str, payload: Any) -> None:
        """Adds a journal entry."""
        self._database.write("INSERT INTO journal VALUES (?, ?, ?)", (seq, kind, json.dumps(payload)))

    def events(self, after: int = 0, kind: str | None = None) -> list[Event]:
        """Journal entries with a larger number, in order; of one kind, or all."""
        sql = "SELECT seq, kind, payload FROM journal WHERE seq > ? AND kind = COALESCE(?, kind) ORDER BY seq"
        return [
            Event(seq, kind, self._database.json(text, f"journal entry {seq}"))
            for seq, kind, text in self._database.rows(sql, (after, kind))
        ]

    def last_seq(self) -> int:
        """The number of the last journal entry, 0 for none."""
        return self._database.rows("SELECT COALESCE(MAX(seq), 0) FROM journal")[0][0]

    def put_snapshot(self, seq: int, state: Any) -> None:
        """Keeps the controller's state after journal entry `seq`, in place of the one before."""
        self._database.write("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (seq, json.dumps(state)))
        self._database.write("DELETE FROM snapshots WHERE seq <> ?", (seq,))

    def snapshot(self) -> tuple[int, Any] | None:
        """The latest snapshot as (number of its journal entry, state)."""
        rows = self._database.rows("SELECT seq, state FROM snapshots ORDER BY seq DESC LIMIT 1")
        return (rows[0][0], self._database.json(rows[0][1], "the snapshot")) if rows else None

    # -- stages ------------------------------------------------------------------------------------------------------------

    def put_stage(self, name: str, payload: Any, state: str = "completed") -> None:
        """Keeps a stage's result, durably once this returns; one of the same name is replaced."""
        self._database.write("INSERT OR REPLACE INTO stages VALUES (?, ?, ?)", (name, state, json.dumps(payload)))
        self.commit()

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, or None."""
        return self.stages().get(name)

    def stages(self) -> dict[str, Stage]:
        """All stages by name, the one written last at the end."""
        rows = self._database.rows("SELECT name, state, payload FROM stages ORDER BY rowid")
        return {name: Stage(name, state, self._database.json(text, f"stage {name}")) for name, state, text in rows}

    # -- transactions ------------------------------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether something has waited long enough for its commit (`nas.study.database.GROUP_S`)."""
        return self._database.is_due

    def commit(self) -> None:
        """Makes everything written so far durable.

        Raises:
            StudyError: the disk refused; what was written since the last commit is forgotten.
        """
        self._database.commit()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trial(self, row: tuple) -> Trial:
        try:
            id, decisions, fingerprint, state, measurements, seed, reason, started, finished, worker, *later = row
            later += ["{}", None, "[]", "[]"][len(later) :]  # earlier formats knew fewer
            fidelity, parent, curve, stages = later
            found = {k: Measurement.from_json(v) for k, v in json.loads(measurements).items()}
            what = (id, json.loads(decisions), fingerprint, state, found, seed, reason, started, finished, worker)
            return Trial(
                *what,
                Fidelity.from_json(json.loads(fidelity)),
                parent,
                _read_curve(json.loads(curve)),
                _read_stages(json.loads(stages)),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._database.damaged(f"trial {row[0]}", error) from error


def trial_row(trial: Trial) -> tuple:
    """A trial as plain values, in the order of its fields."""
    what = (trial.id, json.dumps(trial.decisions), trial.fingerprint, trial.state, _measurements(trial))
    how = (trial.seed, trial.reason, trial.started, trial.finished, trial.worker)
    return (*what, *how, json.dumps(trial.fidelity.to_json()), trial.parent, _curve(trial), _stages(trial))


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """A trial as plain JSON."""
    plain = {field.name: getattr(trial, field.name) for field in dataclasses.fields(trial)}
    measurements = {k: m.to_json() for k, m in trial.measurements.items()}
    lists = {"curve": [list(point) for point in trial.curve], "stages": [dataclasses.asdict(stage) for stage in trial.stages]}
    return plain | {"measurements": measurements, "fidelity": trial.fidelity.to_json()} | lists


def trial_from_json(data: Mapping[str, Any]) -> Trial:
    """The trial that `trial_to_json` wrote."""
    measurements = {k: Measurement.from_json(m) for k, m in data["measurements"].items()}
    fidelity, curve = Fidelity.from_json(data.get("fidelity", {})), _read_curve(data.get("curve", ()))
    stages = _read_stages(data.get("stages", ()))
    return Trial(**{**data, "measurements": measurements, "fidelity": fidelity, "curve": curve, "stages": stages})


def _curve(trial: Trial) -> str:
    return json.dumps([list(point) for point in trial.curve])


def _stages(trial: Trial) -> str:
    return json.dumps([dataclasses.asdict(stage) for stage in trial.stages])


def _read_stages(stages: Sequence[Mapping[str, Any]]) -> tuple[StageVerdict, ...]:
    return tuple(StageVerdict(**stage) for stage in stages)


def _read_curve(points: Sequence[Sequence[float]]) -> tuple[tuple[int, float], ...]:
    return tuple((int(epoch), float(value)) for epoch, value in points)


def _measurements(trial: Trial) -> str:
    return json.dumps({k: m.to_json() for k, m in trial.measurements.items()})


def _meta_row(key: str, value: Any) -> tuple[str, tuple]:
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value))
