"""The main job: check, search, choose, tune, train, export, report; each stage durable, so that it continues where it stopped.

The settings are kept as notes of the study, the results as stages beside its trials. `nas search` starts a job, `nas resume`
continues it; a stage that is completed is not done again.

    baselines   the space's named architectures, judged like trials, without limits
    check       facts of the space, with the latency of architectures drawn uniformly
    (search)    the trials themselves
    winner      the best trials timed again on the quiet machine; the best that still meets the limits
    tuning      hyperparameters of the winner
    training    winner, tuned winner and baselines trained fully, the gray->RGB table beside them, and the tuned winner exported
                as .keras, SavedModel, LiteRT and source
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import controllers
import evaluators
import nas
from nas.cli import preflight
from nas.cli.common import find_space
from nas.errors import StudyError, UserError
from nas.study.database import exists
from nas.study.directory import check_location
from nas.study.events import TrialFinished
from nas.study.report import write_report
from nas.study.report.facts import quantity
from nas.study.store import Store
from nas.study.trial import Measurement, Trial
from trainer import baselines, tuning
from trainer.data import load_data

DRAWN = 12  # architectures whose latency is measured to say what share of the space meets a limit
RETIMED = 3  # of the best trials, timed again before one is called the winner
SHOWN_IMAGES = 6


@dataclasses.dataclass(frozen=True)
class JobSettings:
    """What a job does; plain JSON.

    Attributes:
        space, data, controller: names as on the command line.
        trials, workers, seed: of the search.
        controller_settings: what the controller takes beside its seed.
        limits: metric -> bound or the name of a baseline that sets it.
        proxy_epochs, proxy_batch_size: how a trial is trained.
        full: whether tuning, full training and export follow.
        tune_trials, tune_epochs: of the tuning.
        train_epochs: of full training, the same for every network.
    """

    space: str
    data: str
    controller: str = "evolution"
    trials: int = 24
    workers: int = 2
    seed: int = 0
    limits: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    proxy_epochs: int = 2
    proxy_batch_size: int = 8
    controller_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    full: bool = False
    tune_trials: int = 4
    tune_epochs: int = 3
    train_epochs: int = 16

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobSettings:
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in data.items() if k in known})


class Job:
    """One run of the main job in a directory.

    Raises:
        UserError: anything that does not fit together, before a file is written.
    """

    def __init__(self, settings: JobSettings, directory: str, console: Any):
        self.settings, self.console = settings, console
        if settings.trials < 1 or settings.workers < 1:
            wrong = "trials" if settings.trials < 1 else "workers"
            raise UserError(f"{getattr(settings, wrong)} does not do", path=f"--{wrong}", expected="a whole number from 1")
        self.directory = check_location(directory)
        self.space = find_space(settings.space)
        if not self.space.is_network or self.space.input_shape is None:
            raise UserError(
                "its values are not networks", path=settings.space, hint="Search plain PyGlove spaces with nas.Study"
            )
        self.controller = controllers.get(settings.controller, seed=settings.seed, **settings.controller_settings)
        self.data = load_data(settings.data)
        self.data.check_fits(self.space.input_shape, self.space.output_shape)
        self._check_arithmetic_limits()
        self._known = self._stored_notes()

    # -- the sequence ----------------------------------------------------------------------------------------------------

    def run(self) -> Path:
        """Everything that is not done yet; returns the path of the report."""
        study = self._open_study()
        self._say_space(study)
        outcome = study.run(trials=self.settings.trials, workers=self.settings.workers, progress=True)
        self.console.print(f"[bold]Search[/bold]: {outcome.message}")
        if self.settings.full:
            with self._store() as store:
                stages = Stages(store, self.console)
                winner = stages.do("winner", lambda: self._choose_winner(study))
                found = stages.do("tuning", lambda: self._tune(winner))
                trained = stages.do("training", lambda: self._train(winner, found))
            self.console.print(results_table(trained))
        view = nas.Study.open(self.directory)
        report = write_report(view, space=self.space, title=f"{self.space.name} on {self.data.name}", commands=self._commands())
        self.console.print(f"\nReport: [bold]{report}[/bold]", soft_wrap=True)
        return report

    def _open_study(self) -> nas.Study:
        """The study, with limits that baselines set turned into numbers; what that took is kept as notes."""
        if "limits" not in self._known:
            self._known = self._look_around()
        limits = [nas.at_most(metric, bound) for metric, bound in self._known["limits"].items()]
        return nas.Study(
            self.space,
            self.controller,
            [evaluators.Cost(), evaluators.Latency(), self._proxy()],
            objectives=[nas.minimize("val_mse")],
            constraints=limits,
            directory=str(self.directory),
            seed=self.settings.seed,
            notes={"job": self.settings.to_json(), **self._known},
        )

    # -- before the search -----------------------------------------------------------------------------------------------

    def _look_around(self) -> dict[str, Any]:
        """Measures the baselines and architectures drawn uniformly; from this come limits and the facts of the space."""
        measured_limits = any(metric not in preflight.PRICED for metric in self.settings.limits)
        points: dict[str, dict[str, Any]] = {}
        if self.space.baselines:
            chain = [evaluators.Cost(), evaluators.Latency(), self._proxy()]
            trials = self._judge(list(self.space.baselines.values()), chain, "baselines", "Baselines", self.settings.workers)
            points = {
                name: {m: v.to_json() for m, v in trial.measurements.items()}
                for name, trial in zip(self.space.baselines, trials, strict=True)
            }
        drawn: list[Trial] = []
        if measured_limits:
            random = self.space.sample(self.settings.seed, n=DRAWN)
            smallest = preflight.cheapest(self.space, "flops", seed=self.settings.seed)
            what = "Latency of random architectures"
            drawn = self._judge([*random, smallest], [evaluators.Latency()], "random", what, self.settings.workers)
        limits = {metric: self._limit(metric, bound, points) for metric, bound in self.settings.limits.items()}
        measured = {m: [t.value(m) for t in drawn[:DRAWN] if m in t.measurements] for m in limits if m not in preflight.PRICED}
        for metric in measured:
            self._check_measured_limit(metric, limits[metric], [t.value(metric) for t in drawn if metric in t.measurements])
        facts = preflight.describe_space(self.space, limits, seed=self.settings.seed, measured=measured)
        return {"limits": limits, "baselines": points, "check": facts}

    def _judge(self, architectures: Sequence[Any], chain: Sequence[Any], name: str, what: str, workers: int) -> list[Trial]:
        """Evaluates given architectures in worker processes, without limits; a small study of its own, so it resumes too."""
        distinct = len({a.fingerprint for a in architectures})
        study = nas.Study(
            self.space,
            controllers.Listed(architectures),
            list(chain),
            objectives=[nas.minimize(chain[-1].metrics[0])],
            directory=str(self.directory / "measured" / name),
            seed=self.settings.seed,
        )
        with self._progress(what, distinct) as advance:
            for _ in (t for t in study.trials if t.is_finished):
                advance()
            study.run(
                trials=distinct,
                workers=min(workers, distinct),
                on_event=lambda event: advance() if isinstance(event, TrialFinished) else None,
            )
        by_fingerprint = {trial.fingerprint: trial for trial in study.trials}
        return [by_fingerprint[a.fingerprint] for a in architectures if a.fingerprint in by_fingerprint]

    def _limit(self, metric: str, bound: float | str, points: Mapping[str, Mapping[str, Any]]) -> float:
        if not isinstance(bound, str):
            return float(bound)
        if metric in points.get(bound, {}):
            return float(points[bound][metric]["value"])
        return preflight.resolve_limit(self.space, metric, bound)

    def _check_arithmetic_limits(self) -> None:
        """Refuses a limit below the cheapest architecture, and one on a metric that nothing measures."""
        known = set(preflight.PRICED) | set(evaluators.Latency.metrics)
        for metric, bound in self.settings.limits.items():
            if metric not in known:
                raise UserError(
                    f"nothing measures {metric!r}",
                    path="--at-most",
                    received=metric,
                    expected=f"one of {', '.join(sorted(known))}",
                )
            if isinstance(bound, str) and bound not in self.space.baselines:
                names = ", ".join(self.space.baselines) or "none"
                raise UserError(
                    f"{bound!r} is neither a number nor a baseline",
                    path=f"--at-most {metric}",
                    expected=f"a number or one of {names}",
                )
            if metric in preflight.PRICED and not isinstance(bound, str):
                cheapest = preflight.cheapest(self.space, metric, seed=self.settings.seed)
                if getattr(cheapest.cost(), metric) > bound:
                    raise UserError(
                        f"no architecture found with {metric} <= {bound:g}",
                        path="--at-most",
                        received=bound,
                        expected=f"at least {getattr(cheapest.cost(), metric):g}, the cheapest found",
                        hint=f"nas cost {self.settings.space} --index {cheapest.index} shows it",
                    )

    def _check_measured_limit(self, metric: str, bound: float, values: Sequence[float]) -> None:
        """Refuses a limit that neither the smallest network nor any random one meets; leaves nothing behind."""
        if values and min(values) > bound:
            shutil.rmtree(self.directory / "measured")
            with contextlib.suppress(OSError):
                self.directory.rmdir()
            raise UserError(
                f"no architecture found with {metric} <= {bound:g}",
                path="--at-most",
                received=bound,
                expected=f"at least {min(values):.4g}, the lowest of {len(values)} measured, one with the fewest FLOPs found",
            )

    def _say_space(self, study: nas.Study) -> None:
        preflight.print_description(self._known["check"], self.console)
        self.console.print(f"Data: {self.data!r}")
        self.console.print(f"Goal: {study.objectives[0]}" + "".join(f", {c}" for c in study.constraints) + "\n")

    # -- after the search ------------------------------------------------------------------------------------------------

    def _choose_winner(self, study: nas.Study) -> dict[str, Any]:
        """The best trial that meets the limits also when timed again, on a machine that does nothing else."""
        completed = [t for t in study.trials if t.state == "completed"]
        if not completed:
            raise StudyError(
                f"none of {len(study.trials)} trials meets the limits",
                path=str(self.directory),
                hint="Run with more trials, or a wider --at-most; `nas top` and the report show how far each was",
            )
        best = sorted(completed, key=lambda t: t.value("val_mse"))[:RETIMED]
        again = self._time_again([study.architecture(t) for t in best] + list(self.space.baselines.values()))
        bounds = dict(self._known["limits"])
        name = self.settings.limits.get("latency_ms")
        if isinstance(name, str):
            bounds["latency_ms"] = again[self.space.baselines[name].fingerprint].value
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

    def _time_again(self, architectures: Sequence[Any]) -> dict[str, Measurement]:
        """Latency by fingerprint, measured longer, one after the other, with nothing else of ours at work."""
        careful = evaluators.Latency(seconds_each=1.0, processes=3)
        trials = self._judge(architectures, [careful], "best", "Latency again, with nothing beside", workers=1)
        for trial in trials:
            if "latency_ms" not in trial.measurements:
                raise StudyError(
                    f"no latency of {trial.fingerprint[:12]} ({trial.reason})", path=str(self.directory / "measured" / "best")
                )
        return {t.fingerprint: t.measurements["latency_ms"] for t in trials}

    def _tune(self, winner: Mapping[str, Any]) -> dict[str, Any]:
        directory = self.directory / "tuning"
        directory.mkdir(exist_ok=True)
        architecture = directory / "architecture.json"
        architecture.write_text(
            json.dumps({"space": self.space.reference or self.settings.space, "decisions": winner["decisions"]})
        )
        parameters: dict[str, Any] = {
            "learning_rate": tuning.Double(5e-4, 8e-3, "log"),
            "batch_size": tuning.Discrete([8, 16]),
            "loss": tuning.Categorical(["mse"]),
        }
        command = [sys.executable, "-m", "trainer.task", f"--data={self.settings.data}", f"--architecture={architecture}"]
        command += [f"--epochs={self.settings.tune_epochs}", f"--seed={self.settings.seed}", "--schedule=cosine"]
        command += ["--model_dir="]  # a tuning trial is judged, not kept
        with self._progress("Tuning", self.settings.tune_trials) as advance:
            result = tuning.tune(
                command,
                parameters,
                max_trial_count=self.settings.tune_trials,
                parallel_trial_count=self.settings.workers,
                directory=directory,
                seed=self.settings.seed,
                on_event=lambda trial: advance() if trial.state != "running" else None,
            )
        if result.best is None:
            raise StudyError("every tuning trial failed", path=str(directory), hint=f"Look at {directory}/trial-1/output.log")
        return {
            "metric": "val_loss",
            "goal": "minimize",
            "algorithm": "bayesian",
            "note": f"Each trial trains {self.settings.tune_epochs} epochs.",
            "trials": [
                {"id": t.id, "parameters": dict(t.values), "value": None if t.value != t.value else t.value, "state": t.state}
                for t in result.trials
            ],
            "best": {"id": result.best.id, "parameters": dict(result.best.values)},
        }

    def _train(self, winner: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        from trainer.full import FullTraining

        default = {"learning_rate": 1e-3, "batch_size": self.settings.proxy_batch_size, "loss": "mse"}
        best = {k: found["best"]["parameters"][k] for k in default}
        plans = {"winner": (winner["decisions"], default), "tuned winner": (winner["decisions"], best)}
        plans |= {f"{name} network": (a.decisions, default) for name, a in self.space.baselines.items()}
        jobs = {
            name: FullTraining(
                name=name,
                space=self.space.reference or self.settings.space,
                decisions=dict(decisions),
                data=self.settings.data,
                epochs=self.settings.train_epochs,
                seed=self.settings.seed,
                directory=str(self.directory / "artifacts" / name.replace(" ", "-")),
                samples=SHOWN_IMAGES,
                export_to=str(self.directory / "export") if name == "tuned winner" else "",
                **parameters,
            )
            for name, (decisions, parameters) in plans.items()
        }
        results = self._train_all(jobs)
        architectures = {name: self.space.architecture(decisions) for name, (decisions, _) in plans.items()}
        rows = []
        for name, result in results.items():
            cost, parameters = architectures[name].cost(), plans[name][1]
            rows.append(
                {
                    "name": name,
                    "val_mse": result["val_mse"],
                    "test_mse": result["test_mse"],
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
        for point in (baselines.reference_points(self.data) or ())[:1]:
            rows.append({"name": point.name, "val_mse": point.val_mse, "test_mse": point.test_mse, "params": point.parameters})
        images = self._keep_images(jobs)
        note = f"Every network is trained {self.settings.train_epochs} epochs and kept at its best epoch on validation data."
        exports = results["tuned winner"]["exports"]
        return {"metric": "val_mse", "held_out": "test_mse", "rows": rows, "images": images, "note": note, "exports": exports}

    def _train_all(self, jobs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Full trainings as processes, a few at a time; one that was interrupted goes on from its checkpoint."""
        epochs = self.settings.train_epochs * len(jobs)
        stop = threading.Event()
        with self._progress("Full training (epochs)", epochs) as advance, ThreadPoolExecutor(self.settings.workers) as pool:
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
        path = self.directory / "artifacts" / "images.npz"
        arrays: dict[str, Any] = {f"column{i}": images for i, images in enumerate(columns.values())}
        np.savez_compressed(path, labels=np.array(list(columns)), **arrays)
        return str(path.relative_to(self.directory))

    # -- small things ----------------------------------------------------------------------------------------------------

    def _proxy(self) -> Any:
        s = self.settings
        return evaluators.ProxyTraining(self.data, epochs=s.proxy_epochs, batch_size=s.proxy_batch_size, schedule="cosine")

    def _store(self) -> Store:
        return Store(str(self.directory))

    def _stored_notes(self) -> dict[str, Any]:
        """What an earlier run of the same job found out before its search; refuses another job's directory."""
        if not exists(self.directory):
            return {}
        notes = dict(nas.Study.open(self.directory).notes)
        mine, theirs = self.settings.to_json(), notes.pop("job", None)
        if theirs is None:
            return {}
        fixed = ("space", "data", "controller", "seed", "limits", "proxy_epochs", "proxy_batch_size")
        different = [k for k in fixed if mine[k] != theirs.get(k)]
        if different:
            told = "; ".join(f"{k} was {theirs.get(k)!r}, is now {mine[k]!r}" for k in different)
            raise StudyError(
                f"it holds another job: {told}",
                path=str(self.directory),
                hint=f"Choose another --out, or continue it with `nas resume {self.directory}`",
            )
        return notes

    def _commands(self) -> str:
        s = self.settings
        limits = "".join(f" --at-most {metric}={bound}" for metric, bound in s.limits.items())
        return (
            f"nas search {s.space} --data {s.data} --controller {s.controller} --trials {s.trials} --workers {s.workers}"
            f" --seed {s.seed}{limits}{' --full' if s.full else ''} --out {self.directory.name}\n"
            f"nas top {self.directory.name}\nnas report {self.directory.name}"
        )

    @contextlib.contextmanager
    def _progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)


class Stages:
    """Does a stage once: what is stored as completed is returned, what is not is done and stored."""

    def __init__(self, store: Store, console: Any):
        self._store, self._console = store, console

    def do(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        stored = self._store.stage(name)
        if stored is not None and stored.state == "completed":
            return stored.payload
        payload = json.loads(json.dumps(work()))  # what is returned is what a resumed job would read
        self._store.put_stage(name, payload)
        self._store.commit()
        return payload


def results_table(trained: Mapping[str, Any]) -> Any:
    """The closing table: one row a network."""
    from rich.table import Table

    table = Table(title="Results", title_justify="left", box=None)
    for head in ("network", "val MSE", "held-out MSE", "latency", "FLOPs", "parameters"):
        table.add_column(head, justify="left" if head == "network" else "right", no_wrap=True)
    for row in trained["rows"]:
        latency = row.get("latency_ms")
        table.add_row(
            row["name"],
            f"{row['val_mse']:.4f}",
            "-" if row["test_mse"] is None else f"{row['test_mse']:.4f}",
            quantity(float(latency["value"]), "ms") if latency else "-",
            quantity(row["flops"]) if "flops" in row else "-",
            f"{row['params']:,}",
        )
    return table
