"""Trials of a job in the cloud as rows, the same for tuning and for architecture search: ranked, as a table, as a result."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.tuning.ledger import TuningTrial
from trainer.tuning.parameters import Integer
from trainer.tuning.reports import Report
from trainer.tuning.result import TuningResult
from trainer.tuning.spec import load_spec

if TYPE_CHECKING:
    from rich.table import Table

ENDED_STATES = ("SUCCEEDED", "INFEASIBLE")
LONGEST_TEXT = 60


@dataclasses.dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        id: from 1, in each stage.
        stage: "tune", "search" or "train".
        state: as Vertex AI names it: REQUESTED, ACTIVE, STOPPING, SUCCEEDED, INFEASIBLE.
        metrics: of its final measurement.
        parameters: name -> value.
        steps: of its final measurement.
        seconds: from start to end, or to now; None: not begun.
        reason: why it is infeasible, where the service says.
        search_id: of the train stage: the search trial whose architecture it trains.
        trained: of the search stage: the metrics that full training came to; {}: it was not trained, or not yet.
    """

    id: int
    stage: str
    state: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, Any]
    steps: int = 0
    seconds: float | None = None
    reason: str = ""
    search_id: int | None = None
    trained: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED_STATES

    def to_json(self) -> dict[str, Any]:
        numbers = {"metrics": self.metrics, "trained": self.trained}
        plain = {key: {name: _plain(value) for name, value in found.items()} for key, found in numbers.items()}
        return dataclasses.asdict(self) | plain


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a job's trials report, and which way it is better."""

    id: str
    goal: str

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Metric:
        """A job's own; Vertex AI maximizes where nothing is said."""
        if "studySpec" in job:
            found = job["studySpec"]["metrics"][0]
        else:
            found = job.get("nasJobSpec", {}).get("multiTrialAlgorithmSpec", {}).get("metric", {})
        return cls(found.get("metricId", ""), "minimize" if found.get("goal") == "MINIMIZE" else "maximize")

    def value(self, row: TrialRow) -> float:
        """NaN where it was not reported."""
        if not self.id:
            return next(iter(row.metrics.values()), math.nan)
        return row.metrics.get(self.id, math.nan)

    def ranking(self, rows: Iterable[TrialRow]) -> list[TrialRow]:
        """Those that succeeded, best first; of equals the earlier. Full training does not compete with the search's proxy."""
        sign = 1 if self.goal == "minimize" else -1
        finite = [row for row in rows if row.state == "SUCCEEDED" and row.stage != "train" and math.isfinite(self.value(row))]
        return sorted(finite, key=lambda row: (sign * self.value(row), row.id))


def read_rows(trials: Iterable[Mapping[str, Any]], now: float | None = None) -> list[TrialRow]:
    """Rows of a tuning's `trials`, or of `NasTrialDetail`s: search trials first, then those trained."""
    found: list[TrialRow] = []
    for trial in trials:
        if "id" in trial:
            given = {entry["parameterId"]: entry.get("value") for entry in trial.get("parameters", [])}
            found.append(_row(trial, "tune", given, now))
            continue
        parameters = _read_parameters(trial.get("parameters", ""))
        search = _row(trial.get("searchTrial", {"id": trial_id(trial)}), "search", parameters, now)
        if "trainTrial" in trial:
            train = dataclasses.replace(_row(trial["trainTrial"], "train", parameters, now), search_id=search.id)
            search = dataclasses.replace(search, trained=train.metrics)
            found.append(train)
        found.append(search)
    return sorted(found, key=lambda row: (("tune", "search", "train").index(row.stage), row.id))


