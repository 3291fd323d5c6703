"""Controllers against the tools people use, on the same tables, budgets and seeds, in one run.

    python -m benchmarks.controllers --data ../shared/bench --out runs/controllers
    python -m benchmarks.controllers --controllers bayesian,optuna-tpe --tables nb201-c10,macro --seeds 20 --jobs 2

For each table it prints, for each controller: the mean of the best so far after 50, 100, 200, ... queries with a 95% interval
(bootstrap over seeds), the mean number of queries until the best of the whole table was asked for and how many seeds got there,
the share of queries that repeat a network, and milliseconds a trial for ask and tell. `regret.png` and `results.json` lie in
the output folder. A search that is there already is not made again, so that a run goes on where it was interrupted and new
controllers can be added.

Settings of ours are written after a colon: `evolution:population=50,sample=10`. Peers that are not installed are left out with
a reason.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import controllers
from benchmarks import peers, tables
from benchmarks.searching import Ours, Run, Searcher, interval, picked, remember_fingerprints, search
from nas.errors import UserError

MARKS = (25, 50, 100, 150, 192, 200, 300, 500, 1000, 2000)
"""Queries after which the best so far is printed."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Job(NamedTuple):
    """One search: of a controller as on the command line, on a table, with a seed."""

    controller: str
    table: str
    seed: int
    budget: int | None
    data: str
    out: str

    @property
    def file(self) -> Path:
        return Path(self.out) / self.table / self.controller.replace(":", " ") / f"{self.seed}.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """What is printed of a controller on a table.

    Attributes:
        controller: its name.
        curves: (seeds, queries) the best so far.
        reached: for each seed, the query that asked for the best of the table; None: it did not.
        duplicates: share of queries that repeat a fingerprint.
        ms: milliseconds of ask and tell a query, mean over all.
    """

    controller: str
    curves: np.ndarray
    reached: list[int | None]
    duplicates: float
    ms: float

    def at(self, queries: int) -> tuple[float, float, float]:
        """The mean of the best so far after so many queries, and its interval."""
        found = self.curves[:, queries - 1]
        return (float(found.mean()), *interval(found.tolist()))

    def to_json(self) -> dict[str, Any]:
        budget = self.curves.shape[1]
        return {
            "controller": self.controller,
            "seeds": len(self.curves),
            "best": {mark: self.at(mark) for mark in _marks(budget)},
            "reached": self.reached,
            "duplicates": self.duplicates,
            "ms": self.ms,
            "curve": self.curves.mean(axis=0).tolist(),
        }


def searcher(name: str, table: tables.Table, seed: int) -> Searcher:
    """A controller of ours, `name:setting=value,...`, or a peer.

    Raises:
        UserError: there is none, or a setting does not fit.
    """
    if name in peers.NAMES:
        return peers.make(name, table.space, seed)
    base, _, given = name.partition(":")
    settings = dict(pair.split("=", 1) for pair in given.split(",")) if given else {}
    return Ours(controllers.get(base, seed, **{k: _value(v) for k, v in settings.items()}), table.space, table.metric)


def run(job: Job) -> Job:
    """Makes a search and writes what it found."""
    table = _table(job.table, job.data)
    made = searcher(job.controller, table, job.seed)
    found = search(made, table.evaluator, job.budget or table.budget, table.metric, table.report)
    job.file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = job.file.with_suffix(".part")
    unfinished.write_text(json.dumps({"budget": _budget(job), **dataclasses.asdict(found)}))
    unfinished.replace(job.file)
    return job


def read(job: Job) -> Run | None:
    """What an earlier run found; None: nothing yet, or with a smaller budget."""
    if not job.file.exists():
        return None
    data = json.loads(job.file.read_text())
    return Run(**data) if data.pop("budget") >= _budget(job) else None


def summarize(name: str, jobs: Sequence[Job]) -> Row:
    """The runs of one controller on one table, cut to the budget; a run that ended early keeps its last best."""
    table, budget = _table(jobs[0].table, jobs[0].data), _budget(jobs[0])
    runs = [one for one in map(read, jobs) if one is not None]
    curves = []
    reached: list[int | None] = []
    for one in runs:
        curve = picked(one.values[:budget], one.reported[:budget])
        curves.append(curve + curve[-1:] * (budget - len(curve)))
        tops = [i + 1 for i, value in enumerate(one.reported[:budget]) if table.optimum is not None and value >= table.optimum]
        reached.append(tops[0] if tops else None)
    duplicates = sum(one.duplicates for one in runs) / sum(len(one.values) for one in runs)
    return Row(name, np.array(curves), reached, duplicates, float(np.mean([ms for one in runs for ms in one.ms])))


def write(table: tables.Table, rows: Sequence[Row], budget: int) -> str:
    """A table of Markdown."""
    marks = _marks(budget)
    header = ["controller", *(f"{mark}" for mark in marks), "queries to the best", "duplicates", "ms a trial"]
    lines = [header, ["---"] * len(header)]
    for row in rows:
        cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*row.at(mark)) for mark in marks]
        lines.append([row.controller, *cells, _reached(table, row), f"{row.duplicates:.1%}", f"{row.ms:.2f}"])
    searched = (
        f"{table.metric} searched, {table.report} reported" if table.metric != table.report else f"{table.metric} searched"
    )
    best = f", the best of all is {table.optimum:.3f}" if table.optimum is not None else ""
    title = f"### {table.name}: {searched}, {len(rows[0].curves)} seeds{best}"
    return "\n".join([title, "", *("| " + " | ".join(line) + " |" for line in lines)])


def plot(found: Sequence[tuple[tables.Table, Sequence[Row]]], file: Path) -> None:
    """Mean regret (or the best so far, where the optimum is not known) with 95% bands, a panel for each table."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(6 * len(found), 4.5), squeeze=False, layout="constrained")
    for axis, (table, rows) in zip(axes[0], found, strict=True):
        for row in rows:
            queries = np.arange(1, row.curves.shape[1] + 1)
            values = row.curves if table.optimum is None else table.optimum - row.curves
            bounds = np.array([interval(column.tolist(), resamples=300) for column in values.T])
            (line,) = axis.plot(queries, values.mean(axis=0), label=row.controller)
            axis.fill_between(queries, bounds[:, 0], bounds[:, 1], alpha=0.15, color=line.get_color(), linewidth=0)
        axis.set_title(table.name)
        axis.set_xlabel("queries")
        axis.set_ylabel(f"{table.report}: best so far" if table.optimum is None else f"{table.report}: regret")
        if table.optimum is not None:
            axis.set_yscale("symlog", linthresh=0.01)
        axis.grid(alpha=0.3)
    axes[0][-1].legend(fontsize="small")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def perform(jobs: Sequence[Job], processes: int, advance: Callable[[], None]) -> None:
    """Makes searches in processes of one thread each."""
    if processes <= 1:
        for job in jobs:
            run(job)
            advance()
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read by the libraries of the processes that start now
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, job) for job in jobs]):
            done.result()
            advance()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for a user's mistake."""
    given = _parser().parse_args(arguments)
    try:
        return _main(given)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def _main(given: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    names = _controllers(given.controllers, console.print)
    found = [_table(name, given.data) for name in given.tables.split(",")]
    for name in names:
        searcher(name, found[0], 0)  # a mistake in a setting is told before the first search
    jobs = [
        Job(name, table.name, seed, given.budget, given.data, given.out)
        for seed in range(given.seeds)
        for table in found
        for name in names
    ]
    todo = [job for job in jobs if read(job) is None]
    with Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task("searches", total=len(jobs), completed=len(jobs) - len(todo))
        perform(todo, given.jobs, lambda: progress.advance(task))
    results = []
    for table in found:
        rows = [summarize(name, [job for job in jobs if (job.controller, job.table) == (name, table.name)]) for name in names]
        results.append((table, sorted(rows, key=lambda row: -row.curves[:, -1].mean())))
    out = Path(given.out)
    text = {table.name: [row.to_json() for row in rows] for table, rows in results}
    (out / "results.json").write_text(json.dumps(text))
    plot(results, out / "regret.png")
    if given.json:
        print(json.dumps(text))
    else:
        print("\n\n".join(write(table, rows, given.budget or table.budget) for table, rows in results))
        print(f"\nCurves: {out / 'regret.png'}, figures: {out / 'results.json'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everyone = ",".join([*controllers.NAMES, *peers.NAMES])
    parser.add_argument(
        "--controllers", default=everyone, help=f"names separated by commas (semicolons where settings have some); {everyone}"
    )
    parser.add_argument("--tables", default="nb201-c10-test,nb201-c10,nb201-c100,nb201-in16,macro", help=",".join(tables.NAMES))
    parser.add_argument("--seeds", type=int, default=20, help="searches of each controller on each table")
    parser.add_argument("--budget", type=int, help="queries of each search; each table's own unless given")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--data", default="../shared/bench", help="the folder of the tables")
    parser.add_argument("--out", default="runs/controllers", help="where results are kept")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def _controllers(text: str, say: Callable[[str], None]) -> list[str]:
    """The names on the command line that can run; says why others cannot."""
    names = [name.strip() for name in text.split(";" if ";" in text or ":" in text else ",")]
    able = []
    for name in names:
        reason = peers.missing(name) if name in peers.NAMES else ""
        if reason:
            say(f"{name} is left out: it {reason}")
        else:
            able.append(name)
    if not able:
        raise UserError("no controller can run", path="--controllers", received=text)
    return able


@functools.cache
def _table(name: str, data: str) -> tables.Table:
    table = tables.load(name, Path(data))
    if "fingerprint_of" not in vars(table.space):
        remember_fingerprints(table.space)
    return table


def _budget(job: Job) -> int:
    return job.budget or _table(job.table, job.data).budget


def _marks(budget: int) -> list[int]:
    return sorted({mark for mark in MARKS if mark < budget and not 0 < budget - mark < budget // 10} | {budget})


def _reached(table: tables.Table, row: Row) -> str:
    if table.optimum is None:
        return ""
    found = [query for query in row.reached if query is not None]
    return f"{np.mean(found):.0f} ({len(found)} of {len(row.reached)})" if found else f"none of {len(row.reached)}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
