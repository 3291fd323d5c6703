"""The progress bar of a running study, for a terminal."""

from __future__ import annotations

from collections import Counter
from typing import Any

from nas.study.events import StudyEvent, StudyProgress, TrialFinished
from nas.study.objective import Objective

SHOWN = ("infeasible", "failed", "stopped")


class ProgressBar:
    """Shows finished trials, what is running, the best value and the time left. A context manager and an event listener.

    Args:
        objective: whose best value is shown.
        finished, wanted: trials finished at the start, and how many there shall be.
        console: a `rich.console.Console`; the terminal by default.
    """

    def __init__(self, objective: Objective, finished: int, wanted: int, console: Any = None):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._objective = objective
        self._counts: Counter[str] = Counter()
        times = TimeElapsedColumn(), TimeRemainingColumn(compact=True)
        note = TextColumn("{task.fields[note]}")
        self._bar = Progress(TextColumn("trials"), BarColumn(), MofNCompleteColumn(), *times, note, console=console)
        self._task = self._bar.add_task("", total=wanted, completed=min(finished, wanted), note="")

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, event: StudyEvent) -> None:
        if isinstance(event, TrialFinished):
            self._counts[event.trial.state] += 1
        elif isinstance(event, StudyProgress):
            self._bar.update(self._task, completed=event.finished, note=self._note(event))

    def _note(self, event: StudyProgress) -> str:
        parts = [f"{event.running} running"] if event.running else []
        parts += [f"{self._counts[state]} {state}" for state in SHOWN if self._counts[state]]
        if event.best is not None:
            value = self._objective.value_of(event.best)
            parts.append(f"best {self._objective.metric} {value:.4g} (trial {event.best.id})")
        return ", ".join(parts)
