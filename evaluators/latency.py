"""Latency on a real runtime: the architecture becomes a model file and is timed in clean child processes, here or on a board.

Use it as a gate (`nas.at_most("latency_ms", 5)`) or an objective. FLOPs do not order networks by speed, and runtimes do not
agree with one another, so each number carries its runtime, threads and device.

How: warm-up ends when calls stop getting faster; many calls are timed; the fastest is the value, because noise only ever
adds time (on LiteRT its coefficient of variation between processes is under 1%, that of the median up to 10%). This is
repeated in fresh processes until the interval of the value is within the tolerance. A lease keeps other measurements off the
device meanwhile; trainings are not kept off, and share caches and memory with what is timed. Eight measurements of one network
varied by 0.4% (coefficient of variation) without trainings beside them, by 2% with one training on the same two cores, by 5%
with two. So where others wanted the core, more processes are timed; and where they never agree, that is said, or refused.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluators import device as machine
from evaluators import latency_bench, latency_statistics, runtimes
from evaluators.latency_bench import Settings, Timing
from evaluators.remote_device import RemoteDevice
from nas.errors import UserError
from nas.language.backend import require_tensorflow
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    import numpy as np

    from nas.language.architecture import Architecture

CHILD_SECONDS = {"tensorflow": 5.0}  # from a process's start until it times, by adapter; imports above all
OTHER_CHILD_SECONDS = 0.4


class TooNoisy(Exception):
    """A latency that is refused: the processes do not agree. `str(error)` says which, by how much, and what else ran."""


class Latency(Evaluator):
    """Milliseconds for one example, with statistics.

    Metrics:
        latency_ms: the fastest call. low, high: its 90% interval, by bootstrap over processes. spread: half its width. n: calls
            in all.
        latency_median_ms, latency_p90_ms: over all calls, with an interval of the same kind. spread: standard deviation of a
            call, from the median absolute deviation.
        latency_wall_ms: the fastest call by wall clock. On a quiet machine as `latency_ms`; more where others had the core.
        latency_memory_bytes: peak resident memory that loading and running the model adds to the child.
        model_bytes: size of the model file; of an ONNX file it varies by some bytes, because its converter makes up names.

    With one thread all but `latency_wall_ms` are processor time, so that a training beside it does not count; with more
    threads, and on a GPU, they are wall-clock time. `note` says where the processes did not agree.

    Args:
        runtime: litert, litert-int8, onnxruntime, tensorflow, tensorflow-xla or tensorflow-gpu (`evaluators.runtimes`).
        threads: threads of the runtime.
        device: "" for this machine, or the address of a board where `nas latency serve` runs, `http://host:port`.
        token: what the board wants to hear; by default the environment's `ESPALIER_DEVICE_TOKEN`.
        when_noisy: "keep" gives a figure of processes that do not agree, with a note; "refuse" raises TooNoisy.
        seconds_each: time spent on calls in each process, in seconds.
        processes: fresh processes at least, on a busy machine 4; up to 10 run until the interval is within the tolerance.
        tolerance: how wide, as a share of the value, the interval may be.
        timeout_seconds: for one process, from its start to its answer.
        examples: `(example, height, width, channels)`, for litert-int8: what ranges of activations are taken from; random
            numbers by default, which change no operation and thus no latency.

    Raises:
        UserError: settings that cannot be, a runtime that is not installed, a board that does not answer.
    """

    name = "latency"
    metrics = ("latency_ms", "latency_median_ms", "latency_p90_ms", "latency_wall_ms", "latency_memory_bytes", "model_bytes")
    isolated = True  # conversion imports TensorFlow
    constant = True

    def __init__(
        self,
        runtime: str = "litert",
        threads: int = 1,
        *,
        device: str = "",
        token: str = "",
        when_noisy: Literal["keep", "refuse"] = "keep",
        seconds_each: float = 0.4,
        processes: int = 3,
        tolerance: float = 0.03,
        timeout_seconds: float = 60.0,
        examples: np.ndarray | None = None,
    ):
        chosen = runtimes.get(runtime)
        self.settings = Settings(threads, seconds_each, processes, tolerance, timeout_seconds)
        if when_noisy not in ("keep", "refuse"):
            raise UserError(
                f"{when_noisy!r} does not do", path="Latency(when_noisy)", received=when_noisy, expected="keep or refuse"
            )
        if examples is not None and not chosen.conversion.get("int8"):
            raise UserError(f"{runtime} takes no examples", path="Latency(examples)", expected='runtime="litert-int8"')
        self.runtime, self.when_noisy, self.examples = runtime, when_noisy, examples
        self._remote = RemoteDevice(device, token) if device else None
        if self._remote:
            self._remote.require(chosen)
        else:
            chosen.require("Latency(runtime)")
        start = CHILD_SECONDS.get(chosen.adapter.LIBRARY, OTHER_CHILD_SECONDS)
        self.seconds = 1.0 + processes * (seconds_each + start)  # build and convert, then start, warm up and time

    def describe(self) -> dict[str, Any]:
        where = self._remote.fingerprint["cpu"] if self._remote else machine.cpu_name()
        data = hashlib.blake2b(self.examples.tobytes(), digest_size=8).hexdigest() if self.examples is not None else ""
        settings = ("threads", "seconds_each", "processes", "tolerance")
        return {"name": self.name, "device": where, "runtime": self.runtime, "examples": data} | {
            key: getattr(self.settings, key) for key in settings
        }

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Builds, converts and times. Latency is of the whole network, whatever the fidelity.

        Raises:
            Infeasible: the runtime cannot express or run the network.
            TooNoisy: the processes do not agree, and that is to be refused.
            RuntimeError: the child process crashed; carries what it wrote to standard error.
            TimeoutError: the child did not answer in time, or the device was busy.
            ConnectionError: the board does not answer any more.
            UserError: Keras computes with another library than TensorFlow.
        """
        require_tensorflow(f"converting networks for {self.runtime}", "Latency")
        import keras

        try:
            return self.measure_model(architecture.build(seed=seed))
        finally:
            keras.backend.clear_session(free_memory=False)  # without a collection, 0.3 s; a training collects anyway

    def measure_model(self, model: Any) -> dict[str, Measurement]:
        """The same for any functional `keras.Model`; raises as `evaluate` does."""
        runtime = runtimes.get(self.runtime)
        settings = dict(runtime.conversion)
        if self.examples is not None:
            settings["examples"] = self.examples
        with tempfile.TemporaryDirectory(prefix="espalier-latency-") as directory:
            path = Path(directory) / f"network{runtime.adapter.SUFFIX}"
            runtime.adapter.convert(model, path, **settings)
            return self.measure_file(path)

    def measure_file(self, path: str | Path) -> dict[str, Measurement]:
        """The same for a model file or folder, for instance an exported one; raises as `evaluate` does."""
        path, runtime = Path(path).resolve(), runtimes.get(self.runtime)
        runtime.check(path)
        if self._remote:
            timing = self._remote.time_file(path, runtime, self.settings)
        else:
            timing = latency_bench.time_file(path, runtime, self.settings)
        if timing.noise and self.when_noisy == "refuse":
            raise TooNoisy(timing.noise)
        return self._summarize(timing, _size(path))

    def _summarize(self, timing: Timing, file_bytes: int) -> dict[str, Measurement]:
        runs, threads = timing.runs, self.settings.threads
        where = machine.describe(timing.device)
        where = f"{timing.accelerator}, {where}" if timing.accelerator else where
        model = f"{timing.runtime}, {timing.precision}, batch {timing.batch}"
        setting = f"{model}, {threads} thread{'s' if threads > 1 else ''}"
        n = sum(len(run.times_ms) for run in runs)
        timed = functools.partial(Measurement, unit="ms", device=where, n=n, note=timing.noise)
        fastest, deviation = latency_statistics.fastest(runs), latency_statistics.deviation(runs)
        by_clock = f"{setting}, {timing.clock}"
        memory = [float(run.memory_bytes) for run in runs]
        found = {
            "latency_ms": timed(
                fastest.value,
                runtime=by_clock,
                spread=None if fastest.high is None else (fastest.high - fastest.value) / 2,
                low=fastest.low,
                high=fastest.high,
            )
        }
        for metric, share in (("latency_median_ms", 0.5), ("latency_p90_ms", 0.9)):
            middle = latency_statistics.quantile(runs, share)
            found[metric] = timed(middle.value, runtime=by_clock, spread=deviation, low=middle.low, high=middle.high)
        found["latency_wall_ms"] = timed(min(min(run.wall_ms) for run in runs), runtime=f"{setting}, wall clock")
        found["latency_memory_bytes"] = Measurement(
            max(memory), "bytes", where, setting, (max(memory) - min(memory)) / 2 if len(runs) > 1 else None, len(runs)
        )
        found["model_bytes"] = Measurement(float(file_bytes), "bytes", runtime=model)
        return found


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
