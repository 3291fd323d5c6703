"""Costs that add up: what each primitive operation adds to FLOPs, multiply-adds, parameters, or a table of your own.

A cost is additive where an architecture's is the sum over its operations, whatever their order. FLOPs, MACs and parameters
are, as `architecture.cost()` counts them; so is latency, as far as a lookup table describes it (Cai et al. 2019,
ProxylessNAS, section 3.2). Peak memory is not. Automata count in whole numbers, so a table's values are counted in
billionths.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nas.errors import UserError
from nas.language.automaton.compiler import Automaton
from nas.language.automaton.library import Primitive
from nas.language.operation import KerasCall, Shape

COUNTED = ("flops", "macs", "params")
"""Costs that every operation states."""

Rule: TypeAlias = "Callable[[KerasCall, tuple[Shape, ...], Shape], float]"
"""(Keras call, shapes of the inputs, shape of the output) -> what the operation adds, at least 0."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """An additive cost.

    Attributes:
        name: such as "flops" or "latency_ms".
        rule: what an operation adds; None: what its cost rule says.
        grain: whole numbers to a unit.
    """

    name: str
    rule: Rule | None = None
    grain: int = 1

    def of(self, primitive: Primitive) -> int:
        """What an operation adds, in grains.

        Raises:
            UserError: the rule gives no number.
        """
        if self.rule is None:
            return int(getattr(primitive.cost, self.name))
        value = self.rule(primitive.call, primitive.inputs, primitive.output)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
            raise UserError(
                f"{value!r} for {primitive.call} on {' and '.join(map(str, primitive.inputs))}",
                path=self.name,
                received=value,
                expected="a number from 0",
                hint="Add the operation to the table",
            )
        return round(value * self.grain)

    def prices(self, automaton: Automaton) -> list[int]:
        """Of each bundle of an automaton's circuit, in grains."""
        return automaton.circuit.prices([self.of(primitive) for primitive in automaton.library.primitives])

    def value(self, grains: int) -> int | float:
        """Grains as the metric's own unit."""
        return grains if self.grain == 1 else grains / self.grain


def find_metric(name: str, rules: Mapping[str, Rule] | None = None) -> Metric:
    """The additive metric of that name.

    Raises:
        UserError: it is not additive, or needs a rule.
    """
    rules = rules or {}
    if name in rules:
        return Metric(name, rules[name], 10**9)
    if name in COUNTED:
        return Metric(name)
    raise UserError(
        f"{name} does not add up over operations",
        path=name,
        received=name,
        expected=f"one of {', '.join([*COUNTED, *rules])}",
        hint=f"Give a table, rules={{{name!r}: table}}, or use a constraint of the study",
    )


def read_limits(limits: Mapping[str, Any], rules: Mapping[str, Rule] | None = None) -> list[tuple[Metric, int]]:
    """Each metric with its limit in grains.

    Raises:
        UserError: not an additive metric, or the limit is not a number from 0.
    """
    found = []
    for name, limit in limits.items():
        metric = find_metric(name, rules)
        if isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or not 0 <= limit < math.inf:
            raise UserError(f"{limit!r} is not a limit", path=name, received=limit, expected="a number from 0")
        found.append((metric, math.floor(limit * metric.grain)))
    return found


@dataclasses.dataclass(frozen=True)
class TableRule:
    """A rule that looks an operation up as `describe_call` writes it; what is not in the table is an error."""

    table: Mapping[str, float]

    def __call__(self, call: KerasCall, inputs: Sequence[Shape], output: Shape) -> float:
        return self.table.get(describe_call(call, inputs), math.nan)


def describe_call(call: KerasCall, inputs: Sequence[Shape]) -> str:
    """`Conv2D(filters=32, ...) on (80, 80, 1)`: the key of an operation in a table."""
    return f"{call} on {' and '.join(map(str, inputs))}"
