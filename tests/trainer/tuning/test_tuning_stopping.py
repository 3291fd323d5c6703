import json
import math
import signal
import sys

import pytest

from trainer.tuning import Discrete, TuningResult, tune
from trainer.tuning.protocol import TrialProcess
from trainer.tuning.reports import Report
from trainer.tuning.stopping import MedianRule


def curve(*values):
    return [Report(value, step) for step, value in enumerate(values, 1)]


@pytest.fixture
def rule():
    """Averages: at step 1: 1, 2, 3; at step 2: 0.75, 2, 2.5; at step 3: 2, 2 (the first ended at step 2)."""
    rule = MedianRule("minimize")
    for values in ((1.0, 0.5), (2.0, 2.0, 2.0), (3.0, 2.0, 1.0)):
        rule.learn(curve(*values))
    return rule


def test_a_trial_behind_the_median_of_averages_is_stopped(rule):
    assert rule.objection(curve(2.5)) == "2.5 by step 1, median 2"
    assert rule.objection(curve(2.0)) == ""  # strictly worse
    assert rule.objection(curve(1.9, 7.0, 7.0)) == ""  # its best counts
    assert rule.objection([]) == ""


def test_a_curve_that_ended_early_counts_with_its_last_average(rule):
    rule.learn(curve(2.0, 0.0, 0.0, 0.0))
    # averages up to step 3: 0.75, 2, 2, 2/3
    assert rule.objection(curve(2.0, 2.0, 1.5)) == "2 by step 2, median 1.5"  # of 0.75, 2, 2.5, 1


def test_it_does_not_matter_how_often_one_looks(rule):
    reports = curve(2.5, 0.1, 0.1)  # behind at its first step, ahead later
    assert rule.objection(reports) == rule.objection(reports[:1]) != ""


def test_steps_in_any_order_and_maximizing():
    rule = MedianRule("maximize")
    for values in ((0.5, 0.7), (0.6, 0.8), (0.7, 0.9)):
        rule.learn(reversed(curve(*values)))
    assert rule.objection(curve(0.55)) == "0.55 by step 1, median 0.6"
    assert rule.objection(curve(0.65)) == ""


def test_too_few_curves_and_curves_that_begin_later_stop_nobody():
    rule = MedianRule("minimize")
    for _ in range(2):
        rule.learn(curve(1.0))
    rule.learn([Report(1.0, 5)])
    rule.learn([Report(math.nan, 1)])  # tells nothing
    assert rule.objection(curve(9.0)) == ""
    assert rule.objection([Report(9.0, 5)]) != ""


def test_a_trial_without_a_number_is_behind(rule):
    assert rule.objection(curve(math.nan)) == "no number by step 1, median 2"


SCRIPT = """
import argparse, hypertune, os, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--level", type=float)
parser.add_argument("--deaf", action="store_true")
args = parser.parse_args()
report = hypertune.HyperTune().report_hyperparameter_tuning_metric
def last_words(*_):
    report("val_loss", args.level + 0.25, global_step=2)
    sys.exit(0)
signal.signal(signal.SIGTERM, last_words)
report("val_loss", args.level, global_step=1)
if args.level > 4:
    time.sleep(60)
report("val_loss", args.level / 2, global_step=2)
"""


def test_a_trial_behind_is_told_to_end_and_its_last_measurement_counts(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = {
        "command": [sys.executable, str(tmp_path / "script.py")],
        "parameters": {"level": Discrete((1, 2, 3, 5, 6))},
        "algorithm": "grid",
        "max_trial_count": 5,
        "early_stopping": "median",
        "directory": tmp_path / "run",
    }
    result = tune(**arguments)
    assert [(trial.state, trial.value) for trial in result.trials] == [
        ("succeeded", 0.5), ("succeeded", 1.0), ("succeeded", 1.5), ("stopped", 5.25), ("stopped", 6.25),
    ]  # fmt: skip
    assert result.trials[3].reason == "5 by step 1, median 2"
    assert result.trials[3].exit_code == 0  # it was allowed to save
    assert result.trials[4].reason == "6 by step 1, median 2.5"  # the stopped one is one of the others now
    assert [trial.id for trial in result.ranking] == [1, 2, 3, 4, 5]
    assert tune(**arguments) == result == TuningResult.load(tmp_path / "run")


def test_a_resumed_tuning_stops_the_same_trials(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = {
        "command": [sys.executable, str(tmp_path / "script.py")],
        "parameters": {"level": Discrete((1, 2, 3, 5, 6))},
        "algorithm": "grid",
        "early_stopping": "median",
    }
    whole = tune(**arguments, max_trial_count=5, directory=tmp_path / "whole")
    for count in (3, 4, 5):
        parts = tune(**arguments, max_trial_count=count, directory=tmp_path / "parts")
    told = [[(trial.id, trial.state, trial.value, trial.reason) for trial in found.trials] for found in (whole, parts)]
    assert told[0] == told[1]


def test_a_stopped_trial_without_a_measurement_is_infeasible(tmp_path):
    report = "hypertune.HyperTune().report_hyperparameter_tuning_metric('val_loss', float('nan'))"
    text = f"import hypertune, time; {report}; time.sleep(60)"
    process = TrialProcess([sys.executable, "-c", text], [], tmp_path, 1, "val_loss")
    process.start()
    while not process.reports():
        pass
    process.stop("stopped", "behind")
    outcome = process.wait()
    assert (outcome.state, outcome.reason, outcome.exit_code) == ("infeasible", "val_loss is nan at step 0", -signal.SIGTERM)
    assert outcome.measurement is None


def test_a_stopped_trial_survives_json(tmp_path):
    from trainer.tuning import TuningTrial

    trial = TuningTrial(1, {"x": 1}, "stopped", 2.5, (Report(2.5, 1, 3.0),), "behind")
    assert TuningTrial.from_json(json.loads(json.dumps(trial.to_json()))) == trial
