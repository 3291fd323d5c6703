"""What a job of the local Vertex AI does: its container's command, as processes on this machine, under Vertex's protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from fake_jobs import Job
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

import controllers
from nas.study.objective import Objective
from trainer.tuning import algorithms
from trainer.tuning.parameters import flags
from trainer.tuning.protocol import TrialOutcome, TrialProcess
from trainer.tuning.reports import best_report, last_report
from trainer.tuning.spec import load_spec
from trainer.tuning.stopping import MedianRule
from trainer.vertex.details import as_nas_trial
from trainer.vertex.engine import NasEngine
from trainer.vertex.job_ledger import NasTrial
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.layout import STAGE_FOLDER
from trainer.vertex.proposer import ControllerProposer
from trainer.vertex.search_space import decode_search_space

POLL_S = 0.05


class Machines:
    """Where containers run: here.

    Args:
        command: stands in for each container's command, as an image is not run; its arguments stay.
        buckets: the directory that gs:// is; None: a storage emulator answers for gs:// itself.
    """

    def __init__(self, command: Sequence[str] = (), buckets: Path | None = None):
        self.command, self.buckets = list(command), buckets
        self.engines: dict[str, NasEngine] = {}

    def run(self, job: Job) -> None:
        {"customJobs": self._custom_job, "hyperparameterTuningJobs": self._tuning, "nasJobs": self._search}[job.kind](job)

    def _custom_job(self, job: Job) -> None:
        spec = job.resource.job_spec
        process = self._process(spec, (), job.directory / "run", 1, "", under="")
        outcome = self._see_through(job, process, spec)
        if outcome.state != "succeeded" and not job.cancelled.is_set():
            raise RuntimeError(f"The replica workerpool0-0 {outcome.reason}. {outcome.log_tail}")

    def _tuning(self, job: Job) -> None:
        """Hyperparameter tuning: our own algorithms behind Vertex's resource."""
        resource = job.resource
        study = json_format.MessageToDict(v1.StudySpec.pb(resource.study_spec), always_print_fields_with_no_presence=True)
        spec = load_spec({"studySpec": study, "maxTrialCount": resource.max_trial_count})
        algorithm = algorithms.get(spec.algorithm, spec.parameters, 0)
        objective = Objective(spec.metric, spec.goal)
        select = last_report if spec.measurement_selection == "last" else best_report(spec.goal)
        count, parallel = resource.max_trial_count, resource.parallel_trial_count
        rule = MedianRule(spec.goal) if spec.early_stopping else None
        allowed = resource.max_failed_trial_count or max(3, count // 3)
        running: dict[Future[TrialOutcome], tuple[int, TrialProcess]] = {}
        asked = failed = 0
        with ThreadPoolExecutor(parallel) as pool:
            while not job.cancelled.is_set() and failed < allowed:
                while len(running) < parallel and asked < count:
                    values = algorithm.ask(asked + 1)
                    if values is None:
                        count = asked
                        break
                    asked += 1
                    where = job.directory / f"trial-{asked}"
                    process = self._process(
                        resource.trial_job_spec, flags(values), where, asked, spec.metric, under=f"{asked}", select=select
                    )
                    self._note(job, asked, values)
                    running[pool.submit(self._see_through, job, process, resource.trial_job_spec)] = asked, process
                if not running:
                    break
                self._curves(job, running.values(), spec.metric, rule)
                for future in wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED).done:
                    number, _ = running.pop(future)
                    outcome = future.result()
                    failed += outcome.measurement is None
                    algorithm.tell(number, objective.score(outcome.value) if outcome.measurement else None)
                    if rule is not None:
                        rule.learn(outcome.reports)
                    self._end(job, number, outcome, spec.metric)
            job.stop()
            for future, (number, _) in running.items():
                self._end(job, number, future.result(), spec.metric)
        if failed >= allowed and asked < count:
            raise RuntimeError(f"Too many failed trials: {failed}")

    def _search(self, job: Job) -> None:
        """Architecture search: the engine of `nas vertex local` behind Vertex's resource."""
        spec = NasJobSpec.from_json(self._with_local_flags(job.to_json()))
        earlier: list[Any] = []
        if spec.resume_nas_job_id:
            before = self.engines.get(spec.resume_nas_job_id)
            if before is None:
                raise RuntimeError(f"NasJob {spec.resume_nas_job_id} to resume was not run here")
            earlier, spec = before.trials, spec.inherit(before.job)
        space = decode_search_space(spec.search_space_spec)
        controller = controllers.get("grid" if spec.algorithm == "GRID_SEARCH" else "reinforce")
        proposer = ControllerProposer(controller, space, spec.metric_id, spec.goal)

        def heed(trial: NasTrial) -> None:  # also of a cancellation that came before the engine ran
            if job.cancelled.is_set():
                engine.stop()

        where = job.directory / "run"
        engine = NasEngine(spec, where, proposer, command=self.command, earlier=earlier, on_event=heed)
        self.engines[job.id] = engine
        self._mount(spec.search.job.output, where)
        job.details = lambda first, count: engine.details(job.name, first, count)
        job.refresh = lambda: self._show(job, engine)
        job.stoppers.add(engine.stop)
        if job.cancelled.is_set():
            return
        state = engine.run()
        self._show(job, engine)
        if state == "JOB_STATE_FAILED":
            raise RuntimeError(engine.error)

    def _with_local_flags(self, part: Any) -> Any:
        """A job whose containers' flags name directories of this machine."""
        if isinstance(part, dict):
            flags = {"args": [self.local(word) for word in part["args"]]} if "args" in part else {}
            return {key: self._with_local_flags(value) for key, value in part.items()} | flags
        return [self._with_local_flags(item) for item in part] if isinstance(part, list) else part

    def _mount(self, output: str, run: Path) -> None:
        """Shows what a search writes where its bucket is: later jobs are told to read it there."""
        if self.buckets is None or not output:
            return
        place = Path(self.local(STAGE_FOLDER.sub("", output.rstrip("/"))))
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(run.absolute() / place.name)

    def _show(self, job: Job, engine: NasEngine) -> None:
        """What the job's resource says of its trials."""
        stages: dict[str, list[Any]] = {"searchTrials": [], "trainTrials": []}
        for trial in engine.trials:
            stages[f"{trial.stage}Trials"].append(as_nas_trial(trial, engine.job.metric_id))
        with job.lock:
            output = v1.NasJobOutput.pb(job.resource.nas_job_output)
            output.Clear()
            json_format.ParseDict({"multiTrialJobOutput": stages}, output)

    def _process(self, job_spec: Any, arguments: Sequence[str], where: Path, number: int, metric: str, under: str, **how: Any):
        """The first worker pool's container as a process."""
        container = job_spec.worker_pool_specs[0].container_spec
        command = self.command or list(container.command)
        if not command:
            raise RuntimeError("the container has no command, and images are not run here: start the server with --command")
        environment = {variable.name: variable.value for variable in container.env}
        base = job_spec.base_output_directory.output_uri_prefix
        if base:
            at = "/".join(filter(None, (self.local(base).rstrip("/"), under)))
            environment |= {
                "AIP_MODEL_DIR": f"{at}/model/",
                "AIP_CHECKPOINT_DIR": f"{at}/checkpoints/",
                "AIP_TENSORBOARD_LOG_DIR": f"{at}/logs/",
            }
        words = [*map(self.local, container.args), *arguments]
        return TrialProcess(command, words, where, number, metric, environment=environment, **how)

    def local(self, text: str) -> str:
        """A word of a command with gs:// addresses as directories of this machine, unless an emulator answers for them."""
        if self.buckets is None or "gs://" not in text:
            return text
        return text.replace("gs://", f"{self.buckets.absolute()}{os.sep}")

    def _see_through(self, job: Job, process: TrialProcess, job_spec: Any) -> TrialOutcome:
        def stop() -> None:
            process.stop("interrupted", "it was cancelled")

        with job.lock:
            job.stoppers.add(stop)
        if job.cancelled.is_set():
            stop()
        process.start()
        try:
            return process.wait(job_spec.scheduling.timeout.total_seconds() if job_spec.scheduling.timeout else None)
        finally:
            with job.lock:
                job.stoppers.discard(stop)

    def _note(self, job: Job, number: int, values: Any) -> None:
        given = [v1.Trial.Parameter(parameter_id=name, value=_as_double(value)) for name, value in values.items()]
        trial = v1.Trial(id=str(number), state=v1.Trial.State.ACTIVE, parameters=given)
        trial.start_time = _now()
        with job.lock:
            job.resource.trials.append(trial)
            job.save()

    def _curves(self, job: Job, running: Any, metric: str, rule: MedianRule | None) -> None:
        """Measurements of running trials, as they come; those that are behind are stopped."""
        for number, process in list(running):
            reports = process.reports()
            with job.lock:
                trial = job.resource.trials[number - 1]
                for report in reports[len(trial.measurements) :]:
                    trial.measurements.append(_measurement(report, metric))
            objection = rule.objection(reports) if rule is not None else ""
            if objection:
                process.stop("stopped", objection)

    def _end(self, job: Job, number: int, outcome: TrialOutcome, metric: str) -> None:
        with job.lock:
            trial = job.resource.trials[number - 1]
            trial.measurements = [_measurement(report, metric) for report in outcome.reports]
            trial.end_time = _now()
            if outcome.measurement is not None:
                trial.final_measurement = _measurement(outcome.measurement, metric)
                trial.state = v1.Trial.State.SUCCEEDED
            else:
                trial.infeasible_reason = outcome.reason
                trial.state = v1.Trial.State.INFEASIBLE
            job.save()


def _as_double(value: Any) -> Any:
    """Numbers come back as doubles, whole ones too, as from the service."""
    return value if isinstance(value, str) else float(value)


def _measurement(report: Any, metric: str) -> Any:
    return v1.Measurement(step_count=report.step, metrics=[v1.Measurement.Metric(metric_id=metric, value=report.value)])


def _now() -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    stamp = Timestamp()
    stamp.FromNanoseconds(int(time.time() * 1e9))
    return stamp
