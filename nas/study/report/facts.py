"""Figures for people: one way to write a number, and the facts of a space as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def quantity(value: float, unit: str = "") -> str:
    """A number for people: `1.11 M`, `251.0 M`, `1.56 MiB`, `3.42 ms`."""
    if value is None or value != value:
        return "-"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                return f"{value:.4g} {name}"
            value /= 1024
    if abs(value) >= 1e16:
        return f"{value:.2e}"
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {letter}{unit}"
    return f"{value:.4g} {unit}".strip()


def facts_of_space(report: Mapping[str, Any]) -> dict[str, str]:
    """What `nas.cli.preflight.describe_space` found, as name -> sentence."""
    size = report["size"]
    facts = {
        "architectures": f"{size:,}" + (f" (about {size:.2e})" if size > 10**7 else "") if size else "continuous",
        "decisions": str(report["decisions"]),
        "input -> output": f"{report['input']} -> {report['output'] or 'varies'}",
        "builds": {
            "proved": "all of them, proved by shape inference over the whole space",
            "sampled": f"all {report['sampled']} sampled ones; not proved: {'; '.join(report['doubts'])}",
            "unknown": "unknown: a space of plain values",
        }[report["builds"]],
    }
    if report["distinct_in_sample"] is not None:
        facts["distinct"] = f"{report['distinct_in_sample']} networks in {report['sampled']} points drawn uniformly"
    for metric, spread in report["costs"].items():
        low, middle, high = (quantity(spread[k], spread["unit"]) for k in ("min", "median", "max"))
        facts[metric] = f"{low} to {high}, median {middle} ({spread['n']} sampled)"
    for name, costs in report["baselines"].items():
        facts[f"baseline {name}"] = f"{quantity(costs['flops'], 'FLOPs')}, {costs['params']:,} parameters"
    for limit in report["limits"]:
        low, high = limit["share"]
        facts[f"{limit['metric']} <= {quantity(limit['bound'], limit['unit'])}"] = (
            f"{limit['within']} of {limit['of']} sampled; share {low:.1%} to {high:.1%} (95%)"
        )
    return facts
