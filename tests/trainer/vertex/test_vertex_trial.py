"""`trainer.vertex_trial`: what trainers import."""

import json
import math
import subprocess
import sys

import hypertune
import pyglove as pg
import pytest

from nas.errors import UserError
from trainer import vertex_trial as cloud_nas_utils
from trainer.tuning.reports import read_metric_file

SPACE = pg.Dict(layers=[pg.Dict(kernel=pg.oneof([3, 5]))], rate=pg.floatv(0.0, 1.0))
PARAMS = {"layers[0].kernel": "1/2 (5)", "rate": 0.25}


@pytest.fixture
def metric_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "deep/metrics"))
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "4")
    return tmp_path / "deep/metrics"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_reports_are_those_of_hypertune_and_more(metric_file, tmp_path, monkeypatch):
    reporter = cloud_nas_utils.NasMetricsReporter()
    reporter.report_metrics("accuracy", 0.5, 3, "gs://b/c", model_flops=2e8, other_metrics={"latency_ms": 4})
    (ours,) = lines(metric_file)
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "theirs"))
    hypertune.HyperTune().report_hyperparameter_tuning_metric("accuracy", 0.5, 3, "gs://b/c")
    (theirs,) = lines(tmp_path / "theirs")
    assert {key: ours[key] for key in theirs if key != "timestamp"} == {k: v for k, v in theirs.items() if k != "timestamp"}
    assert type(ours["timestamp"]) is type(theirs["timestamp"])
    assert {key: ours[key] for key in ours if key not in theirs} == {
        "model_flops": "200000000.0",
        "key_0": "latency_ms",
        "value_0": "4.0",
    }
    assert read_metric_file(metric_file, "accuracy").reports[0].value == 0.5


def test_a_second_reporter_adds_and_the_last_hundred_stay(metric_file):
    for step in range(120):
        cloud_nas_utils.NasMetricsReporter().report_metrics("accuracy", step / 10, step)
    found = lines(metric_file)
    assert [line["global_step"] for line in found] == [str(step) for step in range(20, 120)]


def test_zero_and_nan_are_written_so_that_the_service_takes_them(metric_file):
    reporter = cloud_nas_utils.NasMetricsReporter()
    reporter.report_metrics("accuracy", 0)
    reporter.report_metrics("accuracy", math.nan)
    assert [line["accuracy"] for line in lines(metric_file)] == ["1e-08", "nan"]


@pytest.mark.parametrize("others", [{"a" * 65: 1}, {"accuracy": 1}, {"global_step": 1}, {str(i): 1 for i in range(6)}])
def test_other_metrics_that_would_be_dropped_are_refused(metric_file, others):
    with pytest.raises(UserError, match="other_metrics"):
        cloud_nas_utils.NasMetricsReporter().report_metrics("accuracy", 1, other_metrics=others)
    assert not metric_file.exists()


def test_report_asks_the_environment_what_to_report(metric_file, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_TAG", "reward")
    cloud_nas_utils.report({"reward": 0.5, "latency_ms": 4.0}, step=2, model_dir=str(tmp_path / "a"))
    assert lines(metric_file)[0]["reward"] == "0.5"
    assert json.loads((tmp_path / "a/job_status.json").read_text()) == {"job_status": "success"}
    cloud_nas_utils.report({"reward": math.nan}, model_dir=str(tmp_path / "b"))
    assert json.loads((tmp_path / "b/job_status.json").read_text()) == {"job_status": "failed_with_nan_error"}
    with pytest.raises(UserError, match="there is no 'reward'"):
        cloud_nas_utils.report({"accuracy": 0.5})
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_TAG", "")
    cloud_nas_utils.report({"accuracy": 0.5})
    assert len(lines(metric_file)) == 2


def test_parameters_become_a_value_and_are_kept(tmp_path):
    value = cloud_nas_utils.parse_and_save_nas_params_str(SPACE, json.dumps(PARAMS), str(tmp_path))
    assert (value.layers[0].kernel, value.rate) == (5, 0.25)
    assert json.loads((tmp_path / "nas_params_str.json").read_text()) == PARAMS
    again = cloud_nas_utils.parse_and_save_nas_params_str(SPACE, str(tmp_path / "nas_params_str.json"))
    assert pg.eq(again, value)
    text = cloud_nas_utils.serialize_and_save_tunable_object(value, str(tmp_path))
    assert json.loads(text) == json.loads((tmp_path / "serialized_tunable_object.json").read_text())
    assert json.loads(text)["layers"] == [{"kernel": 5}]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "it is no JSON"),
        ("[1]", "not an object of plain values"),
        ('{"a": {"_type": "x"}}', "not an object of plain values"),
        ('{"layers[0].kernel": "1/2 (5)"}', "it names no point of the space"),
        ('{"layers[0].kernel": "7/2 (5)", "rate": 0.5}', "it names no point of the space"),
        ("nowhere.json", "cannot be read"),
    ],
)
def test_wrong_parameters_are_said_clearly(given, says):
    with pytest.raises(UserError, match=says):
        cloud_nas_utils.parse_and_save_nas_params_str(SPACE, given)


