"""`nas latency`: measure networks on this device, learn what makes them slow here, and predict all others."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.common import (
    DeviceOption,
    JsonOption,
    RuntimeOption,
    SeedOption,
    SpaceArgument,
    console,
    facts_table,
    find_space,
    print_json,
    say_interrupted,
)
from nas.cli.latency_serve import serve
from nas.errors import Infeasible, UserError

HELP = """Latency on this device: measured, or predicted by a model of the device that says how far it is off.

A model:        nas latency calibrate colorizer --out device.json     (about 100 networks, a few seconds each)
a prediction:   nas latency predict device.json colorizer --sample 5
a measurement:  nas latency measure colorizer --baseline book --runtime onnxruntime
of a file:      nas latency measure exported/model.tflite
on a board:     nas latency serve        there, and  --device http://HOST:PORT  here

In Python, evaluators.PredictedLatency(model) is a gate of a study, and latency_model.rules a table for space.within."""

ModelArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A model that `nas latency calibrate` made.")]
SampleOption = Annotated[int | None, typer.Option("--sample", min=1, help="This many random architectures.")]
BaselineOption = Annotated[str | None, typer.Option("--baseline", help="A named point of the space, e.g. book.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")]


def register(app: typer.Typer) -> None:
    latency = typer.Typer(name="latency", help=HELP, no_args_is_help=True, rich_markup_mode=None)
    for command in (calibrate, predict, measure, serve):
        latency.command()(command)
    app.add_typer(latency)


def calibrate(
    space: SpaceArgument,
    out: Annotated[Path, typer.Option("--out", help="The model, as JSON. Measurements are kept beside it: FILE.jsonl.")],
    networks: Annotated[int, typer.Option("--networks", min=5, help="How many to measure and learn from.")] = 100,
    check: Annotated[
        int, typer.Option("--check", min=0, help="Measure so many more, drawn at random, to judge the model.")
    ] = 0,
    runtime: RuntimeOption = "litert",
    device: DeviceOption = "",
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

    found, evaluator = find_space(space), Latency(runtime, threads, device=device)
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
    what: Annotated[str, typer.Argument(metavar="SPACE|FILE", help="A space, or a model file such as model.tflite.")],
    sample: SampleOption = None,
    baseline: BaselineOption = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="As for calibrate; of a file, by default what runs it.")
    ] = None,
    device: DeviceOption = "",
    threads: ThreadsOption = 1,
    keep_noisy: Annotated[
        bool, typer.Option("--keep-noisy", help="Give figures of processes that do not agree too, with the reason.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Times architectures, or a model file, in clean child processes.

    Fresh processes run until the interval of the fastest call is at most 3% wide. Where ten do not get there the figure is
    refused, with the reason.

    Example: nas latency measure colorizer --baseline book
    """
    from evaluators import runtimes
    from evaluators.latency import Latency, TooNoisy

    file = Path(what)
    is_file = any(file.suffix == each.adapter.SUFFIX for each in runtimes.RUNTIMES.values()) or file.is_dir()
    chosen = [] if is_file else _choose(find_space(what), baseline, sample, seed)
    evaluator = Latency(
        runtime or (runtimes.of_file(file).name if is_file else "litert"),
        threads,
        device=device,
        when_noisy="keep" if keep_noisy else "refuse",
    )
    rows = []
    try:
        if is_file:
            rows.append(_row("file", what, evaluator.measure_file(file)))
        for architecture in chosen:
            rows.append(_row("fingerprint", architecture.fingerprint, evaluator.evaluate(architecture)))
    except TooNoisy as error:
        console(to_stderr=True).print(f"error: too noisy: {error}. --keep-noisy keeps it.", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except (Infeasible, ConnectionError, TimeoutError) as error:
        console(to_stderr=True).print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(rows)
        return
    _print_measured(rows)


def _row(kind: str, name: str, found: Any) -> dict[str, Any]:
    return {kind: name} | {metric: each.to_json() for metric, each in found.items()}


def _print_measured(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    first = rows[0]["latency_ms"]
    out = console()
    out.print(f"{first['device']}\n{first['runtime']}", markup=False, soft_wrap=True)
    table = Table("architecture", "fastest", "interval, 90%", "median", "90%", "calls", box=None)
    for row in rows:
        fastest, middle, late = (row[name]["value"] for name in ("latency_ms", "latency_median_ms", "latency_p90_ms"))
        interval = f"{row['latency_ms']['low']:.3f} to {row['latency_ms']['high']:.3f}"
        name = row.get("file") or row["fingerprint"][:12]
        table.add_row(name, f"{fastest:.3f} ms", interval, f"{middle:.3f}", f"{late:.3f}", str(row["latency_ms"]["n"]))
    out.print(table)
    for row in rows:
        if "note" in row["latency_ms"]:
            out.print(f"{row.get('file') or row['fingerprint'][:12]} is noisy: {row['latency_ms']['note']}", soft_wrap=True)


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
