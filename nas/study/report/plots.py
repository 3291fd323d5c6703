"""Pictures of a study: best so far, accuracy against latency with the Pareto front, images beside each other.

Each function returns a data URI, so that a report is one file and a picture's ids never meet another's.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.study.objective import Objective
from nas.study.trial import Trial

INK, FAINT, ACCENT, SECOND, GOOD = "#1d2733", "#c3cbd4", "#0b6e4f", "#c2571a", "#2f6db5"


def best_so_far(trials: Sequence[Trial], objective: Objective, levels: Mapping[str, float]) -> str:
    """The objective of each completed trial in order of finishing, the best so far, and named levels to beat."""
    done = sorted((t for t in trials if t.state == "completed"), key=lambda t: t.finished or 0)
    figure, axes = _axes(5.6, 3.6)
    x = list(range(1, len(done) + 1))
    y = [objective.value_of(t) for t in done]
    best = np.minimum.accumulate(y) if objective.goal == "minimize" else np.maximum.accumulate(y)
    axes.plot(x, y, "o", color=FAINT, markersize=6, label="trial", zorder=3)
    axes.step(x, best, where="post", color=ACCENT, linewidth=2, label="best so far")
    for (name, value), colour in zip(levels.items(), (GOOD, SECOND, INK), strict=False):
        axes.axhline(value, color=colour, linestyle="--", linewidth=1, label=name)
    axes.set_xlabel("completed trials")
    axes.set_ylabel(objective.metric)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=9)
    return _svg(figure)


def trade_off(
    trials: Sequence[Trial],
    front: Sequence[Trial],
    objective: Objective,
    x_metric: str,
    bound: float | None,
    marks: Mapping[str, tuple[float, float]],
) -> str:
    """Objective against a second metric: every trial that has both, the Pareto front, the limit, and marked networks."""
    figure, axes = _axes(5.6, 3.6)
    shown = [t for t in trials if {x_metric, *objective.metrics} <= set(t.measurements)]
    points = [(t.value(x_metric), objective.value_of(t)) for t in shown]
    axes.plot(*_columns(points), "o", color=FAINT, markersize=6, label="trial")
    stairs = sorted((t.value(x_metric), objective.value_of(t)) for t in front)
    axes.plot(*_columns(stairs), "-o", color=ACCENT, markersize=6, linewidth=1.5, drawstyle="steps-post", label="Pareto front")
    for (name, (x, y)), colour in zip(marks.items(), (GOOD, INK, SECOND), strict=False):
        axes.plot([x], [y], "*", color=colour, markersize=14, label=name)
    outside = [t.value(x_metric) for t in trials if t.state == "infeasible" and x_metric in t.measurements]
    if outside:
        low, high = axes.get_ylim()
        axes.plot(outside, [low] * len(outside), "|", color=SECOND, markersize=12, label="over the limit: not trained")
        axes.set_ylim(low, high)
    if bound is not None:
        axes.axvline(bound, color=SECOND, linestyle="--", linewidth=1, label=f"limit {bound:.3g}")
    axes.set_xlabel(x_metric)
    axes.set_ylabel(objective.metric)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)
    return _svg(figure)


def tuning_plot(rows: Sequence[Mapping[str, Any]], metric: str, goal: str) -> str:
    """The metric of each tuning trial in order, best marked."""
    figure, axes = _axes(7.2, 2.8)
    points = [(row["id"], row["value"]) for row in rows if isinstance(row.get("value"), int | float)]
    axes.plot(*_columns(points), "o", color=FAINT, markersize=7)
    if points:
        best = (min if goal == "minimize" else max)(points, key=lambda p: p[1])
        axes.plot(*best, "o", color=ACCENT, markersize=9, label=f"best: trial {best[0]}")
        axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("tuning trial")
    axes.set_ylabel(metric)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return _svg(figure)


def image_grid(columns: Mapping[str, np.ndarray], low: float = -1.0, high: float = 1.0) -> str:
    """Images side by side: one labelled column for each entry, one row for each example.

    Args:
        columns: label -> `(n, height, width, 1 or 3)`.
        low, high: the values shown as black and white.
    """
    from matplotlib.figure import Figure

    rows = min(len(images) for images in columns.values())
    figure = Figure(figsize=(1.5 * len(columns), 1.5 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for c, (label, images) in enumerate(columns.items()):
        for r in range(rows):
            image = np.clip((images[r] - low) / (high - low), 0, 1)
            grid[r][c].imshow(np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image, interpolation="nearest")
            grid[r][c].set_axis_off()
        grid[0][c].set_title(label, fontsize=9, color=INK)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def svg_uri(svg: str) -> str:
    """SVG text as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # the object interface: no pyplot, no global state, no display

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eef1f4")
    axes.set_axisbelow(True)
    return figure, axes


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _svg(figure: Any) -> str:
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "espalier"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return svg_uri(out.getvalue())
