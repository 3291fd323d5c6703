"""`nas trial` and `nas vertex local` as a user meets them."""

import json
import math

import numpy as np
import pytest
from nas_command import run

import nas

TRAINER = """
import argparse, hypertune, json, sys
parser = argparse.ArgumentParser()
parser.add_argument("--nas_params_str")
parser.add_argument("--job-dir")
parser.add_argument("--bad")
given, _ = parser.parse_known_args()
chosen = [int(value.split("/")[0]) for value in json.loads(given.nas_params_str).values()]
if given.bad and chosen[0] == 1:
    sys.exit("no such luck")
hypertune.HyperTune().report_hyperparameter_tuning_metric("reward", sum(chosen), 1)
"""


@pytest.fixture
def tiny(tmp_path):
    """A space of 4 networks in a file, data that fit it, and its reference."""
    file = tmp_path / "tiny.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n"
        "@nas.space(input=(16, 16, 1))\n"
        "def tiny(gray):\n    x = L.Conv2D(oneof([2, 4]), oneof([1, 3]), activation='relu', name='conv')(gray)\n"
        "    return L.Conv2D(3, 1, name='rgb')(x)\n"
    )
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{k}": rng.random((8, 16, 16, c), np.float32) for part in ("train", "val") for k, c in (("x", 1), ("y", 3))
    }
    np.savez(tmp_path / "data.npz", **arrays)
    return f"{file}:tiny"


@pytest.fixture
def trial(tiny, tmp_path, monkeypatch, capsys):
    """Runs `nas trial` under the environment of a trial; exit code, what it said, its last report, its directory."""

    def go(*arguments, stage="search", number=1, tag="reward", space=tiny, data="data.npz"):
        directory = tmp_path / f"job/nas/{stage}/{number}"
        metrics = tmp_path / "metrics"
        metrics.unlink(missing_ok=True)
        monkeypatch.setenv("CLOUD_ML_TRIAL_ID", str(number))
        monkeypatch.setenv("CLOUD_ML_HP_METRIC_TAG", tag)
        monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(metrics))
        monkeypatch.setenv("AIP_MODEL_DIR", f"{directory}/model/")
        code, out, err = run(
            *("trial", "--space", space, "--job-dir", tmp_path / "elsewhere", "--data", tmp_path / data),
            *("--epochs", 1, *arguments),
            capsys=capsys,
        )
        report = json.loads(metrics.read_text().splitlines()[-1]) if metrics.exists() else {}
        return code, out + err, report, directory

    return go


def classes_of(kind, folder):
    """A space of 2 networks with three classes in a file, `classes.npz` that fit it (in segmentation a third of the pixels is
    void), and its reference."""
    last = "L.Conv2D(3, 1, activation='softmax', name='classes')(x)"
    if kind == "classification":
        last = "L.Dense(3, name='classes')(L.GlobalAveragePooling2D()(x))"
    (folder / f"{kind}.py").write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n@nas.space(input=(8, 8, 1))\ndef classes(image):\n"
        f"    x = L.Conv2D(oneof([2, 4]), 3, activation='relu', name='conv')(image)\n    return {last}\n"
    )
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val"):
        x = rng.random((12, 8, 8, 1), np.float32)
        labels = (3 * x[..., 0]).astype(np.uint8)
        labels[:, ::3] = 255
        arrays |= {f"{part}_x": x, f"{part}_y": labels if kind == "segmentation" else labels[:, 1, 0]}
    np.savez(folder / "classes.npz", **arrays)
    return f"{folder / kind}.py:classes", arrays


def params(tiny, index=0):
    return json.dumps(nas.load_space(tiny).architecture(index).to_vertex())


def job_file(tmp_path, tiny, command, *args, trials=4, failed=0, train=None, metric="reward"):
    from trainer.vertex.search_space import encode_search_space

    container = {"imageUri": "gcr.io/project/trainer", "command": command, "args": list(args)}
    custom = {"workerPoolSpecs": [{"containerSpec": container}]}
    counts = {"maxTrialCount": trials, "maxParallelTrialCount": 1, "maxFailedTrialCount": failed}
    spec = {
        "multiTrialAlgorithm": "REINFORCEMENT_LEARNING",
        "metric": {"metricId": metric, "goal": "MAXIMIZE"},
        "searchTrialSpec": {"searchTrialJobSpec": custom, **counts},
    }
    if train:
        spec["trainTrialSpec"] = {"trainTrialJobSpec": custom, "maxParallelTrialCount": train[0], "frequency": train[1]}
    path = tmp_path / "nasjob.json"
    text = encode_search_space(nas.load_space(tiny))
    path.write_text(
        json.dumps({"displayName": "first", "nasJobSpec": {"searchSpaceSpec": text, "multiTrialAlgorithmSpec": spec}})
    )
    return path


