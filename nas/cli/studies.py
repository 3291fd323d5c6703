"""`nas status`, `nas top`, `nas report`, `nas export`: looking at a study, also while it runs."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from nas.cli.common import DirectoryArgument, JsonOption, console, find_space, print_json, stderr_to
from nas.errors import UserError


def register(app: typer.Typer) -> None:
    for command in (status, top, report, export):
        app.command()(command)


def status(directory: DirectoryArgument, as_json: JsonOption = False) -> None:
    """Says how far a study is."""
    import nas

    view = nas.Study.open(directory)
    best = view.best()
    facts: dict[str, Any] = {
        "directory": str(view.directory),
        "space": view.space["name"],
        "running_as_pid": view.driver,
        "trials": dict(Counter(t.state for t in view.trials)),
        "objectives": [str(o) for o in view.objectives],
        "constraints": [str(c) for c in view.constraints],
        "best": _facts(best) if best else None,
        "stages": {name: stage.state for name, stage in view.stages.items()},
    }
    if as_json:
        print_json(facts)
        return
    out = console()
    out.print(
        f"[bold]{facts['space']}[/bold] in {facts['directory']}" + (f", running (pid {view.driver})" if view.driver else "")
    )
    out.print(", ".join([*facts["objectives"], *facts["constraints"]]))
    out.print("trials: " + (", ".join(f"{n} {state}" for state, n in facts["trials"].items()) or "none"))
    if best:
        objective = view.objectives[0]
        out.print(f"best: trial {best.id}, {objective.metric} {objective.value_of(best):.5g}")
    for name, state in facts["stages"].items():
        out.print(f"{name}: {state}")


def top(
    directory: DirectoryArgument,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    pareto: Annotated[bool, typer.Option("--pareto", help="The Pareto front over all objectives instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Lists the best trials."""
    import nas
    from nas.study.results import ranked, table_columns

    view = nas.Study.open(directory)
    objective = view.objectives[0]
    shown = (view.pareto_front() if pareto else ranked(view.trials, objective))[:n]
    if as_json:
        print_json([_facts(t) for t in shown])
        return
    from rich.table import Table

    columns = table_columns(view.objectives, view.constraints, view.trials)
    table = Table("trial", *columns, "fingerprint", box=None)
    for trial in shown:
        table.add_row(str(trial.id), *(f"{value_of(trial):.5g}" for value_of in columns.values()), trial.fingerprint[:12])
    console().print(table if shown else "no completed trial yet")


def report(directory: DirectoryArgument) -> None:
    """Writes report.html of a study, finished or not, and prints its path."""
    import nas
    from nas.study.report import write_report

    view = nas.Study.open(directory)
    try:
        space = find_space(view.space["reference"] or view.space["name"])
    except UserError:
        space = None  # the report is then without drawings; its code has moved
    title = commands = ""
    if "job" in view.notes:
        from nas.cli.job import JobSettings

        settings = JobSettings.from_json(view.notes["job"])
        title, commands = f"{view.space['name']} on {settings.data}", settings.commands(view.directory)
    console().print(str(write_report(view, space=space, title=title, commands=commands)), soft_wrap=True)


def export(
    directory: DirectoryArgument,
    trial: Annotated[int, typer.Option("--trial", help="Which trial; train it first with `nas train`.")],
    to: Annotated[str, typer.Option("--to", help="keras, savedmodel, litert, onnx, source, or all.")] = "all",
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Where files go; artifacts/trial-N/export by default.")
    ] = None,
) -> None:
    """Exports a fully trained trial; each file is loaded again and its predictions compared before it is called done."""
    import nas
    from trainer.full import export_trained

    view = nas.Study.open(directory)
    if trial not in {t.id for t in view.trials}:
        raise UserError(f"no trial {trial}", path=directory, received=trial, expected="one of `nas top`")
    trained = view.directory / "artifacts" / f"trial-{trial}" / "full"
    if not (trained / "result.json").is_file():
        raise UserError(
            f"trial {trial} is not trained fully", path=directory, hint=f"Run `nas train {directory} --trials {trial}`"
        )
    with console(to_stderr=True).status("export"), stderr_to(trained / "output.log"):
        files = export_trained(trained, out or trained.parent / "export", () if to == "all" else (to,))
    for file in files:
        console().print(f"{file['format']}: {file['path']} (largest difference {file['max_difference']:.1e})", soft_wrap=True)


def _facts(trial: Any) -> dict[str, Any]:
    return {
        "id": trial.id,
        "state": trial.state,
        "fingerprint": trial.fingerprint,
        "decisions": dict(trial.decisions),
        "measurements": {name: m.to_json() for name, m in trial.measurements.items()},
        "reason": trial.reason,
        "fidelity": trial.fidelity.to_json(),
    }
