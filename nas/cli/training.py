"""`nas train` and `nas tune`: full training and hyperparameter tuning, of a study's trials or of any script."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.common import DirectoryArgument, JsonOption, SeedOption, console, print_json, say_interrupted
from nas.errors import UserError


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(tune)


def train(
    directory: DirectoryArgument,
    trials: Annotated[str, typer.Option("--trials", metavar="N[,N...]", help="Which trials.")],
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 20,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 16,
    learning_rate: Annotated[float, typer.Option("--learning-rate")] = 1e-3,
    flip: Annotated[bool, typer.Option("--flip", help="Mirror half of the images of each pass left to right.")] = False,
    data: Annotated[str | None, typer.Option("--data", help="Another data set than the search's.")] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Trains chosen trials fully and judges them once on held-out data; goes on where it was interrupted."""
    import nas
    from trainer.full import FullTraining

    view = nas.Study.open(directory)
    known = {t.id: t for t in view.trials}
    source = data or view.notes.get("job", {}).get("data")
    if source is None:
        raise UserError("the study does not say which data set it used", path=directory, hint="Give --data")
    rows = []
    for number in _numbers(trials, known):
        job = FullTraining(
            name=f"trial {number}",
            space=view.space["reference"],
            decisions=dict(known[number].decisions),
            data=source,
            directory=str(view.directory / "artifacts" / f"trial-{number}" / "full"),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            flip=flip,
            seed=seed,
            samples=6,
        )
        try:
            with console(to_stderr=True).status(f"trial {number}: {epochs} epochs"):
                found = job.run_as_process()
        except KeyboardInterrupt:
            raise say_interrupted(f"nas train {directory} --trials {trials}") from None
        rows.append({"trial": number, **{k: found[k] for k in ("val_mse", "test_mse", "best_epoch", "seconds")}})
        if not as_json:
            held_out = "-" if found["test_mse"] is None else f"{found['test_mse']:.5f}"
            console().print(
                f"trial {number}: val MSE {found['val_mse']:.5f}, held-out MSE {held_out}, best epoch {found['best_epoch']}"
            )
    if as_json:
        print_json(rows)


def tune(
    directory: Annotated[str | None, typer.Argument(metavar="[DIR]", help="A study, whose best trial is tuned.")] = None,
    script: Annotated[
        str | None, typer.Option("--script", help="Or any script that takes --name=value and reports with hypertune.")
    ] = None,
    spec: Annotated[
        str | None, typer.Option("--spec", help="Parameters, metric and limits as YAML; the book's by default.")
    ] = None,
    trial: Annotated[int | None, typer.Option("--trial", help="Another trial of the study than its best.")] = None,
    max_trials: Annotated[int | None, typer.Option("--max-trials", min=1, help="Trials in all.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=1, help="Trials at a time.")] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="DIR", help="Where trials are kept.")] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Tunes hyperparameters as Vertex AI does: each trial is the real entry point in a process of its own.

    Examples: nas tune runs/first      nas tune --script task.py --spec hpt.yaml --out runs/tuning
    """
    from trainer import tuning
    from trainer.tuning import load_spec

    if (directory is None) == (script is None):
        raise UserError("name a study or a script", path="nas tune", expected="either DIR or --script FILE")
    chosen = load_spec(spec) if spec else tuning.TuningSpec(tuning.BOOK, "val_loss", "minimize")
    arguments = chosen.arguments() | {"seed": seed}
    if max_trials is not None:
        arguments["max_trial_count"] = max_trials
    if parallel is not None:
        arguments["parallel_trial_count"] = parallel
    if script is not None:
        command, where = _script_command(script), Path(out or "runs/tuning")
    else:
        assert directory is not None
        command, where = _study_command(directory, trial)
        where = Path(out) if out else where
    try:
        with console(to_stderr=True).status("tuning"):
            result = tuning.tune(command, directory=where, on_event=None if as_json else _say_trial, **arguments)
    except KeyboardInterrupt:
        raise say_interrupted("the same `nas tune` command") from None
    if as_json:
        print_json(result.to_json())
    else:
        console().print(result.table())


def _script_command(script: str) -> list[str]:
    if Path(script).is_file():
        return [sys.executable, script]
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


def _say_trial(trial: Any) -> None:
    if trial.state != "running":
        value = "" if trial.value != trial.value else f", {trial.value:.5g}"
        console().print(f"trial {trial.id}: {trial.state}{value}")


def _numbers(text: str, known: dict) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{text!r} is not a list of trials", path="--trials", expected="numbers such as 3,7") from None
    for number in numbers:
        if number not in known:
            raise UserError(f"no trial {number}", path="--trials", received=number, expected=f"1 to {max(known, default=0)}")
    return numbers
