"""Parallel coordinates: one vertical axis a parameter, one line a trial, from its values to its result.

Good values show as axes where the dark lines meet. A line passes below the axis of a parameter that its trial does not have.
Inselberg 1985.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError
from trainer.tuning.parameters import Double, Parameter, to_flag

if TYPE_CHECKING:
    from trainer.tuning.result import TuningResult

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
BEST = "#1b7837"
BEHIND = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
"""What labels stand on, so that lines do not cross them out."""
NOT_THERE = -0.12
"""The height at which a line passes an axis that its trial does not have."""


def plot_parallel_coordinates(result: TuningResult, path: str | Path) -> None:
    """Writes the plot of the trials with a result; the best in bold. Axes use each parameter's scale, as the search did.

    Raises:
        UserError: no trial has a result.
    """
    import matplotlib
    from matplotlib.figure import Figure

    ranking, parameters = result.ranking, dict(result.parameters)
    if not ranking:
        raise UserError("no trial has a result", path=str(result.directory), hint="Look at the reasons in the table of trials")
    names = [*parameters, result.spec.metric]
    values = [trial.value for trial in ranking]
    scale = Double(min(values), max(values))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "espalier", "text.parse_math": False}):
        figure = Figure(figsize=(1.8 + 1.5 * len(names), 4), layout="constrained")
        lowest = NOT_THERE if any(len(trial.values) < len(parameters) for trial in ranking) else 0.0
        axes = figure.add_subplot(
            xlim=(-0.1, len(names) - 0.6), ylim=(lowest - 0.05, 1.05), xticks=range(len(names)), yticks=[]
        )
        axes.set_xticklabels(names)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        for rank, trial in reversed(list(enumerate(ranking))):
            heights = [
                parameter.position(trial.values[name]) if name in trial.values else NOT_THERE
                for name, parameter in parameters.items()
            ]
            color = BEST if rank == 0 else str(0.25 + 0.6 * rank / len(ranking))  # the worse, the lighter the gray
            axes.plot(range(len(names)), [*heights, scale.position(trial.value)], color=color, linewidth=1 if rank else 2.5)
        for place, axis in enumerate((*parameters.values(), scale)):
            axes.plot([place, place], [0, 1], color="black", linewidth=0.8)
            if isinstance(axis, Parameter) and axis.when is not None:
                axes.text(place + 0.04, NOT_THERE, "not there", fontsize=8, va="center", color="gray")
            for height, label in _ticks(axis):
                axes.text(place + 0.04, height, label, fontsize=8, va="center", bbox=BEHIND)
        figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)


def _ticks(axis) -> list[tuple[float, str]]:
    if axis.count is not None and axis.count <= len(TICKS):
        return [(axis.position(value), to_flag(value)) for value in axis.grid(len(TICKS))]
    return [(height, _short(axis.at(height))) for height in TICKS]


def _short(value: float | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) else to_flag(value)
