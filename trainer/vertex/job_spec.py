"""What a NAS job is to do: Vertex AI's NasJobSpec, read strictly, so that a mistake is found before anything runs or is sent.

    job = NasJobSpec.from_json(Path("nasjob.json").read_text())
    job.metric_id, job.goal, job.search.max_trial_count, job.search.job.args
    job.to_json()                                       # the same, in the API's own spelling

A whole NasJob, `{"displayName": ..., "nasJobSpec": {...}}`, is read too: what the API returns for a job.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/NasJobSpec
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nas.errors import UserError
from trainer.tuning.protocol import trial_environment
from trainer.vertex.messages import NAS_JOB_SPEC, read_message, text

Goal = Literal["maximize", "minimize"]
ALGORITHM = "multiTrialAlgorithmSpec"
MOST_TRIALS = 2**31 - 1
RETRAIN_FLAG = "--retrain_search_job_trials"


@dataclasses.dataclass(frozen=True)
class TrialJob:
    """How one trial is run: a CustomJobSpec, as far as a single machine is concerned.

    Attributes:
        image: the container image.
        command: its entry point; empty: the image's own.
        args: the user's flags.
        env: name -> value.
        timeout_s: how long a trial may run; None: as long as it likes.
        output: where output goes (`gs://bucket/job`); "": nowhere in particular.
        machines: how many a trial runs on.
    """

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    timeout_s: float | None
    output: str
    machines: int


@dataclasses.dataclass(frozen=True)
class SearchTrials:
    """Stage 1: up to `max_trial_count` trials, `max_parallel` at a time; the job fails at `max_failed` failures."""

    job: TrialJob
    max_trial_count: int
    max_parallel: int
    max_failed: int


@dataclasses.dataclass(frozen=True)
class TrainTrials:
    """Stage 2: after every `frequency` searched trials the top `top` are trained, `top` at a time."""

    job: TrialJob
    top: int
    frequency: int


@dataclasses.dataclass(frozen=True)
class NasJobSpec:
    """A job. Made by `from_json`.

    Attributes:
        message: the spec as plain JSON in camelCase, checked.
        display_name: of the job, where a whole NasJob was read.
    """

    message: Mapping[str, Any]
    display_name: str = ""

    @classmethod
    def from_json(cls, given: str | Mapping[str, Any]) -> NasJobSpec:
        """Reads a NasJobSpec or a NasJob, as text or as what JSON gave.

        Raises:
            UserError: not JSON, an unknown field, a wrong type, a count out of range, or a required field that is missing;
                `path` is that of the field.
        """
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError) as error:
                raise UserError(f"it is no JSON ({error})", path="the job", expected="a NasJobSpec") from None
        name = ""
        for wrapper in ("nasJobSpec", "nas_job_spec"):
            if isinstance(given, Mapping) and wrapper in given:
                name = text(given.get("displayName", given.get("display_name", "")), "displayName")
                given = given[wrapper]
        spec = cls(read_message(given, NAS_JOB_SPEC, ""), name)
        _check(spec.message)
        return spec

    def to_json(self) -> dict[str, Any]:
        """Plain JSON in camelCase; `from_json` takes it back."""
        return json.loads(json.dumps(self.message))

    def inherit(self, earlier: NasJobSpec) -> NasJobSpec:
        """This job where it resumes an earlier one: what it does not say is the earlier one's."""
        whole = {k: v for k, v in earlier.message.items() if k != "resumeNasJobId"}
        whole[ALGORITHM] = {**whole[ALGORITHM], **self.message.get(ALGORITHM, {})}
        return dataclasses.replace(self, message=whole)

    @property
    def resume_nas_job_id(self) -> str:
        """The job whose search goes on in this one; "": none."""
        return self.message.get("resumeNasJobId", "")

    @property
    def search_space_spec(self) -> str:
        """The space: a DNASpec template as JSON text; see `trainer.vertex.search_space`."""
        return self.message.get("searchSpaceSpec", "")

    @property
    def algorithm(self) -> str:
        """REINFORCEMENT_LEARNING or GRID_SEARCH."""
        found = self._algorithm_spec.get("multiTrialAlgorithm", "")
        return "GRID_SEARCH" if found == "GRID_SEARCH" else "REINFORCEMENT_LEARNING"

    @property
    def metric_id(self) -> str:
        """What trials report; "": nothing, as where all of them retrain trials of an earlier job."""
        return self._algorithm_spec.get("metric", {}).get("metricId", "")

    @property
    def goal(self) -> Goal:
        """Which way the metric is better; Vertex AI maximizes where nothing is said."""
        return "minimize" if self._algorithm_spec.get("metric", {}).get("goal") == "MINIMIZE" else "maximize"

    @functools.cached_property
    def search(self) -> SearchTrials:
        trials = self._algorithm_spec["searchTrialSpec"]
        most = trials["maxTrialCount"]
        failed = trials.get("maxFailedTrialCount", 0) or max(3, most // 3)
        return SearchTrials(_trial_job(trials["searchTrialJobSpec"]), most, trials["maxParallelTrialCount"], failed)

    @functools.cached_property
    def train(self) -> TrainTrials | None:
        """None: nothing is trained after the search."""
        trials = self._algorithm_spec.get("trainTrialSpec")
        if trials is None:
            return None
        return TrainTrials(_trial_job(trials["trainTrialJobSpec"]), trials["maxParallelTrialCount"], trials["frequency"])

    @property
    def _algorithm_spec(self) -> Mapping[str, Any]:
        if ALGORITHM not in self.message:
            problem, hint = f"it continues job {self.resume_nas_job_id}, whose spec is not known here", "Name that job"
            raise UserError(problem, path="resumeNasJobId", received=self.resume_nas_job_id, hint=hint)
        return self.message[ALGORITHM]


def _trial_job(custom: Mapping[str, Any]) -> TrialJob:
    container = custom["workerPoolSpecs"][0]["containerSpec"]
    timeout = custom.get("scheduling", {}).get("timeout")
    return TrialJob(
        image=container.get("imageUri", ""),
        command=tuple(container.get("command", ())),
        args=tuple(container.get("args", ())),
        env={variable["name"]: variable.get("value", "") for variable in container.get("env", ())},
        timeout_s=float(timeout.removesuffix("s")) if timeout else None,
        output=custom.get("baseOutputDirectory", {}).get("outputUriPrefix", ""),
        machines=sum(pool.get("replicaCount", 1) for pool in custom["workerPoolSpecs"] if pool),
    )


def _check(message: Mapping[str, Any]) -> None:
    """What the tables of fields do not say: what is required, what goes together, and ranges."""
    algorithm = message.get(ALGORITHM)
    resumes = "resumeNasJobId" in message
    if resumes:
        given = {"searchSpaceSpec": message, f"{ALGORITHM}.multiTrialAlgorithm": algorithm, f"{ALGORITHM}.metric": algorithm}
        for path, part in given.items():
            if part and path.rpartition(".")[2] in part:
                hint = "Leave it out, or leave out resumeNasJobId"
                raise UserError("it comes from the job that is resumed", path=path, hint=hint)
    elif not message.get("searchSpaceSpec"):
        raise _missing("searchSpaceSpec", "the space as JSON text, as pg.dna_spec(space).to_json_str() gives it")
    elif algorithm is None:
        raise _missing(ALGORITHM, "how to search")
    if algorithm is None:
        return
    search, path = algorithm.get("searchTrialSpec"), f"{ALGORITHM}.searchTrialSpec"
    if search is not None:
        _check_count(search, f"{path}.maxTrialCount", least=1)
        _check_count(search, f"{path}.maxParallelTrialCount", least=1)
        _check_count(search, f"{path}.maxFailedTrialCount", least=0, default=0)
        _check_job(search, f"{path}.searchTrialJobSpec")
    elif not resumes:
        raise _missing(path, "how search trials are run")
    train, path = algorithm.get("trainTrialSpec"), f"{ALGORITHM}.trainTrialSpec"
    if train is not None:
        _check_count(train, f"{path}.maxParallelTrialCount", least=1)
        _check_count(train, f"{path}.frequency", least=1)
        _check_job(train, f"{path}.trainTrialJobSpec")
    if not resumes:
        _check_metric(algorithm)


def _check_count(trials: Mapping[str, Any], path: str, least: int, default: int | None = None) -> None:
    count = trials.get(path.rpartition(".")[2], default)
    if count is None:
        raise _missing(path, "a whole number")
    if not least <= count <= MOST_TRIALS:
        raise UserError(f"{count} does not fit", path=path, received=count, expected=f"a whole number from {least}")


def _check_job(trials: Mapping[str, Any], path: str) -> None:
    custom = trials.get(path.rpartition(".")[2])
    if custom is None:
        raise _missing(path, "a CustomJobSpec")
    pools = custom.get("workerPoolSpecs") or [{}]
    place = f"{path}.workerPoolSpecs[0]"
    if "containerSpec" not in pools[0]:
        raise _missing(f"{place}.containerSpec", "imageUri, command, args")
    reserved = trial_environment(Path(), 1, "").keys()
    for i, variable in enumerate(pools[0]["containerSpec"].get("env", ())):
        name, where = variable.get("name", ""), f"{place}.containerSpec.env[{i}].name"
        if not name or "=" in name or "\0" in name + variable.get("value", ""):
            raise UserError(f"{name!r} does not name a variable", path=where, received=name, expected="a name")
        if name in reserved:
            raise UserError(f"{name} is set for each trial", path=where, received=name, hint="Leave it out")


def _check_metric(algorithm: Mapping[str, Any]) -> None:
    path = f"{ALGORITHM}.metric.metricId"
    metric = algorithm.get("metric", {}).get("metricId", "")
    custom = algorithm["searchTrialSpec"]["searchTrialJobSpec"]
    args: Sequence[str] = custom["workerPoolSpecs"][0]["containerSpec"].get("args", ())
    if not metric and not any(arg.split("=")[0] == RETRAIN_FLAG for arg in args):
        raise _missing(path, "the name under which trials report")
    if re.search(r"\s", metric):
        raise UserError(f"{metric!r} has white space", path=path, received=metric, expected="a name without")


def _missing(path: str, expected: str) -> UserError:
    return UserError("it is missing", path=path, expected=expected)
