"""`nas latency` on a space in a file: one clear message for mistakes; and, slowly, this machine measured for real."""

import json

import pytest
from nas_command import run

SPACE = """
import nas
from nas import layers as L, oneof

@nas.space(input=(64, 64, 1), baselines={'first': {}})
def tiny(gray):
    x = L.Conv2D(oneof([8, 16, 24]), oneof([1, 3, 5]), activation='relu', name='conv')(gray)
    return L.Conv2D(3, 1, name='rgb')(x)
"""


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "tiny.py"
    file.write_text(SPACE)
    return f"{file}:tiny"


def test_prediction_without_a_model(space, tmp_path, capsys):
    code, _, err = run("latency", "predict", tmp_path / "none.json", space, capsys=capsys)
    assert code == 2
    assert "no such file" in err
    assert "nas latency calibrate" in err


def test_unknown_baseline(space, tmp_path, capsys):
    code, _, err = run("latency", "measure", space, "--baseline", "second", capsys=capsys)
    assert code == 2
    assert "no such baseline, expected one of: first" in err


@pytest.fixture
def model_file(tmp_path):
    from nas import load_space
    from trainer.litert import convert

    (tmp_path / "tiny.py").write_text(SPACE)
    file = tmp_path / "model.tflite"
    file.write_bytes(convert(load_space(f"{tmp_path / 'tiny.py'}:tiny").architecture(0).build(seed=0)))
    return file


def test_a_model_file_is_measured_by_the_runtime_it_is_for(model_file, capsys):
    code, text, _ = run("latency", "measure", model_file, "--keep-noisy", "--json", capsys=capsys)
    (row,) = json.loads(text)
    assert code == 0
    assert row["file"] == str(model_file)
    assert row["latency_ms"]["runtime"].startswith("LiteRT ")
    assert row["latency_ms"]["low"] <= row["latency_ms"]["value"] <= row["latency_ms"]["high"]


def test_noise_is_refused_with_the_reason(model_file, capsys, monkeypatch):
    from evaluators import latency_bench
    from evaluators.latency_statistics import Run

    figures = iter(range(10, 40))
    monkeypatch.setattr(latency_bench, "_run", lambda answer, threads: Run([t := float(next(figures))], [t], 0))
    code, out, err = run("latency", "measure", model_file, capsys=capsys)
    assert (code, out) == (1, "")
    assert "error: too noisy: the fastest calls of 10 fresh processes, 10, 11, 12" in err
    assert "--keep-noisy keeps it" in err


def test_a_runtime_that_does_not_exist(space, capsys):
    code, _, err = run("latency", "measure", space, "--runtime", "tflite", capsys=capsys)
    assert code == 2
    assert "no runtime 'tflite', expected one of litert, litert-int8, onnxruntime" in err


@pytest.mark.slow
def test_this_machine_is_calibrated_continued_and_predicted(space, tmp_path, capsys):
    out = tmp_path / "device.json"
    code, text, _ = run("latency", "calibrate", space, "--out", out, "--networks", 5, "--json", capsys=capsys)
    facts = json.loads(text)
    assert code == 0
    assert facts["left_out"]["n"] == 5
    assert facts["runtime"].startswith("LiteRT")
    first = (tmp_path / "device.jsonl").read_text().splitlines()
    assert len(first) == 6
    assert run("latency", "calibrate", space, "--out", out, "--networks", 6, "--check", 2, capsys=capsys)[0] == 0
    lines = (tmp_path / "device.jsonl").read_text().splitlines()
    assert lines[:6] == first
    assert len(lines) == 9
    code, text, _ = run("latency", "predict", out, space, "--baseline", "first", "--json", capsys=capsys)
    found = json.loads(text)["predictions"][0]
    assert code == 0
    assert 0 <= found["low_ms"] <= found["latency_ms"] <= found["high_ms"]
