"""A run that is ended from outside: what was running waits for the next one."""

import time

import pytest
from study_fakes import Blocks, InOrder, Loss

from nas.errors import UserError
from nas.study.objective import minimize
from nas.study.study import Study


def make(directory, sleep_s=0.0):
    return Study(Blocks(), InOrder(), Loss(sleep_s), minimize("loss"), directory=directory)


def test_a_run_ends_while_its_trials_run_and_is_continued(tmp_path):
    make(tmp_path / "s").run(2)
    study, began = make(tmp_path / "s", sleep_s=600), time.monotonic()
    outcome = study.run(5, workers=2, until=lambda: "the money is spent" if time.monotonic() > began + 1 else "")
    assert (outcome.status, outcome.message) == ("stopped", "2 of 5 trials are finished: the money is spent.")
    states = ["completed", "completed", "queued", "queued"]
    assert [trial.state for trial in Study.open(tmp_path / "s").trials] == states
    again = make(tmp_path / "s")
    assert again.run(5).status == "reached"
    assert [trial.seed for trial in again.trials[:4]] == [trial.seed for trial in study.trials]


def test_nothing_begins_once_it_is_to_end(tmp_path):
    study, heard = make(tmp_path / "s"), []
    outcome = study.run(5, on_event=heard.append, until=lambda: "no more")
    assert (outcome.status, outcome.finished, study.trials, heard) == ("stopped", 0, [], [])


def test_a_mistake_in_asking_stops_the_study_as_any_other(tmp_path):
    def until():
        raise UserError("access refused", path="--project")

    with pytest.raises(UserError, match="--project: access refused"):
        make(tmp_path / "s").run(3, until=until)
