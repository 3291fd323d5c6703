"""Who evaluates the references of a proxy design: small studies, so that every training is kept as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import controllers
import nas
from nas.study.events import TrialFinished
from nas.study.trial import Trial

if TYPE_CHECKING:
    from evaluators.proxy_design import Proxy
    from nas.language.architecture import Architecture
    from trainer.data import Dataset


class StudyJudge:
    """Evaluates given architectures in worker processes; a context manager that shows progress.

    Args:
        space: where the architectures come from.
        data: what they are trained on or look at.
        directory: a study for each task goes here.
        workers: evaluations at a time.
        seed: from which seeds follow, other ones for each repeat.
        console: where progress is shown.
    """

    def __init__(self, space: Any, data: Dataset, directory: Path, workers: int, seed: int, console: Any):
        self._space, self._data, self._directory, self._workers, self._seed = space, data, directory, workers, seed
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)

    def __enter__(self) -> StudyJudge:
        self._progress.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._progress.stop()

    def __call__(self, architectures: Sequence[Architecture], proxy: Proxy, name: str, repeat: int) -> list[Trial]:
        """A finished trial for each architecture, in their order; see `evaluators.proxy_design.design.Judge`."""
        if not architectures:
            return []
        study = nas.Study(
            self._space,
            controllers.Listed(architectures),
            [proxy.evaluator(self._data)],
            objectives=[proxy.objective()],
            directory=str(self._directory / name),
            seed=self._seed + repeat,
        )
        distinct = len({a.fingerprint for a in architectures})
        done = sum(trial.is_finished for trial in study.trials)
        what = "guess" if name == "guess" else ("full: " if name.startswith("full") else "") + proxy.name
        task = self._progress.add_task(what + (" (again)" if repeat else ""), total=distinct, completed=done)
        study.run(
            trials=distinct,
            workers=min(self._workers, distinct),
            on_event=lambda event: self._progress.advance(task) if isinstance(event, TrialFinished) else None,
        )
        by_fingerprint = {trial.fingerprint: trial for trial in study.trials}
        return [by_fingerprint[a.fingerprint] for a in architectures]
