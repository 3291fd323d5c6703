import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from evaluators import device

ROOT = Path(__file__).parents[2]

HOLD = """
import subprocess, sys, time
from evaluators import device
with device.lease(sys.argv[1]) as lock:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(float(%r))"], pass_fds=(lock,)) if %r else None
    print("held", child.pid if child else 0, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def name():
    unique = f"test device {uuid.uuid4().hex}"
    yield unique
    for file in Path(device.tempfile.gettempdir()).glob(f"espalier-test-device-{unique.split()[-1]}*"):
        file.unlink()


@contextlib.contextmanager
def holder(name, child_seconds=0.0):
    """Another process that holds the lease, perhaps with a child that inherits it."""
    code = HOLD % (child_seconds, child_seconds > 0)
    process = subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout.readline().startswith("held")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_name_says_processor_and_cores():
    assert device.cpu_name().endswith((" core", " cores"))
    assert str(os.cpu_count()) in device.cpu_name()


def test_two_processes_never_hold_a_device_at_once(name):
    with holder(name), pytest.raises(TimeoutError, match=r"busy with another measurement for 0\.2 s"), device.lease(name, 0.2):
        pass


def test_different_devices_do_not_wait_for_each_other(name):
    with holder(name), device.lease(f"{name} two", 0.2):
        pass


def test_the_lease_returns_when_its_holder_is_killed(name):
    with holder(name) as process:
        os.kill(process.pid, signal.SIGKILL)
        with device.lease(name, 10):
            pass


def test_the_lease_returns_when_the_block_fails(name):
    with pytest.raises(ZeroDivisionError), device.lease(name):
        1 / 0  # noqa: B018
    with device.lease(name, 0.2):
        pass


def test_a_measuring_child_keeps_the_lease_of_its_killed_parent(name):
    with holder(name, child_seconds=1.5) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with pytest.raises(TimeoutError), device.lease(name, 0.2):
            pass
        start = time.monotonic()
        with device.lease(name, 10):
            assert time.monotonic() - start < 10
