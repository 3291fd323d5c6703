"""What a tuning found: its trials, the best of them, as a table, as JSON or CSV, as a picture, for TensorBoard."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.study.objective import Objective
from trainer.tuning.ledger import TuningTrial, read_settings, read_trials
from trainer.tuning.parameters import Parameter, to_flag
from trainer.tuning.spec import TuningSpec, load_spec

if TYPE_CHECKING:
    from rich.table import Table


@dataclasses.dataclass(frozen=True)
class TuningResult:
    """The trials of a tuning and how they compare.

    Attributes:
        spec: what was tuned.
        trials: in the order of their ids; also those that failed or are running.
        directory: where they are recorded.
    """

    spec: TuningSpec
    trials: Sequence[TuningTrial]
    directory: Path

    @classmethod
    def load(cls, directory: str | Path) -> TuningResult:
        """What is recorded in a directory so far, also while someone is tuning there.

        Raises:
            StudyError: there is no tuning, or it is damaged.
        """
        directory = Path(directory).absolute()
        settings = read_settings(directory)
        known = {field.name for field in dataclasses.fields(TuningSpec)} & settings.keys()
        return cls(load_spec({name: settings[name] for name in known}), tuple(read_trials(directory).values()), directory)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return self.spec.parameters

    @property
    def ranking(self) -> list[TuningTrial]:
        """The trials with a result, best first, those stopped early among them; of equals the earlier."""
        objective = Objective(self.spec.metric, self.spec.goal)
        return sorted((trial for trial in self.trials if trial.has_result), key=lambda trial: -objective.score(trial.value))

    @property
    def best(self) -> TuningTrial | None:
        """The best trial; None: none has a result."""
        return next(iter(self.ranking), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: settings, trials, and the best trial's id."""
        trials = [trial.to_json() for trial in self.trials]
        best = self.best.id if self.best else None
        return {**self.spec.to_dict(), "directory": str(self.directory), "best": best, "trials": trials}

    def table(self) -> Table:
        """A rich table, the best trials first, then those without a result with the reason."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        spec = self.spec
        title = f"Trials: {spec.goal} {spec.metric}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        ranking = self.ranking
        trials = ranking + [trial for trial in self.trials if trial not in ranking]
        rows = [self._cells(trial) for trial in trials]
        for place, heading in enumerate(("trial", spec.metric, *spec.parameters, "s")):
            width = max((len(row[place]) for row in rows), default=0)  # in a narrow terminal headings are folded, not numbers
            table.add_column(Text(heading), justify="right", overflow="fold", min_width=width)
        table.add_column("state", overflow="fold", min_width=max((len(trial.state) for trial in trials), default=0))
        for trial, row in zip(trials, rows, strict=True):
            state = f"{trial.state}: {trial.reason}" if trial.reason else trial.state
            table.add_row(*map(Text, [*row, state]), style="bold green" if trial is self.best else "")
        return table

    def _cells(self, trial: TuningTrial) -> list[str]:
        value = "" if math.isnan(trial.value) else f"{trial.value:.6g}"
        values = (_short(trial.values[name]) if name in trial.values else "-" for name in self.parameters)
        return [str(trial.id), value, *values, f"{trial.seconds:.1f}"]

    def to_csv(self, path: str | Path) -> None:
        """Writes one line a trial: id, state, metric, parameters (empty: the trial had none), seconds, reports, reason."""
        import csv

        spec = self.spec
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["trial", "state", spec.metric, *spec.parameters, "seconds", "reports", "reason"])
            for trial in self.trials:
                values = [to_flag(trial.values[name]) if name in trial.values else "" for name in spec.parameters]
                value = repr(trial.value) if trial.has_result else ""
                ending = [f"{trial.seconds:.3f}", len(trial.reports), trial.reason]
                writer.writerow([trial.id, trial.state, value, *values, *ending])

    def to_tensorboard(self, folder: str | Path) -> None:
        """Writes event files for TensorBoard's HParams and Scalars tabs."""
        from trainer.tuning.tensorboard import write_hparams

        write_hparams(self, folder)

    def save(self) -> list[Path]:
        """Writes results.csv, results.svg (where a trial has a result) and tensorboard/ beside the trials; their paths."""
        made = [self.directory / "results.csv", self.directory / "tensorboard"]
        self.to_csv(made[0])
        self.to_tensorboard(made[1])
        if self.best is not None:
            made.insert(1, self.directory / "results.svg")
            self.plot(made[1])
        return made

    def plot(self, path: str | Path) -> None:
        """Writes a parallel-coordinates plot, its format by the path's ending (.svg, .png)."""
        from trainer.tuning.plots import plot_parallel_coordinates

        plot_parallel_coordinates(self, path)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else to_flag(value)
