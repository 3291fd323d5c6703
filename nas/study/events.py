"""What a running study tells whoever listens: `study.run(on_event=...)`.

An event is sent only after the commit that makes it true, so that a listener never hears of a finished trial that a crash could
take back. Commits are grouped, so it can come up to `nas.study.database.GROUP_S` late.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from nas.study.trial import Trial


@dataclasses.dataclass(frozen=True)
class TrialStarted:
    """A trial is being evaluated."""

    trial: Trial


@dataclasses.dataclass(frozen=True)
class TrialFinished:
    """A trial is finished and durable."""

    trial: Trial


@dataclasses.dataclass(frozen=True)
class StudyProgress:
    """Where the study stands; follows trials that finished.

    Attributes:
        finished: finished trials, all runs together.
        wanted: how many there shall be.
        running: trials in evaluation.
        best: the best completed trial by the first objective, or None.
    """

    finished: int
    wanted: int
    running: int
    best: Trial | None


StudyEvent = TrialStarted | TrialFinished | StudyProgress


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `reached`: the wanted number of trials is finished. `exhausted`: the controller proposes nothing new.
            `stopped`: whoever was asked (`until`) said so; what was running is back in the queue.
        finished: finished trials, all runs together.
        repeats: proposals of this run that were answered from the store.
        message: the same as a sentence.
    """

    status: Literal["reached", "exhausted", "stopped"]
    finished: int
    repeats: int
    message: str

    def __str__(self) -> str:
        return self.message
