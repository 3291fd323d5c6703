"""What a tuning found: its trials, the best of them, as a table, as JSON, as a picture."""

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
        """The trials that succeeded, best first; of equals the earlier."""
        objective = Objective(self.spec.metric, self.spec.goal)
        succeeded = [trial for trial in self.trials if trial.state == "succeeded"]
        return sorted(succeeded, key=lambda trial: -objective.score(trial.value))

    @property
    def best(self) -> TuningTrial | None:
        """The best trial; None: none succeeded."""
        return next(iter(self.ranking), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: settings, trials, and the best trial's id."""
        trials = [trial.to_json() for trial in self.trials]
        best = self.best.id if self.best else None
        return {**self.spec.to_dict(), "directory": str(self.directory), "best": best, "trials": trials}

    def table(self) -> Table:
        """A rich table, the best trials first, then those without a result with the reason."""
        from rich.table import Table
        from rich.text import Text

        spec = self.spec
        table = Table(title=f"{len(self.trials)} trials, {spec.goal} {spec.metric}", title_justify="left")
        for heading in ("trial", spec.metric, *spec.parameters, "s", "state"):
            table.add_column(Text(heading), justify="left" if heading == "state" else "right", overflow="fold")
        ranking = self.ranking
        for trial in ranking + [trial for trial in self.trials if trial not in ranking]:
            value = "" if math.isnan(trial.value) else f"{trial.value:.6g}"
            state = f"{trial.state}: {trial.reason}" if trial.reason else trial.state
            cells = [str(trial.id), value, *map(_short, (trial.values.get(name, "") for name in spec.parameters))]
            style = "bold green" if ranking and trial is ranking[0] else ""
            table.add_row(*map(Text, [*cells, f"{trial.seconds:.1f}", state]), style=style)
        return table

    def plot(self, path: str | Path) -> None:
        """Writes a parallel-coordinates plot, its format by the path's ending (.svg, .png)."""
        from trainer.tuning.plots import plot_parallel_coordinates

        plot_parallel_coordinates(self, path)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else to_flag(value)
