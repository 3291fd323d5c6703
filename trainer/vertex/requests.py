"""The jobs that are sent to Vertex AI, as the REST API's JSON: who trains (`Workers`), and what is asked for.

    workers = Workers("europe-docker.pkg.dev/p/r/trainer:1", "gs://my-bucket/runs", accelerator="NVIDIA_TESLA_T4:1")
    nas_job("first", workers, space_spec, Search("reward", "maximize", trials=100, parallel=10))
    tuning_job("lr", workers, load_spec("hpt.yaml"))
    custom_job("one", workers)

Plain data from plain data: nothing is sent here and no library is needed. `trainer.vertex.cloud` checks and sends it.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec, .../NasJob, .../HyperparameterTuningJob
"""

from __future__ import annotations

import copy
import dataclasses
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from nas.errors import UserError
from trainer.tuning.parameters import Double
from trainer.tuning.spec import TuningSpec
from trainer.tuning.study_spec import study_spec

REQUEST_LABEL = "espalier_request"
"""The label by which a job is found again whose creation got no answer."""

STUDY_LABEL = "espalier_study"
"""The label that all jobs of a study share."""

LONGEST_HOURS = 1_209_600 / 3600
"""Vertex AI ends any job after two weeks."""


@dataclasses.dataclass(frozen=True)
class Workers:
    """The machines of one trial and the container they run.

    Args:
        image: the container's address in a registry.
        staging: `gs://bucket/prefix`; each job writes to a directory of its own below it.
        command: replaces the image's entry point; () leaves it.
        arguments: flags that every trial gets.
        machine: a machine type of Compute Engine.
        accelerator: "NVIDIA_TESLA_T4" or, more of them in a machine, "NVIDIA_TESLA_T4:2"; "": none.
        replicas: machines per trial; the first is the chief.
        disk_gb: size of each machine's disk; None: as Vertex AI sees fit (100).
        service_account: the account the container acts as; "": Vertex AI's own for custom code.
        network: full name of a VPC network to peer with; "": none.
        environment: variables of the container. They are kept with the job in clear text: no secrets.
        hours: how long a trial may run; None: Vertex AI's limit, two weeks.
        spot: use cheaper machines that can be taken away.

    Raises:
        UserError: what cannot be right, by the option that sets it.
    """

    image: str
    staging: str
    command: Sequence[str] = ()
    arguments: Sequence[str] = ()
    machine: str = "n1-standard-8"
    accelerator: str = ""
    replicas: int = 1
    disk_gb: int | None = None
    service_account: str = ""
    network: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hours: float | None = None
    spot: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.:/@-]+", self.image):
            expected = "REGISTRY/REPOSITORY/NAME:TAG"
            raise UserError(f"{self.image!r} is no image", path="--image", received=self.image, expected=expected)
        if not re.fullmatch(r"gs://[a-z0-9][\w.-]+(/[^?#*\[\]\s]*)?", self.staging):
            expected = "gs://bucket or gs://bucket/prefix"
            raise UserError(f"{self.staging!r} is no bucket", path="--staging", received=self.staging, expected=expected)
        if self.accelerator and not re.fullmatch(r"[A-Z][A-Z0-9_]+(:[1-9]\d?)?", self.accelerator):
            expected = "a type such as NVIDIA_TESLA_T4, or NVIDIA_TESLA_T4:2"
            problem = f"{self.accelerator!r} is no accelerator"
            raise UserError(problem, path="--accelerator", received=self.accelerator, expected=expected)
        if self.replicas < 1:
            raise UserError(f"{self.replicas} machines", path="--replicas", received=self.replicas, expected="1 or more")
        if self.service_account and "@" not in self.service_account:
            problem, expected = f"{self.service_account!r} is no account", "name@project.iam.gserviceaccount.com"
            raise UserError(problem, path="--service-account", received=self.service_account, expected=expected)
        if self.hours is not None and not 0 < self.hours <= LONGEST_HOURS:
            problem, expected = f"{self.hours} hours", f"more than 0, up to {LONGEST_HOURS:g}"
            raise UserError(problem, path="--trial-hours", received=self.hours, expected=expected)

    def job_spec(self, directory: str, more: Sequence[str] = ()) -> dict[str, Any]:
        """The `CustomJobSpec`.

        Args:
            directory: where its output goes, `gs://...`.
            more: further arguments.
        """
        container: dict[str, Any] = {"imageUri": self.image}
        if self.command:
            container["command"] = list(self.command)
        if self.arguments or more:
            container["args"] = [*self.arguments, *more]
        if self.environment:
            container["env"] = [{"name": name, "value": value} for name, value in self.environment.items()]
        pool: dict[str, Any] = {"machineSpec": self._machine(), "replicaCount": "1", "containerSpec": container}
        if self.disk_gb is not None:
            pool["diskSpec"] = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": self.disk_gb}
        pools = [pool]
        if self.replicas > 1:  # Vertex AI wants the chief alone in the first pool
            pools.append({**pool, "replicaCount": str(self.replicas - 1)})
        spec: dict[str, Any] = {"workerPoolSpecs": pools, "baseOutputDirectory": {"outputUriPrefix": directory}}
        scheduling: dict[str, Any] = {}
        if self.hours is not None:
            scheduling["timeout"] = f"{round(self.hours * 3600)}s"
        if self.spot:
            scheduling["strategy"] = "SPOT"
        if scheduling:
            spec["scheduling"] = scheduling
        if self.service_account:
            spec["serviceAccount"] = self.service_account
        if self.network:
            spec["network"] = self.network
        return spec

    def directory(self, name: str, now: float | None = None) -> str:
        """Where a job begun now writes: `<staging>/<name>_<date>_<time>`, UTC."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(now))
        return f"{self.staging.rstrip('/')}/{name}_{stamp}"

    def _machine(self) -> dict[str, Any]:
        machine: dict[str, Any] = {"machineType": self.machine}
        if self.accelerator:
            kind, _, count = self.accelerator.partition(":")
            machine |= {"acceleratorType": kind, "acceleratorCount": int(count or 1)}
        return machine


@dataclasses.dataclass(frozen=True)
class Search:
    """What an architecture search looks for, and how long.

    Args:
        metric: the tag under which trials report.
        goal: "maximize" or "minimize".
        trials: search trials in all.
        parallel: at a time.
        max_failed: the job fails once so many trials failed; 0: Vertex AI decides.
        algorithm: "rl" (reinforcement learning) or "grid".
        top, every: after every `every` search trials, the best `top` are trained fully; top=0: none.
        train: who trains those; None: the workers of the search.
    """

    metric: str
    goal: Literal["maximize", "minimize"] = "maximize"
    trials: int = 100
    parallel: int = 10
    max_failed: int = 0
    algorithm: Literal["rl", "grid"] = "rl"
    top: int = 0
    every: int = 0
    train: Workers | None = None

    def __post_init__(self) -> None:
        for name, option in (("trials", "--trials"), ("parallel", "--parallel")):
            if getattr(self, name) < 1:
                problem = f"{getattr(self, name)} does not fit"
                raise UserError(problem, path=option, received=getattr(self, name), expected="1 or more")
        if bool(self.top) != bool(self.every):
            problem, expected = f"top {self.top} after every {self.every} trials", "both or neither"
            raise UserError(problem, path="--train-top", received=self.top, expected=expected, hint="Give --train-every too")


def nas_job(
    name: str, workers: Workers, space_spec: str, search: Search, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A `NasJob` over a space. Trials write to `<directory>/nas/search/<id>` and `<directory>/nas/train/<id>`: the service adds
    the id to what the spec says, and trainers know their directory by the rest.

    Args:
        name: what people call it.
        workers: who trains a search trial.
        space_spec: the space as JSON text; see `trainer.vertex.search_space`.
        search: what for.
        labels: to find and to bill it by.
    """
    directory = workers.directory(name)
    algorithm = {
        "multiTrialAlgorithm": {"rl": "REINFORCEMENT_LEARNING", "grid": "GRID_SEARCH"}[search.algorithm],
        "metric": {"metricId": search.metric, "goal": search.goal.upper()},
        "searchTrialSpec": _search_trials(
            workers.job_spec(f"{directory}/nas/search"), search.trials, search.parallel, search.max_failed
        ),
    }
    if search.top:
        algorithm["trainTrialSpec"] = {
            "trainTrialJobSpec": (search.train or workers).job_spec(f"{directory}/nas/train"),
            "maxParallelTrialCount": search.top,
            "frequency": search.every,
        }
    return _job(name, labels) | {"nasJobSpec": {"searchSpaceSpec": space_spec, "multiTrialAlgorithmSpec": algorithm}}


