"""Files that a crash leaves whole: lines of JSON that are on the disk when they are acknowledged, and files replaced at once.

A journal lies in a directory that one process holds alone, by a lock that ends with the process, however it ends. Its last line
may have been cut short by a crash: what that line said had not been acknowledged, and it is dropped before the next is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from nas.errors import StudyError

LOCK_FILE = "lock"

Line = TypeVar("Line")


class Journal:
    """A file of JSON lines for one writer.

    Args:
        path: the file; its directory is made if missing, and held from here on.
        busy: what is said where another process holds it.

    Raises:
        StudyError: another process holds the directory, or it cannot be written.
    """

    def __init__(self, path: Path, busy: str):
        self.path = path
        self._mutex = threading.Lock()
        self._file = self._lock = -1
        with refusals(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(path.parent, busy)

    def open(self) -> None:
        """Makes ready to append, right after the last whole line. Not before the directory is known to be the right one.

        Raises:
            OSError: it cannot be written.
        """
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, self.path.read_bytes().rfind(b"\n") + 1)
        sync_directory(self.path.parent)

    def append(self, plain: Any) -> None:
        """Writes a line; when this returns, it is on the disk. From any thread.

        Raises:
            StudyError: the disk is full; the journal is as it was.
        """
        line = json.dumps(plain).encode() + b"\n"
        with self._mutex:
            end = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                written, why = 0, error.strerror
            else:
                why = "the disk is full"
            if written != len(line):
                os.ftruncate(self._file, end)
                hint = "Free space, then run the same command again"
                raise StudyError(f"it cannot be written, {why}", path=str(self.path.parent), hint=hint)

    def close(self) -> None:
        """Gives the directory back."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._file = -1


def read_lines(path: Path, read: Callable[[Any], Line]) -> list[Line]:
    """Every whole line of a journal of trials, in order; also while someone writes it. [] where there is none.

    Args:
        path: the file.
        read: plain JSON -> a line's content; raises ValueError, TypeError or KeyError where it is none.

    Raises:
        StudyError: a line other than an unfinished last one cannot be read.
    """
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1] if path.exists() else [], 1):
        try:
            found.append(read(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            hint = "Remove the line; its trial is run again"
            raise StudyError(f"line {number} is no trial", path=str(path), hint=hint) from None
    return found


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Returns when the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def refusals(directory: Path) -> Iterator[None]:
    """Says as a StudyError that a directory cannot be written."""
    try:
        yield
    except OSError as error:
        problem = f"it cannot be written, {error.strerror}"
        raise StudyError(problem, path=str(directory), hint="Choose another directory") from None


def _take_lock(directory: Path, busy: str) -> int:
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        hint = "Wait for it, stop it, or choose another directory"
        raise StudyError(busy, path=str(directory), hint=hint) from None
    return descriptor
