"""Nothing is measured twice: what an evaluator found, kept in a file that studies share.

    shared = "measurements.db"
    nas.Study(space, controller, [Cost(), cached(Latency(), shared), cached(ProxyTraining(data), shared)], ...)

The key is what was measured (the fingerprint: equal for architectures that compute the same), by whom and how (a digest of the
evaluator's `describe()`, and the fidelity), and where (the device). A second study over the same space, a baseline that the
search meets again, a search that is started anew with another controller: each takes what is there. A trial knows its seed, a
measurement that was made with another one counts all the same, unless `by_seed`.

Two processes that want the same at the same time: one measures, the other waits and takes the answer. A process that is killed
gives way at once, as its lock is the kernel's. Failures are not kept; that an architecture is infeasible is, and so is the
learning curve of a training, which a study that stops hopeless ones hears again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from evaluators import device
from nas.errors import Infeasible, UserError
from nas.study.interfaces import Evaluator, Fidelity, GradualEvaluator
from nas.study.trial import Measurement
from nas.study.watch import Watch

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

Found: TypeAlias = "tuple[dict[str, Measurement], Sequence[tuple[int, Mapping[str, Measurement]]]]"
"""Measurements, and those after each epoch where they are recalled from a training."""

TABLE = """CREATE TABLE IF NOT EXISTS measured (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, evaluator TEXT NOT NULL, device TEXT NOT NULL, answer TEXT NOT NULL)"""
BUSY_SECONDS = 60.0


def cached(evaluator: Evaluator, file: str | os.PathLike[str], *, by_seed: bool = False) -> Evaluator:
    """The evaluator, with a memory.

    Args:
        evaluator: who is asked where nothing is known.
        file: where measurements are kept, on a local disk; made where it is missing. Studies and workers can share it.
        by_seed: keep measurements of different seeds apart, as a study of seed noise needs.

    Raises:
        UserError: the file cannot be made, or is no such file; or the evaluator is a function, whose settings nobody knows.
    """
    if not isinstance(evaluator, Evaluator):
        raise UserError(
            "a function does not say what its results depend on",
            path="cached(evaluator)",
            received=evaluator,
            expected="an evaluator, whose describe() does",
        )
    kind = _CachedTraining if isinstance(evaluator, GradualEvaluator) else _Cached
    return kind(evaluator, Path(file).expanduser().absolute(), by_seed)


class _Cached(Evaluator):
    """An evaluator that remembers; see `cached`."""

    def __init__(self, evaluator: Evaluator, file: Path, by_seed: bool):
        self.evaluator, self.file, self.by_seed = evaluator, file, by_seed
        self.name, self.metrics, self.seconds = evaluator.name, evaluator.metrics, evaluator.seconds
        self._digest = _digest(evaluator.describe())
        with self._database():
            pass  # so that a file that cannot be made is found out here, not at the first trial

    @property
    def isolated(self) -> bool:  # type: ignore[override]
        return self.evaluator.isolated

    @property
    def constant(self) -> bool:  # type: ignore[override]
        return self.evaluator.constant

    def describe(self) -> dict[str, Any]:
        """The evaluator's own: what is measured is the same with and without memory."""
        return self.evaluator.describe()

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """What is known of the architecture; else what the evaluator measures now. Raises as the evaluator does."""
        return self._known_or(
            architecture, fidelity, seed, lambda: (self.evaluator.evaluate(architecture, fidelity, seed=seed), [])
        )[0]

    def _known_or(self, architecture: Architecture, fidelity: Fidelity, seed: int, measure: Callable[[], Found]) -> Found:
        """What is kept, or what `measure` gives, which is then kept."""
        key = self._key(architecture, fidelity, seed)
        known = self._recall(key)
        if known is None:
            with self._lock(key):
                known = self._recall(key)  # another process may have measured it meanwhile
                if known is None:
                    return self._measured(key, architecture, measure)
        return _read(known)

    def _measured(self, key: str, architecture: Architecture, measure: Callable[[], Found]) -> Found:
        try:
            found, epochs = measure()
        except Infeasible as refusal:
            self._keep(key, architecture, {"infeasible": str(refusal)})
            raise
        curve = [[epoch, _plain(row)] for epoch, row in epochs]
        self._keep(key, architecture, {"measurements": _plain(found), "epochs": curve})
        return found, []

    def _key(self, architecture: Architecture, fidelity: Fidelity, seed: int) -> str:
        facts = [architecture.fingerprint, self._digest, device.cpu_name()]
        if not self.constant:
            facts += [json.dumps(fidelity.to_json(), sort_keys=True), str(seed) if self.by_seed else ""]
        return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()

    # -- the file --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A short connection: workers come and go. No write-ahead log, which several writers cannot share safely."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self.file, timeout=BUSY_SECONDS)) as connection, connection:
                connection.execute(TABLE)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise UserError(
                str(error), path=str(self.file), expected="a measurement cache on a local disk", hint="Choose another file"
            ) from error

    def _recall(self, key: str) -> Mapping[str, Any] | None:
        with self._database() as connection:
            row = connection.execute("SELECT answer FROM measured WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _keep(self, key: str, architecture: Architecture, answer: Mapping[str, Any]) -> None:
        row = (key, architecture.fingerprint, json.dumps(self.describe()), device.cpu_name(), json.dumps(answer))
        with self._database() as connection:
            connection.execute("INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?)", row)

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """Keeps other processes from measuring the same: one byte of a lock file, given back when its holder dies."""
        import fcntl  # POSIX only, as in `evaluators.device`

        with self.file.with_name(f"{self.file.name}.lock").open("a+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, int(key[:12], 16))
            yield


class _CachedTraining(_Cached, GradualEvaluator):
    """A training that is remembered with its learning curve."""

    def evaluate(
        self,
        architecture: Architecture,
        fidelity: Fidelity = Fidelity(),
        *,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> dict[str, Measurement]:
        """As `_Cached.evaluate`. What is known is reported epoch by epoch, so that it can be stopped as a training can."""
        assert isinstance(self.evaluator, GradualEvaluator)
        training, heard = self.evaluator, _Recorder(watch or Watch())

        def train() -> Found:
            return training.evaluate(architecture, fidelity, seed=seed, watch=heard), list(heard.epochs.items())

        found, epochs = self._known_or(architecture, fidelity, seed, train)
        for number, (epoch, row) in enumerate(epochs, 1):
            (heard.watch.report if number < len(epochs) else heard.watch.recall)(epoch, row)
        return found


class _Recorder(Watch):
    """Passes on what a training reports, and remembers it."""

    def __init__(self, watch: Watch):
        super().__init__()
        self.watch, self.checkpoint = watch, watch.checkpoint
        self.epochs: dict[int, Mapping[str, Measurement]] = {}

    def recall(self, epoch: int, measurements: Mapping[str, Measurement]) -> None:
        self.epochs[epoch] = dict(measurements)
        self.watch.recall(epoch, measurements)

    def report(self, epoch: int, measurements: Mapping[str, Measurement]) -> None:
        self.epochs[epoch] = dict(measurements)
        self.watch.report(epoch, measurements)


def _plain(measurements: Mapping[str, Measurement]) -> dict[str, Any]:
    return {metric: m.to_json() for metric, m in measurements.items()}


def _read(known: Mapping[str, Any]) -> Found:
    """A kept answer; raises Infeasible if it is that."""
    if "infeasible" in known:
        raise Infeasible(known["infeasible"])
    epochs = [(epoch, _measurements(row)) for epoch, row in known["epochs"]]
    return _measurements(known["measurements"]), epochs


def _measurements(plain: Mapping[str, Any]) -> dict[str, Measurement]:
    return {metric: Measurement.from_json(data) for metric, data in plain.items()}


def _digest(description: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()
