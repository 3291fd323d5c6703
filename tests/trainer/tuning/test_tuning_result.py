import io
import json
import re

import pytest
from rich.console import Console

from nas.errors import StudyError, UserError
from trainer.tuning import BOOK, TuningResult, TuningSpec, TuningTrial
from trainer.tuning.reports import Report

VALUES = {"learning_rate": 0.0002, "epochs": 10, "steps_per_epoch": 150, "batch_size": 16, "loss": "mse"}


def result(*trials, directory="runs/tuning", **settings):
    return TuningResult(TuningSpec(BOOK, **settings), trials, directory)


def trial(trial_id, value, **changes):
    return TuningTrial(trial_id, VALUES | changes, "succeeded", value, (Report(value, 1, 2.0),), exit_code=0, seconds=1.5)


FAILED = TuningTrial(3, VALUES, "failed", reason="it exited with code 1", log_tail="[bold]boom[/bold]", exit_code=1)


def test_the_best_is_by_goal_and_the_first_of_equals():
    trials = trial(1, 0.5), trial(2, 0.25), FAILED, trial(4, 0.25)
    assert [found.id for found in result(*trials).ranking] == [2, 4, 1]
    assert result(*trials, goal="maximize").best.id == 1
    assert result(FAILED).best is None


def test_the_table_has_every_trial_and_reason():
    console = Console(file=io.StringIO(), width=160)
    console.print(result(trial(1, 0.5), trial(2, 0.0312345678), FAILED).table())
    lines = console.file.getvalue().splitlines()
    rows = [re.split(r"  +", line.strip()) for line in lines if re.match(r" +\d", line)]
    assert rows == [
        ["2", "0.0312346", "0.0002", "10", "150", "16", "mse", "1.5", "succeeded"],
        ["1", "0.5", "0.0002", "10", "150", "16", "mse", "1.5", "succeeded"],
        ["3", "0.0002", "10", "150", "16", "mse", "0.0", "failed: it exited with code 1"],
    ]


def test_a_narrow_terminal_folds_headings_not_numbers():
    console = Console(file=io.StringIO(), width=80)
    console.print(result(trial(1, 0.0312345678, learning_rate=0.00012345678, steps_per_epoch=150)).table())
    row = console.file.getvalue().splitlines()[-2]
    assert row.split() == ["1", "0.0312346", "0.0001235", "10", "150", "16", "mse", "1.5", "succeeded"]


def test_json_is_plain_and_has_no_nan():
    data = json.loads(json.dumps(result(trial(1, 0.5), FAILED).to_json(), allow_nan=False))
    assert data["best"] == 1
    assert data["parameters"]["learning_rate"] == {"type": "double", "min": 1e-4, "max": 1e-3, "scale": "log"}
    assert [entry["value"] for entry in data["trials"]] == [0.5, None]


def test_a_trial_survives_json():
    for before in (trial(1, 0.5), TuningTrial(2, VALUES, "infeasible", reports=(Report(float("inf"), 3),), reason="inf")):
        after = TuningTrial.from_json(json.loads(json.dumps(before.to_json(), allow_nan=False)))
        assert repr(after) == repr(before)  # NaN differs from itself


def test_the_plot_draws_succeeded_trials_on_the_parameters_scales(tmp_path):
    path = tmp_path / "plot.svg"
    drawn = result(*(trial(i, i / 10, learning_rate=i * 1e-4, batch_size=(16, 32, 64)[i % 3]) for i in range(1, 9)), FAILED)
    drawn.plot(path)
    text = path.read_text()
    for word in ("learning_rate", "steps_per_epoch", "val_loss", "mse", "0.000316"):  # the middle of the log scale
        assert f">{word}<" in text
    assert text.count("stroke: #1b7837") + text.count("stroke:#1b7837") == 1  # one best
    drawn.plot(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text


def test_nothing_to_plot_and_nothing_to_load_are_named(tmp_path):
    with pytest.raises(UserError, match=r"^runs/tuning: no trial has a result. Look at the reasons in the table of trials.$"):
        result(FAILED).plot(tmp_path / "plot.svg")
    with pytest.raises(StudyError, match=r"there is no tuning, expected a directory with tuning.json.$"):
        TuningResult.load(tmp_path)
