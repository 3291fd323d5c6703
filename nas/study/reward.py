"""Weighted rewards: one number made of how good a network is and what it costs against a target.

Use one where a little over the target is acceptable for enough accuracy; where it is not, a constraint says so better
(`nas.at_most`), and where the whole trade-off is wanted, several objectives do. Any controller takes a reward: it is an
objective that is computed from a trial's measurements (`nas.reward`).

With r = cost / target, for each metric that has a target:

    mnasnet-soft    accuracy * r^w, w = -0.07                          Tan et al. 2019, "MnasNet", eq. 2, alpha = beta = w
    mnasnet-hard    accuracy * (1 where r <= 1, else r^w), w = -1      the same, alpha = 0, beta = w
    vertex          accuracy * (1/r)^w, w = 1                          the reward of Vertex AI NAS
    vertex-hard     accuracy * min(1, (1/r)^w), w = 1                  the same in its hard mode
    tunas           accuracy + w * |r - 1|, w = -0.07                  Bender et al. 2020, "Can Weight Sharing Outperform Random
                                                                       Architecture Search?", the absolute reward

Factors of several targets are multiplied, terms added. tunas depends on the accuracy's scale: -0.07 has the slope of MnasNet's
reward for an accuracy near 1; for one in per cent write `weight=-7`.

A loss stays a loss: it is divided by the factor, or has the term subtracted, and the result is minimized. So is a quality below
zero divided, since a smaller factor would make it better.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Form = Literal["mnasnet-soft", "mnasnet-hard", "vertex", "vertex-hard", "tunas"]


class Rule(NamedTuple):
    """How costs enter a reward: `effect(ratio, weight)` multiplies or is added; the weight's default, whose sign is kept."""

    effect: Callable[[float, float], float]
    weight: float
    adds: bool = False


RULES: Mapping[str, Rule] = {
    "mnasnet-soft": Rule(lambda ratio, weight: _power(ratio, weight), -0.07),
    "mnasnet-hard": Rule(lambda ratio, weight: 1.0 if ratio <= 1 else _power(ratio, weight), -1.0),
    "vertex": Rule(lambda ratio, weight: _power(ratio, -weight), 1.0),
    "vertex-hard": Rule(lambda ratio, weight: min(1.0, _power(ratio, -weight)), 1.0),
    "tunas": Rule(lambda ratio, weight: weight * abs(ratio - 1), -0.07, adds=True),
}


@dataclasses.dataclass(frozen=True)
class Reward:
    """How an objective's value follows from measurements. Make one with `nas.reward`.

    Attributes:
        form: one of the five above.
        quality: the metric of the accuracy or loss.
        targets: (metric, target) of each cost, targets above 0.
        weight: w.
    """

    form: Form
    quality: str
    targets: tuple[tuple[str, float], ...]
    weight: float

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that it needs."""
        return self.quality, *(metric for metric, _ in self.targets)

    def value(self, values: Mapping[str, float], goal: Literal["minimize", "maximize"]) -> float:
        """The reward of measured values, as large as good to maximize, as small as good to minimize.

        NaN where a metric is missing or NaN, or a cost is negative; infinite where a cost of 0 has no finite factor.
        """
        if not all(metric in values for metric in self.metrics):
            return math.nan
        sign = -1.0 if goal == "minimize" else 1.0
        quality = sign * values[self.quality]
        rule = RULES[self.form]
        effects = [rule.effect(values[metric] / target, self.weight) for metric, target in self.targets]
        if rule.adds:
            return sign * (quality + sum(effects))
        factor = math.prod(effects)
        if quality < 0:
            return sign * (quality / factor if factor else -math.inf)
        return sign * quality * factor

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        targets = [[metric, target] for metric, target in self.targets]
        return {"form": self.form, "quality": self.quality, "targets": targets, "weight": self.weight}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reward:
        """The inverse of `to_json`."""
        targets = tuple((metric, float(target)) for metric, target in data["targets"])
        return cls(data["form"], data["quality"], targets, float(data["weight"]))

    def __str__(self) -> str:
        weight = "" if self.weight == RULES[self.form].weight else f", weight={self.weight:g}"
        return f"{self.form}({self.quality}, {', '.join(f'{metric}={target:g}' for metric, target in self.targets)}{weight})"


def _power(ratio: float, exponent: float) -> float:
    """`ratio ** exponent` for a ratio of at least 0; infinite where it is beyond all numbers, NaN below 0."""
    if not ratio >= 0:
        return math.nan
    try:
        return float(ratio**exponent)
    except (ZeroDivisionError, OverflowError):
        return math.inf
