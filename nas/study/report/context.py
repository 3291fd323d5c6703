"""From a study to what its report shows. Each function makes one section, or None where there is nothing to show yet.

Beside the trials it reads what `nas search` keeps in the study's notes and stages, all of it plain JSON:

    notes     check: facts of the space      baselines: name -> measurements
    stages    winner: the chosen trial       tuning: trials, best, metric, goal
              training: rows, one a network; images, an .npz beside the study; exports, files with the difference found on
              reloading
"""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.study.objective import Objective, minimize
from nas.study.report import plots
from nas.study.report.facts import facts_of_space
from nas.study.results import comparable, pareto_front, table_columns
from nas.study.trial import Measurement, Trial

SHOWN = 400  # rows of the trial table; the store has them all


def page_context(study: Any, space: Any, title: str, commands: str) -> dict[str, Any]:
    """Everything the template needs."""
    stages = {name: stage.payload for name, stage in study.stages.items() if stage.state == "completed"}
    return {
        "title": title,
        "subtitle": _subtitle(study),
        "facts": _facts(study),
        "results": _results(stages.get("training")),
        "images": _images(study, stages.get("training")),
        "curve": _curve(study),
        "scatter": _scatter(study),
        "drawings": _drawings(study, space, stages),
        "tuning": _tuning(stages.get("tuning")),
        "space": _space(study.notes.get("check")),
        "exports": _exports(stages.get("training")),
        "trials": _trials(study),
        "commands": commands or f"nas report {study.directory}",
    }


def _subtitle(study: Any) -> str:
    goals = [str(o) for o in study.objectives] + [f"subject to {c}" for c in study.constraints]
    written = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return f"{', '.join(goals)} · written {written}"


def _facts(study: Any) -> list[tuple[str, str]]:
    states: dict[str, int] = {}
    for trial in study.trials:
        states[trial.state] = states.get(trial.state, 0) + 1
    best = study.best()
    objective = study.objectives[0]
    facts = [("trials", str(len(study.trials)))] + [(state, str(n)) for state, n in sorted(states.items())]
    if best:
        facts.append((f"best {objective.metric}", f"{objective.value_of(best):.4g}"))
    return facts