def test_stage_2_trial_k_retrains_the_kth_search_trial(monkeypatch):
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "2")
    found = cloud_nas_utils.get_finetune_nas_params_str(
        retrain_search_job_trials="12, 9", retrain_search_job_dir="/gcs/bucket/job/nas/search"
    )
    assert found == "/gcs/bucket/job/nas/search/9/nas_params_str.json"
    assert cloud_nas_utils.get_retrain_search_job_model_dir("12, 9", "/a") == "/a/9"
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "3")
    with pytest.raises(UserError, match="trial 3 has no search trial in '12, 9'"):
        cloud_nas_utils.get_search_trial_id_to_finetune("12, 9")
    with pytest.raises(UserError, match="--retrain_search_job_dir: it is not set"):
        cloud_nas_utils.get_finetune_nas_params_str("1", "")


@pytest.mark.parametrize("stage", ["search", "train"])
def test_the_trials_directory_is_part_of_its_model_directory(monkeypatch, stage):
    monkeypatch.setenv("AIP_MODEL_DIR", f"gs://bucket/job_20260101_000000/nas/{stage}/12/model/")
    found = cloud_nas_utils.get_job_dir_from_environment_if_exist("tmp")
    assert found == f"gs://bucket/job_20260101_000000/nas/{stage}/12"
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://bucket/elsewhere/")
    with pytest.raises(UserError, match="it is not that of a trial"):
        cloud_nas_utils.get_job_dir_from_environment_if_exist("tmp")
    monkeypatch.delenv("AIP_MODEL_DIR")
    assert cloud_nas_utils.get_job_dir_from_environment_if_exist("tmp") == "tmp"


def test_the_reward_is_vertex_ais():
    reward = cloud_nas_utils.compute_reward
    assert reward(0.8, 100, 50) == 0.8  # nothing is won below the target
    assert reward(0.8, 100, 200) == 0.4
    assert reward(0.8, 100, 50, use_hard_limit=False) == 1.6
    assert reward(0.8, 100, 200, 1000, 4000) == pytest.approx(0.1)
    assert reward(0.8, 100, 200, weight=2) == pytest.approx(0.2)
    for wrong in ((100, 0), (0, 100), (100, -1)):
        with pytest.raises(UserError, match="both above 0"):
            reward(0.8, *wrong)


def test_latency_is_waited_for(tmp_path):
    with pytest.raises(UserError, match="was not written within 0 s"):
        cloud_nas_utils.wait_and_retrieve_latency(str(tmp_path), sleep_time=0, timeout_s=0)
    cloud_nas_utils.write_model_latency(cloud_nas_utils.get_saved_model_dir(str(tmp_path)), 4.5, 1000)
    found = cloud_nas_utils.wait_and_retrieve_latency(str(tmp_path / "saved_model"))
    assert found == {"latency_in_milliseconds": 4.5, "model_memory": 1000}
    cloud_nas_utils.write_model_analysis(str(tmp_path), {"params": 3, "accuracy": 0.5})
    assert json.loads((tmp_path / "model_analysis.json").read_text()) == {"accuracy": 0.5, "params": 3}


def test_files_go_to_buckets_too(bucket):
    cloud_nas_utils.write_job_status("gs://colours/job/nas/search/1", cloud_nas_utils.JOB_STATUS_SUCCESS)
    cloud_nas_utils.save_nas_params(PARAMS, "gs://colours/job/nas/search/1")
    assert json.loads(bucket.blob("job/nas/search/1/job_status.json").download_as_bytes()) == {"job_status": "success"}
    assert cloud_nas_utils.read_nas_params_str("gs://colours/job/nas/search/1/nas_params_str.json") == PARAMS


def test_it_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "google.cloud.storage", "google.cloud.aiplatform_v1", "optuna", "hypertune"}
    code = f"import sys; from trainer import vertex_trial; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
