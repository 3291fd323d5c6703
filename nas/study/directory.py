"""Where a study lives: a directory on a local disk that one process at a time drives.

    study.db          trials, journal, snapshots, stages (see `nas.study.store`)
    space.json        which space it searches
    study.lock        held by the driving process, names its pid
    artifacts/trial-N what evaluators keep
    logs/             output of worker processes

The lock is the kernel's (`flock`), so it ends with its process however that dies; the pid in the file is for people.
SQLite's write-ahead log shares memory between processes, which network file systems do not offer: those are refused.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from nas.errors import StudyError

NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"),
    *("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.goofys", "fuse.blobfuse", "fuse.cephfs"),
}
LOCK_TRIES = 5  # a reader that looks whether a study is driven holds the lock for microseconds


def check_location(directory: str | os.PathLike[str]) -> Path:
    """The directory as an absolute path, after everything that can be known without writing is checked.

    Raises:
        StudyError: not on a local disk, not a directory, or nothing can be written there.
    """
    if "://" in str(directory):
        raise StudyError(
            "a study cannot write there",
            path=str(directory),
            expected="a directory on a local disk",
            hint="Copy it there when it is done",
        )
    path = Path(directory).expanduser().absolute()
    existing = path
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise StudyError(f"{existing} is not a directory", path=str(directory), expected="a directory or a new path")
    if not os.access(existing, os.W_OK | os.X_OK):
        problem = f"no permission to write in {existing}"
        raise StudyError(problem, path=str(directory), hint="Choose another directory, or change its mode")
    kind = file_system(existing)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StudyError(
            f"it lies on a network file system ({kind})",
            path=str(directory),
            received=kind,
            expected="a local disk",
            hint="Keep the study on a local disk and copy it when it is done",
        )
    return path


def file_system(path: Path) -> str:
    """The kind of file system a path lies on, by the longest mount point above it; "" where the system does not tell."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real, longest, kind = os.path.realpath(path), -1, ""
    for fields in (line.split(" ") for line in lines):
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")  # the kernel's escape for a blank
        inside = mount == "/" or real == mount or real.startswith(mount + "/")
        if inside and len(mount) >= longest:  # of two mounts on one point the later covers the earlier
            longest, kind = len(mount), fields[2]
    return kind


class StudyLock:
    """Held while a process drives a study.

    Raises:
        StudyError: another process (or another study object of this one) holds it; names the pid.
    """

    def __init__(self, directory: Path):
        import fcntl

        self._file = open(directory / "study.lock", "a+", encoding="ascii")  # noqa: SIM115 - held for the lock's life
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
        else:
            pid = _pid_in(self._file)
            self._file.close()
            raise StudyError(
                f"process {pid or '?'} is running this study",
                path=str(directory),
                received=pid,
                hint="Wait until it ends, or stop it (Ctrl-C keeps every finished trial)",
            )
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()  # closing ends the lock; the file stays, since removing it could split a lock in two


def driver_of(directory: Path) -> int | None:
    """The pid of the process that drives the study now, or None."""
    import fcntl

    try:
        with open(directory / "study.lock", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _pid_in(file)
    except OSError:
        pass
    return None


def _pid_in(file) -> int | None:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else None
