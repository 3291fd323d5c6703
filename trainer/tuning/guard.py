"""Trials die with their tuner: a small process beside it that kills their process groups once it is gone.

A trial runs in a session of its own, so that it can be killed with all its children; the price is that it survives a tuner
that is killed. The guard is told of every group over a pipe, and kills those still known when the pipe ends, which it does
however the tuner dies (kill -9 and the out-of-memory killer too). Linux's PR_SET_PDEATHSIG would need code between fork and
exec, unsafe in a process with threads, and reaches the direct child only.

This file is also the guard's program: run by path, without the packages around it, it starts in about 15 ms.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading


class Guard:
    """The groups that must not outlive this process. Safe to use from threads; starts its process when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._owner = 0
        """The process that the guard belongs to; 0: none yet."""

    def watch(self, group: int) -> None:
        """From now on the process group dies with this process."""
        with self._lock:
            if self._owner != os.getpid():  # first use, or a forked child, whose parent's trials are none of its business
                self._groups.clear()
                self._start()
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The process group has ended."""
        with self._lock:
            if group in self._groups:
                self._groups.discard(group)
                self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        try:
            self._write(line)
        except BrokenPipeError:  # someone killed the guard
            self._start()
            self._write("".join(f"+{group}\n" for group in self._groups))

    def _start(self) -> None:
        program = [sys.executable, "-I", "-S", __file__, str(os.getpid())]
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, bufsize=0, start_new_session=True
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        if self._owner != os.getpid():
            self._owner = os.getpid()
            atexit.register(self._end)

    def _write(self, line: str) -> None:
        self._pipe.write(line.encode())

    def _end(self) -> None:
        if self._owner == os.getpid():
            self._pipe.close()
            self._process.wait()


GUARD = Guard()
"""The guard of this process."""


def kill_group(group: int, signum: int) -> None:
    """Sends a signal to a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM where only zombies are left
        os.killpg(group, signum)


def _stand_guard(parent: int) -> None:
    groups: set[int] = set()
    pending = b""
    while True:
        readable, _, _ = select.select([0], [], [], 1.0)
        if readable:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
        elif os.getppid() != parent:  # a process forked from the tuner may hold the pipe open
            break
    for group in groups:
        kill_group(group, signal.SIGKILL)


if __name__ == "__main__":
    _stand_guard(int(sys.argv[1]))
