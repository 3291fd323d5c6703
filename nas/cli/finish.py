"""What follows the search: the winner, its tuning, full training, export. Each is a stage, kept in the study's store.

winner      the best trials timed again with nothing beside them; the best that still meets the limits
tuning      hyperparameters of the winner, each trial the real entry point as a process
training    winner, tuned winner and baselines trained fully, the gray->RGB table beside them, and the tuned winner exported
            as .keras, SavedModel, LiteRT and source
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nas
from nas.errors import StudyError
from nas.study.report.facts import quantity
from nas.study.results import ranked
from nas.study.store import Store
from nas.study.trial import Measurement
from trainer import baselines, tuning
from trainer.full import FullTraining

if TYPE_CHECKING:
    from nas.cli.job import Job

RETIMED = 3  # of the best trials, timed again before one is called the winner
SHOWN_IMAGES = 6


class Finish:
    """The stages after a job's search.

    Args:
        job: whose settings, space, data and directory they use.
    """

    def __init__(self, job: Job):
        self._job = job

    def run(self, study: nas.Study) -> dict[str, Any]:
        """Every stage that is not done yet; returns the payload of the last."""
        s = self._job.settings
        with Store(str(self._job.directory)) as store:
            stages = Stages(store)
            finished = sum(t.is_finished for t in study.trials)
            winner = stages.do("winner", [finished], lambda: self._choose_winner(study))
            found = stages.do("tuning", [winner["fingerprint"], s.tune_trials, s.tune_epochs], lambda: self._tune(winner))
            return stages.do("training", [found["key"], s.train_epochs], lambda: self._train(winner, found))

    def _choose_winner(self, study: nas.Study) -> dict[str, Any]:
        """The best trial that meets the limits also when timed again, on a machine that does nothing else."""
        completed = [t for t in study.trials if t.state == "completed"]
        if not completed:
            raise StudyError(
                f"none of {len(study.trials)} trials meets the limits",
                path=str(self._job.directory),
                hint="Run with more trials, or a wider --at-most; `nas top` and the report show how far each was",
            )
        best = ranked(completed, study.objectives[0])[:RETIMED]
        compared = [study.architecture(t) for t in best] + list(self._job.space.baselines.values())
        again = self._time_again(compared, f"best-of-{len(study.trials)}")
        bounds = dict(self._job.known["limits"])
        name = self._job.settings.limits.get("latency_ms")
        if isinstance(name, str):
            bounds["latency_ms"] = again[self._job.space.baselines[name].fingerprint].value
        for trial in best:
            if again[trial.fingerprint].value <= bounds.get("latency_ms", float("inf")):
                break
        else:
            trial = min(best, key=lambda t: again[t.fingerprint].value)
        return {
            "trial": trial.id,
            "decisions": dict(trial.decisions),
            "fingerprint": trial.fingerprint,
            "latency": {fingerprint: m.to_json() for fingerprint, m in again.items()},
        }

    def _time_again(self, architectures: Sequence[Any], name: str) -> dict[str, Measurement]:
        """Latency by fingerprint, measured longer, one after the other, with nothing else of ours at work."""
        careful = self._job.latency(seconds_each=1.0)
        trials = self._job.judge(architectures, [careful], name, "Latency again, with nothing beside", workers=1)
        for trial in trials:
            if "latency_ms" not in trial.measurements:
                raise StudyError(
                    f"no latency of {trial.fingerprint[:12]} ({trial.reason})",
                    path=str(self._job.directory / "measured" / name),
                )
        return {t.fingerprint: t.measurements["latency_ms"] for t in trials}

    def _tune(self, winner: Mapping[str, Any]) -> dict[str, Any]:
        trial = self._job.directory / "artifacts" / f"trial-{winner['trial']}"
        directory = trial / f"tuning-{self._job.settings.tune_epochs}-epochs"
        directory.mkdir(parents=True, exist_ok=True)
        architecture = directory / "architecture.json"
        architecture.write_text(
            json.dumps({"space": self._job.space.reference or self._job.settings.space, "decisions": winner["decisions"]})
        )
        parameters: dict[str, Any] = {
            "learning_rate": tuning.Double(5e-4, 8e-3, "log"),
            "batch_size": tuning.Discrete([8, 16]),
        }
        command = [sys.executable, "-m", "trainer.task", f"--data={self._job.settings.data}", f"--architecture={architecture}"]
        command += [f"--task={self._job.settings.task}"]
        command += [f"--epochs={self._job.settings.tune_epochs}", f"--seed={self._job.settings.seed}", "--schedule=cosine"]
        command += ["--model_dir="]  # a tuning trial is judged, not kept
        with self._job.progress("Tuning", self._job.settings.tune_trials) as advance:
            result = tuning.tune(
                command,
                parameters,
                max_trial_count=self._job.settings.tune_trials,
                parallel_trial_count=self._job.settings.workers,
                directory=directory,
                seed=self._job.settings.seed,
                on_event=lambda trial: advance() if trial.state != "running" else None,
            )
        if result.best is None:
            raise StudyError("every tuning trial failed", path=str(directory), hint=f"Look at {directory}/trial-1/output.log")
        return {
            "metric": "val_loss",
            "goal": "minimize",
            "algorithm": "bayesian",
            "note": f"Each trial trains {self._job.settings.tune_epochs} epochs.",
            "trials": [
                {"id": t.id, "parameters": dict(t.values), "value": None if t.value != t.value else t.value, "state": t.state}
                for t in result.trials
            ],
            "best": {"id": result.best.id, "parameters": dict(result.best.values)},
        }

    def _train(self, winner: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        default = {"learning_rate": 1e-3, "batch_size": self._job.settings.batch_size}
        best = {k: found["best"]["parameters"][k] for k in default}
        plans = {"winner": (winner["decisions"], default), "tuned winner": (winner["decisions"], best)}
        plans |= {f"{name} network": (a.decisions, default) for name, a in self._job.space.baselines.items()}
        epochs = self._job.settings.train_epochs
        data, metric = self._job.data, self._job.data.task.metric
        flip = data.output_shape[:2] == data.input_shape[:2]  # pixel by pixel: a mirrored pair is one more example
        jobs = {
            name: FullTraining(
                name=name,
                space=self._job.space.reference or self._job.settings.space,
                decisions=dict(decisions),
                data=self._job.settings.data,
                task=self._job.settings.task,
                epochs=epochs,
                seed=self._job.settings.seed,
                directory=str(self._job.directory / "artifacts" / _slug(name, dict(decisions), parameters, epochs)),
                flip=flip,
                samples=SHOWN_IMAGES,
                export_to=str(self._job.directory / "export") if name == "tuned winner" else "",
                **parameters,
            )
            for name, (decisions, parameters) in plans.items()
        }
        results = self._train_all(jobs)
        architectures = {name: self._job.space.architecture(decisions) for name, (decisions, _) in plans.items()}
        rows = []
        for name, result in results.items():
            cost, parameters = architectures[name].cost(), plans[name][1]
            rows.append(
                {
                    "name": name,
                    f"val_{metric}": result["val"][metric],
                    f"test_{metric}": result["test"][metric] if result["test"] else None,
                    "latency_ms": winner["latency"][architectures[name].fingerprint],
                    "flops": cost.flops,
                    "params": cost.params,
                    "best_epoch": result["best_epoch"],
                    "hyperparameters": ", ".join(
                        f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in parameters.items()
                    ),
                    "directory": jobs[name].directory,
                }
            )
        for point in (baselines.reference_points(self._job.data) or ())[:1]:
            rows.append({"name": point.name, "val_mse": point.val_mse, "test_mse": point.test_mse, "params": point.parameters})
        images = self._keep_images(jobs)
        flipped = "; half of the examples of each pass are mirrored left to right" if flip else ""
        note = f"Every network is trained {epochs} epochs and kept at its best epoch on validation data{flipped}."
        exports = results["tuned winner"]["exports"]
        figures = {"metric": f"val_{metric}", "goal": data.task.goal, "held_out": f"test_{metric}"}
        return figures | {"rows": rows, "images": images, "note": note, "exports": exports}

    def _train_all(self, jobs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Full trainings as processes, a few at a time; one that was interrupted goes on from its checkpoint."""
        epochs = self._job.settings.train_epochs * len(jobs)
        stop = threading.Event()
        with (
            self._job.progress("Full training (epochs)", epochs) as advance,
            ThreadPoolExecutor(self._job.settings.workers) as pool,
        ):
            futures = {name: pool.submit(job.run_as_process, advance, stop) for name, job in jobs.items()}
            try:
                return {name: future.result() for name, future in futures.items()}
            except BaseException:
                stop.set()
                for future in futures.values():
                    future.cancel()
                raise

    def _keep_images(self, jobs: Mapping[str, Any]) -> str | None:
        """Held-out inputs, what each network makes of them, and the truth, for the report."""
        columns: dict[str, Any] = {}
        for name, job in jobs.items():
            with np.load(Path(job.directory) / "samples.npz", allow_pickle=False) as stored:
                columns.setdefault("input", stored["x"])
                columns[name] = stored["predicted"]
                truth = stored["y"]
        columns["truth"] = truth
        if any(images.ndim != 4 or images.shape[-1] not in (1, 3) for images in columns.values()):
            return None
        path = self._job.directory / "artifacts" / "images.npz"
        arrays: dict[str, Any] = {f"column{i}": images for i, images in enumerate(columns.values())}
        np.savez_compressed(path, labels=np.array(list(columns)), **arrays)
        return str(path.relative_to(self._job.directory))


