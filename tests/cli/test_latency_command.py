"""`nas latency` on a space in a file: one clear message for mistakes; and, slowly, this machine measured for real."""

import json

import pytest

from nas.cli import main

SPACE = """
import nas
from nas import layers as L, oneof

@nas.space(input=(64, 64, 1), baselines={'first': {}})
def tiny(gray):
    x = L.Conv2D(oneof([8, 16, 24]), oneof([1, 3, 5]), activation='relu', name='conv')(gray)
    return L.Conv2D(3, 1, name='rgb')(x)
"""


def run(*arguments, capsys):
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


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
