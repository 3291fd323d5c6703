"""A table of operations and their milliseconds: what `space.within(latency_ms=5)` counts and draws with.

    small = space.within(latency_ms=5, rules=rules(model, space))

A sum over operations is all that an automaton can count (Cai et al. 2019, ProxylessNAS, section 3.2). So this is the additive
part of a latency model: what the same measurements say where nothing but operations may explain them, for each operation of the
space, those that were never measured included; scaled so that sums meet the measured latencies in the middle. How far sums are
off is `TableError`; what decides in a study is the model or a measurement, not the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from evaluators.latency_model.operations import OperationFacts, facts_of
from nas.language.costing import Rule, TableRule

if TYPE_CHECKING:
    from evaluators.latency_model.predictor import LatencyModel
    from nas.language.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class TableError:
    """How far sums over the table are from what was measured, on the architectures it was made from.

    Attributes:
        median, largest: relative error.
    """

    median: float
    largest: float


def rules(model: LatencyModel, space: SearchSpace) -> dict[str, Rule]:
    """`{"latency_ms": table}` over all operations that occur in a space, for `space.within(latency_ms=..., rules=...)`.

    Raises:
        TooEntangled: the space is too large to compile.
    """
    primitives = space.automaton.library.primitives
    return {"latency_ms": TableRule(table(model, [facts_of(p.call, p.inputs, p.output, p.cost) for p in primitives]))}


def table(model: LatencyModel, operations: Iterable[OperationFacts]) -> dict[str, float]:
    """Operation, as `describe_call` writes it -> milliseconds."""
    wanted = list(operations)
    times = model.operation_times_ms(wanted)
    return {facts.key: time for facts, time in zip(wanted, times.tolist(), strict=True)}


def table_error(model: LatencyModel) -> TableError:
    """Of the additive part of a model."""
    off = np.abs(model.additive_ms(model.measured) / model.values_ms - 1)
    return TableError(float(np.median(off)), float(off.max()))
