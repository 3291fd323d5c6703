"""Ctrl-C that never falls in the middle of a step.

While a trial is evaluated or awaited, Ctrl-C ends that at once. While the study writes down a step it is held back until the
step is complete, so that what is committed is always a whole number of steps. A second Ctrl-C goes through in any case.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupts:
    """A context manager that takes SIGINT over for the main thread; elsewhere it changes nothing."""

    def __init__(self) -> None:
        self._open = False
        self._arrived = False
        self._previous: Any = None

    def __enter__(self) -> Interrupts:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        if kind is None:
            self.check()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._open or self._arrived:
            raise KeyboardInterrupt
        self._arrived = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if one was held back."""
        if self._arrived:
            self._arrived = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Here Ctrl-C may fall anywhere."""
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A step within `allowed` that must be whole."""
        self._open = False
        try:
            yield
        finally:
            self._open = True
        self.check()