# -- nas trial -------------------------------------------------------------------------------------------------------------


def test_a_search_trial_reports_its_reward_and_stage_2_saves_the_network(trial, tiny, tmp_path):
    code, said, report, directory = trial("--nas_params_str", params(tiny, 3), "--target", "params=30", "--seed", 1)
    assert code == 0, said
    analysis = json.loads((directory / "model_analysis.json").read_text())
    quality = 1 / (1 + analysis["val_mse"])
    assert analysis["params"] == 55  # 4 filters of 3 x 3 on 1 channel, then 3 of 1 x 1 on 4
    assert float(report["reward"]) == pytest.approx(quality * 30 / 55)
    others = {report[f"key_{i}"]: float(report[f"value_{i}"]) for i in range(3)}
    assert others["params"] == 55
    assert others["val_loss"] == analysis["val_loss"] == analysis["val_mse"]
    assert json.loads((directory / "job_status.json").read_text()) == {"job_status": "success"}
    assert not (directory / "model").exists()

    flags = ("--retrain_search_job_dir", directory.parent, "--retrain_search_job_trials", "7,1")
    code, said, report, directory = trial(*flags, stage="train", number=2, tag="val_mse")
    assert code == 0, said
    assert math.isfinite(float(report["val_mse"]))
    assert json.loads((directory / "nas_params_str.json").read_text()) == json.loads(params(tiny, 3))
    assert (directory / "model/model.keras").exists()
    assert (directory / "saved_model/saved_model.pb").exists()


@pytest.mark.parametrize(("kind", "metric"), [("classification", "val_accuracy"), ("segmentation", "val_miou")])
def test_classes_are_judged_as_a_search_judges_them(trial, tmp_path, kind, metric):
    space, arrays = classes_of(kind, tmp_path)
    of_classes = {"space": space, "data": "classes.npz"}
    flags = ("--nas_params_str", params(space, 1), "--learning_rate", 0.03, "--epochs", 4)
    code, said, report, directory = trial(*flags, "--target", "params=11", **of_classes)
    assert code == 0, said
    found = json.loads((directory / "model_analysis.json").read_text())
    assert found["params"] == 4 * 9 + 4 + 3 * 4 + 3
    assert found["val_loss"] == found["val_crossentropy"] != found[metric]
    assert 0 < found[metric] <= 1
    assert float(report["reward"]) == pytest.approx(found[metric] * 11 / 55)
    others = {report[f"key_{i}"]: float(report[f"value_{i}"]) for i in range(4)}
    assert (others["val_loss"], others[metric]) == (found["val_loss"], found[metric])

    code, said, report, directory = trial(*flags, stage="train", tag=metric, **of_classes)
    assert code == 0, said
    import keras

    saved = keras.models.load_model(directory / "model/model.keras")
    labels = arrays["val_y"]
    known, best = labels < 3, np.argmax(saved.predict(arrays["val_x"], verbose=0), axis=-1)
    if kind == "classification":
        by_hand = np.mean(best == labels)
    else:
        both = [((labels == k) & (best == k)).sum() for k in range(3)]
        either = [(((labels == k) | (best == k)) & known).sum() for k in range(3)]
        by_hand = np.mean([b / e for b, e in zip(both, either, strict=True) if e])
    assert float(report[metric]) == pytest.approx(by_hand)

    code, said, _, _ = trial("--nas_params_str", params(space), "--loss", "mse", **of_classes)
    assert code == 2
    assert f"error: loss: 'mse' is no loss for {kind}, expected crossentropy" in said


def test_a_network_over_a_limit_is_infeasible_and_not_trained(trial, tiny):
    code, said, report, directory = trial("--nas_params_str", params(tiny, 3), "--at-most", "params=50")
    assert code == 0
    assert "infeasible: params is 55, at most 50 is allowed" in said
    assert report["reward"] == "nan"
    assert json.loads((directory / "job_status.json").read_text()) == {"job_status": "failed"}
    assert not (directory / "model").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "--nas_params_str: no network is named"),
        (("--nas_params_str", "{"), "--nas_params_str: it is no JSON"),
        (("--nas_params_str", '{"kernel": "0/2 (1)"}'), "kernel: no such decision"),
        (("--nas_params_str", "{}", "--target", "latency_ms=soon"), "--target: 'soon' is not a number"),
        (("--retrain_search_job_trials", "3"), "--retrain_search_job_dir: it is not set"),
    ],
)
def test_mistakes_are_one_message(trial, flags, says):
    code, said, report, _ = trial(*flags)
    assert (code, report) == (2, {})
    assert f"error: {says}" in said


