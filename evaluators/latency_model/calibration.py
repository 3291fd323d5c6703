"""Measuring a device: the architectures that say most are timed one after another, and each result is on disk at once.

The journal is one JSON object a line. The first says of what: space, device and how it is measured; a journal of anything else
is not continued. Each further line is one architecture, measured or refused. What a crash cut off in the last line is measured
again.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.latency_model import design
from evaluators.latency_model.features import Catalogue
from evaluators.latency_model.predictor import FEWEST, LatencyModel, ModelError, error_of
from nas.errors import DataError, Infeasible, UserError
from nas.study.interfaces import Evaluator
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace

POOL = 400  # architectures drawn, of which those that say most are measured
METRIC = "latency_ms"

Progress = Callable[[int, int], Any]
"""(measured so far, of how many) -> ignored."""


class Journal:
    """Measurements of one device on one space, kept as they come.

    Args:
        path: a JSON-lines file; made if it is not there.
        space: whose architectures are measured.
        evaluator: what measures them.

    Raises:
        DataError: the file is of another space, device or way of measuring, or no journal.
    """

    def __init__(self, path: str | Path, space: SearchSpace, evaluator: Evaluator):
        self.path, self._space = Path(path), space
        self._about = {"space": space.name, "space_digest": space.whole.digest, "evaluator": evaluator.describe()}
        self.measured: dict[bytes, Measurement] = {}
        self.refused: dict[bytes, str] = {}
        lines = self._read()
        if not lines:
            self._append(self._about)
        for line in lines[1:]:
            vector = space.whole.architecture(line["decisions"]).vector.tobytes()
            if "refused" in line:
                self.refused[vector] = str(line["refused"])
            else:
                self.measured[vector] = Measurement.from_json(line[METRIC])

    def knows(self, architecture: Architecture) -> bool:
        """Whether it was measured or refused."""
        return architecture.vector.tobytes() in self.measured or architecture.vector.tobytes() in self.refused

    def add(self, architecture: Architecture, found: Measurement | str) -> None:
        """Keeps a measurement, or the reason why there is none."""
        vector = architecture.vector.tobytes()
        if isinstance(found, str):
            self.refused[vector] = found
            self._append({"decisions": architecture.decisions, "refused": found})
        else:
            self.measured[vector] = found
            self._append({"decisions": architecture.decisions, METRIC: found.to_json()})

    def _append(self, line: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> list[Any]:
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        whole, end, rest = text.rpartition("\n")
        if rest:  # a line that a crash cut off
            with self.path.open("r+", encoding="utf-8") as file:
                file.truncate(len((whole + end).encode()))
        try:
            lines = [json.loads(line) for line in whole.split("\n") if line]
        except json.JSONDecodeError as error:
            raise DataError(f"not a journal of measurements ({error})", path=str(self.path)) from None
        if lines and lines[0] != json.loads(json.dumps(self._about)):
            raise DataError(
                "its measurements are of another space, device or setting",
                path=str(self.path),
                received=lines[0],
                expected=json.dumps(self._about),
                hint="Give another file, or move this one away",
            )
        return lines


def plan(space: SearchSpace, n: int, seed: int = 0, pool: int = POOL) -> Iterator[Architecture]:
    """Architectures in the order in which they should be measured, at most `pool`; the first n of them are a design."""
    drawn = list({a.vector.tobytes(): a for a in space.sample(seed, n=max(pool, 2 * n))}.values())
    catalogue = Catalogue()
    order = design.choose(catalogue, catalogue.describe_all(drawn), len(drawn))
    return (drawn[i] for i in order)


def calibrate(
    space: SearchSpace, evaluator: Evaluator, journal: Journal, n: int = 100, *, seed: int = 0, progress: Progress | None = None
) -> LatencyModel:
    """Measures until `n` architectures that say most are known, then fits.

    Args:
        space: of networks.
        evaluator: measures `latency_ms`, such as `evaluators.Latency()`.
        journal: what was measured before counts; what is measured now is added.
        n: architectures.
        seed: of the pool they are chosen from.
        progress: called before each measurement and after the last.

    Raises:
        UserError: too few of them can be measured.
    """
    chosen = measure(plan(space, n, seed), evaluator, journal, n, progress)
    if len(chosen) < FEWEST:
        reasons = sorted(set(journal.refused.values()))
        raise UserError(f"only {len(chosen)} architectures could be measured", path=space.name, hint="; ".join(reasons[:3]))
    found = [journal.measured[architecture.vector.tobytes()] for architecture in chosen]
    return LatencyModel.fit(chosen, [each.value for each in found], device=found[0].device, runtime=found[0].runtime)


def check(
    model: LatencyModel,
    space: SearchSpace,
    evaluator: Evaluator,
    journal: Journal,
    n: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> ModelError:
    """How far the model is off on `n` architectures drawn uniformly, none of which it learned from; they are measured too."""
    learned = {architecture.vector.tobytes() for architecture in model.measured}
    drawn = (architecture for i in itertools.count() for architecture in space.sample((seed + 1) * 1_000_003 + i, n=n))
    fresh = (architecture for architecture in itertools.islice(drawn, 4 * n) if architecture.vector.tobytes() not in learned)
    chosen = measure(fresh, evaluator, journal, n, progress)
    if len(chosen) < 2:
        raise UserError(f"only {len(chosen)} fresh architectures could be measured", path=space.name)
    truth = np.array([journal.measured[architecture.vector.tobytes()].value for architecture in chosen])
    return error_of(model.predict(chosen).latency_ms, truth)


def measure(
    architectures: Iterable[Architecture], evaluator: Evaluator, journal: Journal, n: int, progress: Progress | None = None
) -> list[Architecture]:
    """The first `n` that can be measured, or as many as there are; what the journal knows is not measured again."""
    chosen: dict[bytes, Architecture] = {}
    for architecture in architectures:
        if progress:
            progress(len(chosen), n)
        if len(chosen) >= n:
            break
        if not journal.knows(architecture):
            journal.add(architecture, _timed(evaluator, architecture))
        if architecture.vector.tobytes() in journal.measured:
            chosen[architecture.vector.tobytes()] = architecture
    return list(chosen.values())


def _timed(evaluator: Evaluator, architecture: Architecture) -> Measurement | str:
    try:
        return evaluator.evaluate(architecture)[METRIC]
    except Infeasible as error:
        return str(error)
