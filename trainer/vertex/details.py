"""Trials as Vertex AI lists them: NasTrialDetail, one for each search trial, with its stage-2 trial beside it.

    {"name": "nasJobs/first/nasTrialDetails/1", "parameters": "{\\"enc0\\": \\"1/3 (2)\\"}",
     "searchTrial": {"id": "1", "state": "SUCCEEDED", "finalMeasurement": {...}, "startTime": ..., "endTime": ...},
     "trainTrial": {...}}

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.nasJobs.nasTrialDetails
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from trainer.vertex.job_ledger import NasTrial


def trial_detail(search: NasTrial, train: NasTrial | None, metric: str, job: str) -> dict[str, Any]:
    """NasTrialDetail of a search trial.

    Args:
        search: the trial.
        train: its stage-2 trial; None: there is none.
        metric: the name of what they report.
        job: the job's resource name, or any name in its place.
    """
    name, parameters = f"{job}/nasTrialDetails/{search.id}", json.dumps(dict(search.params))
    detail = {"name": name, "parameters": parameters, "searchTrial": as_nas_trial(search, metric)}
    return detail if train is None else detail | {"trainTrial": as_nas_trial(train, metric)}


def as_nas_trial(trial: NasTrial, metric: str) -> dict[str, Any]:
    """NasTrial: id, state, times, and the final measurement once there is one."""
    plain: dict[str, Any] = {"id": str(trial.id), "state": trial.state}
    if trial.measurement is not None:
        values = {metric: trial.value, **trial.other_metrics}
        plain["finalMeasurement"] = {
            "elapsedDuration": f"{max(0.0, (trial.end or 0.0) - (trial.start or 0.0)):.3f}s",
            "stepCount": str(trial.measurement.step),
            "metrics": [{"metricId": name, "value": value} for name, value in values.items()],
        }
    plain |= {"startTime": _time(trial.start)} if trial.start is not None else {}
    return plain | ({"endTime": _time(trial.end)} if trial.end is not None else {})


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
