"""The kinds of jobs that Vertex AI runs for us, by the collection's name in a job's resource name.

kind_of("projects/P/locations/R/nasJobs/17")        # "nasJobs"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nas.errors import UserError


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of job: how the client calls its message and its methods."""

    message: str
    stem: str


KINDS: Mapping[str, Kind] = {
    "customJobs": Kind("CustomJob", "custom_job"),
    "hyperparameterTuningJobs": Kind("HyperparameterTuningJob", "hyperparameter_tuning_job"),
    "nasJobs": Kind("NasJob", "nas_job"),
}

ENDED = (
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
)
"""The states that a job does not leave."""


def kind_of(name: str) -> str:
    """The kind of job that a resource name speaks of.

    Raises:
        UserError: it is no job's name.
    """
    parts = name.split("/")
    if len(parts) < 6 or parts[0] != "projects" or parts[2] != "locations" or parts[4] not in KINDS:
        expected = f"projects/PROJECT/locations/REGION/{'|'.join(KINDS)}/ID"
        raise UserError(f"{name!r} is no job", path="job", received=name, expected=expected)
    return parts[4]
