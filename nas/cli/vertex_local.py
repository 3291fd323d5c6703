"""`nas vertex local`: a NAS job run on this machine, its trainer unchanged."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.common import JsonOption, SeedOption, console, print_json, say_interrupted
from nas.cli.vertex_options import CostOption, HoursOption, PriceOption, read_budget
from nas.errors import UserError

if TYPE_CHECKING:
    from trainer.vertex.engine import NasEngine
    from trainer.vertex.job_ledger import NasTrial
    from trainer.vertex.job_spec import NasJobSpec

SHOWN = 10
CONTROLLERS = {"REINFORCEMENT_LEARNING": "ppo", "GRID_SEARCH": "grid"}


def register(app: typer.Typer) -> None:
    app.command()(local)


def local(
    job: Annotated[str, typer.Option("--job", metavar="FILE", help="A NasJobSpec or NasJob as JSON, - for standard input.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Keeps everything; what is there is continued.")],
    command: Annotated[
        str,
        typer.Option(
            "--command",
            help="In place of the container's entry point, e.g. 'python trainer.py'. python is the one that runs nas.",
        ),
    ] = "",
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, help="Trials at a time; as the job says by default.")
    ] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0.1, help="Seconds that a trial may run; as the job says by default.")
    ] = None,
    controller: Annotated[
        str, typer.Option("--controller", help="Who proposes: ppo for REINFORCEMENT_LEARNING, grid for GRID_SEARCH by default.")
    ] = "",
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, help="No more trials than these, both stages.")
    ] = None,
    max_machine_hours: HoursOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    seed: SeedOption = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first trial's command and environment; run nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Runs a NAS job's trials as processes here: the flags, environment, directories and files that Vertex AI gives them.

    The trainer cannot tell the difference. The container's command and args are run, not its image. After every M searched
    trials the top N are trained, as the job's trainTrialSpec says. Ctrl-C or a crash loses nothing: the same command goes on.

    Example: nas vertex local --job nasjob.json --command "python trainer.py" --parallel 2 --out runs/rehearsal
    """
    import controllers
    from trainer.vertex.engine import NasEngine
    from trainer.vertex.proposer import ControllerProposer
    from trainer.vertex.search_space import decode_search_space

    spec, earlier = _read(job, Path(out))
    space = decode_search_space(spec.search_space_spec)
    chosen = controllers.get(controller or CONTROLLERS[spec.algorithm], seed=seed)
    progress = Progress(spec, as_json)
    engine = NasEngine(
        spec,
        out,
        ControllerProposer(chosen, space, spec.metric_id, spec.goal),
        parallel=parallel,
        timeout_s=timeout_s,
        on_event=progress,
        command=shlex.split(command),
        budget=read_budget(max_machine_hours, max_cost, price, max_trials),
        earlier=earlier,
    )
    if dry_run:
        return print_json(engine.preview())
    try:
        progress.catch_up(engine.trials)
        with progress:
            engine.run()
    except KeyboardInterrupt:
        raise say_interrupted("the same `nas vertex local` command") from None
    if as_json:
        print_json(_facts(engine))
    else:
        console().print(_table(engine))
        _say_end(engine)
    if engine.state == "JOB_STATE_FAILED":
        raise typer.Exit(1)


def _read(job: str, out: Path) -> tuple[NasJobSpec, list[NasTrial]]:
    """The job, and the trials of the one that it resumes: a directory, by path or beside `out`."""
    from trainer.vertex.job_ledger import read_job, read_trials
    from trainer.vertex.job_spec import NasJobSpec

    try:
        text = sys.stdin.read() if job == "-" else Path(job).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"it cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UserError(problem, path=job, expected="a NasJobSpec as JSON") from None
    spec = NasJobSpec.from_json(text)
    resumed = spec.resume_nas_job_id
    if not resumed:
        return spec, []
    where = next((place for place in (out.parent / resumed, Path(resumed)) if (place / "job.json").exists()), None)
    if where is None:
        expected = f"the directory of an earlier job: {out.parent / resumed}"
        raise UserError("no such job here", path="resumeNasJobId", received=resumed, expected=expected)
    before, _ = read_job(where)
    return spec.inherit(before), list({(line.stage, line.id): line for line in read_trials(where)}.values())


class Progress:
    """A bar of searched trials on standard error, with a line for each trial that failed. A context manager, a listener."""

    def __init__(self, spec: NasJobSpec, quiet: bool):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        note = TextColumn("{task.fields[note]}")
        columns = TextColumn("searched"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), note
        self._bar = Progress(*columns, console=console(to_stderr=True), disable=quiet)
        self._task = self._bar.add_task("", total=spec.search.max_trial_count, note="")
        self._metric, self._last, self._done = spec.metric_id, "", {"search": 0, "train": 0}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def catch_up(self, trials: Sequence[NasTrial]) -> None:
        """Counts what earlier calls did."""
        for trial in trials:
            self._done[trial.stage] += trial.is_finished

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, trial: NasTrial) -> None:
        if trial.state == "INFEASIBLE" and not self._bar.disable:
            self._bar.console.print(f"{trial.stage} trial {trial.id}: {trial.ending}, {trial.reason}", markup=False)
        self._done[trial.stage] += trial.is_finished
        if trial.measurement and trial.stage == "search":
            self._last = f"last {self._metric} {trial.value:.5g}"
        notes = [self._last, f"{self._done['train']} trained" if self._done["train"] else ""]
        self._bar.update(self._task, completed=self._done["search"], note=", ".join(filter(None, notes)))


def _table(engine: NasEngine) -> Any:
    from trainer.vertex.trials import Metric, read_rows, rows_table

    metric = Metric(engine.job.metric_id, engine.job.goal)
    rows = read_rows(engine.details())
    best = metric.ranking(rows)[:SHOWN]
    return rows_table(best, metric, f"{len(best)} best of {sum(row.stage == 'search' for row in rows)} trials")


def _say_end(engine: NasEngine) -> None:
    trials = engine.trials
    failed = [trial for trial in trials if trial.state == "INFEASIBLE"]
    trained = [trial for trial in trials if trial.stage == "train" and trial.state == "SUCCEEDED"]
    counts = f"{len(trials)} trials, {len(trained)} trained in stage 2, {len(failed)} failed"
    console().print(
        f"{engine.state.removeprefix('JOB_STATE_').lower()}: {counts}. All of it: {engine.directory}", soft_wrap=True
    )
    if engine.error:
        console(to_stderr=True).print(engine.error, markup=False, soft_wrap=True)
    if engine.state == "JOB_STATE_FAILED":
        console(to_stderr=True).print("Mend the trainer, raise maxFailedTrialCount, and run the same command again.")
    last = next((trial for trial in reversed(failed) if trial.log_tail), None)
    if engine.state == "JOB_STATE_FAILED" and last is not None:
        console(to_stderr=True).print(f"The end of the log of {last.stage} trial {last.id}:\n{last.log_tail}", markup=False)


def _facts(engine: NasEngine) -> dict[str, Any]:
    return {
        "directory": str(engine.directory),
        "state": engine.state,
        "error": engine.error,
        "nasTrialDetails": engine.details(),
        "problems": _problems(engine.trials),
    }


def _problems(trials: Sequence[NasTrial]) -> list[dict[str, Any]]:
    """What NasTrialDetail has no room for: how trials failed."""
    fields = ("stage", "id", "ending", "reason", "exit_code", "log_tail")
    return [{field: getattr(trial, field) for field in fields} for trial in trials if trial.state == "INFEASIBLE"]
