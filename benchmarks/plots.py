"""Curves with bands: a panel for each problem, a line for each controller, ours solid and peers dashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.problems import Milliseconds, Problem
from benchmarks.rows import Row, interval
from benchmarks.sections import OURS

COLUMNS = 2
SMALLEST = 0.01  # regret that is told from none
SETTLED = 10  # queries after which a curve without a known end is worth looking at


def plot(found: Sequence[tuple[Problem, Sequence[Row]]], file: Path) -> None:
    """Mean scores over queries, or the regret where the best is known, with 95% bands."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    size = (6.2 * columns + 2, 4.2 * lines)
    figure, axes = pyplot.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    names = [row.controller for _, rows in found for row in rows]
    colours = _colours(names, pyplot.get_cmap("tab10"), pyplot.get_cmap("Dark2"))
    named: dict[str, Any] = {}
    for axis, (problem, rows) in zip(axes.flat, found, strict=False):
        for row in rows:
            line = _draw(axis, problem, row, colours[row.controller])
            named.setdefault(row.controller, line)
        _label(axis, problem)
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    order = sorted(named, key=lambda name: (name in peers.NAMES, name))
    figure.legend(handles=[named[name] for name in order], loc="outside right upper", fontsize="small")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _draw(axis, problem: Problem, row: Row, colour):  # type: ignore[no-untyped-def]
    queries = np.arange(1, row.curves.shape[1] + 1)
    best = problem.scoring.best
    values = row.curves if best is None else best - row.curves
    shown = np.isfinite(values).all(axis=0)  # under a limit, only from where every seed has something feasible
    bounds = np.array([interval(column, resamples=300) for column in values[:, shown].T]).reshape(-1, 2)
    style = "--" if row.controller in peers.NAMES else "-"
    mean = values[:, shown].mean(axis=0)
    (line,) = axis.plot(queries[shown], mean, style, color=colour, linewidth=1.4, label=row.controller)
    axis.fill_between(queries[shown], bounds[:, 0], bounds[:, 1], alpha=0.12, color=colour, linewidth=0)
    return line


def _label(axis, problem: Problem) -> None:  # type: ignore[no-untyped-def]
    scoring = problem.scoring
    axis.set_title(problem.name, fontsize="medium")
    axis.set_xlabel("trial" if isinstance(scoring, Milliseconds) else "queries")
    if isinstance(scoring, Milliseconds):
        axis.set_ylabel("ms of ask and tell")
        axis.set_yscale("log")
    elif scoring.best is None:
        axis.set_ylabel("best so far")
        settled = [line.get_ydata()[SETTLED:] for line in axis.get_lines()]
        axis.set_ylim(bottom=min((float(values.min()) for values in settled if values.size), default=None))
    else:
        axis.set_ylabel("regret")
        axis.set_yscale("symlog", linthresh=SMALLEST)
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)


def _colours(names: Sequence[str], ours, theirs) -> Mapping[str, Any]:  # type: ignore[no-untyped-def]
    """The same colour for a controller in all plots; one with settings of its own comes after those that are known."""
    known = [*OURS, *sorted(set(names) - set(OURS) - set(peers.NAMES))]
    found = {name: theirs(i % theirs.N) for i, name in enumerate(peers.NAMES)}
    return found | {name: ours(i % ours.N) for i, name in enumerate(known)}
