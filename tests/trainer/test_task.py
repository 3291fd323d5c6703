import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from trainer_fakes import tiny_arrays

from nas.errors import UserError
from trainer.task import find_architecture, get_args, main

ROOT = Path(__file__).parents[2]

SPACE = """
import nas
from nas import layers as L, oneof

@nas.space(input=(16, 16, 1), baselines={"wide": {"body.filters": 8}})
def small(gray):
    x = L.Conv2D(oneof([4, 8]), 3, activation="relu", name="body")(gray)
    return L.Conv2D(3, 3, activation="tanh", name="rgb")(x)
"""


@pytest.fixture
def small(tmp_path):
    """A folder with a data set and a space of two networks for it."""
    (tmp_path / "data").mkdir()
    for key, array in tiny_arrays().items():
        np.save(tmp_path / f"data/{key}.npy", array)
    (tmp_path / "space.py").write_text(SPACE)
    return tmp_path


def run_task(cwd, *flags, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIP_", "CLOUD_ML_", "TF_CONFIG", "ESPALIER_"))}
    clean |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""} | environment
    return subprocess.run([sys.executable, "-m", "trainer.task", *flags], cwd=cwd, env=clean, capture_output=True, text=True)


BOOK_FLAGS = ("--epochs=2", "--steps_per_epoch=3", "--learning_rate=0.003", "--batch_size=8", "--loss=mse")


def test_a_trial_as_vertex_runs_it(small):
    done = run_task(
        small,
        *BOOK_FLAGS,
        "--architecture=space.py:small:wide",
        ESPALIER_DATA="data",
        AIP_MODEL_DIR=str(small / "out/model"),
        CLOUD_ML_HP_METRIC_FILE=str(small / "metrics/trial-3"),
        CLOUD_ML_TRIAL_ID="3",
    )
    assert done.returncode == 0, done.stderr
    assert "small: 299 parameters" in done.stdout  # 9 * 8 + 8, 9 * 8 * 3 + 3
    reports = [json.loads(line) for line in (small / "metrics/trial-3").read_text().splitlines()]
    metric = reports[-1]
    assert metric | {"timestamp": 0, "val_loss": ""} == {
        "checkpoint_path": "",
        "global_step": "2",
        "timestamp": 0,
        "trial": "3",
        "val_loss": "",
    }
    history = json.loads((small / "out/model/training.json").read_text())["history"]
    assert [row["epoch"] for row in history] == [1, 2]
    assert [float(report["val_loss"]) for report in reports] == [row["val_loss"] for row in history]
    assert sorted(p.name for p in (small / "out/model").iterdir()) == ["model.keras", "savedmodel", "training.json"]
    assert f"val_loss {history[-1]['val_loss']:.6g}" in done.stdout


def test_a_training_that_diverges_reports_nan_and_saves_nothing(small, monkeypatch, capsys):
    monkeypatch.chdir(small)
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", "metrics")
    assert (
        main(["--epochs=2", "--learning_rate=1e38", "--architecture=space.py:small:0", "--data=data", "--model_dir=out"]) == 0
    )
    assert "training diverged: the loss became" in capsys.readouterr().err
    assert json.loads((small / "metrics").read_text())["val_loss"] == "nan"
    assert list((small / "out").iterdir()) == []


def test_to_a_bucket_and_from_a_bucket(small, bucket, monkeypatch, capsys):
    for file in (small / "data").iterdir():
        bucket.blob(f"pets/{file.stem}").upload_from_filename(str(file))
    point = {"space": f"{small}/space.py:small", "decisions": {"body.filters": 4}}
    bucket.blob("winner.json").upload_from_string(json.dumps(point))
    monkeypatch.setenv("AIP_TRAINING_DATA_URI", "gs://colours/pets")
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://colours/models/1")
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(small / "metrics"))
    assert main(["--epochs=1", "--architecture=gs://colours/winner.json", "--checkpoint_dir=gs://colours/checkpoints"]) == 0
    assert "note: gs://colours/checkpoints is not mounted here, so no checkpoints are kept" in capsys.readouterr().out
    names = {blob.name for blob in bucket.list_blobs(prefix="models/1/")}
    assert {"models/1/model.keras", "models/1/savedmodel/saved_model.pb", "models/1/training.json"} <= names


