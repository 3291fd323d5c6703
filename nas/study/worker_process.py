"""What runs in a worker process: it sets up space and evaluators once, then judges one architecture after the other.

It is sent plain decisions and makes the architecture itself. It ignores Ctrl-C (pebble sees to that), writes to a log of its
own, and ends with its parent, however that ends.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError, UserError
from nas.study.evaluation import EvaluatorChain, Verdict
from nas.study.watch import Assignment

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace

_tools: tuple[SearchSpace, EvaluatorChain] | None = None
_problem: UserError | None = None


def set_up(payload: bytes, parent: int, logs: str | None) -> None:
    """Once for each process: its log, its end with the parent, space and evaluators."""
    global _tools, _problem
    _end_with(parent)
    if logs is not None:
        log = os.open(os.path.join(logs, f"worker-{os.getpid()}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
    faulthandler.enable()  # a segmentation fault leaves its traceback in the log
    try:
        _tools = pickle.loads(payload)  # noqa: S301 - written by the parent process, to a pipe of its own
    except UserError as error:
        _problem = error
    except Exception as error:
        _problem = StudyError(
            f"a worker process could not set up ({type(error).__name__}: {error})",
            path="workers",
            hint="Use workers=1, or define space and evaluators in a module that can be imported",
        )


def greet() -> int:
    return os.getpid()


def evaluate(decisions: dict[str, Any], fingerprint: str, assignment: Assignment) -> tuple[Verdict | UserError, int]:
    """One trial; also the memory this process holds afterwards, in bytes."""
    return _judge(decisions, fingerprint, assignment), resident_bytes()


def _judge(decisions: dict[str, Any], fingerprint: str, assignment: Assignment) -> Verdict | UserError:
    """A mistake is returned, not raised, so that it crosses to the parent only if it can be pickled."""
    if _problem is not None:
        return _problem
    assert _tools is not None
    space, chain = _tools
    try:
        return chain.evaluate(rebuild(space, decisions, fingerprint), assignment)
    except UserError as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own object
        except Exception:
            return StudyError(str(error).removesuffix("."))
        return error


def resident_bytes() -> int:
    """Memory this process holds now; where the system does not say, the most it ever held."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _end_with(parent: int) -> None:
    """Ends this process when its parent dies, kill -9 included: by the kernel on Linux, by watching elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def rebuild(space: SearchSpace, decisions: Mapping[str, Any], fingerprint: str) -> Architecture:
    """The architecture with these decisions, known to be the one that was asked.

    Raises:
        StudyError: the same decisions now make another network.
    """
    architecture = space.architecture(decisions)
    if architecture.fingerprint != fingerprint:
        raise StudyError(
            "the same decisions make another network than when the trial was asked",
            path=space.name,
            received=architecture.fingerprint,
            expected=f"fingerprint {fingerprint}",
            hint="The space's code has changed: start a new directory",
        )
    return architecture
