"""An architecture judged on Vertex AI's machines: one CustomJob each, so that any controller can use them as its workers.

    workers = Workers(image, "gs://my-bucket/study1", command=["nas", "trial"], arguments=["--space=colorizer", "--epochs=5"])
    judge = VertexCustomJob(Place("my-project", "europe-west4"), workers, metrics=["val_mse"])
    nas.Study(colorizer, controllers.NSGA2(seed=0), [Cost(), judge], ..., directory="runs/study1").run(trials=200, workers=20)

The container is that of an architecture search on Vertex AI: it gets `--nas_params_str` and `--job-dir`, and leaves
`model_analysis.json` ({"val_mse": 0.031, ...}) and `job_status.json` there, as `nas trial` and trainers that use
`trainer.vertex_trial` do. Where Vertex AI's own search would choose the architectures, the study's controller does.

A study that is killed and continued asks for the same trial again; its job is then found by its label, not begun anew. A job
whose machine was lost is begun again; one whose program failed is a failed trial.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.errors import DataError, Infeasible, UserError
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement
from trainer import storage
from trainer.vertex.fleet import KIND, machine_hours
from trainer.vertex.kinds import ENDED
from trainer.vertex.place import Place
from trainer.vertex.requests import REQUEST_LABEL, STUDY_LABEL, Workers, custom_job
from trainer.vertex_trial import ANALYSIS_FILE, JOB_STATUS_KEY, JOB_STATUS_SUCCESS, STATUS_FILE

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from trainer.vertex.cloud import Vertex

LOST = ("internal error", "please retry", "preempt", "stockout", "resources are insufficient", "node was unhealthy")
"""What Vertex AI says where its machine failed and not the program on it."""


class VertexCustomJob(Evaluator):
    """Trains an architecture in a CustomJob.

    Metrics:
        those asked for, from what the trial leaves in `model_analysis.json`.
        machine_hours: what the job used: its machines times the hours from start to end.

    Args:
        place: project and region, or a rehearsal.
        workers: machine and container; its staging prefix tells this study's trials from others'.
        metrics: which of the trial's metrics count.
        every_s: pause between two looks at a job, in seconds.
        tries: jobs for one architecture, where machines are lost.
        patience_s: for how long an unreachable service is tried again.
        seconds: what a trial takes, roughly.
        study: a label that all its jobs carry, by which `trainer.vertex.fleet` knows them; "": none.

    Raises:
        UserError: no metrics, or settings out of range.
    """

    name = "vertex"

    def __init__(
        self,
        place: Place,
        workers: Workers,
        metrics: Sequence[str],
        *,
        every_s: float = 15.0,
        tries: int = 3,
        patience_s: float = 600.0,
        seconds: float = 1200.0,
        study: str = "",
    ):
        if isinstance(metrics, str) or not metrics:
            expected = "names of metrics that the trial reports"
            raise UserError(f"{metrics!r} does not fit", path="metrics", received=metrics, expected=expected)
        if not every_s > 0 or tries < 1:
            wrong, value = ("tries", tries) if tries < 1 else ("every_s", every_s)
            raise UserError(f"{value} does not fit", path=wrong, received=value, expected="more than 0")
        self.place, self.workers, self.seconds, self.study = place, workers, seconds, study
        self.wanted, self.metrics = tuple(metrics), (*metrics, "machine_hours")
        self.every_s, self.tries, self.patience_s = every_s, tries, patience_s
        self._vertex: Vertex | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_vertex": None}  # a connection stays in its process

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image": self.workers.image,
            "command": list(self.workers.command),
            "arguments": list(self.workers.arguments),
            "machine": f"{self.workers.machine} {self.workers.accelerator}".strip(),
            "metrics": list(self.wanted),
        }

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Runs the trial to its end and reads what it left.

        Raises:
            Infeasible: the trial ended without judging the architecture.
            UserError: the fidelity cannot be passed on, or the service refuses.
            RuntimeError: the job failed; with Vertex AI's reason.
        """
        if self._vertex is None:
            from trainer.vertex.cloud import Vertex

            self._vertex = Vertex(self.place, patience_s=self.patience_s)
        for attempt in range(1, self.tries + 1):
            request = self.request(architecture, fidelity, seed=seed, attempt=attempt)
            job = self._see_through(request)
            message = job.get("error", {}).get("message", "")
            if job["state"] == "JOB_STATE_SUCCEEDED":
                return self._measurements(request, job)
            if not any(sign in message.lower() for sign in LOST):
                break
        raise RuntimeError(
            f"{job['name']}: {job['state'].removeprefix('JOB_STATE_').lower()}, {message or 'no reason is given'}"
        )

    def request(
        self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0, attempt: int = 1
    ) -> dict[str, Any]:
        """The CustomJob that is sent; equal for equal trials, so that one that was begun is found again."""
        params = json.dumps(architecture.to_vertex(), sort_keys=True)
        flags = [f"--nas_params_str={params}", *_flags(fidelity, seed)]
        facts = [self.workers.staging, self.describe(), flags, attempt]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        directory = f"{self.workers.staging.rstrip('/')}/{key}/nas/search/1"  # the form by which trainers know their directory
        more = [*flags, f"--job-dir={directory}"]
        labels = {REQUEST_LABEL: key} | ({STUDY_LABEL: self.study} if self.study else {})
        return custom_job(f"trial-{key[:12]}", self.workers, more, labels, directory)

    def _see_through(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._vertex is not None
        job = self._vertex.find(KIND, request)
        if job is not None and job["state"] == "JOB_STATE_CANCELLING":
            job = self._to_its_end(job)
        if job is None or job["state"] == "JOB_STATE_CANCELLED":  # by whoever stopped the study; it goes on now
            job = self._vertex.create(KIND, request)
        return self._to_its_end(job)

    def _to_its_end(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._vertex is not None
        while job["state"] not in ENDED:
            time.sleep(self.every_s)
            job = self._vertex.get(job["name"])
        return job

    def _measurements(self, request: dict[str, Any], job: dict[str, Any]) -> dict[str, Measurement]:
        directory = request["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"]
        status = _read(f"{directory}/{STATUS_FILE}").get(JOB_STATUS_KEY)
        if status != JOB_STATUS_SUCCESS:
            raise Infeasible(f"{job['name']}: {status}")
        found = _read(f"{directory}/{ANALYSIS_FILE}")
        device = f"Vertex AI {self.workers.machine} {self.workers.accelerator}".strip()
        measured = {}
        for metric in self.wanted:
            value = found.get(metric)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise Infeasible(
                    f"{metric} is not in {directory}/{ANALYSIS_FILE}, only {', '.join(sorted(found)) or 'nothing'}"
                )
            measured[metric] = Measurement(float(value), device=device, runtime=self.workers.image)
        return measured | {"machine_hours": Measurement(machine_hours(job), "h", device, self.workers.image)}


def _flags(fidelity: Fidelity, seed: int) -> list[str]:
    set_here = fidelity.to_json()
    epochs = set_here.pop("epochs", None)
    if set_here:
        received = next(iter(set_here))
        raise UserError(f"a trial takes no {received}", path="fidelity", received=received, expected="epochs")
    return [f"--seed={seed}"] + ([] if epochs is None else [f"--epochs={epochs}"])


def _read(location: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read_text(location))
    except ValueError as error:
        raise Infeasible(f"{location} is no JSON ({error})") from None
    except DataError:
        raise Infeasible(f"the trial left no {location}") from None
    return found if isinstance(found, dict) else {}
