"""The SQLite file of a study: made whole, opened by one writer, read by anybody, written in groups.

Write-ahead log with synchronous=FULL: one sync a commit, 0 of 581 acknowledged rows lost in 100 kill -9. SQLite before 3.51.3
can lose data when two connections of a WAL database write or checkpoint, so one process writes through one connection
(`StudyLock`), and readers open the file read-only.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import StudyError
from nas.study.directory import StudyLock, check_location

NAME = "study.db"
FORMAT = 3
APPLICATION_ID = 0x45535041  # "ESPA": tells a study from any other SQLite file
GROUP_S = 0.05  # commits closer than this share one sync; a sync costs 1-10 ms

TRIALS = """
CREATE TABLE trials (
    id INTEGER PRIMARY KEY, decisions TEXT NOT NULL, fingerprint TEXT NOT NULL, state TEXT NOT NULL,
    measurements TEXT NOT NULL, seed INTEGER NOT NULL, reason TEXT NOT NULL, started REAL, finished REAL, worker TEXT NOT NULL,
    fidelity TEXT NOT NULL DEFAULT '{}', parent INTEGER, curve TEXT NOT NULL DEFAULT '[]',
    stages TEXT NOT NULL DEFAULT '[]', UNIQUE (fingerprint, fidelity));
"""
SCHEMA = f"""{TRIALS}
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE journal (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL);
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE stages (name TEXT PRIMARY KEY, state TEXT NOT NULL, payload TEXT NOT NULL);
"""
EARLIER = {
    1: f"""ALTER TABLE trials RENAME TO old;
{TRIALS}
INSERT INTO trials (id, decisions, fingerprint, state, measurements, seed, reason, started, finished, worker) SELECT * FROM old;
DROP TABLE old;
PRAGMA user_version = {FORMAT};
""",
    2: f"""ALTER TABLE trials ADD COLUMN stages TEXT NOT NULL DEFAULT '[]';
