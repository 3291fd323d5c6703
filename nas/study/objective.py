"""What a study looks for: objectives to minimize or maximize, constraints that must hold."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from nas.errors import UserError


@dataclasses.dataclass(frozen=True)
class Objective:
    """A metric to make small or large. Make one with `nas.minimize` or `nas.maximize`."""

    metric: str
    goal: Literal["minimize", "maximize"]

    def score(self, value: float) -> float:
        """The value so that larger is better; NaN counts as worst."""
        if math.isnan(value):
            return -math.inf
        return -value if self.goal == "minimize" else value

    def __str__(self) -> str:
        return f"{self.goal} {self.metric}"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A bound on a metric. Make one with `nas.at_most` or `nas.at_least`."""

    metric: str
    bound: float
    kind: Literal["at_most", "at_least"]

    def __post_init__(self) -> None:
        if not math.isfinite(self.bound):
            raise UserError(f"a bound of {self.bound}", path=f"{self.kind}({self.metric!r})", expected="a finite number")

    def violation(self, value: float) -> float:
        """0 where the bound holds, else by how much it is missed, relative to the bound (absolute for a bound of 0)."""
        miss = value - self.bound if self.kind == "at_most" else self.bound - value
        if math.isnan(miss):
            return math.inf
        return max(0.0, miss) / (abs(self.bound) or 1.0)

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.kind == 'at_most' else '>='} {self.bound:g}"


def minimize(metric: str) -> Objective:
    """An objective: the smaller the metric, the better."""
    return Objective(metric, "minimize")


def maximize(metric: str) -> Objective:
    """An objective: the larger the metric, the better."""
    return Objective(metric, "maximize")


def at_most(metric: str, bound: float) -> Constraint:
    """A constraint: `metric <= bound`."""
    return Constraint(metric, float(bound), "at_most")


def at_least(metric: str, bound: float) -> Constraint:
    """A constraint: `metric >= bound`."""
    return Constraint(metric, float(bound), "at_least")
