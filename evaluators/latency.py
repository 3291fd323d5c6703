"""Latency on a real runtime: the architecture becomes a LiteRT model and is timed in clean child processes.

Use it as a gate (`nas.at_most("latency_ms", 5)`) or an objective. FLOPs do not order networks by speed, and runtimes do not
agree with one another, so each number carries its runtime, threads and device.

How: warm-up ends when calls stop getting faster; many calls are timed; the fastest is the value, because noise only ever
adds time (its coefficient of variation between processes is under 1%, that of the median up to 10%). This is repeated in
fresh processes until the two fastest agree. A lease keeps other measurements off the device meanwhile; trainings are not
kept off, and share caches and memory with what is timed. Eight measurements of one network varied by 0.4% (coefficient of
variation) without trainings beside them, by 2% with one training on the same two cores, by 5% with two. So where others
wanted the core, more processes are timed.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators import device
from nas.errors import Infeasible, UserError
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

CHILD = Path(__file__).with_name("latency_child.py")
FILE_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every .tflite file
MIN_CALLS = 5
MAX_PROCESSES = 6
BUSY_PROCESSES = 4
BUSY_SHARE = 0.1  # of calls during which other work had the core for a twentieth of the time
MAD_TO_DEVIATION = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


class Latency(Evaluator):
    """Milliseconds for one example, with statistics.

    Metrics:
        latency_ms: the fastest call. spread: how far apart the two fastest processes are. n: calls in all.
        latency_median_ms, latency_p90_ms: over all calls. spread: standard deviation, from the median absolute deviation.
        latency_wall_ms: the fastest call by wall clock. On a quiet machine as `latency_ms`; more where others had the core.
        latency_memory_bytes: peak resident memory that loading and running the model adds to the child.
        litert_bytes: size of the model file.

    With one thread all but `latency_wall_ms` are processor time of that thread, so that a training beside it does not count;
    with more threads they are wall-clock time.

    Args:
        runtime: "litert".
        threads: threads of the runtime.
        seconds_each: time spent on calls in each process, in seconds.
        processes: fresh processes at least, on a busy machine 4; up to 6 run until the two fastest agree.
        tolerance: how far apart, as a share, the two fastest processes may be to agree.
        timeout_seconds: for one process, from its start to its answer.
    """

    name = "latency"
    metrics = ("latency_ms", "latency_median_ms", "latency_p90_ms", "latency_wall_ms", "latency_memory_bytes", "litert_bytes")
    isolated = True  # conversion imports TensorFlow
    constant = True

    def __init__(
        self,
        runtime: str = "litert",
        threads: int = 1,
        *,
        seconds_each: float = 0.4,
        processes: int = 2,
        tolerance: float = 0.03,
        timeout_seconds: float = 60.0,
    ):
        if runtime != "litert":
            raise UserError(f"no runtime {runtime!r}", path="Latency(runtime)", received=runtime, expected='"litert"')
        _require("threads", threads, threads >= 1, "at least 1")
        _require("seconds_each", seconds_each, 0 < seconds_each <= 60, "more than 0 and at most 60")
        _require("processes", processes, 1 <= processes <= MAX_PROCESSES, f"1 to {MAX_PROCESSES}")
        _require("tolerance", tolerance, tolerance > 0, "more than 0")
        _require("timeout_seconds", timeout_seconds, timeout_seconds >= 1, "at least 1")
        self.runtime, self.threads = runtime, threads
        self.seconds_each, self.processes, self.tolerance = seconds_each, processes, tolerance
        self.timeout_seconds = timeout_seconds
        self.seconds = 1.0 + processes * (seconds_each + 0.4)  # build and convert, then start, warm up and time

    def describe(self) -> dict[str, Any]:
        settings = ("runtime", "threads", "seconds_each", "processes", "tolerance")
        return {"name": self.name, "device": device.cpu_name()} | {key: getattr(self, key) for key in settings}

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Builds, converts and times. Latency is of the whole network, whatever the fidelity.

        Raises:
            Infeasible: LiteRT cannot express or run the network.
            RuntimeError: the child process crashed; carries what it wrote to standard error.
            TimeoutError: the child did not answer in time, or the device was busy.
        """
        import keras

        try:
            return self.measure_model(architecture.build(seed=seed))
        finally:
            keras.backend.clear_session(free_memory=False)  # without a collection, 0.3 s; a training collects anyway

    def measure_model(self, model: Any) -> dict[str, Measurement]:
        """The same for any functional `keras.Model`; raises as `evaluate` does."""
        from trainer.litert import convert

        flatbuffer = convert(model)
        with tempfile.TemporaryDirectory(prefix="espalier-latency-") as directory:
            path = Path(directory) / "network.tflite"
            path.write_bytes(flatbuffer)
            return self.measure_file(path)

    def measure_file(self, path: str | Path) -> dict[str, Measurement]:
        """The same for a `.tflite` file, for instance an exported one; raises as `evaluate` does."""
        path = _checked(Path(path).resolve())
        name = device.cpu_name()
        with device.lease(name) as lock:
            runs = [self._run_child(path, lock)]
            while not self._settled(runs):
                runs.append(self._run_child(path, lock))
        return self._summarize(runs, path.stat().st_size, name)

    def _run_child(self, path: Path, lock: int) -> Run:
        request = {
            "model": str(path),
            "threads": self.threads,
            "seconds": self.seconds_each,
            "min_calls": MIN_CALLS,
            "timeout_seconds": self.timeout_seconds,
        }
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(CHILD)],  # -P: the folder of the script holds modules, not libraries
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=self.timeout_seconds,
                pass_fds=(lock,),  # the child keeps the lease where this process is killed
                start_new_session=True,  # Ctrl-C in the terminal is for the study, which ends the trial as a whole
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"timing {path.name} took more than {self.timeout_seconds:g} s in one process") from None
        if done.returncode:
            raise RuntimeError(f"timing {path.name} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        answer = json.loads(done.stdout)
        if "refused" in answer:
            raise Infeasible(f"LiteRT does not run the network: {answer['refused'].strip()[:300]}")
        wall_ms, processor_ms = ([ns / 1e6 for ns in answer[key]] for key in ("wall_ns", "processor_ns"))
        return Run(
            wall_ms=wall_ms,
            times_ms=processor_ms if self.threads == 1 else wall_ms,
            memory_bytes=answer["memory_bytes"],
            runtime=f"{answer['runtime']}, {answer['precision']}, batch {answer['batch']}",
        )

    def _settled(self, runs: list[Run]) -> bool:
        """Whether enough processes were timed: as many as wanted, and the two fastest agree, or as many as there may be."""
        busy = statistics.mean(run.disturbed_share for run in runs) > BUSY_SHARE
        wanted = max(self.processes, BUSY_PROCESSES) if busy and self.processes > 1 else self.processes
        return len(runs) >= MAX_PROCESSES or (len(runs) >= wanted and _disagreement(runs) <= self.tolerance)

    def _summarize(self, runs: list[Run], file_bytes: int, name: str) -> dict[str, Measurement]:
        times = sorted(time for run in runs for time in run.times_ms)
        wall = [time for run in runs for time in run.wall_ms]
        fastest, n = times[0], len(times)
        median = statistics.median(times)
        deviation = MAD_TO_DEVIATION * statistics.median(abs(time - median) for time in times)
        clock = "processor time" if self.threads == 1 else "wall clock"
        setting = f"{runs[0].runtime}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        timed = functools.partial(Measurement, unit="ms", device=name, n=n)
        memory = [float(run.memory_bytes) for run in runs]
        several = len(runs) > 1
        return {
            "latency_ms": timed(
                fastest, runtime=f"{setting}, {clock}", spread=_disagreement(runs) * fastest if several else None
            ),
            "latency_median_ms": timed(median, runtime=f"{setting}, {clock}", spread=deviation),
            "latency_p90_ms": timed(times[int(0.9 * (n - 1))], runtime=f"{setting}, {clock}", spread=deviation),
            "latency_wall_ms": timed(min(wall), runtime=f"{setting}, wall clock"),
            "latency_memory_bytes": Measurement(
                max(memory), "bytes", name, setting, (max(memory) - min(memory)) / 2 if several else None, len(runs)
            ),
            "litert_bytes": Measurement(float(file_bytes), "bytes", runtime=runs[0].runtime),
        }


@dataclasses.dataclass(frozen=True)
class Run:
    """What one child process measured.

    Attributes:
        wall_ms: wall-clock milliseconds of each call.
        times_ms: the same by the clock that counts for the result.
        memory_bytes: peak resident memory the model added.
        runtime: name, version, precision and batch.
    """

    wall_ms: list[float]
    times_ms: list[float]
    memory_bytes: int
    runtime: str

    @property
    def fastest_ms(self) -> float:
        return min(self.times_ms)

    @property
    def disturbed_share(self) -> float:
        """Share of the calls during which other work had the core for a while."""
        return statistics.mean(wall > 1.05 * own for wall, own in zip(self.wall_ms, self.times_ms, strict=True))


def _disagreement(runs: list[Run]) -> float:
    """How far apart the two fastest processes are, as a share of the fastest; 0 for a single process."""
    fastest = sorted(run.fastest_ms for run in runs)[:2]
    return fastest[-1] / fastest[0] - 1


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise UserError("no such file", path=str(path), expected="a .tflite file")
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] != FILE_IDENTIFIER:
        raise UserError("not a LiteRT model", path=str(path), received=head, expected="a .tflite file", hint="Export one first")
    return path


def _require(field: str, value: float, holds: bool, expected: str) -> None:
    if not holds:
        raise UserError(f"{field} is {value}", path=f"Latency({field})", received=value, expected=expected)
