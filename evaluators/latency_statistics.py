"""What the times of some processes say: a figure, how sure it is, and whether they agree.

The figure is the fastest call of all, because noise only ever adds time. Calls in one process are alike (memory is laid out
once, caches are warm), so what is resampled for an interval are whole processes (the cluster bootstrap, Davison and Hinkley
1997, section 3.8), without an assumption about how times are distributed.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

CONFIDENCE = 0.9
RESAMPLES = 500
KEPT_CALLS = 200  # of each process, evenly over its sorted times, in the bootstrap
BUSY_PROCESSES = 4
BUSY_SHARE = 0.1  # of calls during which other work had the core
BUSY = 1.05  # wall clock over processor time of a call beside which other work had the core for a while
MAD_TO_DEVIATION = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


@dataclasses.dataclass(frozen=True)
class Run:
    """What one child process measured.

    Attributes:
        wall_ms: wall-clock milliseconds of each call.
        times_ms: the same by the clock that counts for the figure.
        memory_bytes: peak resident memory the model added.
        warm_up_calls: made before, until calls stopped getting faster.
    """

    wall_ms: Sequence[float]
    times_ms: Sequence[float]
    memory_bytes: int
    warm_up_calls: int = 0

    @property
    def fastest_ms(self) -> float:
        return min(self.times_ms)

    @property
    def disturbed_share(self) -> float:
        """Share of the calls during which other work had the core for a while; 0 where only the wall clock is known."""
        return statistics.mean(wall > BUSY * own for wall, own in zip(self.wall_ms, self.times_ms, strict=True))

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """Raises KeyError, TypeError or ValueError for anything else than what `to_json` gives."""
        wall, times = ([float(time) for time in data[key]] for key in ("wall_ms", "times_ms"))
        if not times or len(wall) != len(times) or not all(0 < time < float("inf") for time in (*wall, *times)):
            raise ValueError("no times of calls")
        return cls(wall, times, int(data["memory_bytes"]), int(data["warm_up_calls"]))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its interval, at a confidence of 90%; None where there is one process only."""

    value: float
    low: float | None
    high: float | None


def fastest(runs: Sequence[Run]) -> Estimate:
    """The fastest call. The interval begins at it and ends at another process's fastest.

    Resampling k processes, the minimum is above the j-th fastest of them with probability (1 - j/k)^k: the bootstrap needs no
    random numbers here. For 2 to 7 processes the end is the second fastest, for 8 to 15 the third.
    """
    found = sorted(run.fastest_ms for run in runs)
    if len(found) == 1:
        return Estimate(found[0], None, None)
    k = len(found)
    end = next(j for j in range(1, k + 1) if (1 - j / k) ** k <= 1 - CONFIDENCE)
    return Estimate(found[0], found[0], found[end - 1])


def quantile(runs: Sequence[Run], share: float) -> Estimate:
    """A quantile over all calls, each process weighing the same; the interval is the bootstrap's middle 90%."""
    grid = np.array([np.quantile(run.times_ms, np.linspace(0, 1, KEPT_CALLS)) for run in runs])
    value = float(np.quantile(grid, share))
    if len(runs) == 1:
        return Estimate(value, None, None)
    drawn = np.random.default_rng(0).integers(len(runs), size=(RESAMPLES, len(runs)))
    resampled = np.quantile(grid[drawn].reshape(RESAMPLES, -1), share, axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(np.quantile(resampled, edge)) for edge in (tail, 1 - tail))
    return Estimate(value, min(low, value), max(high, value))


def deviation(runs: Sequence[Run]) -> float:
    """Standard deviation of a call, from the median absolute deviation: stragglers do not count."""
    times = [time for run in runs for time in run.times_ms]
    middle = statistics.median(times)
    return MAD_TO_DEVIATION * statistics.median(abs(time - middle) for time in times)


def width(runs: Sequence[Run]) -> float:
    """Width of the figure's interval as a share of the figure; 0 for a single process, of which nobody knows."""
    found = fastest(runs)
    return 0.0 if found.high is None else found.high / found.value - 1


def disturbed_share(runs: Sequence[Run]) -> float:
    """Share of the calls during which other work had the core for a while, over all processes."""
    return statistics.mean(run.disturbed_share for run in runs)


def noise(runs: Sequence[Run], tolerance: float, load_average: float, cores: int) -> str:
    """Why the processes cannot be believed: which they were, how far apart, what else ran. "": they agree."""
    if width(runs) <= tolerance:
        return ""
    each = ", ".join(f"{run.fastest_ms:.4g}" for run in runs)
    return (
        f"the fastest calls of {len(runs)} fresh processes, {each} ms, leave an interval {width(runs):.1%} wide, "
        f"at most {tolerance:.1%} is allowed; other work had the core during {disturbed_share(runs):.0%} of the calls, "
        f"load average {load_average:.1f} on {cores} core{'s' if cores > 1 else ''}"
    )


Step = Callable[[], Run]
"""Times the model in one more fresh process."""


def gather(step: Step, least: int, most: int, tolerance: float) -> list[Run]:
    """Runs of fresh processes until the interval is within the tolerance, or there are `most` of them.

    On a busy machine at least `BUSY_PROCESSES`: two processes that were both disturbed can agree by chance.
    """
    runs = [step() for _ in range(least)]
    while len(runs) < most:
        wanted = max(least, BUSY_PROCESSES) if disturbed_share(runs) > BUSY_SHARE and least > 1 else least
        if len(runs) >= wanted and width(runs) <= tolerance:
            break
        runs.append(step())
    return runs