@pytest.mark.slow
def test_two_workers_train_one_network_and_the_first_saves(small):
    import socket

    with socket.socket() as a, socket.socket() as b:
        for s in (a, b):
            s.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in (a, b)]
    running = []
    for index in range(2):
        config = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        environment = os.environ | {
            "TF_CONFIG": config,
            "CLOUD_ML_HP_METRIC_FILE": f"metrics{index}",
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
        }
        flags = [*BOOK_FLAGS, "--distribute=multi", "--data=data", "--architecture=space.py:small:0", f"--model_dir=out{index}"]
        command = [sys.executable, "-m", "trainer.task", *flags]
        running.append(
            subprocess.Popen(command, cwd=small, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    outputs = [process.communicate(timeout=240)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    assert all("2 replicas" in text for text in outputs)
    assert (small / "metrics0").exists()
    assert not (small / "metrics1").exists()
    assert (small / "out0/model.keras").exists()
    assert list((small / "out1").iterdir()) == []


@pytest.mark.slow
def test_killed_and_started_again(small):
    flags = ("--epochs=6", "--architecture=space.py:small:0", "--data=data")
    whole = run_task(small, *flags, "--checkpoint_dir=whole", CLOUD_ML_HP_METRIC_FILE="metrics-whole")
    assert whole.returncode == 0, whole.stderr
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CLOUD_ML_HP_METRIC_FILE": "metrics-again"}
    command = [sys.executable, "-m", "trainer.task", *flags, "--checkpoint_dir=again"]
    process = subprocess.Popen(command, cwd=small, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (small / "again/checkpoint.npz").exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    again = run_task(small, *flags, "--checkpoint_dir=again", CLOUD_ML_HP_METRIC_FILE="metrics-again")
    assert again.returncode == 0, again.stderr
    values = [json.loads((small / f"metrics-{which}").read_text().splitlines()[-1])["val_loss"] for which in ("whole", "again")]
    assert values[0] == values[1]


def test_help_is_fast_and_needs_no_tensorflow(tmp_path):
    started = time.monotonic()
    done = run_task(tmp_path, "--help")
    assert done.returncode == 0
    assert "--steps_per_epoch STEPS_PER_EPOCH" in done.stdout
    assert time.monotonic() - started < 10  # about 0.7 s on a quiet machine
    heavy = "{'tensorflow', 'keras', 'google.cloud.storage', 'skimage', 'matplotlib'}"
    code = f"import sys, trainer.task; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# -- flags ---------------------------------------------------------------------------------------------------------------


def test_the_books_flags_both_ways():
    together = get_args(list(BOOK_FLAGS))
    apart = get_args([part for flag in BOOK_FLAGS for part in flag.split("=")])
    assert together == apart
    assert (together.epochs, together.steps_per_epoch, together.learning_rate, together.batch_size, together.loss) == (
        2,
        3,
        0.003,
        8,
        "mse",
    )


def test_defaults(monkeypatch):
    for name in ("ESPALIER_DATA", "AIP_TRAINING_DATA_URI", "AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR"):
        monkeypatch.delenv(name, raising=False)
    args = get_args([])
    assert (args.epochs, args.steps_per_epoch, args.batch_size, args.data, args.architecture) == (
        20,
        None,
        16,
        "photos",
        "book",
    )
    assert (args.model_dir, args.checkpoint_dir) == (None, None)
    monkeypatch.setenv("AIP_TRAINING_DATA_URI", "gs://a/b")
    assert get_args([]).data == "gs://a/b"
    monkeypatch.setenv("ESPALIER_DATA", "here")
    assert get_args([]).data == "here"


def test_whole_numbers_sent_as_doubles():
    assert get_args(["--batch_size=16.0"]).batch_size == 16


@pytest.mark.parametrize("text", ["16.5", "many"])
def test_no_whole_number(capsys, text):
    with pytest.raises(SystemExit) as caught:
        get_args([f"--epochs={text}"])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


# -- architectures -------------------------------------------------------------------------------------------------------


def test_the_book_is_the_default():
    book = find_architecture("book")
    assert book.cost().params == 1_106_755
    assert find_architecture("colorizer:book") == book
    assert find_architecture(f"search_spaces.colorizer:colorizer:{book.index}") == book


def test_a_point_in_a_file(small):
    file = small / "point.json"
    file.write_text(json.dumps({"space": f"{small}/space.py:small", "decisions": {"body.filters": 8}}))
    assert find_architecture(str(file)) == find_architecture(f"{small}/space.py:small:wide")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "point.json: is not an architecture (JSONDecodeError: "),
        ("[]", "point.json: is not an architecture (TypeError: "),
        (
            '{"space": "colorizer"}',
            "point.json: is not an architecture (KeyError: 'decisions'), expected {\"space\": reference",
        ),
        ('{"space": 1, "decisions": {}}', "point.json: space is a text, decisions an object"),
        ('{"space": "nowhere", "decisions": {}}', "nowhere"),
        ('{"space": "space.py:small", "decisions": {"body.filters": 5}}', "body.filters"),
    ],
)
def test_files_that_are_no_point(small, monkeypatch, content, text):
    monkeypatch.chdir(small)
    (small / "point.json").write_text(content)
    with pytest.raises(UserError) as caught:
        find_architecture("point.json")
    assert text in str(caught.value)


def test_points_a_space_does_not_have(small):
    with pytest.raises(UserError) as caught:
        find_architecture(f"{small}/space.py:small:narrow")
    assert str(caught.value) == (
        "--architecture: small has no point 'narrow', expected an index below 2, or a baseline: wide. "
        "For chosen decisions write a JSON file with space and decisions."
    )
    with pytest.raises(UserError):
        find_architecture(f"{small}/space.py:small:2")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--data=photo"], "error: data: no data set, folder or file 'photo'"),
        (["--architecture=none.json"], "error: none.json: cannot be read (No such file or directory)"),
        (["--epochs=0"], "error: epochs: 0, expected a whole number, at least 1."),
        (["--data=data", "--model_dir=space.py/out"], "error: --model_dir: cannot be written to"),
    ],
)
def test_mistakes_end_with_code_2_before_training(small, monkeypatch, capsys, flags, text):
    monkeypatch.chdir(small)
    assert main(["--architecture=space.py:small:0", *flags]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""


def test_data_that_do_not_fit_the_network(small, monkeypatch, capsys):
    monkeypatch.chdir(small)
    assert main(["--data=data"]) == 2
    assert "error: data: x has shape (16, 16, 1), the network takes (80, 80, 1)" in capsys.readouterr().err
