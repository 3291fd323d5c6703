import csv
import math
import subprocess
import sys

import pytest

from trainer.tuning import Categorical, Discrete, Double, Integer, TuningResult, TuningSpec, TuningTrial, When
from trainer.tuning.reports import Report

SPEC = TuningSpec(
    {
        "rate": Double(1e-4, 1.0, "log"),
        "optimizer": Categorical(("adam", "sgd")),
        "momentum": Double(0.5, 0.99, when=When("optimizer", "sgd")),
        "batch": Discrete((16, 32)),
        "layers": Integer(1, 3),
    }
)
TRIALS = (
    TuningTrial(
        1, {"rate": 0.01, "optimizer": "sgd", "momentum": 0.9, "batch": 16, "layers": 2}, "succeeded", 0.25,
        (Report(0.5, 1, 11.0), Report(0.25, 2, 12.0)), started=10.0, seconds=3.0,
    ),
    TuningTrial(2, {"rate": 0.5, "optimizer": "adam", "batch": 32, "layers": 1}, "failed", reason='it, too, "failed"'),
    TuningTrial(3, {"rate": 0.5, "optimizer": "adam", "batch": 32, "layers": 3}, "stopped", 0.75, (Report(0.75, 1, 14.0),)),
    TuningTrial(4, {"rate": 0.5, "optimizer": "adam", "batch": 16, "layers": 3}, "running"),
)  # fmt: skip


@pytest.fixture
def result(tmp_path):
    return TuningResult(SPEC, TRIALS, tmp_path)


def test_tensorboard_reads_trials_curves_and_ranges(result, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    result.to_tensorboard(tmp_path / "tb")
    assert sorted(path.name for path in (tmp_path / "tb").iterdir() if path.is_dir()) == ["trial-1", "trial-2", "trial-3"]

    def read(folder):
        events = EventAccumulator(str(folder))
        events.Reload()
        return events

    events = read(tmp_path / "tb" / "trial-1")
    assert [(event.wall_time, event.step, event.value) for event in events.Scalars("val_loss")] == [(11, 1, 0.5), (12, 2, 0.25)]
    plugin = events.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
    assert {name: value.string_value or value.number_value for name, value in start.hparams.items()} == TRIALS[0].values
    assert (start.group_name, start.start_time_secs) == ("trial-1", 10.0)
    end = metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])
    assert (end.status, end.end_time_secs) == (1, 13.0)  # STATUS_SUCCESS

    failed = read(tmp_path / "tb" / "trial-2")
    plugin = failed.PluginTagToContent("hparams")
    assert metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG]).status == 2  # STATUS_FAILURE
    assert "momentum" not in metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG]).hparams

    top = read(tmp_path / "tb")
    experiment = metadata.parse_experiment_plugin_data(top.PluginTagToContent("hparams")[metadata.EXPERIMENT_TAG])
    assert [info.name for info in experiment.hparam_infos] == list(SPEC.parameters)
    assert experiment.hparam_infos[0].domain_interval.max_value == 1.0
    assert [value.number_value for value in experiment.hparam_infos[3].domain_discrete.values] == [16, 32]
    assert [info.name.tag for info in experiment.metric_infos] == ["val_loss"]


def test_files_can_be_written_again(result, tmp_path):
    result.to_tensorboard(tmp_path / "tb")
    before = {path: path.read_bytes() for path in (tmp_path / "tb").rglob("events*")}
    result.to_tensorboard(tmp_path / "tb")
    assert {path: path.read_bytes() for path in (tmp_path / "tb").rglob("events*")} == before


def test_tensorflow_plays_no_part(tmp_path):
    text = f"""
import sys
from trainer.tuning import TuningResult, TuningSpec, TuningTrial, BOOK
spec = TuningSpec(BOOK)
values = {{"learning_rate": 1e-3, "epochs": 10, "steps_per_epoch": 100, "batch_size": 16, "loss": "mse"}}
trial = TuningTrial(1, values, "succeeded", 1.0)
TuningResult(spec, (trial,), {str(tmp_path)!r}).to_tensorboard({str(tmp_path)!r})
print("tensorflow" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_csv_has_a_line_for_each_trial(result, tmp_path):
    result.to_csv(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["trial", "state", "val_loss", "rate", "optimizer", "momentum", "batch", "layers", "seconds", "reports", "reason"],
        ["1", "succeeded", "0.25", "0.01", "sgd", "0.9", "16", "2", "3.000", "2", ""],
        ["2", "failed", "", "0.5", "adam", "", "32", "1", "0.000", "0", 'it, too, "failed"'],
        ["3", "stopped", "0.75", "0.5", "adam", "", "32", "3", "0.000", "1", ""],
        ["4", "running", "", "0.5", "adam", "", "16", "3", "0.000", "0", ""],
    ]


def test_save_writes_what_there_is(result, tmp_path):
    assert [path.name for path in result.save()] == ["results.csv", "results.svg", "tensorboard"]
    assert "not there" in (tmp_path / "results.svg").read_text()  # momentum, in trial 3
    nothing = TuningResult(SPEC, TRIALS[1:2], tmp_path / "nothing")
    nothing.directory.mkdir()
    assert [path.name for path in nothing.save()] == ["results.csv", "tensorboard"]
    assert math.isnan(TRIALS[1].value)
