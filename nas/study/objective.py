"""What a study looks for: objectives to minimize or maximize, constraints that must hold."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from nas.errors import UserError
from nas.study.reward import RULES, Form, Reward

if TYPE_CHECKING:
    from nas.study.trial import Measurement, Trial


@dataclasses.dataclass(frozen=True)
class Objective:
    """A number to make small or large. Make one with `nas.minimize`, `nas.maximize` or `nas.reward`.

    Attributes:
        metric: what is measured; for a reward its name in tables and plots.
        goal: which way is better.
        reward: how the number follows from several metrics; None: it is the metric itself.
    """

    metric: str
    goal: Literal["minimize", "maximize"]
    reward: Reward | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """What has to be measured for it."""
        return self.reward.metrics if self.reward else (self.metric,)

    def value_of(self, trial: Trial) -> float:
        """Its value for a trial; NaN where something it needs was not measured."""
        return self.value_in(trial.measurements)

    def value_in(self, measurements: Mapping[str, Measurement]) -> float:
        """The same, of measurements."""
        if self.reward is not None:
            return self.reward.value({m: measurements[m].value for m in self.metrics if m in measurements}, self.goal)
        found = measurements.get(self.metric)
        return found.value if found else math.nan

    def score(self, value: float) -> float:
        """The value so that larger is better; NaN counts as worst."""
        if math.isnan(value):
            return -math.inf
        return -value if self.goal == "minimize" else value

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, to be stored with a study."""
        plain = {"metric": self.metric, "goal": self.goal}
        return plain if self.reward is None else plain | {"reward": self.reward.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Objective:
        """The inverse of `to_json`."""
        stored = data.get("reward")
        return cls(data["metric"], data["goal"], None if stored is None else Reward.from_json(stored))

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


def reward(
    form: Form,
    /,
    accuracy: str | None = None,
    loss: str | None = None,
    weight: float | None = None,
    **targets: float,
) -> Objective:
    """An objective: accuracy or loss weighed with costs against their targets, as `nas.study.reward` writes the forms down.

    Args:
        form: `mnasnet-soft`, `mnasnet-hard`, `vertex`, `vertex-hard` or `tunas`.
        accuracy: the metric to be large.
        loss: the metric to be small, instead.
        weight: w of the form; None: as it was published.
        targets: cost metric = target.

    Raises:
        UserError: an argument that does not fit.

    Example:
        >>> str(reward("mnasnet-soft", accuracy="val_accuracy", latency_ms=5))
        'maximize mnasnet-soft(val_accuracy, latency_ms=5)'
    """
    path = f"reward({form!r})"
    if form not in RULES:
        close = difflib.get_close_matches(str(form), RULES, n=1)
        hint = f"Perhaps {close[0]} is meant" if close else ""
        raise UserError(f"no form {form!r}", path="reward", received=form, expected=f"one of {', '.join(RULES)}", hint=hint)
    quality = accuracy if loss is None else loss
    if not isinstance(quality, str) or (accuracy is None) == (loss is None):
        given = {"accuracy": accuracy, "loss": loss}
        raise UserError(f"{given}", path=path, received=given, expected="the name of either an accuracy or a loss")
    if not targets:
        raise UserError("no costs", path=path, expected="a target for each, such as latency_ms=5")
    for metric, target in targets.items():
        if not _is_number(target) or target <= 0 or metric == quality:
            problem = f"{metric}={target!r} does not fit"
            raise UserError(problem, path=path, received=target, expected=f"a number above 0, for a metric beside {quality}")
    usual = RULES[form].weight
    chosen = usual if weight is None else weight
    if not _is_number(chosen) or chosen * usual <= 0:
        expected = f"a number {'below' if usual < 0 else 'above'} 0, {usual:g} as published"
        raise UserError(f"weight={weight!r} does not fit", path=path, received=weight, expected=expected)
    made = Reward(form, quality, tuple((metric, float(target)) for metric, target in targets.items()), float(chosen))
    return Objective(str(made), "maximize" if loss is None else "minimize", made)


def at_most(metric: str, bound: float) -> Constraint:
    """A constraint: `metric <= bound`."""
    return Constraint(metric, float(bound), "at_most")


def at_least(metric: str, bound: float) -> Constraint:
    """A constraint: `metric >= bound`."""
    return Constraint(metric, float(bound), "at_least")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