def retrain_job(name: str, earlier: Mapping[str, Any], trials: Sequence[int], workers: Workers | None = None) -> dict[str, Any]:
    """A `NasJob` that trains chosen trials of an earlier search fully: its k-th trial gets the k-th of them.

    Args:
        name: what people call it.
        earlier: the search's job, as the API shows it or as it was sent.
        trials: ids of its search trials.
        workers: who trains; None: as the search's train stage says, or else its search trials.

    Raises:
        UserError: the search's job does not say where its trials are.
    """
    spec = earlier["nasJobSpec"]["multiTrialAlgorithmSpec"]
    search = spec["searchTrialSpec"]["searchTrialJobSpec"]
    where = search.get("baseOutputDirectory", {}).get("outputUriPrefix", "")
    if not where:
        raise UserError("the search wrote nowhere", path="baseOutputDirectory", hint="Search again with --staging")
    flags = [
        f"--retrain_search_job_dir={where.rstrip('/')}",
        f"--retrain_search_job_trials={','.join(map(str, trials))}",
    ]
    root, _, _ = where.rstrip("/").removesuffix("/nas/search").rpartition("/")
    if workers is not None:
        job_spec = workers.job_spec(f"{workers.directory(name)}/nas/train", flags)
    else:
        job_spec = copy.deepcopy(spec.get("trainTrialSpec", {}).get("trainTrialJobSpec", search))
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
        job_spec["baseOutputDirectory"] = {"outputUriPrefix": f"{root}/{name}_{stamp}/nas/train"}
        for pool in job_spec["workerPoolSpecs"]:
            pool["containerSpec"]["args"] = [*pool["containerSpec"].get("args", ()), *flags]
    algorithm = {
        "multiTrialAlgorithm": spec.get("multiTrialAlgorithm", "REINFORCEMENT_LEARNING"),
        "metric": spec["metric"],
        "searchTrialSpec": _search_trials(job_spec, len(trials), len(trials), len(trials)),
    }
    space = earlier["nasJobSpec"]["searchSpaceSpec"]
    return _job(name, earlier_labels(earlier)) | {
        "nasJobSpec": {"searchSpaceSpec": space, "multiTrialAlgorithmSpec": algorithm}
    }


