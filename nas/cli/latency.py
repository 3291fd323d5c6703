"""`nas latency`: measure networks on this device, learn what makes them slow here, and predict all others."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.common import JsonOption, SeedOption, SpaceArgument, console, facts_table, find_space, print_json, say_interrupted
from nas.errors import UserError

HELP = """Latency on this device: measured, or predicted by a model of the device that says how far it is off.

A model:        nas latency calibrate colorizer --out device.json     (about 100 networks, a few seconds each)
a prediction:   nas latency predict device.json colorizer --sample 5
a measurement:  nas latency measure colorizer --baseline book

In Python, evaluators.PredictedLatency(model) is a gate of a study, and latency_model.rules a table for space.within."""

ModelArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A model that `nas latency calibrate` made.")]
SampleOption = Annotated[int | None, typer.Option("--sample", min=1, help="This many random architectures.")]
BaselineOption = Annotated[str | None, typer.Option("--baseline", help="A named point of the space, e.g. book.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")]


def register(app: typer.Typer) -> None:
    latency = typer.Typer(name="latency", help=HELP, no_args_is_help=True, rich_markup_mode=None)
    for command in (calibrate, predict, measure):
        latency.command()(command)
    app.add_typer(latency)


def calibrate(
    space: SpaceArgument,
    out: Annotated[Path, typer.Option("--out", help="The model, as JSON. Measurements are kept beside it: FILE.jsonl.")],
    networks: Annotated[int, typer.Option("--networks", min=5, help="How many to measure and learn from.")] = 100,
    check: Annotated[
        int, typer.Option("--check", min=0, help="Measure so many more, drawn at random, to judge the model.")
    ] = 0,
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measures networks of a space that say most about all others, and learns this device's latency from them.

    Each measurement is kept at once: after Ctrl-C or a crash the same command goes on, and so does one with more --networks.

    Example: nas latency calibrate colorizer --out device.json --check 60
    """
    from evaluators import Latency
    from evaluators.latency_model import calibration
    from evaluators.latency_model.table import table_error

    found, evaluator = find_space(space), Latency(threads=threads)
    journal = calibration.Journal(out.with_name(f"{out.name}l"), found, evaluator)
    try:
        with _progress("measured", as_json) as progress:
            model = calibration.calibrate(found, evaluator, journal, networks, seed=seed, progress=progress)
        model.save(out)
        fresh = None
        if check:
            with _progress("checked", as_json) as progress:
                fresh = calibration.check(model, found, evaluator, journal, check, seed=seed, progress=progress)
    except KeyboardInterrupt:
        raise say_interrupted(f"nas latency calibrate {space} --out {out}") from None
    error = table_error(model)
    if as_json:
        print_json(
            {
                "model": str(out),
                "space": model.space_name,
                "device": model.device,
                "runtime": model.runtime,
                "left_out": dataclasses.asdict(model.error),
                "fresh": dataclasses.asdict(fresh) if fresh else None,
                "table": dataclasses.asdict(error),
            }
        )
        return
    facts = {
        "device": model.device,
        "runtime": model.runtime,
        "each from all others": str(model.error),
        "table by itself": f"median error {error.median:.1%}, largest {error.largest:.1%}",
    }
    if fresh:
        facts["fresh networks"] = str(fresh)
    console().print(facts_table(f"Latency of {model.space_name}, in {out}", facts))


def predict(
    model: ModelArgument,
    space: SpaceArgument,
    sample: SampleOption = None,
    baseline: BaselineOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Predicts latency, with the 90% interval in which a measurement is expected.

    Example: nas latency predict device.json colorizer --baseline book
    """
    from evaluators.latency_model import LatencyModel

    where = find_space(space)
    learned, chosen = LatencyModel.load(model, where), _choose(where, baseline, sample, seed)
    found = learned.predict(chosen)
    columns = [getattr(found, field.name).tolist() for field in dataclasses.fields(found)]
    names = [field.name for field in dataclasses.fields(found)]
    rows = [
        {"fingerprint": a.fingerprint} | dict(zip(names, values, strict=True))
        for a, *values in zip(chosen, *columns, strict=True)
    ]
    if as_json:
        print_json({"device": learned.device, "runtime": learned.runtime, "predictions": rows})
        return
    from rich.table import Table

    table = Table("architecture", "latency", "a measurement, 90%", box=None, title=f"Predicted for {learned.device}")
    for row in rows:
        table.add_row(row["fingerprint"][:12], f"{row['latency_ms']:.3f} ms", f"{row['low_ms']:.3f} to {row['high_ms']:.3f} ms")
    console().print(table)


def measure(
    space: SpaceArgument,
    sample: SampleOption = None,
    baseline: BaselineOption = None,
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Times architectures on LiteRT, in clean child processes.

    Example: nas latency measure colorizer --baseline book
    """
    from evaluators import Latency

    where, evaluator = find_space(space), Latency(threads=threads)
    rows = []
    for architecture in _choose(where, baseline, sample, seed):
        found = evaluator.evaluate(architecture)
        rows.append({"fingerprint": architecture.fingerprint} | {name: each.to_json() for name, each in found.items()})
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("architecture", "fastest", "median", "90%", box=None, title=rows[0]["latency_ms"]["device"])
    for row in rows:
        cells = [f"{row[name]['value']:.3f} ms" for name in ("latency_ms", "latency_median_ms", "latency_p90_ms")]
        table.add_row(row["fingerprint"][:12], *cells)
    console().print(table)


def _choose(space: Any, baseline: str | None, sample: int | None, seed: int) -> list[Any]:
    if baseline is None:
        return space.sample(seed, n=sample or 1)
    if baseline not in space.baselines:
        known = ", ".join(space.baselines) or "none"
        raise UserError("no such baseline", path="--baseline", received=baseline, expected=f"one of: {known}")
    return [space.baselines[baseline]]


@contextlib.contextmanager
def _progress(verb: str, quiet: bool) -> Iterator[Any]:
    """A bar; yields what takes (done, of how many)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(f"networks {verb}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(to_stderr=True), disable=quiet) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
