"""Controllers against the tools people use, on the same tables, budgets and seeds, in one run.

    python -m benchmarks.controllers --tables ../shared/bench --out runs/controllers
    python -m benchmarks.controllers --only fitness --controller bayesian --controller optuna/tpe --seeds 5
    python -m benchmarks.controllers --only constraint --device samsung_a50 --controller auto
    python -m benchmarks.controllers --own mine.csv --space my_space.py:f --search val_acc --report test_acc --queries 200

For each problem it prints, for each controller: the mean score after 50, 100, 200, ... queries with a 95% interval (bootstrap
over seeds), the mean number of queries until the best of the whole table was asked for and how many seeds got there, the share
of queries that repeat a network, and processor milliseconds of ask and tell a trial. What is required of a controller follows,
each line `ok` or `MISS` with figure and target. The output folder has the searches (`searches.jsonl`), the figures
(`results.json`) and a plot for each section.

Every search is kept as it ends: after Ctrl-C, the same command goes on, and a later one adds controllers, seeds or sections.
Settings of ours are written after a colon: `evolution:population=50,sample=10`. Tools that are not installed are left out with
a reason.

Exit status: 0; 1 where something required is missed; 2 for a mistake of yours; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import controllers
from benchmarks import peers
from benchmarks.plots import plot
from benchmarks.problems import Pick, Problem
from benchmarks.records import Key, Record, Records
from benchmarks.requirements import Line
from benchmarks.rows import Row, table
from benchmarks.searching import Ours, Run, Searcher, search
from benchmarks.sections import EVERYWHERE, OURS, SECTIONS, OwnTable, Settings
from nas.errors import UserError


class Job(NamedTuple):
    """One search: of a controller as on the command line, on a problem of a section, with a seed."""

    section: str
    key: Key
    settings: Settings


def searcher(name: str, problem: Problem, seed: int) -> Searcher:
    """A controller of ours, `name:setting=value,...`, or a peer.

    Raises:
        UserError: there is none, or a setting does not fit.
    """
    if name in peers.NAMES:
        return peers.make(name, problem.space, problem.objectives, seed)
    return Ours(_ours(name, seed), problem.space, problem.objectives, problem.constraints)


def run(job: Job) -> Record:
    """Makes a search."""
    from threadpoolctl import threadpool_limits

    problem = next(one for one in _problems(job.section, job.settings) if one.name == job.key.problem)
    with threadpool_limits(1):  # searches run side by side, and a thread's time is what is compared
        made = searcher(job.key.controller, problem, job.key.seed)
        found = search(made, problem.evaluator, job.key.budget, problem.objectives, problem.constraints)
    return Record.of(job.key, found, problem.scoring.scores(found), _reached(problem, found))


def perform(jobs: Sequence[Job], processes: int) -> Iterator[Record]:
    """Makes searches one after the other here, or side by side in processes; what has ended is there at once."""
    if processes <= 1:
        yield from map(run, jobs)
        return
    from multiprocessing import get_context

    from pebble import ProcessPool

    pool = ProcessPool(max_workers=processes, context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield from pool.map(run, jobs).result()
        pool.close()
    finally:
        pool.stop()
        pool.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    given = _parser().parse_args(arguments)
    try:
        return _main(given)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Interrupted. What has ended is in {given.out}; the same command goes on.", file=sys.stderr)
        return 130


def _main(given: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    settings = _settings(given)
    names = _controllers(given.controller, console.print)
    chosen = _sections(given.only, settings)
    planned = {section: list(_jobs(section, settings, names, given)) for section in chosen}
    records = Records(Path(given.out))
    every = [job for jobs in planned.values() for job in jobs]
    todo = [job for job in every if given.again or records.find(job.key) is None]
    todo = [] if given.show else todo
    todo.sort(key=lambda job: job.key.seed)  # all problems fill up together: an early look is a look at everything
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("searches", total=len(every), completed=len(every) - len(todo), now="")
        for record in perform(todo, given.processes):
            records.add(record)
            progress.update(task, advance=1, now=f"{record.problem} {record.controller} {record.seed}")
    found = {section: _rows(section, jobs, records) for section, jobs in planned.items()}
    lines = _lines(found, settings)
    for section, results in found.items():
        if results:
            plot(results, Path(given.out) / f"{section}.png")
    text = _as_json(found, lines)
    (Path(given.out) / "results.json").write_text(json.dumps(text))
    if given.json:
        print(json.dumps(text))
    else:
        print("\n\n".join(table(problem, rows) for results in found.values() for problem, rows in results))
        print("\n" + "\n".join(map(str, lines)))
        print(f"\nCurves: {given.out}/SECTION.png, figures: {given.out}/results.json")
    return 0 if all(line.met for line in lines) else 1


def _jobs(section: str, settings: Settings, names: Sequence[str], given: argparse.Namespace) -> Iterator[Job]:
    part = SECTIONS[section]
    seeds = given.seeds if part.seeds is None else min(given.seeds, part.seeds)
    for problem in _problems(section, settings):
        for name in names:
            if part.takes(name, problem):
                searcher(name, problem, 0)  # a mistake in a setting is told before the first search
                budget = int(min(given.queries or problem.budget, part.most_queries(name)))
                digest = _digest(problem, name)
                for seed in range(seeds):
                    yield Job(section, Key(problem.name, name, seed, digest, budget), settings)


def _rows(section: str, jobs: Sequence[Job], records: Records) -> list[tuple[Problem, list[Row]]]:
    results = []
    for problem in _problems(section, jobs[0].settings) if jobs else []:
        mine = [job.key for job in jobs if job.key.problem == problem.name]
        rows = []
        for name in dict.fromkeys(key.controller for key in mine):
            keys = [key for key in mine if key.controller == name]
            made = [record for record in map(records.find, keys) if record is not None]
            if made:
                rows.append(Row.of(problem, name, keys[0].budget, made))
        longest = max((row.curves.shape[1] for row in rows), default=0)
        marks = (*(mark for mark in problem.marks if mark < longest), longest)
        if rows:
            results.append((dataclasses.replace(problem, marks=marks), rows))
    return results


def _lines(found: dict[str, list[tuple[Problem, list[Row]]]], settings: Settings) -> list[Line]:
    rows = {(p.name, row.controller): row for results in found.values() for p, many in results for row in many}
    wanted = [requirement for section in found for requirement in SECTIONS[section].requirements(settings)]
    return [line for requirement in [*wanted, *EVERYWHERE] for line in requirement(rows)]


def _as_json(found: dict[str, list[tuple[Problem, list[Row]]]], lines: Sequence[Line]) -> dict[str, Any]:
    results = {p.name: [row.to_json(p.marks) for row in rows] for many in found.values() for p, rows in many}
    return {"problems": results, "required": [line._asdict() for line in lines]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--controller",
        action="append",
        metavar="NAME",
        help=f"again and again; all by default: {', '.join((*OURS, *peers.NAMES))}",
    )
    parser.add_argument("--only", action="append", metavar="SECTION", help=f"again and again: {', '.join(SECTIONS)}")
    parser.add_argument("--seeds", type=_positive, default=20, help="searches of each controller on each problem (20)")
    parser.add_argument("--queries", type=_positive, help="of each search; each problem's own unless given")
    parser.add_argument(
        "--device", action="append", metavar="COLUMN", help="of the table of latencies, for pareto and constraint"
    )
    parser.add_argument("--long", action="store_true", help="timing: up to 10,000 trials too")
    parser.add_argument("--processes", type=_positive, default=1, help="searches side by side, each with one thread (1)")
    parser.add_argument("--show", action="store_true", help="search nothing, print what is there")
    parser.add_argument(
        "--again", action="store_true", help="make searches anew that are there: a controller's code has changed"
    )
    parser.add_argument("--tables", default="../shared/bench", metavar="DIR", help="the folder of the published tables")
    parser.add_argument("--out", default="runs/controllers", metavar="DIR", help="where results are kept")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    own = parser.add_argument_group("a table of yours", "see evaluators.Tabular for how its rows name architectures")
    own.add_argument("--own", metavar="FILE", help="a csv file, plain or gzipped")
    own.add_argument("--space", help="its space, as on the command line of nas")
    own.add_argument("--search", metavar="COLUMN", help="what is searched")
    own.add_argument(
        "--report", metavar="COLUMN", help="what is reported of the pick, larger is better; what is searched, by default"
    )
    own.add_argument("--minimize", action="store_true", help="what is searched is better when small")
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    settings = Settings(Path(given.tables), long=given.long)
    if given.device:
        settings = dataclasses.replace(settings, pareto_devices=tuple(given.device), limit_devices=tuple(given.device))
    if given.own is None:
        return settings
    if not given.space or not given.search:
        raise UserError(
            "nothing says what to search", path="--own", received=given.own, expected="--space and --search with it"
        )
    goal = "minimize" if given.minimize else "maximize"
    report = given.report or given.search
    return dataclasses.replace(
        settings, own=OwnTable(Path(given.own), given.space, given.search, report, goal, given.queries or 200)
    )


def _sections(only: Sequence[str] | None, settings: Settings) -> list[str]:
    if settings.own is not None and only is None:
        return ["own"]
    for name in only or ():
        if name not in SECTIONS:
            raise UserError(f"no section {name!r}", path="--only", received=name, expected=f"one of {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in only] if only else [name for name in SECTIONS if name != "own"]


def _controllers(names: Sequence[str] | None, say: Callable[[str], None]) -> list[str]:
    """The names on the command line that can run; says why others cannot."""
    able = []
    for name in names or (*OURS, *peers.NAMES):
        reason = peers.missing(name) if name in peers.NAMES else ""
        if reason:
            say(f"{name} is left out: it {reason}")
        else:
            able.append(name)
    if not able:
        raise UserError("no controller can run", path="--controller", received=names)
    return able


@functools.lru_cache(maxsize=16)
def _problems(section: str, settings: Settings) -> list[Problem]:
    return SECTIONS[section].problems(settings)


def _digest(problem: Problem, name: str) -> str:
    """Of a problem and what a controller is set to."""
    described = "" if name in peers.NAMES else json.dumps(_ours(name, 0).describe(), sort_keys=True)
    return hashlib.blake2b(f"{problem.digest} {described}".encode(), digest_size=8).hexdigest()


def _reached(problem: Problem, found: Run) -> int | None:
    scoring = problem.scoring
    if not isinstance(scoring, Pick) or scoring.best is None:
        return None
    pairs = zip(found.measured, found.feasible, strict=True)
    hits = (
        query for query, (all_of_it, feasible) in enumerate(pairs, 1) if feasible and all_of_it[scoring.report] >= scoring.best
    )
    return next(hits, None)


def _ours(name: str, seed: int) -> controllers.Controller:
    base, _, given = name.partition(":")
    settings = dict(pair.split("=", 1) for pair in given.split(",")) if given else {}
    return controllers.get(base, seed, **{k: _value(v) for k, v in settings.items()})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