def resume_job(name: str, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """A `NasJob` that goes on where an ended search stopped; space, algorithm and machines are that one's."""
    return _job(name, earlier_labels(earlier)) | {"nasJobSpec": {"resumeNasJobId": earlier["name"].rpartition("/")[2]}}


def tuning_job(name: str, workers: Workers, spec: TuningSpec, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A `HyperparameterTuningJob`: the spec of `nas tune`, its trials on Vertex AI's machines.

    Raises:
        UserError: a grid over a Double, which Vertex AI does not search.
    """
    for flag, parameter in spec.parameters.items():
        if spec.algorithm == "grid" and isinstance(parameter, Double):
            hint = "List its values in a Discrete, or choose another algorithm"
            raise UserError("Vertex AI has no grid over a double", path=f"parameters.{flag}", received=parameter, hint=hint)
    if spec.timeout_s is not None:
        workers = dataclasses.replace(workers, hours=spec.timeout_s / 3600)
    return _job(name, labels) | {
        "studySpec": study_spec(spec),
        "maxTrialCount": spec.max_trial_count,
        "parallelTrialCount": min(spec.parallel_trial_count, spec.max_trial_count),
        "maxFailedTrialCount": spec.failures_allowed,
        "trialJobSpec": workers.job_spec(workers.directory(name)),
    }


def custom_job(
    name: str, workers: Workers, more: Sequence[str] = (), labels: Mapping[str, str] | None = None, directory: str = ""
) -> dict[str, Any]:
    """A `CustomJob`: the container once, with further arguments."""
    return _job(name, labels) | {"jobSpec": workers.job_spec(directory or workers.directory(name), more)}


def labelled(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job with a label that no other job has; one that it carries already stays."""
    labels = dict(job.get("labels", {}))
    labels.setdefault(REQUEST_LABEL, uuid.uuid4().hex)
    return {**job, "labels": labels}


def earlier_labels(job: Mapping[str, Any]) -> dict[str, str]:
    """A job's labels for a job that follows it; the label that is its alone stays behind."""
    return {key: value for key, value in job.get("labels", {}).items() if key != REQUEST_LABEL}


def _search_trials(job_spec: dict[str, Any], trials: int, parallel: int, max_failed: int) -> dict[str, Any]:
    counts = {"maxTrialCount": trials, "maxParallelTrialCount": min(parallel, trials)}
    return {"searchTrialJobSpec": job_spec, **counts, **({"maxFailedTrialCount": max_failed} if max_failed else {})}


def _job(name: str, labels: Mapping[str, str] | None) -> dict[str, Any]:
    if not re.fullmatch(r"[A-Za-z][\w-]{0,99}", name):
        expected = "letters, digits, _ and -, a letter first, up to 100"
        raise UserError(f"{name!r} does not fit", path="--name", received=name, expected=expected)
    for key, value in (labels or {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            problem, expected = f"{key}={value} does not fit", "lowercase letters, digits, _ and -, a letter first"
            raise UserError(problem, path="--label", received=f"{key}={value}", expected=expected)
    return {"displayName": name} | ({"labels": dict(labels)} if labels else {})
