"""`nas train`: full training of a study's trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from nas.cli.common import DirectoryArgument, JsonOption, SeedOption, console, print_json, say_interrupted
from nas.errors import UserError


def register(app: typer.Typer) -> None:
    app.command()(train)


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
            task="auto" if data else view.notes.get("job", {}).get("task", "auto"),
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
        figures = {f"{split}_{name}": value for split in ("val", "test") for name, value in (found[split] or {}).items()}
        rows.append({"trial": number, **figures, "best_epoch": found["best_epoch"], "seconds": found["seconds"]})
        if not as_json:
            console().print(f"trial {number}: {_in_words(found)}, best epoch {found['best_epoch']}", soft_wrap=True)
    if as_json:
        print_json(rows)


def _in_words(found: Mapping[str, Any]) -> str:
    """`val mse 0.02100, psnr 22.80; test mse 0.02400, psnr 22.20`."""
    splits = [(split, found[split]) for split in ("val", "test") if found[split]]
    return "; ".join(f"{split} " + ", ".join(f"{name} {value:.5f}" for name, value in of.items()) for split, of in splits)


def _numbers(text: str, known: dict) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{text!r} is not a list of trials", path="--trials", expected="numbers such as 3,7") from None
    for number in numbers:
        if number not in known:
            raise UserError(f"no trial {number}", path="--trials", received=number, expected=f"1 to {max(known, default=0)}")
    return numbers
