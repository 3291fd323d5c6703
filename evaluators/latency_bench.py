"""Timing a model file on this machine: fresh child processes, one after another, under the lease, until they agree.

`evaluators.Latency` uses it here, `nas latency serve` on a board. What it finds is plain JSON both ways.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators import device
from evaluators.latency_statistics import Run, gather, noise
from evaluators.runtimes import Runtime
from nas.errors import Infeasible, UserError

CHILD = Path(__file__).with_name("latency_child.py")
MIN_CALLS = 5
MAX_PROCESSES = 10
LEASE_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is timed; see `evaluators.Latency`. Raises UserError for what cannot be."""

    threads: int = 1
    seconds_each: float = 0.4
    processes: int = 3
    tolerance: float = 0.03
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        _require("threads", self.threads, 1 <= self.threads <= 1024, "1 to 1024")
        _require("seconds_each", self.seconds_each, 0 < self.seconds_each <= 60, "more than 0 and at most 60")
        _require("processes", self.processes, 1 <= self.processes <= MAX_PROCESSES, f"1 to {MAX_PROCESSES}")
        _require("tolerance", self.tolerance, 0 < self.tolerance <= 1, "more than 0 and at most 1")
        _require("timeout_seconds", self.timeout_seconds, 1 <= self.timeout_seconds <= 600, "1 to 600")


@dataclasses.dataclass(frozen=True)
class Timing:
    """What was measured of one model file.

    Attributes:
        runs: one for each process.
        device: fingerprint of the machine (`device.fingerprint`).
        accelerator: the GPU that did the work, or "".
        runtime: name and version.
        precision: of the first input.
        batch: examples a call.
        clock: "processor time" or "wall clock": which of them `Run.times_ms` are.
        noise: why the figure is not to be believed; "": the processes agree.
    """

    runs: list[Run]
    device: Mapping[str, str]
    accelerator: str
    runtime: str
    precision: str
    batch: int
    clock: str
    noise: str

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Timing:
        """Raises KeyError, TypeError, AttributeError or ValueError for anything else than what `to_json` gives."""
        texts = {name: str(data[name])[:2000] for name in ("accelerator", "runtime", "precision", "clock", "noise")}
        where = {str(name): str(value)[:200] for name, value in data["device"].items()}
        runs = [Run.from_json(run) for run in data["runs"]]
        if not runs:
            raise ValueError("no runs")
        return cls(runs=runs, device=where, batch=int(data["batch"]), **texts)


def time_file(path: Path, runtime: Runtime, settings: Settings, lease_seconds: float = LEASE_SECONDS) -> Timing:
    """Times a model file or folder that `runtime.check` has accepted.

    Raises:
        Infeasible: the runtime does not run the network.
        UserError: the machine lacks what the runtime needs, a GPU for instance.
        RuntimeError: a child process crashed; carries what it wrote to standard error.
        TimeoutError: a child did not answer in time, or the machine was busy with another measurement for `lease_seconds`.
    """
    answers: list[dict[str, Any]] = []
    with device.lease(device.cpu_name(), lease_seconds) as lock:

        def step() -> Run:
            answers.append(_ask_child(path, runtime, settings, lock))
            return _run(answers[-1], settings.threads)

        runs = gather(step, settings.processes, MAX_PROCESSES if settings.processes > 1 else 1, settings.tolerance)
    facts = answers[0]
    return Timing(
        runs=runs,
        device=device.fingerprint(),
        accelerator=facts.get("accelerator", ""),
        runtime=facts["runtime"],
        precision=facts["precision"],
        batch=facts["batch"],
        clock="processor time" if _by_processor(facts, settings.threads) else "wall clock",
        noise=noise(runs, settings.tolerance, device.load_average(), device.cores()),
    )


def _by_processor(facts: Mapping[str, Any], threads: int) -> bool:
    """Whether processor time is the time of the network: one thread did all of it, on this processor."""
    return threads == 1 and facts["clock"] != "wall"


def _run(answer: Mapping[str, Any], threads: int) -> Run:
    wall_ms, processor_ms = ([ns / 1e6 for ns in answer[key]] for key in ("wall_ns", "processor_ns"))
    times_ms = processor_ms if _by_processor(answer, threads) else wall_ms
    return Run(wall_ms, times_ms, answer["memory_bytes"], answer["warm_up_calls"])


def _ask_child(path: Path, runtime: Runtime, settings: Settings, lock: int) -> dict[str, Any]:
    request = {
        "model": str(path),
        "adapter": runtime.file,
        "settings": dict(runtime.start),
        "threads": settings.threads,
        "seconds": settings.seconds_each,
        "min_calls": MIN_CALLS,
        "timeout_seconds": settings.timeout_seconds,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(CHILD)],  # -P: the folder of the script holds modules, not libraries
            input=json.dumps(request),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=settings.timeout_seconds,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            pass_fds=(lock,),  # the child keeps the lease where this process is killed
            start_new_session=True,  # Ctrl-C in the terminal is for the study, which ends the trial as a whole
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"timing {path.name} took more than {settings.timeout_seconds:g} s in one process") from None
    if done.returncode:
        raise RuntimeError(f"timing {path.name} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
    answer = json.loads(done.stdout)
    if "missing" in answer:
        raise UserError(answer["missing"], path="Latency(runtime)", received=runtime.name)
    if "refused" in answer:
        raise Infeasible(f"{runtime.name} does not run the network: {answer['refused'].strip()[:300]}")
    return answer


def _require(field: str, value: float, holds: bool, expected: str) -> None:
    if not holds:
        raise UserError(f"{field} is {value}", path=f"Latency({field})", received=value, expected=expected)
