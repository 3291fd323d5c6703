"""A design as a picture: each candidate against full training, one dot an architecture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from evaluators.proxy_design.design import Design, Finding

COLUMNS = 4
GREEN, GRAY, RED = "#1b7837", "#7f7f7f", "#b2182b"
COLOURS = {"passed": GREEN, "no cheaper": GREEN, "not shown": GRAY, "out": RED}


def draw_design(design: Design, path: Path) -> None:
    """Writes a PNG: a panel for each candidate, ranks on both axes (best at the top right), the chosen one first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = sorted(design.findings, key=lambda finding: (finding is not design.chosen, finding.seconds))
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(3.1 * columns, 3.3 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    for number, finding in enumerate(shown):
        axes = figure.add_subplot(rows, columns, number + 1)
        _panel(axes, design, finding)
    chosen = design.chosen.proxy.name if design.chosen else "none passed"
    figure.suptitle(
        f"Chosen: {chosen}. Wanted: tau at least {design.rules.at_least:g} at an error of {design.rules.alpha:g} in all"
    )
    figure.supxlabel(f"rank by full training ({design.full.name}), best on the right")
    figure.supylabel("rank by the proxy, best on top")
    figure.savefig(path, dpi=110)


def _panel(axes, design: Design, finding: Finding) -> None:
    from scipy.stats import rankdata

    full = design.full
    truth = [full.score(float(reference["value"])) for reference in design.references][: len(finding.values)]
    scores = np.nan_to_num([finding.proxy.score(value) for value in finding.values], nan=-np.inf)
    axes.plot(rankdata(truth), rankdata(scores), "o", color=COLOURS[finding.verdict], markersize=5, alpha=0.8)
    n = len(truth)
    axes.plot([1, n], [1, n], color="#cccccc", linewidth=1, zorder=0)
    agreed = finding.agreement
    interval = f"tau {agreed.tau:.2f} ({agreed.low:.2f} to {agreed.high:.2f})"
    axes.set_title(f"{finding.proxy.name}\n{interval}, {finding.seconds:.3g} s, {finding.verdict}", fontsize=8)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
