"""What a model-based controller remembers of told trials, and which of them are good.

A record holds numbers alone, so that it is plain JSON, and the decisions as the genome's vector.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from controllers.acquisition import chebyshev
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

Fate: TypeAlias = Literal["feasible", "infeasible", "failed"]


class Record(NamedTuple):
    """What is remembered of a told trial.

    Attributes:
        vector: its decisions.
        scores: of each objective, larger is better; None where one of them was not measured.
        limits: of each constraint, the value of its metric; None where it was not measured.
        fate: what became of it.
    """

    vector: np.ndarray
    scores: tuple[float, ...] | None
    limits: tuple[float | None, ...]
    fate: Fate

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "vector": self.vector.tolist()}


def read_record(data: Mapping[str, Any], dtype: np.dtype) -> Record:
    """The inverse of `Record.to_json`."""
    scores = None if data["scores"] is None else tuple(data["scores"])
    return Record(np.array(data["vector"], dtype=dtype), scores, tuple(data["limits"]), data["fate"])


def record(
    trial: Trial, vector: np.ndarray, failed: bool, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> Record:
    """Of a finished trial."""
    values = [objective.value_of(trial) for objective in objectives]
    limits = [trial.value(constraint.metric) for constraint in constraints]
    measured = not failed and not any(map(math.isnan, values))
    return Record(
        vector,
        tuple(_finite(o.score(value)) for o, value in zip(objectives, values, strict=True)) if measured else None,
        tuple(None if math.isnan(value) else _finite(value) for value in limits),
        "failed" if failed else "infeasible" if trial.state == "infeasible" else "feasible",
    )


def joint(records: Sequence[Record], weights: np.ndarray) -> np.ndarray:
    """The scores of several objectives as one number each, larger is better. All records have scores."""
    scores = np.array([record.scores for record in records], dtype=float)
    return chebyshev(scores.reshape(len(records), len(weights)), weights)


def ranked(records: Sequence[Record], constraints: Sequence[Constraint], weights: np.ndarray) -> list[int]:
    """Positions of the records, best first: feasible ones by scores, others by how little they violate, failed ones last."""
    scored = [i for i, record in enumerate(records) if record.scores is not None and record.fate == "feasible"]
    scores = dict(zip(scored, joint([records[i] for i in scored], weights).tolist(), strict=True)) if scored else {}
    keys = [(2, scores[i]) if i in scores else _shortfall(record, constraints) for i, record in enumerate(records)]
    return sorted(range(len(records)), key=keys.__getitem__, reverse=True)


def _shortfall(record: Record, constraints: Sequence[Constraint]) -> tuple[int, float]:
    misses = [c.violation(value) for c, value in zip(constraints, record.limits, strict=True) if value is not None]
    if record.fate == "failed" or not misses:
        return 0, 0.0
    return 1, -sum(misses)


def _finite(value: float) -> float:
    return min(max(value, -sys.float_info.max), sys.float_info.max)