def rows_table(rows: Sequence[TrialRow], metric: Metric, title: str) -> Table:
    """A rich table in the order of the rows."""
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row.parameters))
    columns: dict[str, list[str]] = {"trial": [str(row.id) for row in rows]}
    if any(row.search_id for row in rows):
        columns["trains"] = [f"search trial {row.search_id}" if row.search_id else "" for row in rows]
    columns[metric.id or "metric"] = [_number(metric.value(row)) for row in rows]
    for name in dict.fromkeys(name for row in rows for name in row.metrics if name != metric.id):
        columns[name] = [_number(row.metrics.get(name, math.nan)) for row in rows]
    if any(row.trained for row in rows):
        columns[f"{metric.id}, trained"] = [_number(row.trained.get(metric.id, math.nan)) for row in rows]
    columns["s"] = ["" if row.seconds is None else f"{row.seconds:.0f}" for row in rows]
    columns["state"] = [f"{row.state.lower()}: {row.reason}" if row.reason else row.state.lower() for row in rows]
    if any(row.stage != "tune" for row in rows):  # an architecture's decisions: one cell for all
        columns["decisions"] = [_decisions(row) for row in rows]
    else:
        columns |= {name: [_short(row.parameters.get(name, "")) for row in rows] for name in names}
    table = Table(title=title, title_justify="left")
    for heading in columns:
        is_text = heading in ("trains", "state", "decisions")
        table.add_column(Text(heading), justify="left" if is_text else "right", overflow="fold")
    best = next(iter(metric.ranking(rows)), None)
    for row, *cells in zip(rows, *columns.values(), strict=True):
        table.add_row(*map(Text, cells), style="bold green" if row is best else "")
    return table


def tuning_result(request: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], directory: Path) -> TuningResult:
    """A tuning's trials in the cloud as those of a tuning here: the same table, ranking and picture.

    Args:
        request: the HyperparameterTuningJob as it was sent. (As the service shows it, zeros are left out.)
        trials: as the service shows them.
        directory: where they are kept.
    """
    spec = load_spec(request)
    states = {"SUCCEEDED": "succeeded", "INFEASIBLE": "infeasible"}
    found = []
    for trial, row in zip(sorted(trials, key=lambda trial: int(trial["id"])), read_rows(trials), strict=True):
        values = {
            name: int(value) if isinstance(spec.parameters.get(name), Integer) else value  # the API makes doubles of them
            for name, value in row.parameters.items()
        }
        found.append(
            TuningTrial(
                row.id,
                values,
                states.get(row.state, "running"),  # type: ignore[arg-type]
                value=row.metrics.get(spec.metric, math.nan),
                reports=_reports(trial.get("measurements", []), spec.metric),
                reason=row.reason,
                started=time_of(trial.get("startTime")) or 0.0,
                seconds=row.seconds or 0.0,
            )
        )
    return TuningResult(spec, tuple(found), directory)


def seconds_of(job: Mapping[str, Any], now: float | None = None) -> float:
    """How long a job or a trial ran, as the API shows it, in seconds; of one that runs, until now. 0: it was not begun."""
    start, end = time_of(job.get("startTime")), time_of(job.get("endTime"))
    return 0.0 if start is None else max(0.0, (end or now or start) - start)


def time_of(text: str | None) -> float | None:
    """Seconds since the epoch of the API's "2026-01-02T03:04:05.678901234Z"."""
    if not text:
        return None
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")


def trial_id(trial: Mapping[str, Any]) -> str:
    """A trial's id, as text: of a tuning's own, or of the search trial that a `NasTrialDetail` is about."""
    return str(trial["id"]) if "id" in trial else trial["name"].rpartition("/")[2]


def _row(trial: Mapping[str, Any], stage: str, parameters: Mapping[str, Any], now: float | None) -> TrialRow:
    final = trial.get("finalMeasurement", {})
    return TrialRow(
        id=int(trial["id"]),
        stage=stage,
        state=trial.get("state", "STATE_UNSPECIFIED"),
        metrics={entry["metricId"]: float(entry.get("value", 0.0)) for entry in final.get("metrics", [])},
        parameters=parameters,
        steps=int(final.get("stepCount", 0)),
        seconds=seconds_of(trial, now) if trial.get("startTime") else None,
        reason=trial.get("infeasibleReason", ""),
    )


def _read_parameters(text: str) -> dict[str, Any]:
    """A `NasTrialDetail`'s parameters: JSON text of decision -> value, in Vertex's notation."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"parameters": text}
    return found if isinstance(found, dict) else {"parameters": text}


def _reports(measurements: Iterable[Mapping[str, Any]], metric: str) -> tuple[Report, ...]:
    found = []
    for measurement in measurements:
        for entry in measurement.get("metrics", []):
            if entry["metricId"] == metric:
                found.append(Report(float(entry.get("value", 0.0)), int(measurement.get("stepCount", 0)), 0.0))
    return tuple(found)


def _decisions(row: TrialRow) -> str:
    text = ", ".join(f"{name}={value}" for name, value in row.parameters.items())
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
