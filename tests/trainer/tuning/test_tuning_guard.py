import signal
import subprocess

import pytest

from trainer.tuning.guard import Guard


@pytest.fixture
def sleeper():
    processes = []

    def start():
        processes.append(subprocess.Popen(["sleep", "600"], start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_only_what_is_still_known_is_killed_at_the_end(sleeper):
    guard, known, forgotten = Guard(), sleeper(), sleeper()
    guard.watch(known.pid)
    guard.watch(forgotten.pid)
    guard.forget(forgotten.pid)
    guard.forget(12345678)  # never known
    guard._end()
    assert known.wait(10) == -signal.SIGKILL
    assert forgotten.poll() is None


def test_a_killed_guard_is_replaced_by_one_that_knows_all(sleeper):
    guard, first, second = Guard(), sleeper(), sleeper()
    guard.watch(first.pid)
    guard._process.kill()
    guard._process.wait()
    guard.watch(second.pid)
    guard._end()
    assert [first.wait(10), second.wait(10)] == [-signal.SIGKILL] * 2
