"""A search on a real task, and its winner against a network made by hand: how, whatever the task.

1. The hand-made network is timed; its latency is the limit. So neither side may be slower.
2. A search under the limit, by a short training on the training split, judged on the validation split. The hand-made network is
   the first trial: the search starts where a person would.
3. The best three trials that are other networks are trained fully with one seed; the winner is the best of them on validation
   data. It and the hand-made network are trained with the same budget and several seeds, and kept at their best epoch on
   validation data.
4. Validation figures, by which all choices were made, and test figures, which nobody has looked at before.

Everything is kept in one directory as it ends: an interrupted run goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

import controllers
import evaluators
import nas
from nas.errors import StudyError
from nas.study.events import TrialFinished
from trainer.data import Dataset, load_data
from trainer.full import FullTraining

Arrays = Mapping[str, np.ndarray]

FINALISTS = 3


@dataclasses.dataclass(frozen=True)
class RealTask:
    """A task with real data.

    Attributes:
        name, title: for the command line and for people.
        file: of the data, in the folder of data sets.
        split: from the file's arrays to `train_x train_y val_x val_y test_x test_y`.
        space: what is searched.
        baseline_name: what the hand-made network is called.
        baseline: its decisions.
        proxy: settings of `evaluators.ProxyTraining`.
        full: settings of `trainer.full.FullTraining`.
        trials, epochs, seeds: the usual budget of the search and of full training.
        references: answers without a network: name -> (validation, test) figure.
    """

    name: str
    title: str
    file: str
    split: Callable[[Arrays], dict[str, np.ndarray]]
    space: nas.SearchSpace
    baseline_name: str
    baseline: Mapping[str, Any]
    proxy: Mapping[str, Any]
    full: Mapping[str, Any]
    trials: int
    epochs: int
    seeds: int = 2
    references: Callable[[Dataset], dict[str, tuple[float, float]]] = lambda data: {}


class Comparison:
    """One run.

    Args:
        task: which.
        data: the folder of data sets.
        out: where everything goes.
        trials, epochs, seeds, workers: the budget, and how much is done at a time.
        console: for progress.
    """

    def __init__(
        self, task: RealTask, data: Path, out: Path, trials: int, epochs: int, seeds: int, workers: int, console: Console
    ):
        self.task, self.out, self.console = task, out, console
        self.trials, self.epochs, self.seeds, self.workers = trials, epochs, seeds, workers
        out.mkdir(parents=True, exist_ok=True)
        self.file = self._prepare(data / task.file)
        self.data = load_data(self.file)
        self.baseline = task.space.architecture(task.baseline)

    def run(self) -> dict[str, Any]:
        """The figures, as plain JSON."""
        with self._clock() as clock:
            study = self._search()
            winner = self._winner(study)
            networks = {"winner": winner, self.task.baseline_name: self.baseline}
            results = self._train(networks, self.seeds)
        return {
            "task": self.task.name,
            "metric": self.data.task.metric,
            "trials": len(study.trials),
            "completed": sum(t.state == "completed" for t in study.trials),
            "seconds": json.loads(clock.read_text()),
            "epochs": self.epochs,
            "seeds": self.seeds,
            "rows": [self._row(name, network, results[name]) for name, network in networks.items()],
            "references": self.task.references(self.data),
            "winner": dict(winner.decisions),
        }

    # -- steps -----------------------------------------------------------------------------------------------------------

    def _prepare(self, source: Path) -> Path:
        """The splits in one file; uint8, so that nothing of the data is lost."""
        file = self.out / "data.npz"
        if not file.exists():
            with np.load(source, allow_pickle=False) as arrays:
                splits = self.task.split(arrays)
            part = self.out / "part.npz"
            np.savez(part, **splits)  # type: ignore[arg-type]
            os.replace(part, file)
        return file

    def _search(self) -> nas.Study:
        remembered = self.out / "measurements.db"
        proxy = evaluators.ProxyTraining(self.data, **self.task.proxy)
        latency = evaluators.cached(evaluators.Latency(), remembered)
        limit = latency.evaluate(self.baseline)["latency_ms"].value
        self.console.print(f"{self.task.title}: {self.data!r}\n{self.task.baseline_name}: {limit:.3f} ms, the limit")
        study = nas.Study(
            self.task.space,
            controllers.get("auto", seed=0),
            [evaluators.Cost(), latency, evaluators.cached(proxy, remembered)],
            objectives=[proxy.objective],
            constraints=[nas.at_most("latency_ms", limit)],
            directory=str(self.out / "study"),
        )
        study.warm_start([self.baseline])
        with self._progress("Search (trials)", self.trials) as advance:
            for _ in (t for t in study.trials if t.is_finished):
                advance()
            listen = lambda event: advance() if isinstance(event, TrialFinished) else None  # noqa: E731
            study.run(trials=self.trials, workers=self.workers, on_event=listen)
        return study

    def _winner(self, study: nas.Study) -> Any:
        """Of the best trials that are not the hand-made network, the one that is best on validation data once trained fully."""
        objective, metric = study.objectives[0], self.data.task.metric
        others = [t for t in study.trials if t.state == "completed" and t.fingerprint != self.baseline.fingerprint]
        if not others:
            raise StudyError(
                "no network but the hand-made one meets the limit", path=str(self.out), hint="Search with more --trials"
            )
        others.sort(key=lambda t: objective.score(objective.value_of(t)), reverse=True)
        finalists = {f"trial {t.id}": study.architecture(t) for t in others[:FINALISTS]}
        found = self._train(finalists, seeds=1)
        return finalists[max(found, key=lambda name: objective.score(found[name][0]["val"][metric]))]

    def _train(self, networks: Mapping[str, Any], seeds: int) -> dict[str, list[dict[str, Any]]]:
        """Full trainings as processes; each goes on from its last epoch where it was interrupted."""
        jobs = {
            (name, seed): FullTraining(
                name=network.fingerprint[:12],
                space=self.task.space.reference or "",
                decisions=dict(network.decisions),
                data=str(self.file.resolve()),
                directory=str(self.out / "full" / f"{network.fingerprint[:12]}-{self.epochs}-{seed}"),
                epochs=self.epochs,
                seed=seed,
                **self.task.full,
            )
            for name, network in networks.items()
            for seed in range(seeds)
        }
        stop = Event()
        with (
            self._progress("Full training (epochs)", self.epochs * len(jobs)) as advance,
            ThreadPoolExecutor(self.workers) as pool,
        ):
            futures = {key: pool.submit(job.run_as_process, advance, stop) for key, job in jobs.items()}
            try:
                found = {key: future.result() for key, future in futures.items()}
            except BaseException:
                stop.set()
                for future in futures.values():
                    future.cancel()
                raise
        return {name: [found[name, seed] for seed in range(seeds)] for name in networks}

    def _row(self, name: str, network: Any, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        cost = network.cost()
        latency = evaluators.cached(evaluators.Latency(), self.out / "measurements.db").evaluate(network)["latency_ms"]
        figures = {
            f"{split}_{score}": [result[split][score] for result in results]
            for split in ("val", "test")
            for score in results[0][split]
        }
        return {"name": name, "latency_ms": latency.value, "flops": cost.flops, "params": cost.params, "figures": figures}

    @contextmanager
    def _clock(self) -> Iterator[Path]:
        """Adds up the seconds of all runs, interrupted ones included, in a file."""
        file, started = self.out / "seconds.json", time.monotonic()
        before = json.loads(file.read_text()) if file.exists() else 0.0
        try:
            yield file
        finally:
            file.write_text(json.dumps(before + time.monotonic() - started))

    @contextmanager
    def _progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        with Progress(console=self.console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)


def markdown(found: Mapping[str, Any]) -> str:
    """The figures as a table: mean over seeds, and half the distance between the best and the worst seed."""
    scores = list(found["rows"][0]["figures"])
    lines = [
        f"| network | latency | FLOPs | parameters | {' | '.join(name.replace('_', ' ') for name in scores)} |",
        "|---|" + "---|" * (3 + len(scores)),
    ]
    for row in found["rows"]:
        cells = [f"{statistics.fmean(v):.4f} ±{(max(v) - min(v)) / 2:.4f}" for v in row["figures"].values()]
        costs = [f"{row['latency_ms']:.3f} ms", f"{row['flops'] / 1e6:.2f} M", f"{row['params']:,}"]
        lines.append(f"| {' | '.join([row['name'], *costs, *cells])} |")
    for name, (val, test) in found["references"].items():
        of = {f"val_{found['metric']}": f"{val:.4f}", f"test_{found['metric']}": f"{test:.4f}"}
        lines.append(f"| {' | '.join([name, '', '', '', *(of.get(score, '') for score in scores)])} |")
    searched = f"{found['trials']} trials, {found['completed']} of them within the limit"
    budget = f"{searched}; {found['epochs']} epochs of full training"
    lines.append(f"\n{budget}, {found['seeds']} seeds; {found['seconds'] / 60:.1f} minutes.")
    return "\n".join(lines)