def _slug(name: str, *what: Any) -> str:
    """A directory's name, another one for another training."""
    digest = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=4).hexdigest()
    return f"{name.replace(' ', '-')}-{digest}"


class Stages:
    """Does a stage once: what is stored as completed is returned, what is not is done and stored."""

    def __init__(self, store: Store):
        self._store = store

    def do(self, name: str, key: Any, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The payload of a stage; `key` is what it follows from, so that a stage is done again where that has changed."""
        stored = self._store.stage(name)
        if stored is not None and stored.state == "completed" and stored.payload["key"] == key:
            return stored.payload
        payload = json.loads(json.dumps(work() | {"key": key}))  # what is returned is what a resumed job would read
        self._store.put_stage(name, payload)
        self._store.commit()
        return payload


def results_table(trained: Mapping[str, Any]) -> Any:
    """The closing table: one row a network."""
    from rich.table import Table

    table = Table(title="Results", title_justify="left", box=None)
    chosen_by, held_out = trained["metric"], trained["held_out"]
    for head in ("network", chosen_by, f"{held_out} (held out)", "latency", "FLOPs", "parameters"):
        table.add_column(head, justify="left" if head == "network" else "right", no_wrap=True)
    for row in trained["rows"]:
        latency = row.get("latency_ms")
        table.add_row(
            row["name"],
            f"{row[chosen_by]:.4f}",
            "-" if row[held_out] is None else f"{row[held_out]:.4f}",
            quantity(float(latency["value"]), "ms") if latency else "-",
            quantity(row["flops"]) if "flops" in row else "-",
            f"{row['params']:,}",
        )
    return table
