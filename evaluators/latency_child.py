"""The process that times a model: it loads one runtime and NumPy and nothing else.

In a process that has imported TensorFlow, its thread pools and allocator disturb the timing of other runtimes: the minimum of
many calls then varies by 17% between processes, here by under 1%. The file imports nothing of this repository; it loads the
runtime's adapter (a file of `evaluators/runtimes`, which imports nothing of it either) by its path.

Each call is timed by two clocks. Wall-clock time counts whatever the machine did meanwhile; processor time does not count the
time others were given the core. It is that of the calling thread where that one does all the work, else that of the process.
With two trainings of two threads beside it on two cores, a network that takes 4.6 ms alone showed fastest calls of 4.7 to
8.3 ms by the first clock and 4.6 to 5.0 ms by the second. On an idle machine the two agree within 0.3%.

Protocol: one JSON object on standard input, one on standard output.

    request  {"model": "net.tflite", "adapter": "runtimes/litert.py", "settings": {}, "threads": 1,
              "seconds": 0.4, "min_calls": 5, "timeout_seconds": 60}
    answer   {"wall_ns": [4600123, ...], "processor_ns": [4590456, ...], "warm_up_calls": 31, "memory_bytes": 9000000,
              "runtime": "LiteRT 2.3.0", "precision": "float32", "batch": 1, "clock": "thread", "accelerator": ""}
    refusal  {"refused": "why the runtime does not run this model"}, or {"missing": "what the machine lacks for it"}

Anything else, a crash for instance, shows in the exit status and on standard error.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_CALLS = 20_000
WINDOW_SECONDS = 0.01
STEADY_WINDOWS = 3
ORPHAN_SECONDS = 5
STEADY_WITHIN = 0.01  # a window that is not 1% faster than the best before it has found nothing new


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Loads the model, warms it up, times it. Times in nanoseconds, one for each call."""
    try:
        load = _adapter(request["adapter"]).start(request["threads"], **request["settings"])
    except (ImportError, LookupError) as error:
        return {"missing": str(error)}
    before = _memory_bytes("VmRSS")
    _forget_peak()
    try:
        call, facts = load(request["model"], example)
        call()
    except Exception as error:  # runtimes raise many types; whichever it is, this one does not run the model
        return {"refused": str(error)}
    processor = time.thread_time_ns if facts["clock"] == "thread" else time.process_time_ns
    gc.disable()
    warm_up_calls = warm_up(call)
    wall_ns, processor_ns = time_calls(call, request["seconds"], request["min_calls"], processor)
    return facts | {
        "wall_ns": wall_ns,
        "processor_ns": processor_ns,
        "warm_up_calls": warm_up_calls,
        "memory_bytes": max(0, _memory_bytes("VmHWM") - before),
    }


def _adapter(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("adapter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def warm_up(call: Callable[[], Any]) -> int:
    """Calls until three windows of 10 ms in a row bring no call that is 1% faster than the fastest before; how many calls.

    The fastest call of a window, not its mean: a neighbour on the machine slows most calls, but not each of them.
    """
    calls, steady, best = 0, 0, math.inf
    while steady < STEADY_WINDOWS:
        window, _ = time_calls(call, WINDOW_SECONDS, min_calls=2)
        calls += len(window)
        steady = steady + 1 if min(window) > best * (1 - STEADY_WITHIN) else 0
        best = min(best, *window)
    return calls


def time_calls(
    call: Callable[[], Any], seconds: float, min_calls: int, processor: Callable[[], int] = time.thread_time_ns
) -> tuple[list[int], list[int]]:
    """Wall-clock and processor nanoseconds of each call, for `seconds` and at least `min_calls` calls."""
    wall = time.perf_counter_ns
    wall_ns: list[int] = []
    processor_ns: list[int] = []
    end = wall() + int(seconds * 1e9)
    while len(wall_ns) < min_calls or (wall() < end and len(wall_ns) < MAX_CALLS):
        wall_start, processor_start = wall(), processor()
        call()
        processor_end, wall_end = processor(), wall()
        wall_ns.append(wall_end - wall_start)
        processor_ns.append(processor_end - processor_start)
    return wall_ns, processor_ns


def example(shape: Any, dtype: Any) -> np.ndarray:
    """One input. Random for floats, so that no operation meets only zeros; zero is a valid index or code for integers."""
    if np.issubdtype(dtype, np.floating):
        return np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return np.zeros(shape, dtype)


def _memory_bytes(field: str) -> int:
    """Resident memory now (`VmRSS`) or at its peak (`VmHWM`); where there is no /proc, the peak stands for both."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _forget_peak() -> None:
    """Starts the peak afresh (Linux), so that importing the runtime does not count as the network's memory."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def main() -> None:
    """Answers the request on standard input."""
    request = json.loads(sys.stdin.read())
    # The parent ends this process at its timeout. Where the parent is gone, the default action of SIGALRM does, even inside a
    # call of the runtime.
    signal.alarm(int(request["timeout_seconds"]) + ORPHAN_SECONDS)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the runtime's C++ code prints goes to standard error, not into the answer
    json.dump(answer(request), out)
    out.close()


if __name__ == "__main__":
    main()