PRAGMA user_version = {FORMAT};
""",
}
"""How earlier formats become this one. Format 1 knew one trial for each fingerprint, and no fidelities; format 2 no verdicts of
stages. Readers take them as they are, a writer brings them up to date."""


class Database:
    """A connection to the file, or to memory. What is written counts only after `commit`.

    Args:
        directory: the study's directory; None: in memory.
        fill: for a new file, the statements beyond the schema as (sql, args); None: the file must be there.
        read_only: look while another process may be writing; takes no lock.

    Raises:
        StudyError: no study there, not readable or writable, or another process holds it.
    """

    def __init__(self, directory: Path | None, fill: list[tuple[str, tuple]] | None = None, read_only: bool = False):
        self.directory = directory
        self._lock: StudyLock | None = None
        self._pending_since = 0.0
        self._broken = False
        if directory is None:
            self._connection = _connect(":memory:")
            self._make_tables(fill or [])
            return
        if fill is None and not exists(directory):
            raise StudyError(
                "no study here", path=str(directory), expected="a directory with a study.db", hint="Start one with `nas search`"
            )
        if read_only:
            with self.reported():
                self._connection = _connect(_read_only_uri(directory / NAME), uri=True)
            self._check_format()
            return
        check_location(directory)
        with self.reported():
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = StudyLock(directory)
        try:
            if fill is not None and not exists(directory):
                self._make_file(directory, fill)
            with self.reported():
                self._connection = _connect(directory / NAME)
            self._check_format()
            self._use_write_ahead_log()
            script = EARLIER.get(self.rows("PRAGMA user_version")[0][0])
            if script is not None:
                self._run(script)
                self.commit()
        except BaseException:
            self._lock.release()
            raise

    def rows(self, sql: str, args: tuple = ()) -> list[Any]:
        """What a statement returns."""
        with self.reported():
            return self._connection.execute(sql, args).fetchall()

    def write(self, sql: str, args: tuple = ()) -> None:
        """A statement that counts once it is committed."""
        if not self._connection.in_transaction:
            self.rows("BEGIN IMMEDIATE")
            self._pending_since = time.monotonic()
        try:
            self.rows(sql, args)
        except StudyError:
            self._broken = True  # half a step is written: it must never be committed
            raise

    @property
    def is_due(self) -> bool:
        """Whether something has waited `GROUP_S` for its commit."""
        return self._connection.in_transaction and time.monotonic() - self._pending_since >= GROUP_S

    def commit(self) -> None:
        """Makes everything written so far durable.

        Raises:
            StudyError: the disk refused, now or before; what was written since the last commit is forgotten.
        """
        if self._broken:
            raise StudyError("writing has failed before", path=str(self.directory), hint="Mend the disk and resume the study")
        if self._connection.in_transaction:
            self._broken = True
            self.rows("COMMIT")
            self._broken = False

    def close(self) -> None:
        """Ends the connection and the lock; forgets what was not committed."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def json(self, text: str, what: str) -> Any:
        """Stored JSON as a value."""
        try:
            return json.loads(text)
        except ValueError as error:
            raise self.damaged(what, error) from error

    def damaged(self, what: str, error: Exception) -> StudyError:
        return StudyError(f"{what} is damaged ({error})", path=f"{self.directory}/{NAME}", hint="Restore a copy of the file")

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Turns errors of SQLite and of the disk into a StudyError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            hint = "Check the permissions and the free space of its disk"
            if "malformed" in str(error) or "not a database" in str(error):
                hint = "The file is damaged: restore a copy, or choose another directory"
            where = f"{NAME}: " if isinstance(error, sqlite3.Error) else ""
            raise StudyError(f"{where}{error}", path=str(self.directory), hint=hint) from error

    def _check_format(self) -> None:
        if self.rows("PRAGMA application_id")[0][0] != APPLICATION_ID:
            raise StudyError("study.db was not made by Espalier", path=str(self.directory), hint="Choose another directory")
        found = self.rows("PRAGMA user_version")[0][0]
        if found not in (*EARLIER, FORMAT):
            raise StudyError(
                f"study.db has format {found}",
                path=str(self.directory),
                received=found,
                expected=f"format {FORMAT}",
                hint="Use the version of Espalier that made it",
            )

    def _use_write_ahead_log(self) -> None:
        mode = self.rows("PRAGMA journal_mode = WAL")[0][0]
        if mode != "wal":
            problem = f"its disk does not support SQLite's write-ahead log (got {mode})"
            raise StudyError(problem, path=str(self.directory), hint="Use a local disk")
        self.rows("PRAGMA synchronous = FULL")

    def _make_file(self, directory: Path, fill: list[tuple[str, tuple]]) -> None:
        """Makes the file under another name, so that it exists only when it is whole."""
        draft = directory / f"{NAME}.part"
        with self.reported():
            draft.unlink(missing_ok=True)
            self._connection = _connect(draft)
            self._make_tables(fill)
            self._connection.close()
            os.replace(draft, directory / NAME)
            handle = os.open(directory, os.O_RDONLY)  # the new name must outlive a power cut too
            os.fsync(handle)
            os.close(handle)

    def _make_tables(self, fill: list[tuple[str, tuple]]) -> None:
        self._run(f"{SCHEMA}PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {FORMAT};\n")
        for sql, args in fill:
            self.write(sql, args)
        self.commit()

    def _run(self, script: str) -> None:
        for statement in script.split(";\n"):
            self.write(statement)


def exists(directory: str | os.PathLike[str]) -> bool:
    """Whether there is a study database in the directory."""
    return (Path(directory).expanduser() / NAME).is_file()


def _connect(target: str | Path, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(target, uri=uri, isolation_level=None, check_same_thread=False)


def _read_only_uri(file: Path) -> str:
    # A reader of a WAL file needs its -shm file; where that can neither be found nor made, nobody writes either.
    still = not os.access(file.parent, os.W_OK) and not file.with_name(f"{NAME}-wal").exists()
    return f"file:{urllib.parse.quote(str(file))}?{'immutable=1' if still else 'mode=ro'}"
