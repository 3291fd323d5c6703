"""What a space is, in figures: exact size, proof that it builds, cost ranges, share within limits."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.cli.common import facts_table
from nas.errors import UserError
from nas.study.report.facts import facts_of_space

PRICED = ("flops", "macs", "params", "peak_activation_bytes")
UNITS = {"flops": "FLOPs", "macs": "MACs", "params": "", "peak_activation_bytes": "bytes", "latency_ms": "ms"}


def describe_space(
    space: Any,
    limits: Mapping[str, float | str],
    *,
    samples: int = 1000,
    seed: int = 0,
    measured: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """Facts about a space.

    Args:
        limits: metric -> bound, or the name of a baseline whose own cost is the bound.
        samples: how many architectures, drawn uniformly, are priced for the ranges and shares.
        measured: metric -> values of architectures drawn uniformly, for metrics that are not arithmetic.

    Raises:
        UserError: a limit on something that is not priced here, or a limit that no architecture seen meets.
    """
    bounds = {metric: resolve_limit(space, metric, bound) for metric, bound in limits.items()}
    for metric in bounds:
        if metric not in PRICED and not (measured or {}).get(metric):
            raise UserError(
                f"{metric} is not arithmetic",
                path="--at-most",
                received=metric,
                expected=f"one of {', '.join(PRICED)}",
                hint="Limits on measured metrics belong to `nas search`",
            )
    architectures = space.sample(seed, n=samples)
    values: dict[str, list[float]] = {metric: [] for metric in PRICED}
    fingerprints = set()
    if space.is_network:
        for architecture in architectures:
            price = architecture.cost()
            for metric in PRICED:
                values[metric].append(getattr(price, metric))
            fingerprints.add(architecture.fingerprint)
    values |= {metric: list(found) for metric, found in (measured or {}).items()}
    report: dict[str, Any] = {
        "name": space.name,
        "size": space.size,
        "decisions": len(space.genome.slots),
        "input": space.input_shape,
        "output": space.output_shape,
        "builds": "proved" if space.is_network and not space.doubts else "sampled" if space.is_network else "unknown",
        "doubts": [f"{doubt.error}" for doubt in space.doubts[:5]],
        "sampled": len(architectures),
        "distinct_in_sample": len(fingerprints) if space.is_network else None,
        "costs": {m: _spread(found, UNITS.get(m, "")) for m, found in values.items() if found},
        "baselines": _baseline_costs(space),
        "limits": [],
    }
    for metric, bound in bounds.items():
        found = values[metric]
        within = sum(value <= bound for value in found)
        low, high = wilson(within, len(found))
        report["limits"].append(
            {
                "metric": metric,
                "bound": bound,
                "unit": UNITS.get(metric, ""),
                "within": within,
                "of": len(found),
                "share": [low, high],
            }
        )
    return report


def cheapest(space: Any, metric: str, *, seed: int = 0, samples: int = 1000, steps: int = 200) -> Any:
    """The cheapest architecture that is found: the best of a sample, then downhill one decision at a time."""

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


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927): sound for few observations and shares near 0 or 1."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _spread(values: Sequence[float], unit: str) -> dict[str, Any]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "unit": unit, "n": len(values)}


def _baseline_costs(space: Any) -> dict[str, dict[str, float]]:
    if not space.is_network:
        return {}
    return {name: {metric: getattr(space.baselines[name].cost(), metric) for metric in PRICED} for name in space.baselines}


def print_description(report: Mapping[str, Any], console: Any) -> None:
    """The facts of `describe_space`, for people."""
    console.print(facts_table(f"Space {report['name']}", facts_of_space(report)))
