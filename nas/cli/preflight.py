"""What a space is, in figures: how many architectures, whether all of them build, what they cost, what share is within limits.

Everything that the space compiled to an automaton knows is exact: sizes, the proof, the ends of cost ranges with their
decisions, histograms, shares within a limit. What is not (peak memory, measured latency, spaces too entangled to compile) comes
from architectures drawn uniformly, with how many there were.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.cli.common import facts_table
from nas.errors import UserError
from nas.language.automaton import TooEntangled
from nas.language.automaton.batch import Pricer
from nas.language.copies import Duplicates
from nas.language.costing import COUNTED, find_metric
from nas.language.duplicates import find_duplicates
from nas.language.intervals import wilson
from nas.language.pricing import Cost
from nas.study.report.facts import UNITS, facts_of_space, histogram_lines

PRICED = ("flops", "macs", "params", "peak_activation_bytes")
BINS = 12  # of the histogram
PRICED_AT_ONCE = 4_096  # architectures drawn for medians, where they are priced in batches
PRICED_UNCOMPILED = 1_000  # the same where there is no automaton: such spaces are large, and each layer is worked out anew
LOWERED = 100  # architectures drawn for what is not additive, unless they have more
NODES = 12_000  # than so many operations together: that takes a few tenths of a second
FEWEST = 10  # of them all the same
LIKELY_SIZE = 10_000  # points; in a smaller space a search sees most of it
FEW_DISTINCT = 0.5  # share of points below which copies are worth a warning


def describe_space(
    space: Any,
    limits: Mapping[str, float | str],
    *,
    samples: int | None = None,
    seed: int = 0,
    measured: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """Facts about a space, as plain JSON.

    Args:
        limits: metric -> bound, or the name of a baseline whose own cost is the bound.
        samples: how many architectures, drawn uniformly, are lowered for what does not add up over operations; by default a
            hundred, fewer where networks are large.
        measured: metric -> values of architectures drawn uniformly, for metrics that are not arithmetic.

    Raises:
        UserError: a limit on something that is not priced here, or one that no architecture meets.
    """
    measured = measured or {}
    bounds = {metric: resolve_limit(space, metric, bound) for metric, bound in limits.items()}
    for metric in bounds:
        if metric not in PRICED and not measured.get(metric):
            raise UserError(
                f"{metric} is not arithmetic",
                path="--at-most",
                received=metric,
                expected=f"one of {', '.join(PRICED)}",
                hint="Limits on measured metrics belong to `nas search`",
            )
    automaton = _automaton(space)
    values: dict[str, Sequence[float]] = {metric: list(found) for metric, found in measured.items()}
    if space.is_network:
        values |= _lowered(space, samples, seed)
        if automaton is None:
            values |= _priced(space, seed)
    duplicates = find_duplicates(space, seed)
    report: dict[str, Any] = {
        "name": space.name,
        "size": space.size,
        "size_bracket": list(space.size_bracket[:2]),
        "restricted_to": space.limits,
        "decisions": len(space.genome.slots),
        "input": space.input_shape,
        "output": space.output_shape,
        "builds": space.proof.status if space.is_network else "unknown",
        "proof": _proof_in_words(space),
        "distinct": _distinct(duplicates),
        "costs": {metric: _spread(found, UNITS.get(metric, "")) for metric, found in values.items() if found},
        "histogram": None,
        "baselines": _baseline_costs(space),
        "limits": [],
        "within": None,
    }
    if automaton is not None:
        report["costs"] |= _counted_costs(space, seed)
        report["histogram"] = _histogram(space)
    counted = {metric: bound for metric, bound in bounds.items() if automaton is not None and metric in COUNTED}
    for metric, bound in bounds.items():
        found = _counted_limit(space, {metric: bound}) if metric in counted else _sampled_limit(values[metric], bound)
        report["limits"].append({"metric": metric, "bound": bound, "unit": UNITS.get(metric, "")} | found)
    if len(counted) > 1:
        report["within"] = {"limits": counted} | _counted_limit(space, counted)
    report["warnings"] = _warnings(space, duplicates)
    return report


def cheapest(space: Any, metric: str, *, seed: int = 0, samples: int = 1000, steps: int = 200) -> Any:
    """The cheapest architecture: exactly, where the cost adds up over operations and the space can be compiled.

    Otherwise the best of a sample, then downhill one decision at a time.
    """
    if metric in COUNTED and _automaton(space) is not None:
        return space.cheapest(metric).architecture

    def cost(architecture: Any) -> float:
        return getattr(architecture.cost(), metric)

    best = min(space.sample(seed, n=samples), key=cost)
    rng = np.random.default_rng(seed)
    stalled = 0
    while stalled < steps:
        neighbour = space.architecture(space.genome.mutate(best.vector[None], rng)[0])
        if cost(neighbour) < cost(best):
            best, stalled = neighbour, 0
        else:
            stalled += 1
    return best


def resolve_limit(space: Any, metric: str, bound: float | str) -> float:
    """A bound as a number; a baseline's name stands for that baseline's own cost."""
    if not isinstance(bound, str):
        return bound
    if bound not in space.baselines:
        raise UserError(
            f"{bound!r} is neither a number nor a baseline of {space.name}", path=f"--at-most {metric}", received=bound,
            expected=f"a number or one of {', '.join(space.baselines) or 'none'}",
        )  # fmt: skip
    if metric not in PRICED:
        return math.nan  # known once the baseline is measured
    return float(getattr(space.baselines[bound].cost(), metric))


def print_description(report: Mapping[str, Any], console: Any) -> None:
    """The facts of `describe_space`, for people."""
    console.print(facts_table(f"Space {report['name']}", facts_of_space(report)))
    if report.get("histogram"):
        console.print(f"\n[bold]{report['histogram']['metric']}[/bold] of all architectures")
        for line in histogram_lines(report["histogram"]):
            console.print(line)
    for warning in report.get("warnings", ()):
        console.print(f"[yellow]warning[/yellow] {warning}")


# -- parts of the report -----------------------------------------------------------------------------------------------------


def _automaton(space: Any) -> Any:
    """The space compiled; None where it cannot be."""
    if not space.is_network:
        return None
    try:
        return space.automaton
    except TooEntangled:
        return None


def _proof_in_words(space: Any) -> str:
    if not space.is_network:
        return "a space of plain values: whether its models build is up to what builds them"
    proof = space.proof
    if proof.status == "proved":
        states = f" over {proof.states:,} states" if proof.states else " over sets of shapes"
        number = "the one architecture builds" if proof.points == 1 else f"all {proof.points:,} architectures build"
        return f"{number}: proved{states}"
    return str(proof)


def _distinct(found: Duplicates) -> dict[str, Any]:
    return {
        "share": list(found.share),
        "count": found.distinct,
        "drawn": found.drawn,
        "dead": [{"name": each.name, "compared": each.compared} for each in found.dead],
        "same": [{"name": each.name, "options": list(each.options), "compared": each.compared} for each in found.same],
    }


def _lowered(space: Any, samples: int | None, seed: int) -> dict[str, list[float]]:
    """What architectures drawn uniformly cost, each lowered by itself."""
    costs: list[Cost] = []
    nodes = 0
    for architecture in space.sample(seed, n=samples or LOWERED):
        if samples is None and nodes > NODES and len(costs) >= FEWEST:
            break
        costs.append(architecture.cost())
        nodes += len(architecture.network)
    return {metric: [getattr(cost, metric) for cost in costs] for metric in PRICED}


def _priced(space: Any, seed: int) -> dict[str, list[float]]:
    """What more architectures cost, as far as it adds up; nothing where they cannot be priced in batches."""
    try:
        priced = Pricer(space, [find_metric(metric) for metric in COUNTED]).price(_draws(space, seed, PRICED_UNCOMPILED))
    except TooEntangled:
        return {}
    return dict(zip(COUNTED, priced.costs[priced.builds].T.tolist(), strict=True))


def _draws(space: Any, seed: int, count: int) -> np.ndarray:
    return space.genome.sample(np.random.default_rng(seed), count)


def _counted_costs(space: Any, seed: int) -> dict[str, dict[str, Any]]:
    """Ranges of additive costs with the architectures at their ends, and medians of draws."""
    pricer = Pricer(space, [find_metric(metric) for metric in COUNTED])
    drawn = pricer.price(_draws(space, seed, PRICED_AT_ONCE)).costs
    found = {}
    for i, metric in enumerate(COUNTED):
        low, high = space.cheapest(metric), space.dearest(metric)
        found[metric] = {
            "min": low.value,
            "median": float(np.median(drawn[:, i])),
            "max": high.value,
            "unit": UNITS.get(metric, ""),
            "n": len(drawn),
            "exact": low.exact and high.exact,
            "cheapest": low.architecture.decisions,
            "dearest": high.architecture.decisions,
        }
    return found


def _histogram(space: Any, metric: str = "flops") -> dict[str, Any] | None:
    found = space.histogram(metric, BINS)
    if found.edges[0] == found.edges[-1]:
        return None
    total = sum(found.counts)
    shares = [count / total for count in found.counts]
    unit = UNITS.get(metric, "")
    return {"metric": metric, "unit": unit, "edges": list(found.edges), "shares": shares, "blur": found.blur}


def _counted_limit(space: Any, limits: Mapping[str, float]) -> dict[str, Any]:
    small = space.within(**limits)
    points = space.genome.program.points
    bracket = small.size_bracket
    return {
        "size": small.size,
        "size_bracket": [bracket.low, bracket.high],
        "share": [bracket.low / points, bracket.high / points],
        "certain": bracket.certain,
        "of": 0,
    }


def _sampled_limit(values: Sequence[float], bound: float) -> dict[str, Any]:
    within = sum(value <= bound for value in values)
    share = wilson(within / len(values), len(values)) if values else (0.0, 1.0)
    return {"within": within, "of": len(values), "share": list(share), "certain": False}


def _spread(values: Sequence[float], unit: str) -> dict[str, Any]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "unit": unit, "n": len(values)}


def _baseline_costs(space: Any) -> dict[str, dict[str, float]]:
    if not space.is_network:
        return {}
    return {name: {metric: getattr(space.baselines[name].cost(), metric) for metric in PRICED} for name in space.baselines}


def _warnings(space: Any, duplicates: Duplicates) -> list[str]:
    found = []
    if space.is_network and space.proof.status == "undecided":
        found.append(f"not proved that all architectures build: {space.proof.reason}")
    if duplicates.share[1] < FEW_DISTINCT:
        found.append(f"at most {duplicates.share[1]:.2g} of the points are distinct: a search proposes each network once")
    for dead in duplicates.dead:
        found.append(f"{dead.name} never makes a difference ({_seen(dead.compared, duplicates)})")
    for same in duplicates.same:
        a, b = same.options
        found.append(f"{same.name}: {a!r} and {b!r} are the same ({_seen(same.compared, duplicates)})")
    if space.size is not None and space.size <= 1:
        found.append("there is nothing to decide")
    return found


def _seen(compared: int, duplicates: Duplicates) -> str:
    return "in all points" if duplicates.exact else f"in {compared} of {compared} comparisons"