def _results(training: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not training:
        return None
    choosing, held_out = training["metric"], training["held_out"]
    rows = training["rows"]
    better = max if training.get("goal") == "maximize" else min
    best = better((r[choosing] for r in rows if r.get(choosing) is not None), default=None)
    heads = [
        "network",
        f"{choosing} (chosen by)",
        f"{held_out} (held out)",
        "latency",
        "FLOPs",
        "parameters",
        "hyperparameters",
    ]
    return {
        "heads": heads,
        "rows": [
            {
                "best": row.get(choosing) == best,
                "cells": [
                    row["name"],
                    _number(row.get(choosing)),
                    _number(row.get(held_out)),
                    _measured(row.get("latency_ms")),
                    _count(row.get("flops")),
                    f"{row['params']:,}" if row.get("params") else "-",
                    row.get("hyperparameters") or "-",
                ],
            }
            for row in rows
        ],
        "note": training.get("note", ""),
    }


def _images(study: Any, training: Mapping[str, Any] | None) -> dict[str, Any] | None:
    path = Path(study.directory) / training["images"] if training and training.get("images") else None
    if path is None or not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        columns = {label: stored[f"column{i}"] for i, label in enumerate(stored["labels"].tolist())}
    return {"picture": plots.image_grid(columns), "note": "Examples that were held out from training and from every choice."}


def _curve(study: Any) -> str | None:
    if not any(t.state == "completed" for t in study.trials):
        return None
    objective = study.objectives[0]
    values = {f"baseline {name}": objective.value_in(point) for name, point in _baselines(study).items()}
    levels = {name: value for name, value in values.items() if not math.isnan(value)}
    return plots.best_so_far(comparable(study.trials), objective, levels)


def _baselines(study: Any) -> dict[str, dict[str, Measurement]]:
    """What was measured of the space's baselines, by name."""
    stored = study.notes.get("baselines", {})
    return {name: {m: Measurement.from_json(found) for m, found in point.items()} for name, point in stored.items()}


def _scatter(study: Any) -> dict[str, Any] | None:
    objective, costs = study.objectives[0], []
    if objective.reward:  # its parts against each other say more than the sum against one of them
        costs = [metric for metric, _ in objective.reward.targets]
        objective = Objective(objective.reward.quality, objective.goal)
    bounds = {c.metric: c.bound for c in study.constraints}
    candidates = [*costs, *(m for o in study.objectives[1:] for m in o.metrics), *bounds, "latency_ms", "flops"]
    measured = {m for t in study.trials if t.state == "completed" for m in t.measurements}
    x_metric = next((m for m in candidates if m in measured), None)
    if x_metric is None:
        return None
    marks = {
        f"baseline {name}": (point[x_metric].value, point[objective.metric].value)
        for name, point in _baselines(study).items()
        if {x_metric, objective.metric} <= set(point)
    }
    front = pareto_front(study.trials, [objective, minimize(x_metric)])
    shown = [*(t for t in study.trials if t.state != "completed"), *comparable(study.trials)]
    return {
        "title": f"{objective.metric} against {x_metric}",
        "picture": plots.trade_off(shown, front, objective, x_metric, bounds.get(x_metric), marks),
    }


def _drawings(study: Any, space: Any, stages: Mapping[str, Any]) -> list[dict[str, Any]]:
    if space is None or not space.is_network:
        return []
    shown: list[tuple[str, Any]] = []
    winner = stages.get("winner")
    best = study.best()
    if winner:
        shown.append((f"Winner (trial {winner['trial']})", space.architecture(winner["decisions"])))
    elif best:
        shown.append((f"Best so far (trial {best.id})", space.architecture(best.decisions)))
    shown += [(f"Baseline {name}", space.baselines[name]) for name in space.baselines]
    drawings = []
    for title, architecture in shown:
        cost = architecture.cost()
        note = f"{_count(cost.flops)}FLOPs, {cost.params:,} parameters, fingerprint {architecture.fingerprint[:12]}"
        drawings.append({"title": title, "note": note, "picture": plots.svg_uri(architecture.draw(title))})
    return drawings


def _tuning(tuning: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not tuning or not tuning["trials"]:
        return None
    names = sorted({name for row in tuning["trials"] for name in row["parameters"]})
    best = tuning.get("best") or {}
    return {
        "heads": ["trial", *names, tuning["metric"], "state"],
        "rows": [
            {
                "best": row["id"] == best.get("id"),
                "cells": [
                    row["id"],
                    *(_number(row["parameters"].get(n)) for n in names),
                    _number(row.get("value")),
                    row["state"],
                ],
            }
            for row in tuning["trials"]
        ],
        "note": f"{tuning['goal']} {tuning['metric']}, {len(tuning['trials'])} trials, {tuning['algorithm']}. {tuning['note']}",
        "picture": plots.tuning_plot(tuning["trials"], tuning["metric"], tuning["goal"]),
    }


def _space(check: Mapping[str, Any] | None) -> list[tuple[str, str]] | None:
    return list(facts_of_space(check).items()) if check else None


def _exports(training: Mapping[str, Any] | None) -> list[dict[str, str]] | None:
    if not training:
        return None
    return [
        {
            "format": row["format"],
            "path": row["path"],
            "size": f"{row['bytes'] / 2**20:.2f} MiB",
            "difference": f"{row['max_difference']:.1e}",
            "tolerance": f"{row['tolerance']:.0e}",
        }
        for row in training["exports"]
    ]


def _trials(study: Any) -> dict[str, Any]:
    columns = table_columns(study.objectives, study.constraints, study.trials)
    seen = {m for t in study.trials for m in t.measurements}
    columns |= {m: functools.partial(Trial.value, metric=m) for m in ("flops", "params") if m in seen and m not in columns}
    best = study.best()
    rows = [
        {
            "id": t.id,
            "state": t.state,
            "best": best is not None and t.id == best.id,
            "cells": [(_count if m in ("flops", "params") else _number)(value_of(t)) for m, value_of in columns.items()],
            "reason": t.reason.strip().splitlines()[-1] if t.reason else "",
        }
        for t in study.trials[-SHOWN:]
    ]
    return {"metrics": list(columns), "rows": rows}


def _number(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(value: Any) -> str:
    if value is None or value != value:
        return "-"
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {letter}"
    return f"{value:.3g}"


def _measured(measurement: Mapping[str, Any] | None) -> str:
    if not measurement:
        return "-"
    spread = measurement.get("spread")
    return f"{float(measurement['value']):.3g}" + (f" ± {spread:.1g}" if spread else "") + f" {measurement.get('unit', '')}"
