"""The machine that measures: its name, what of it matters, and a lease so that two measurements never run on it at once.

Two processes that time networks on one processor at the same time measure each other. A lease is an exclusive `flock` on a
file in the temporary directory: every process of this machine sees it, and the kernel gives it back when its holder dies.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

POLL_SECONDS = 0.02  # a measurement takes a second or more; waiting in the kernel would know no timeout


def cpu_name() -> str:
    """This machine's processor and its number of cores: `AMD EPYC 9R14, 2 cores`."""
    return f"{_model_name()}, {cores()} core{'s' if cores() > 1 else ''}"


def cores() -> int:
    return os.cpu_count() or 1


def load_average() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


def fingerprint() -> dict[str, str]:
    """What of this machine a latency depends on: processor and cores, operating system, frequency governor.

    Example: `{"cpu": "AMD EPYC 9R14, 2 cores", "os": "Linux 6.8.0 x86_64", "governor": "performance"}`
    """
    return {
        "cpu": cpu_name(),
        "os": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "governor": _governor() or "not known",
    }


def describe(facts: Mapping[str, str]) -> str:
    """A fingerprint as text: `AMD EPYC 9R14, 2 cores, Linux 6.8.0 x86_64, governor performance`."""
    return f"{facts.get('cpu', 'unknown processor')}, {facts.get('os', '?')}, governor {facts.get('governor', 'not known')}"


def training_device() -> str:
    """The GPU that Keras trains on, or the processor."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    return cpu_name()


def _model_name() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine() or "unknown processor"


def _governor() -> str:
    """How the kernel chooses the frequency of the cores; "" where it does not, on a virtual machine for instance."""
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    found = set()
    with contextlib.suppress(OSError):
        found = {file.read_text().strip() for file in files}
    return ", ".join(sorted(found))


class DeviceBusy(TimeoutError):
    """Another process measured on the device for all of the time that was given."""


@contextlib.contextmanager
def lease(device: str, timeout_seconds: float = 600.0) -> Iterator[int]:
    """Holds `device` alone while the block runs; yields the descriptor of the lock.

    A child that inherits the descriptor keeps the lease until it ends, even where its parent is killed meanwhile.

    Raises:
        DeviceBusy: another process held it for all of `timeout_seconds`.
    """
    import fcntl  # POSIX only: imported where it is needed, so that the rest of the package loads anywhere

    path = Path(tempfile.gettempdir()) / f"espalier-{re.sub(r'[^A-Za-z0-9]+', '-', device)}.lock"
    descriptor = _open(path)
    deadline = time.monotonic() + timeout_seconds
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DeviceBusy(
                        f"{device} was busy with another measurement for {timeout_seconds:g} s (lease {path})"
                    ) from None
                time.sleep(POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """The lock file, made if need be. Read access is enough for `flock`, so users of one machine can share it."""
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
