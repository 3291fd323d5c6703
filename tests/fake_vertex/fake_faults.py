"""Troubles on request: what a client meets on a bad day, at a place and as often as asked.

Fault("GET", "nasJobs/", 503, times=2)       the next two reads of architecture searches: "try again later"
Fault("POST", "nasJobs", "drop")             the request is carried out, the answer is lost
Fault("POST", "customJobs", "refuse")        the connection is closed before anything is done
Fault("GET", "", "slow")                     an answer that takes two seconds
Fault("RUN", "customJobs", "fail")           the next job of this kind fails, whatever it does
"""

from __future__ import annotations

import dataclasses
import threading

SLOW_S = 2.0


@dataclasses.dataclass
class Fault:
    """One trouble.

    Args:
        method: GET, POST, DELETE, or RUN: a job begins.
        where: a part of the path.
        what: an HTTP status, "drop", "refuse", "garbage", "slow" or "fail".
        times: how often.
    """

    method: str
    where: str
    what: int | str
    times: int = 1

    @classmethod
    def parse(cls, text: str) -> Fault:
        """`METHOD:WHERE:WHAT[:TIMES]`, as on the command line."""
        method, where, what, *times = text.split(":")
        return cls(method, where, int(what) if what.isdecimal() else what, int(times[0]) if times else 1)


class Faults:
    """The troubles that are still to come."""

    def __init__(self, *faults: Fault):
        self._lock, self._faults = threading.Lock(), list(faults)

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults += faults

    def take(self, method: str, path: str) -> int | str | None:
        """What goes wrong now; None: nothing."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.method == method and fault.where in path:
                    fault.times -= 1
                    return fault.what
        return None
