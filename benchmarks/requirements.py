"""What is required of controllers, each as a line: met or missed, the figure, the target.

A requirement is a function of all rows, (problem, controller) -> `Row`, that gives lines for what it finds there: without the
controller or the problem it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from benchmarks.rows import Row

Rows: TypeAlias = Mapping[tuple[str, str], Row]
SIGNIFICANT = 0.05


class Line(NamedTuple):
    """Whether a requirement is met, and the figure beside what is required."""

    met: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.met else 'MISS'} {self.text}"


Requirement: TypeAlias = Callable[[Rows], list[Line]]


def at_least(problem: str, queries: int, bound: float, *controllers: str) -> Requirement:
    """The mean score after so many queries."""

    def check(row: Row) -> Line | None:
        found = row.at(queries)
        if found is None:
            return None
        mean, low, high = found
        text = f"{_who(problem, row)}: {mean:.3f} [{low:.3f}, {high:.3f}] after {queries} (required {bound:g})"
        return Line(mean >= bound, text)

    return _each(problem, controllers, check)


def every_seed_by(problem: str, queries: int, *controllers: str) -> Requirement:
    """The best there is, in every seed."""

    def check(row: Row) -> Line | None:
        if row.curves.shape[1] < queries:
            return None
        found = sum(query is not None and query <= queries for query in row.reached)
        text = f"{_who(problem, row)}: the best in {found} of {len(row.reached)} seeds by {queries} (required all)"
        return Line(found == len(row.reached), text)

    return _each(problem, controllers, check)


def queries_to_best(problem: str, bound: float, *controllers: str) -> Requirement:
    """The mean number of queries until the best was asked for; a seed that did not counts with all its queries."""

    def check(row: Row) -> Line | None:
        budget = row.curves.shape[1]
        if budget < bound:
            return None
        mean = float(np.mean([budget if query is None else query for query in row.reached]))
        return Line(mean <= bound, f"{_who(problem, row)}: {mean:.1f} queries to the best (required {bound:g})")

    return _each(problem, controllers, check)


def beats(problem: str, queries: int, controller: str, other: str) -> Requirement:
    """A better mean, and significantly so: Mann-Whitney, one-sided. The signed-rank test by seed is printed beside it; seeds
    pair nothing but chance, so it does not decide."""

    def check(rows: Rows) -> list[Line]:
        from scipy import stats

        pair = [rows.get((problem, name)) for name in (controller, other)]
        if pair[0] is None or pair[1] is None:
            return []
        ours, theirs = (row.samples(queries) for row in pair if row is not None)
        if ours is None or theirs is None:
            return []
        unpaired = float(stats.mannwhitneyu(ours, theirs, alternative="greater").pvalue)
        both = min(len(ours), len(theirs))
        differ = bool(np.any(ours[:both] != theirs[:both]))
        paired = float(stats.wilcoxon(ours[:both], theirs[:both], alternative="greater").pvalue) if differ else 1.0
        text = (
            f"{problem}, {controller} ({len(ours)} seeds): {ours.mean():.4f} against {theirs.mean():.4f} of {other} "
            f"({len(theirs)}) after {queries}, p = {unpaired:.2g} unpaired, {paired:.2g} paired "
            f"(required: more, p < {SIGNIFICANT:g})"
        )
        return [Line(bool(ours.mean() > theirs.mean() and unpaired < SIGNIFICANT), text)]

    return check


def close_to(problem: str, given: str, queries: int, slack: float, controllers: Sequence[str]) -> Requirement:
    """Of controllers that can learn a limit: as good under a limit as where what meets it is given, up to a slack."""

    def check(rows: Rows) -> list[Line]:
        lines = []
        for (name, controller), row in rows.items():
            free = rows.get((given, controller))
            if name != problem or free is None or controller.partition(":")[0] not in controllers:
                continue
            ours, theirs = row.samples(queries), free.samples(queries)
            if ours is None or theirs is None:
                continue
            behind = float(theirs.mean() - ours.mean())
            rng = np.random.default_rng(0)
            draws = [rng.choice(x, (2000, len(x))).mean(axis=1) for x in (theirs, ours)]
            low, high = np.quantile(draws[0] - draws[1], [0.025, 0.975])
            text = (
                f"{_who(problem, row)}: {ours.mean():.3f} after {queries}, {behind:+.3f} [{low:+.3f}, {high:+.3f}] behind "
                f"the subset for free (required {slack:g})"
            )
            lines.append(Line(bool(behind <= slack), text))
        return lines

    return check


def no_duplicates(ours: Sequence[str]) -> Requirement:
    """No controller of ours asks for a network twice."""

    def check(rows: Rows) -> list[Line]:
        found = {controller for _, controller in rows if controller.partition(":")[0] in ours}
        twice = sorted({f"{c} on {p}" for (p, c), row in rows.items() if c in found and row.duplicates})
        text = f"duplicates of {len(found)} controllers of ours on {len({p for p, _ in rows})} problems: "
        return [Line(not twice, text + (", ".join(twice) or "none"))] if found else []

    return check


def ms_at(problem: str, trial: int, usual: float, others: Mapping[str, float], ours: Sequence[str]) -> Requirement:
    """Milliseconds of ask and tell at a trial, of every controller of ours; `others` have their own limit."""

    def check(rows: Rows) -> list[Line]:
        lines = []
        for (name, controller), row in rows.items():
            found = row.samples(trial)
            base = controller.partition(":")[0]
            if name == problem and base in ours and found is not None:
                bound, ms = others.get(base, usual), float(found.mean())
                lines.append(Line(ms <= bound, f"{_who(problem, row)}: {ms:.2f} ms at trial {trial:,} (required {bound:g})"))
        return lines

    return check


def flat(problem: str, early: int, late: int, *controllers: str, factor: float = 1.5) -> Requirement:
    """Ask and tell take as long late as early, up to a factor."""

    def check(row: Row) -> Line | None:
        first, last = row.samples(early), row.samples(late)
        if first is None or last is None:
            return None
        ratio = float(last.mean() / first.mean())
        text = (
            f"{_who(problem, row)}: {first.mean():.2f} ms at trial {early:,}, {last.mean():.2f} at {late:,}: "
            f"{ratio:.2f} times (required {factor:g})"
        )
        return Line(ratio <= factor, text)

    return _each(problem, controllers, check)


def _who(problem: str, row: Row) -> str:
    return f"{problem}, {row.controller} ({len(row.curves)} seeds)"


def _each(problem: str, controllers: Sequence[str], check: Callable[[Row], Line | None]) -> Requirement:
    def lines(rows: Rows) -> list[Line]:
        found = [check(rows[problem, name]) for name in controllers if (problem, name) in rows]
        return [line for line in found if line is not None]

    return lines