# -- nas vertex local ------------------------------------------------------------------------------------------------------


@pytest.fixture
def trainer(tmp_path):
    path = tmp_path / "my_trainer.py"
    path.write_text(TRAINER)
    return ["python", str(path)]


def test_a_job_runs_here_and_goes_on_where_it_was(tmp_path, tiny, trainer, capsys):
    job = job_file(tmp_path, tiny, trainer, train=(1, 4))
    out = tmp_path / "runs/first"
    code, said, _ = run("vertex", "local", "--job", job, "--out", out, "--max-trials", 2, capsys=capsys)
    assert code == 0
    assert "cancelled: 2 trials" in said
    code, said, _ = run("vertex", "local", "--job", job, "--out", out, "--json", capsys=capsys)
    facts = json.loads(said)
    assert (code, facts["state"], facts["problems"]) == (0, "JOB_STATE_SUCCEEDED", [])
    values = [d["searchTrial"]["finalMeasurement"]["metrics"][0]["value"] for d in facts["nasTrialDetails"]]
    assert sorted(values) == [0, 1, 1, 2]
    (trained,) = (d for d in facts["nasTrialDetails"] if "trainTrial" in d)
    assert trained["searchTrial"]["finalMeasurement"]["metrics"][0]["value"] == 2
    code, said, _ = run("vertex", "local", "--job", job, "--out", out, capsys=capsys)
    assert "4 best of 4 trials" in said
    assert "succeeded: 5 trials, 1 trained in stage 2, 0 failed" in said

    resume = tmp_path / "resume.json"
    resume.write_text(json.dumps({"resumeNasJobId": "first"}))
    code, said, _ = run("vertex", "local", "--job", resume, "--out", tmp_path / "runs/more", "--json", capsys=capsys)
    assert json.loads(said)["nasTrialDetails"] == []  # all four points are known
    code, _, err = run("vertex", "local", "--job", resume, "--out", tmp_path / "other/more", capsys=capsys)
    assert code == 2
    assert "resumeNasJobId: no such job here" in err


def test_a_job_that_fails_ends_with_1_and_the_log(tmp_path, tiny, trainer, capsys):
    job = job_file(tmp_path, tiny, trainer, "--bad=1", failed=1)
    code, said, err = run("vertex", "local", "--job", job, "--out", tmp_path / "out", capsys=capsys)
    assert code == 1
    assert "failed: " in said
    assert "failed, it exited with code 1" in err
    assert "no such luck" in err
    code, said, _ = run("vertex", "local", "--job", job, "--out", tmp_path / "out", "--json", capsys=capsys)
    (problem,) = json.loads(said)["problems"]
    assert (code, problem["ending"], problem["exit_code"]) == (1, "failed", 1)


def test_mistakes_in_a_job_end_with_2(tmp_path, tiny, trainer, capsys):
    code, _, err = run("vertex", "local", "--job", tmp_path / "none.json", "--out", tmp_path / "out", capsys=capsys)
    assert code == 2
    assert "it cannot be read (No such file or directory)" in err
    job = job_file(tmp_path, tiny, [], "--epochs=1")
    code, _, err = run("vertex", "local", "--job", job, "--out", tmp_path / "out", capsys=capsys)
    assert code == 2
    assert "--command 'python my_trainer.py'" in err
    job.write_text(job.read_text().replace("maxTrialCount", "maxTrials"))
    code, _, err = run("vertex", "local", "--job", job, "--out", tmp_path / "out", capsys=capsys)
    assert code == 2
    assert "searchTrialSpec.maxTrials: no such field" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_our_own_entry_point_runs_a_whole_job(tmp_path, tiny, capsys):
    args = (f"--space={tiny}", f"--data={tmp_path / 'data.npz'}", "--epochs=1", "--target=latency_ms=5")
    job = job_file(tmp_path, tiny, ["python", "-m", "nas.cli", "trial"], *args, trials=2, train=(1, 2))
    code, said, _ = run("vertex", "local", "--job", job, "--out", tmp_path / "out", "--json", capsys=capsys)
    facts = json.loads(said)
    assert (code, facts["state"], facts["problems"]) == (0, "JOB_STATE_SUCCEEDED", [])
    (trained,) = (d for d in facts["nasTrialDetails"] if "trainTrial" in d)
    found = {m["metricId"] for m in trained["trainTrial"]["finalMeasurement"]["metrics"]}
    assert found == {"reward", "val_loss", "latency_ms", "params", "peak_activation_bytes", "model_flops"}
    assert list((tmp_path / "out").glob("first_*/nas/train/1/saved_model/saved_model.pb"))
