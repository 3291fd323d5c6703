"""Figures for people: one way to write a number, and the facts of a space as lines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

UNITS = {"flops": "FLOPs", "macs": "MACs", "params": "", "peak_activation_bytes": "bytes", "latency_ms": "ms"}
BAR = 32  # characters of the longest bar
ENDS = 6  # decisions told of the cheapest and the dearest architecture


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


def share_in_words(share: float) -> str:
    """A share for people: `12.3%`, or `1 in 137 million` where it is small.

    Example:
        >>> share_in_words(0.5), share_in_words(7.3e-9)
        ('50%', '1 in 137 million')
    """
    if share <= 0:
        return "none"
    if share >= 0.001:
        return f"{share:.3g}" if share > 1 else f"{100 * share:.3g}%"
    one_in = 1 / share
    for factor, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if one_in >= 1e15:
            return f"1 in {one_in:.2g}"
        if one_in >= factor:
            return f"1 in {one_in / factor:.3g} {word}"
    return f"1 in {one_in:,.0f}"


def count_in_words(low: int, high: int) -> str:
    """A number of architectures: exactly, or at least and at most."""
    if low == high:
        return f"{low:,}" + (f" (about {low:.2e})" if low > 10**7 else "")
    return f"{low:.3e} to {high:.3e}"


def facts_of_space(report: Mapping[str, Any]) -> dict[str, str]:
    """What `nas.cli.preflight.describe_space` found, as name -> sentence."""
    low, high = report["size_bracket"]
    limits = report["restricted_to"]
    if report["size"] is None and low == high:
        size = f"continuous: {count_in_words(low, high)} ways to decide all but its numbers"
    else:
        size = count_in_words(report["size"] or low, report["size"] or high)
    facts = {
        "architectures": size,
        **({"restricted to": ", ".join(f"{m} <= {v:,}" for m, v in limits.items())} if limits else {}),
        "decisions": str(report["decisions"]),
        "input -> output": f"{report['input']} -> {report['output'] or 'varies'}",
        "builds": report["proof"],
        "distinct": _distinct(report["distinct"]),
    }
    for metric, spread in report["costs"].items():
        low, middle, high = (quantity(spread[k], spread["unit"]) for k in ("min", "median", "max"))
        facts[metric] = f"{low} to {high}" + (
            f", exactly; median of {spread['n']:,} drawn {middle}"
            if spread.get("exact")
            else f", median {middle} ({spread['n']} sampled)"
        )
    for end in ("cheapest", "dearest"):
        decisions = report["costs"].get("flops", {}).get(end)
        if decisions:
            facts[f"{end} by FLOPs"] = _decisions(decisions)
    for name, costs in report["baselines"].items():
        facts[f"baseline {name}"] = f"{quantity(costs['flops'], 'FLOPs')}, {costs['params']:,} parameters"
    for limit in report["limits"]:
        facts[f"{limit['metric']} <= {quantity(limit['bound'], limit['unit'])}"] = _limit(limit)
    if report["within"]:
        facts["within all limits"] = _limit(report["within"])
    return facts


def histogram_lines(histogram: Mapping[str, Any]) -> list[str]:
    """A bar for each range of a cost, as long as the share of architectures in it."""
    most = max(histogram["shares"])
    lines = []
    for (low, high), share in zip(itertools.pairwise(histogram["edges"]), histogram["shares"], strict=True):
        span = f"{quantity(low, histogram['unit'])} to {quantity(high, histogram['unit'])}"
        bar = "█" * round(BAR * share / most) or ("▏" if share else "")
        lines.append(f"  {span:>28}  {bar:<{BAR}}  {share_in_words(share)}")
    return lines


def _distinct(found: Mapping[str, Any]) -> str:
    low, high = found["share"]
    if found["count"] is not None:
        return f"{found['count']:,} networks, {share_in_words(low)} of all points, exactly"
    drawn = f"95%, from {found['drawn']} points and those around them"
    return f"{share_in_words(low)} to {share_in_words(high)} of all points ({drawn})"


def _limit(limit: Mapping[str, Any]) -> str:
    low, high = limit["share"]
    if limit["of"]:
        return f"{limit['within']} of {limit['of']} sampled; share {low:.1%} to {high:.1%} (95%)"
    size = limit["size"]
    count = count_in_words(size, size) if size is not None else count_in_words(*limit["size_bracket"])
    words = {share_in_words(low): None, share_in_words(high): None}
    return f"{count} architectures, {' to '.join(words)}" + ("" if limit["certain"] else " (99%)")


def _decisions(decisions: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in list(decisions.items())[:ENDS])
    return shown + (f", and {len(decisions) - ENDS} more (--json has them)" if len(decisions) > ENDS else "")
