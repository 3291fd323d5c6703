"""`nas check` answers in seconds, whatever the shipped space."""

import json
import resource
import subprocess
import sys

import pytest

import search_spaces

LIMIT_S = 5.0  # processor time of the whole command, imports included


def processor_time_s() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize("name", search_spaces.NAMES)
def test_a_shipped_space_is_checked_in_seconds(name):
    before = processor_time_s()
    command = [sys.executable, "-m", "nas.cli", "check", name, "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    spent = processor_time_s() - before
    assert found["builds"] == "proved"
    assert found["distinct"]["share"]
    assert spent < LIMIT_S, f"{spent:.1f} s"
