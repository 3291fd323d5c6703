"""`nas search` and `nas resume`: the main job, begun and continued."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from nas.cli.common import (
    AtMostOption,
    DeviceOption,
    DirectoryArgument,
    RuntimeOption,
    SeedOption,
    SpaceArgument,
    TaskOption,
    console,
    read_limits,
    say_interrupted,
)
from nas.errors import StudyError, UserError


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(resume)


def search(
    space: SpaceArgument,
    data: Annotated[
        str, typer.Option("--data", metavar="NAME|DIR", help="photos, a folder, gs://bucket/prefix, or an .npz file.")
    ] = "photos",
    task: TaskOption = "auto",
    controller: Annotated[
        str,
        typer.Option(
            "--controller",
            help="auto needs no choosing; or random, evolution, bayesian, reinforce, tpe, ...; around one of them, with most "
            "trainings cut short: asha, hyperband, successive-halving, median-stopping.",
        ),
    ] = "auto",
    over: Annotated[
        str | None,
        typer.Option("--over", metavar="NAME", help="The controller inside asha, hyperband, ...; evolution by default."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", help="Finished trials in all, those of earlier runs included.")] = 24,
    workers: Annotated[int, typer.Option("--workers", help="Trials evaluated at a time.")] = 2,
    at_most: AtMostOption = None,
    reward: Annotated[
        str,
        typer.Option(
            "--reward",
            metavar="FORM:METRIC=TARGET",
            help="Weigh the error with costs instead of limiting them, e.g. mnasnet-soft:latency_ms=5; also mnasnet-hard, "
            "vertex, vertex-hard, tunas.",
        ),
    ] = "",
    runtime: RuntimeOption = "litert",
    device: DeviceOption = "",
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The study's directory.")] = "runs/search",
    seed: SeedOption = 0,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs of a trial's proxy training; 3 by default.")
    ] = None,
    resolution: Annotated[
        float | None,
        typer.Option(
            "--resolution",
            help="Factor on image size in proxy training, where the space's networks take any size; 0.6 by default.",
        ),
    ] = None,
    proxy: Annotated[
        str,
        typer.Option("--proxy", metavar="FILE", help="Judge trials as `nas proxy design` chose (its proxy.json) instead."),
    ] = "",
    cache: Annotated[
        str,
        typer.Option(
            "--cache", metavar="FILE", help="Measurements that searches share: nothing is measured twice on a device."
        ),
    ] = "",
    start_from: Annotated[
        str, typer.Option("--start-from", metavar="baselines", help="Try the space's published networks first.")
    ] = "",
    warm_start: Annotated[
        str,
        typer.Option("--warm-start", metavar="DIR", help="Begin with what an earlier study found, of this space or another."),
    ] = "",
    full: Annotated[bool, typer.Option("--full", help="Then tune, train fully and export the winner.")] = False,
    tune_trials: Annotated[int, typer.Option("--tune-trials", min=1, help="With --full: tuning trials.")] = 4,
    tune_epochs: Annotated[int, typer.Option("--tune-epochs", min=1, help="With --full: epochs of a tuning trial.")] = 2,
    train_epochs: Annotated[int, typer.Option("--train-epochs", min=1, help="With --full: epochs of full training.")] = 14,
) -> None:
    """Searches a space for the network that does best on validation data within limits, and writes report.html.

    Every finished trial is kept as it ends: after Ctrl-C, a crash or a power cut, `nas resume DIR` continues.

    Example: nas search colorizer --data photos --at-most latency_ms=book --trials 24 --full --out runs/first
    """
    from evaluators.proxy_design import read_proxy
    from nas.cli.job import JobSettings

    if proxy and (epochs is not None or resolution is not None):
        raise UserError(
            "it says how trials are trained", path="--proxy", received=proxy, hint="Leave out --epochs, --resolution"
        )
    chosen = read_proxy(proxy) if proxy else None
    epochs = epochs or (chosen.settings.get("epochs", 1) if chosen else 3)
    settings = JobSettings(
        space=space,
        data=data,
        task=task,
        controller=controller,
        trials=trials,
        workers=workers,
        seed=seed,
        limits=read_limits(at_most),
        controller_settings=_suited(controller, over, trials, epochs),
        reward=reward,
        runtime=runtime,
        device=device,
        start_from=start_from,
        warm_start=warm_start,
        proxy_file=proxy,
        proxy=chosen.to_json() if chosen else {},
        proxy_epochs=epochs,
        proxy_resolution=0.6 if resolution is None else resolution,
        cache=cache,
        full=full,
        tune_trials=tune_trials,
        tune_epochs=tune_epochs,
        train_epochs=train_epochs,
    )
    _run(settings, out)


def _suited(controller: str, over: str | None, trials: int, epochs: int) -> dict[str, Any]:
    """Settings of a controller that fit a search of so many trials, each of so many epochs at most."""
    from controllers.fidelity import LAYERS

    if controller not in LAYERS:
        if over is not None:
            expected = f"--controller {', '.join(LAYERS)}"
            raise UserError(f"{controller} is around no other controller", path="--over", received=over, expected=expected)
        return _evolution(trials) if controller == "evolution" else {}
    inside = over or "evolution"
    settings: dict[str, Any] = {"over": {"name": inside, **(_evolution(trials) if inside == "evolution" else {})}}
    return settings | ({} if controller == "median-stopping" else {"epochs": _rungs(controller, epochs)})


def _evolution(trials: int) -> dict[str, Any]:
    """Evolution starts from as many random architectures as its population holds: a third of a short search, not most of it."""
    population = max(4, min(20, trials // 3))
    return {"population": population, "sample": min(10, population)}


def _rungs(controller: str, epochs: int) -> list[int]:
    """The epochs of a trial and a third of them, again and again: 9 is judged at 1, 3 and 9."""
    if epochs < 2:
        raise UserError(
            f"{controller} needs more than one epoch", path="--epochs", received=epochs, expected="2 or more, such as 9"
        )
    rungs = [epochs]
    while rungs[0] // 3:
        rungs.insert(0, rungs[0] // 3)
    return rungs if len(rungs) > 1 else [1, epochs]


def resume(
    directory: DirectoryArgument,
    trials: Annotated[int | None, typer.Option("--trials", help="Another total of trials.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Another number of workers.")] = None,
) -> None:
    """Continues an interrupted search (and what follows it) with the same random stream."""
    import nas
    from nas.cli.job import JobSettings

    notes = nas.Study.open(directory).notes
    if "job" not in notes:
        raise StudyError(
            "not begun by `nas search`", path=directory, hint="Run the script that made it again: nas.Study continues by itself"
        )
    changes: dict[str, Any] = {k: v for k, v in (("trials", trials), ("workers", workers)) if v is not None}
    _run(dataclasses.replace(JobSettings.from_json(notes["job"]), **changes), directory)


def _run(settings: object, directory: str) -> None:
    from nas.cli.job import Job

    try:
        Job(settings, directory, console()).run()  # type: ignore[arg-type]
    except KeyboardInterrupt:
        raise say_interrupted(f"nas resume {directory}") from None
