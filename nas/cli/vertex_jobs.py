"""`nas vertex status|watch|trials|top|cancel|delete`: what became of the job that was sent from a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.common import JsonOption, console, print_json, say_interrupted
from nas.cli.vertex_options import DryRunOption, FolderArgument, NumberOption, PatienceOption
from nas.errors import UserError

if TYPE_CHECKING:
    from trainer.vertex.cloud import Vertex
    from trainer.vertex.folder import JobFolder
    from trainer.vertex.trials import Metric, TrialRow

SHOWN = 10
ONE_PAGE = "?pageSize=100"


def register(app: typer.Typer) -> None:
    for command in (status, watch, trials, top, cancel, delete):
        app.command()(command)


def status(
    directory: FolderArgument,
    number: NumberOption = None,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Says how far the job is.

    Example: nas vertex status runs/cloud
    """
    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("GET", name))
    job = _connect(folder, patience_s).get(name)
    folder.save_job({key: value for key, value in job.items() if key != "trials"})
    if as_json:
        return print_json(job)
    console().print(f"{name}: {_say_state(job)}", soft_wrap=True)


def watch(
    directory: FolderArgument,
    number: NumberOption = None,
    every_s: Annotated[float, typer.Option("--every", min=0.01, help="Seconds between two looks.")] = 30,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Shows trials as they end, until the job has; stops it at its limits.

    Ctrl-C ends only the watching: the job goes on, and the same command picks up again. Ends with 1 where the job failed.
    """
    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("GET", name), ("GET", f"{name}/nasTrialDetails{ONE_PAGE}"))
    follow(folder, every_s, patience_s, as_json)


def follow(folder: JobFolder, every_s: float, patience_s: float, as_json: bool) -> None:
    """Watches the folder's latest job, telling of it, and ends the command where the job failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from trainer.vertex.spend import Budget
    from trainer.vertex.trials import Metric, read_rows
    from trainer.vertex.watch import watch as watch_job

    vertex = _connect(folder, patience_s)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    told: set[tuple[str, int]] = set()
    with Progress(*columns, console=console(to_stderr=True), transient=True, disable=as_json) as progress:
        task = progress.add_task("waiting", total=None)

        def tell(job: dict[str, Any], changed: list[dict[str, Any]]) -> None:
            metric, rows = Metric.of(job), read_rows(folder.trials().values())
            ended = [row for row in rows if row.is_ended]
            progress.update(task, description=_say_state(job), completed=len(ended), total=_planned(job))
            for row in ended:
                if not as_json and (row.stage, row.id) not in told:
                    told.add((row.stage, row.id))
                    console().print(_say_row(row, metric), soft_wrap=True, markup=False)

        def tell_limit(reason: str) -> None:
            console(to_stderr=True).print(f"The budget is spent: {reason}. The job is being cancelled.")

        try:
            budget = Budget(**folder.latest.notes.get("budget", {}))
            job = watch_job(vertex, folder, every_s=every_s, budget=budget, on_change=tell, on_limit=tell_limit)
        except KeyboardInterrupt:
            raise say_interrupted(f"nas vertex watch {folder.directory}  (the job goes on meanwhile)") from None
    rows, metric = read_rows(folder.trials().values()), Metric.of(job)
    files = _save_tuning(folder) if "studySpec" in job else []
    if as_json:
        best = next(iter(metric.ranking(rows)), None)
        print_json({**job, "trials": [row.to_json() for row in rows], "best": best.id if best else None})
    else:
        _print_top(rows, metric, SHOWN, folder)
        console().print(f"{job['name']}: {_say_state(job)}", soft_wrap=True)
        for file in files:
            console().print(f"  {file}", soft_wrap=True)
    if job["state"] not in ("JOB_STATE_SUCCEEDED", "JOB_STATE_CANCELLED", "JOB_STATE_PARTIALLY_SUCCEEDED"):
        raise typer.Exit(1)


def trials(
    directory: FolderArgument,
    number: NumberOption = None,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Lists all trials, in their order.

    What was seen of a deleted job is still there.
    """
    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("GET", name), ("GET", f"{name}/nasTrialDetails{ONE_PAGE}"))
    rows, metric = _rows(folder, patience_s)
    if as_json:
        return print_json([row.to_json() for row in rows])
    from trainer.vertex.trials import rows_table

    console().print(rows_table(rows, metric, f"{len(rows)} trials of {name}"))


def top(
    directory: FolderArgument,
    number: NumberOption = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Shows the best trials, best first."""
    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("GET", name), ("GET", f"{name}/nasTrialDetails{ONE_PAGE}"))
    rows, metric = _rows(folder, patience_s)
    if as_json:
        return print_json([row.to_json() for row in metric.ranking(rows)[:count]])
    _print_top(rows, metric, count, folder)


def cancel(
    directory: FolderArgument,
    number: NumberOption = None,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Asks for the job's end. Trials that have ended stay; running ones are stopped."""
    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("POST", f"{name}:cancel"))
    vertex = _connect(folder, patience_s)
    vertex.cancel(name)
    job = vertex.get(name)
    if as_json:
        return print_json(job)
    console().print(f"{name}: {_say_state(job)}", soft_wrap=True)


def delete(
    directory: FolderArgument,
    number: NumberOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
) -> None:
    """Deletes the ended job from Vertex AI, its list of trials included.

    The directory keeps what was seen of it, and the bucket what its trials wrote.
    """
    from trainer.vertex.kinds import ENDED
    from trainer.vertex.watch import look

    folder, name = _open(directory, number)
    if dry_run:
        return _say_requests(folder, ("DELETE", name))
    vertex = _connect(folder, patience_s)
    job, _ = look(vertex, folder)
    if job["state"] not in ENDED:
        hint = f"First: nas vertex cancel {directory}"
        raise UserError(f"it is {_say_state(job)}", path=name, received=job["state"], expected="an ended job", hint=hint)
    if not yes:
        typer.confirm(f"Delete {name} and its list of trials?", abort=True)
    vertex.delete(name)
    console().print(f"{name}: deleted. What was seen of it stays in {directory}.", soft_wrap=True)


def _open(directory: str, number: int | None) -> tuple[JobFolder, str]:
    from trainer.vertex.folder import JobFolder

    folder = JobFolder.open(directory, number)
    if not folder.latest.name:
        hint = "Run the command that sends it again: it sends or finds it"
        raise UserError("it is not known whether the job was made", path=directory, hint=hint)
    return folder, folder.latest.name


def _connect(folder: JobFolder, patience_s: float) -> Vertex:
    from trainer.vertex.cloud import Vertex

    return Vertex(folder.latest.place, patience_s=patience_s)


def _rows(folder: JobFolder, patience_s: float) -> tuple[list[TrialRow], Metric]:
    """The trials as they are now; as last seen, where the service does not tell any more."""
    from trainer.vertex.cloud import CloudError
    from trainer.vertex.trials import Metric, read_rows
    from trainer.vertex.watch import look

    try:
        job, _ = look(_connect(folder, patience_s), folder)
    except CloudError as error:
        job = folder.job()
        if not job:
            raise
        console(to_stderr=True).print(f"As last seen: {error}", soft_wrap=True)
    return read_rows(folder.trials().values()), Metric.of(job)


def _save_tuning(folder: JobFolder) -> list[Path]:
    """The tables and pictures that a tuning here leaves, of one in the cloud."""
    from trainer.vertex.trials import tuning_result

    result = tuning_result(folder.latest.request, list(folder.trials().values()), folder.directory)
    return result.save()


def _print_top(rows: list[TrialRow], metric: Metric, count: int, folder: JobFolder) -> None:
    from trainer.vertex.trials import rows_table

    best = metric.ranking(rows)[:count]
    console().print(rows_table(best, metric, f"best {len(best)} of {len(rows)} trials, {metric.goal} {metric.id}"))


def _say_requests(folder: JobFolder, *requests: tuple[str, str]) -> None:
    place = folder.latest.place
    print_json([{"method": method, "url": f"{place.url}/v1/{path}"} for method, path in requests])


def _say_state(job: dict[str, Any]) -> str:
    state = job["state"].removeprefix("JOB_STATE_").lower()
    message = job.get("error", {}).get("message", "")
    return f"{state}: {message}" if message else state


def _say_row(row: TrialRow, metric: Metric) -> str:
    value = metric.value(row)
    stage = "" if row.stage == "tune" else f"{row.stage} "
    of = f" of search trial {row.search_id}" if row.search_id else ""
    result = f"{metric.id} {value:.6g}" if value == value else row.reason or "no final measurement"
    return f"{stage}trial {row.id}{of}: {row.state.lower()}, {result}"


def _planned(job: dict[str, Any]) -> int | None:
    if "maxTrialCount" in job:
        return int(job["maxTrialCount"])
    search = job.get("nasJobSpec", {}).get("multiTrialAlgorithmSpec", {}).get("searchTrialSpec", {})
    return int(search["maxTrialCount"]) if "maxTrialCount" in search else None
