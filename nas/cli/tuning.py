"""`nas tune`: hyperparameter tuning of a study's trial, or of any script that takes flags and reports with hypertune."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.common import JsonOption, SeedOption, console, print_json, say_interrupted
from nas.errors import UserError

if TYPE_CHECKING:
    from trainer.tuning import TuningResult, TuningSpec, TuningTrial


def register(app: typer.Typer) -> None:
    app.command()(tune)


def tune(
    directory: Annotated[str | None, typer.Argument(metavar="[DIR]", help="A study, whose best trial is tuned.")] = None,
    script: Annotated[
        str | None,
        typer.Option(
            "--script", metavar="FILE|MODULE", help="Or any script that takes --name=value and reports with hypertune."
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec", metavar="FILE", help="Parameters, metric and limits as YAML, or Vertex's JSON; else the book's."
        ),
    ] = None,
    trial: Annotated[int | None, typer.Option("--trial", help="Another trial of the study than its best.")] = None,
    flag: Annotated[
        list[str] | None,
        typer.Option("--flag", metavar="NAME=VALUE", help="A flag that every trial gets, e.g. data=gs://bucket/x. Repeatable."),
    ] = None,
    max_trials: Annotated[int | None, typer.Option("--max-trials", min=1, help="Trials in all.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=1, help="Trials at a time.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="How long a trial may run before it is ended.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Where trials are kept; runs/tuning for a script.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Tunes hyperparameters as Vertex AI does: each trial is the real entry point in a process of its own.

    The spec, hpt.yaml:

        parameters:
          learning_rate: {type: double, min: 1e-4, max: 1e-2, scale: log}
          batch_size: {type: discrete, values: \\[16, 32, 64]}
          optimizer: {type: categorical, values: \\[adam, sgd]}
          momentum: {type: double, min: 0.5, max: 0.99, when: {optimizer: sgd}}
        metric: val_loss
        max_trial_count: 20
        early_stopping: median

    The same command continues what was interrupted; a larger --max-trials goes on from there. DIR then holds the trials' logs,
    results.csv, results.svg (parallel coordinates) and tensorboard/ (HParams).

    Examples: nas tune runs/first      nas tune --script task.py --spec hpt.yaml --flag data=photos --out runs/tuning
    """
    from trainer import tuning

    if (directory is None) == (script is None):
        raise UserError("name a study or a script", path="nas tune", expected="either DIR or --script FILE")
    chosen = tuning.load_spec(spec) if spec else tuning.TuningSpec(tuning.BOOK, "val_loss", "minimize")
    given: dict[str, Any] = {"max_trial_count": max_trials, "parallel_trial_count": parallel, "timeout_s": timeout}
    chosen = dataclasses.replace(chosen, **{name: value for name, value in given.items() if value is not None})
    if script is not None:
        command, where = _script_command(script), Path(out or "runs/tuning")
    else:
        assert directory is not None
        command, where = _study_command(directory, trial)
        where = Path(out) if out else where
    command += _fixed_flags(flag or (), chosen)
    try:
        with _progress(chosen) as on_event:
            result = tuning.tune(command, directory=where, seed=seed, on_event=on_event, **chosen.arguments())
    except KeyboardInterrupt:
        raise say_interrupted("the same `nas tune` command") from None
    files = result.save()
    if as_json:
        print_json(result.to_json())
    else:
        _say_result(result, command, files)
    if result.best is None:
        raise typer.Exit(1)


def _script_command(script: str) -> list[str]:
    path = Path(script)
    if path.is_file():
        runs_itself = path.suffix != ".py" and os.access(path, os.X_OK)
        return [str(path.absolute())] if runs_itself else [sys.executable, script]
    if script.replace(".", "_").isidentifier() and not script.endswith(".py"):
        return [sys.executable, "-m", script]
    raise UserError("no such file", path=script, expected="a Python script, or a module's name")


def _study_command(directory: str, trial: int | None) -> tuple[list[str], Path]:
    """The entry point for a study's trial, and where its tuning is kept."""
    import nas

    view = nas.Study.open(directory)
    found = view.best() if trial is None else next((t for t in view.trials if t.id == trial), None)
    if found is None:
        raise UserError(
            "no completed trial to tune" if trial is None else f"no trial {trial}", path=directory, hint="See `nas top`"
        )
    where = view.directory / "artifacts" / f"trial-{found.id}" / "tuning"
    where.mkdir(parents=True, exist_ok=True)
    architecture = where / "architecture.json"
    architecture.write_text(json.dumps({"space": view.space["reference"], "decisions": dict(found.decisions)}))
    data = view.notes.get("job", {}).get("data", "photos")
    return [sys.executable, "-m", "trainer.task", f"--data={data}", f"--architecture={architecture}"], where


def _fixed_flags(texts: Sequence[str], spec: TuningSpec) -> list[str]:
    flags = []
    for text in texts:
        name, equals, _ = text.removeprefix("--").partition("=")
        if not equals or not name:
            raise UserError(f"{text!r} is no flag", path="--flag", received=text, expected="NAME=VALUE, e.g. epochs=2")
        if name in spec.parameters:
            hint = "Take it out of the spec, or leave --flag out"
            raise UserError(f"{name} is tuned", path="--flag", received=text, expected="another flag", hint=hint)
        flags.append(f"--{text.removeprefix('--')}")
    return flags


@contextmanager
def _progress(spec: TuningSpec) -> Iterator[Any]:
    """A bar with the best so far, on standard error, and a line for each trial that ends."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from nas.study.objective import Objective

    objective = Objective(spec.metric, spec.goal)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console(to_stderr=True)) as progress:
        task = progress.add_task("tuning", total=spec.max_trial_count)
        best, begun = math.nan, False

        def on_event(trial: TuningTrial) -> None:
            nonlocal best, begun
            if trial.state == "running":
                if not begun:  # those before were done by an earlier run
                    progress.update(task, completed=trial.id - 1)
                begun = True
                return
            if trial.has_result and objective.score(trial.value) > objective.score(best):
                best = trial.value
                progress.update(task, description=f"tuning, best {spec.metric} {best:.5g}")
            progress.advance(task)
            progress.console.print(_trial_line(trial, spec.metric), soft_wrap=True, markup=False)

        yield on_event


def _trial_line(trial: TuningTrial, metric: str) -> str:
    value = f", {metric} {trial.value:.5g}" if trial.has_result else ""
    reason = f": {trial.reason}" if trial.reason else ""
    return f"trial {trial.id} {trial.state}{value}{reason}"


def _say_result(result: TuningResult, command: Sequence[str], files: Sequence[Path]) -> None:
    from trainer.tuning.parameters import flags

    out = console()
    out.print(result.table())
    if result.best is None:
        out.print(f"No trial has a result. Their logs: {result.directory}/trial-*/output.log", soft_wrap=True)
    else:
        words = ["python" if word == sys.executable else word for word in command]
        best: Mapping[str, Any] = result.best.values
        out.print(f"\nBest: trial {result.best.id}, {result.spec.metric} {result.best.value:.6g}. To run it again:")
        out.print(f"  {shlex.join([*words, *flags(best)])}", soft_wrap=True, markup=False)
    out.print(f"\nWritten: {', '.join(map(str, files))}", soft_wrap=True, markup=False)
