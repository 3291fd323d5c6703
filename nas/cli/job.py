"""The main job: check, search, choose, tune, train, export, report; each step durable, so that it continues where it stopped.

The settings and what was measured before the search are kept as notes of the study; what follows the search is in `finish`.
`nas search` starts a job, `nas resume` continues it; what is done is not done again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import controllers
import evaluators
import nas
from evaluators.proxy_design import Proxy
from nas.cli import preflight
from nas.cli.common import find_space, read_objective
from nas.cli.finish import Finish, results_table
from nas.errors import StudyError, UserError
from nas.language.backend import chosen, has_tensorflow, require_tensorflow
from nas.study.database import exists
from nas.study.directory import check_location
from nas.study.events import TrialFinished
from nas.study.report import write_report
from nas.study.trial import Trial
from trainer.data import load_data
from trainer.pipelines import scaled_size

DRAWN = 12  # architectures whose latency is measured to say what share of the space meets a limit


@dataclasses.dataclass(frozen=True)
class JobSettings:
    """What a job does; plain JSON.

    Attributes:
        space, data, task, controller: names as on the command line.
        trials, workers, seed: of the search.
        controller_settings: what the controller takes beside its seed.
        runtime, device: on what latency is measured (`evaluators.Latency`).
        start_from: "baselines", whose trials come first, or "".
        warm_start: the directory of an earlier study, or "".
        reward: how the loss is weighed with costs (`read_objective`), or "".
        limits: metric -> bound or the name of a baseline that sets it.
        proxy_file: what `nas proxy design` wrote, or "".
        proxy: what it chose (`evaluators.proxy_design.Proxy`); it takes the place of the next three.
        proxy_epochs, proxy_batch_size: how a trial is trained.
        proxy_resolution: factor on the images' height and width in a trial, for spaces whose networks take any size.
        cache: a file of measurements that searches share, or "" for one of this search alone.
        full: whether tuning, full training and export follow.
        tune_trials, tune_epochs: of the tuning.
        train_epochs: of full training, the same for every network.
        batch_size: of full training with default hyperparameters.
    """

    space: str
    data: str
    task: str = "auto"
    controller: str = "auto"
    trials: int = 24
    workers: int = 2
    seed: int = 0
    limits: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    proxy_file: str = ""
    proxy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    proxy_epochs: int = 3
    proxy_resolution: float = 0.6
    proxy_batch_size: int = 16
    controller_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reward: str = ""
    runtime: str = "litert"
    device: str = ""
    start_from: str = ""
    warm_start: str = ""
    cache: str = ""
    full: bool = False
    tune_trials: int = 4
    tune_epochs: int = 2
    train_epochs: int = 14
    batch_size: int = 8

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def commands(self, directory: Path) -> str:
        """Shell commands that do the same again, to be run where this one is."""
        usual = JobSettings(self.space, self.data)
        given: dict[str, Any] = {
            "--data": self.data,
            "--task": self.task if self.task != usual.task else "",
            "--controller": self.controller,
            "--over": self.controller_settings.get("over", {}).get("name", ""),
            "--start-from": self.start_from,
            "--warm-start": self.warm_start,
            "--trials": self.trials,
            "--workers": self.workers,
            "--seed": self.seed,
            "--at-most": [f"{metric}={bound}" for metric, bound in self.limits.items()],
            "--reward": self.reward,
            "--runtime": self.runtime if self.runtime != usual.runtime else "",
            "--device": self.device,
            "--proxy": self.proxy_file,
            "--epochs": "" if self.proxy_file else self.proxy_epochs,
            "--resolution": "" if self.proxy_file or self.proxy_resolution == usual.proxy_resolution else self.proxy_resolution,
            "--cache": self.cache,
        }
        if self.full:
            given |= {
                "--tune-trials": self.tune_trials,
                "--tune-epochs": self.tune_epochs,
                "--train-epochs": self.train_epochs,
            }
        words = ["nas", "search", self.space]
        for option, value in given.items():
            for one in value if isinstance(value, list) else [value] if value != "" else []:
                words += [option, str(one)]
        place = shlex.quote(os.path.relpath(directory))
        return f"{shlex.join(words)}{' --full' if self.full else ''} --out {place}\nnas top {place}\nnas report {place}"

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
        self.data = load_data(settings.data, settings.task)
        self.data.check_fits(self.space.input_shape, self.space.output_shape)
        self.proxy = Proxy.from_json(dict(settings.proxy)) if settings.proxy else self._usual_proxy()
        self.objective = self._read_objective()
        self._check_arithmetic_limits()
        if settings.full:
            require_tensorflow("exporting the winner", "--full")
        if settings.start_from and (settings.start_from != "baselines" or not self.space.baselines):
            hint = "" if self.space.baselines else f"{settings.space} has no baselines: leave it out"
            problem = f"{settings.start_from!r} does not do"
            raise UserError(problem, path="--start-from", received=settings.start_from, expected="baselines", hint=hint)
        self.known = self._stored_notes()
        suited = self.known.pop(
            "controller_settings", settings.controller_settings
        )  # of a job that is continued, or longer now
        self.settings = dataclasses.replace(settings, controller_settings=suited)
        self.controller = controllers.get(settings.controller, seed=settings.seed, **suited)

    # -- the sequence ----------------------------------------------------------------------------------------------------

    def run(self) -> Path:
        """Everything that is not done yet; returns the path of the report."""
        study = self._open_study()
        self._say_space(study)
        outcome = study.run(trials=self.settings.trials, workers=self.settings.workers, progress=True)
        self.console.print(f"[bold]Search[/bold]: {outcome.message}")
        self._say_noise(study.trials)
        if self.settings.full:
            self.console.print(results_table(Finish(self).run(study)))
        view = nas.Study.open(self.directory)
        report = write_report(
            view,
            space=self.space,
            title=f"{self.space.name} on {self.data.name}",
            commands=self.settings.commands(self.directory),
        )
        self.console.print(f"\nReport: [bold]{report}[/bold]", soft_wrap=True)
        return report

    def _open_study(self) -> nas.Study:
        """The study, with limits that baselines set turned into numbers; what that took is kept as notes."""
        if "limits" not in self.known:
            self.known = self._look_around()
        limits = [nas.at_most(metric, bound) for metric, bound in self.known["limits"].items()]
        study = nas.Study(
            self.space,
            self.controller,
            self._chain(),
            objectives=[self.objective],
            constraints=limits,
            directory=str(self.directory),
            seed=self.settings.seed,
            notes={"job": self.settings.to_json(), **self.known},
        )
        if not study.trials:  # of a study that has begun they are in the journal
            self._warm_start(study)
        return study

    def _warm_start(self, study: nas.Study) -> None:
        if self.settings.start_from:
            study.warm_start(list(self.space.baselines.values()))
        if self.settings.warm_start:
            study.warm_start(self.settings.warm_start)
            self.console.print(f"[bold]Warm start[/bold]: {study.transfers[-1]}", soft_wrap=True)

    # -- before the search -----------------------------------------------------------------------------------------------

    def _look_around(self) -> dict[str, Any]:
        """Measures the baselines and architectures drawn uniformly; from this come limits and the facts of the space."""
        measured_limits = any(metric not in preflight.PRICED for metric in self.settings.limits)
        points: dict[str, dict[str, Any]] = {}
        if self.space.baselines:
            trials = self.judge(
                list(self.space.baselines.values()), self._chain(), "baselines", "Baselines", self.settings.workers
            )
            points = {
                name: {m: v.to_json() for m, v in trial.measurements.items()}
                for name, trial in zip(self.space.baselines, trials, strict=True)
            }
        drawn: list[Trial] = []
        if measured_limits:
            random = self.space.sample(self.settings.seed, n=DRAWN)
            smallest = preflight.cheapest(self.space, "flops", seed=self.settings.seed)
            what = "Latency of random architectures"
            drawn = self.judge([*random, smallest], [self._remembered(self.latency())], "random", what, self.settings.workers)
        limits = {metric: self._limit(metric, bound, points) for metric, bound in self.settings.limits.items()}
        measured = {m: [t.value(m) for t in drawn[:DRAWN] if m in t.measurements] for m in limits if m not in preflight.PRICED}
        for metric in measured:
            self._check_measured_limit(metric, limits[metric], [t.value(metric) for t in drawn if metric in t.measurements])
        facts = preflight.describe_space(self.space, limits, seed=self.settings.seed, measured=measured)
        return {"limits": limits, "baselines": points, "check": facts}

    def judge(self, architectures: Sequence[Any], chain: Sequence[Any], name: str, what: str, workers: int) -> list[Trial]:
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
        with self.progress(what, distinct) as advance:
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
        """Refuses a limit below the cheapest architecture, and one on a metric that nothing measures; so for a reward."""
        known = set(preflight.PRICED) | set(evaluators.Latency.metrics)
        weighed = [metric for metric, _ in self.objective.reward.targets] if self.objective.reward else []
        for option, metric in [("--reward", m) for m in weighed] + [("--at-most", m) for m in self.settings.limits]:
            if metric not in known:
                expected = f"one of {', '.join(sorted(known))}"
                raise UserError(f"nothing measures {metric!r}", path=option, received=metric, expected=expected)
            if metric not in preflight.PRICED:
                require_tensorflow(f"measuring {metric}", option)
        for metric, bound in self.settings.limits.items():
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
        preflight.print_description(self.known["check"], self.console)
        if not has_tensorflow():
            self.console.print(f"Latency: not measured, that needs TensorFlow and Keras computes with {chosen()}")
        self.console.print(f"Data: {self.data!r}")
        self.console.print(f"Goal: {study.objectives[0]}" + "".join(f", {c}" for c in study.constraints) + "\n")

    def _say_noise(self, trials: Sequence[Trial]) -> None:
        """A search goes on with latencies of a noisy machine; it does not keep them quiet."""
        noisy = [t for t in trials if "latency_ms" in t.measurements and t.measurements["latency_ms"].note]
        if noisy:
            note = noisy[-1].measurements["latency_ms"].note
            self.console.print(
                f"[bold]Noisy latency[/bold] in {len(noisy)} trials, the last {noisy[-1].id}: {note}", soft_wrap=True
            )

    # -- small things ----------------------------------------------------------------------------------------------------

    def _chain(self) -> list[Any]:
        """Who judges a trial. What baselines were measured at before the search is not measured again.

        Latency is left out where no network can be converted for a runtime.
        """
        gates: list[Any] = [evaluators.Cost()]
        if has_tensorflow():
            gates.append(self._remembered(self.latency()))
        counted = self.proxy.metric in evaluators.Cost.metrics  # a proxy that is a count is measured already
        return gates if counted else [*gates, self._remembered(self.proxy.evaluator(self.data))]

    def latency(self, **settings: Any) -> evaluators.Latency:
        """Who times networks, here or on the board; settings as of `evaluators.Latency`."""
        return evaluators.Latency(self.settings.runtime, device=self.settings.device, **settings)

    def _remembered(self, evaluator: Any) -> Any:
        return evaluators.cached(evaluator, self.settings.cache or self.directory / "measured" / "measurements.db")

    def _usual_proxy(self) -> Proxy:
        s, shape = self.settings, self.space.input_shape or ()
        is_image = len(shape) == 3
        resized = is_image and self.space.takes_size(scaled_size(shape[:2], s.proxy_resolution))
        resolution = s.proxy_resolution if resized else 1.0
        settings = {"epochs": s.proxy_epochs, "resolution": resolution, "batch_size": s.proxy_batch_size, "schedule": "cosine"}
        objective = self.data.task.objective()
        return Proxy("training", settings, objective.metric, objective.goal)

    def _read_objective(self) -> nas.Objective:
        """What is searched by: the proxy's metric, perhaps weighed with costs."""
        if self.proxy.kind == "training":
            return read_objective(self.settings.reward, self.proxy.metric, self.proxy.goal)
        if self.settings.reward:
            problem = f"{self.proxy.metric} says nothing that costs could be weighed with"
            raise UserError(
                problem, path="--reward", received=self.settings.reward, hint="Use --at-most, or a proxy that trains"
            )
        return self.proxy.objective()

    def _stored_notes(self) -> dict[str, Any]:
        """What an earlier run of the same job found out before its search; refuses another job's directory."""
        if not exists(self.directory):
            return {}
        notes = dict(nas.Study.open(self.directory).notes)
        mine, theirs = self.settings.to_json(), notes.pop("job", None)
        if theirs is None:
            return {}
        fixed = ["space", "data", "task", "controller", "seed", "limits", "reward", "runtime", "start_from", "warm_start"]
        fixed += ["proxy", "proxy_epochs", "proxy_resolution", "proxy_batch_size"]
        theirs = JobSettings.from_json(theirs).to_json()
        different = [k for k in fixed if mine[k] != theirs.get(k)]
        if different:
            told = "; ".join(f"{k} was {theirs.get(k)!r}, is now {mine[k]!r}" for k in different)
            raise StudyError(
                f"it holds another job: {told}",
                path=str(self.directory),
                hint=f"Choose another --out, or continue it with `nas resume {self.directory}`",
            )
        return notes | {"controller_settings": theirs["controller_settings"]}

    @contextlib.contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
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
