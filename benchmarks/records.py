"""What searches found, as lines of JSON in one file: a search that is there is not made again, and Ctrl-C loses nothing.

A line is written when its search has ended. What the last one of an interrupted run left behind is no JSON and is passed over.
Of two lines for the same search the later one counts, so that a search can be made again after a controller has changed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.searching import Run

DIGITS = 7  # of a score: a table has no more


@dataclasses.dataclass(frozen=True)
class Record:
    """One search.

    Attributes:
        problem, controller, seed: which.
        digest: of the problem and the controller's settings.
        budget: how many queries it could make.
        scores: after each query; shorter than the budget where the space was exhausted.
        reached: the first query that asked for the best there is; None: none did.
        duplicates: queries whose network an earlier one had.
        feasible: share of the queries that meet the constraints.
        ms: processor milliseconds of ask and tell a query.
    """

    problem: str
    controller: str
    seed: int
    digest: str
    budget: int
    scores: list[float]
    reached: int | None
    duplicates: int
    feasible: float
    ms: float

    @classmethod
    def of(cls, key: Key, run: Run, scores: Sequence[float], reached: int | None) -> Record:
        """What is kept of a search."""
        rounded = [float(f"{score:.{DIGITS}g}") for score in scores]
        share, ms = float(np.mean(run.feasible)), float(np.mean(run.ms))
        return cls(**dataclasses.asdict(key), scores=rounded, reached=reached, duplicates=run.duplicates, feasible=share, ms=ms)


@dataclasses.dataclass(frozen=True)
class Key:
    """Which search it is; see `Record`."""

    problem: str
    controller: str
    seed: int
    digest: str
    budget: int


class Records:
    """The file of a folder.

    Args:
        folder: is made where it is not there.
    """

    def __init__(self, folder: Path):
        self.file = folder / "searches.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[tuple[str, str, int, str], Record] = {}
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        for line in lines:
            try:
                self._learn(Record(**json.loads(line)))
            except (ValueError, TypeError):
                continue

    def find(self, key: Key) -> Record | None:
        """An earlier search with at least the same budget."""
        found = self._known.get((key.problem, key.controller, key.seed, key.digest))
        return found if found is not None and found.budget >= key.budget else None

    def add(self, record: Record) -> None:
        """Writes a line."""
        torn = self.file.exists() and self.file.stat().st_size and not self.file.read_bytes().endswith(b"\n")
        with self.file.open("a") as file:
            file.write(("\n" if torn else "") + json.dumps(dataclasses.asdict(record)) + "\n")
        self._learn(record)

    def _learn(self, record: Record) -> None:
        self._known[record.problem, record.controller, record.seed, record.digest] = record
