"""The command line as a user meets it: facts, JSON, one clear message and the right exit code."""

import json
import shlex
import subprocess
import sys
import time

import numpy as np
import pytest
from nas_command import run


@pytest.fixture
def tiny_space(tmp_path):
    """A space of 4 networks in a file, and data that fit it."""
    file = tmp_path / "tiny.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n"
        "@nas.space(input=(16, 16, 1), baselines={'first': {}})\n"
        "def tiny(gray):\n    x = L.Conv2D(oneof([2, 4]), oneof([1, 3]), activation='relu', name='conv')(gray)\n"
        "    return L.Conv2D(3, 1, name='rgb')(x)\n"
    )
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{k}": rng.random((8, 16, 16, c), np.float32)
        for part in ("train", "val", "test")
        for k, c in (("x", 1), ("y", 3))
    }
    np.savez(tmp_path / "data.npz", **arrays)
    return f"{file}:tiny", tmp_path / "data.npz"


def test_help_is_quick_and_teaches():
    begun = time.perf_counter()
    out = subprocess.run([sys.executable, "-m", "nas.cli", "--help"], capture_output=True, text=True, check=True).stdout
    assert time.perf_counter() - begun < 5  # under 1 s on a quiet machine; see docs/benchmarks.md
    for command in (
        "spaces",
        "check",
        "cost",
        "show",
        "search",
        "resume",
        "status",
        "top",
        "report",
        "export",
        "train",
        "tune",
    ):
        assert f" {command} " in out
    assert "First steps" in out


def test_check_says_what_a_space_is(tiny_space, capsys):
    code, out, _ = run("check", tiny_space[0], "--at-most", "params=30", "--at-most", "macs=5000", "--json", capsys=capsys)
    facts = json.loads(out)
    assert (code, facts["size"], facts["builds"], facts["output"]) == (0, 4, "proved", [16, 16, 3])
    assert facts["proof"].startswith("all 4 architectures build: proved over ")
    params = facts["costs"]["params"]
    assert (params["min"], params["max"], params["exact"]) == (2 * 1 + 2 + 3 * 2 + 3, 4 * 9 + 4 + 3 * 4 + 3, True)
    assert params["cheapest"] == {"conv.filters": 2, "conv.kernel_size": 1}
    assert facts["distinct"] == {"share": [1.0, 1.0], "count": 4, "drawn": 0, "dead": [], "same": []}
    assert [(limit["metric"], limit["size"], limit["share"]) for limit in facts["limits"]] == [
        ("params", 3, [0.75, 0.75]),  # 13, 23, 29 and 55
        ("macs", 2, [0.5, 0.5]),  # 256 * (2 + 6), 256 * (4 + 12), 256 * (18 + 6) and 256 * (36 + 12)
    ]
    assert facts["within"]["size"] == 2
    assert sum(facts["histogram"]["shares"]) == pytest.approx(1)
    code, out, _ = run("check", tiny_space[0], "--at-most", "params=30", capsys=capsys)
    for line in (
        "all 4 architectures build: proved over",
        "4 networks, 100% of all points, exactly",
        "3 architectures, 75%",
        "█",
    ):
        assert line in out


def test_check_takes_plain_values_and_warns(tmp_path, capsys):
    file = tmp_path / "plain.py"
    file.write_text(
        "import pyglove as pg\n\ndef layers():\n"
        "    layer = lambda: pg.Dict(op=pg.one_of(['conv', 'pool', 'conv']), unused=pg.one_of([1, 1]))\n"
        "    return pg.List([layer() for _ in range(50)])\n"
    )
    code, out, _ = run("check", f"{file}:layers", "--json", capsys=capsys)
    facts = json.loads(out)
    assert (code, facts["size"], facts["builds"], facts["costs"]) == (0, 6**50, "unknown", {})
    assert facts["distinct"]["count"] == 2**50
    assert "[0].unused never makes a difference (in all points)" in facts["warnings"]
    assert "[0].op: 'conv' and 'conv#2' are the same (in all points)" in facts["warnings"]
    code, out, _ = run("check", f"{file}:layers", capsys=capsys)
    assert code == 0
    assert "warning" in out


def test_check_of_what_does_not_build_names_path_rule_and_witness(tmp_path, capsys):
    file = tmp_path / "broken.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n@nas.space(input=(8, 8, 1))\ndef broken(x):\n"
        "    y = L.Conv2D(oneof([4, 8]), oneof([3, 5]), name='enc')(x)\n"
        "    z = L.Conv2D(oneof([4, 8]), 3, name='dec')(L.ReLU()(y))\n"
        "    return L.Merge(oneof(['add', 'concat']), name='skip')(z, y)\n"
    )
    code, _, err = run("check", f"{file}:broken", capsys=capsys)
    assert code == 2
    said = " ".join(err.split())
    assert "skip: " in said
    assert 'It happens with {"enc.filters": 4, "dec.filters": 8, "skip.mode": "add"}' in said


def test_cost_of_the_baseline_by_operation(capsys):
    code, out, _ = run("cost", "colorizer", "--baseline", "book", "--items", "--json", capsys=capsys)
    (row,) = json.loads(out)
    assert (code, row["params"]) == (0, 1_106_755)
    assert sum(item["flops"] for item in row["operations"]) == row["flops"]


def test_show_draws_and_writes_source(tmp_path, capsys):
    for name, start in (("a.svg", b"<svg"), ("a.png", b"\x89PNG")):
        code, _, _ = run("show", "colorizer", "--baseline", "book", "--out", tmp_path / name, capsys=capsys)
        assert code == 0
        assert start in (tmp_path / name).read_bytes()[:200]
    code, out, _ = run("show", "colorizer", "--baseline", "book", "--source", capsys=capsys)
    assert "def build_model() -> keras.Model:" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere"], "error: nowhere: no prebuilt space 'nowhere', expected one of colorizer"),
        (["check", "colorizer", "--at-most", "flops"], "error: --at-most: 'flops' is not a limit, expected METRIC=VALUE"),
        (
            ["check", "colorizer", "--at-most", "flops=chair"],
            "error: --at-most flops: 'chair' is neither a number nor a baseline",
        ),
        (["check", "colorizer", "--at-most", "latency_ms=5"], "error: --at-most: latency_ms is not arithmetic"),
        (["cost", "colorizer", "--index", "-1"], "error: colorizer: no architecture -1"),
        (["show", "colorizer", "--out", "a.gif"], "error: --out: .gif is not a picture format, expected .svg or .png."),
        (["search", "colorizer", "--trials", "0"], "error: --trials: 0 does not do, expected a whole number from 1."),
        (["search", "colorizer", "--workers", "0"], "error: --workers: 0 does not do, expected a whole number from 1."),
        (
            ["search", "colorizer", "--data", "nowhere"],
            "error: data: no data set, folder or file 'nowhere', expected one of photos",
        ),
        (["search", "colorizer", "--controller", "magic"], "error: controller: no controller 'magic'"),
        (["search", "colorizer", "--at-most", "speed=3"], "error: --at-most: nothing measures 'speed', expected one of"),
        (["search", "colorizer", "--reward", "mnasnet"], "error: reward: no form 'mnasnet', expected one of mnasnet-soft"),
        (["search", "colorizer", "--reward", "vertex:flops"], "error: --reward: 'flops' is no target, expected FORM:METRIC="),
        (["search", "colorizer", "--reward", "tunas:speed=3"], "error: --reward: nothing measures 'speed', expected one of"),
        (
            ["search", "colorizer", "--at-most", "flops=1000"],
            "error: --at-most: no architecture found with flops <= 1000, expected at least",
        ),
        (
            ["status", "nowhere"],
            "nowhere: no study here, expected a directory with a study.db. Start one with `nas search`.",
        ),
        (["resume", "nowhere"], "nowhere: no study here"),
        (["tune"], "error: nas tune: name a study or a script, expected either DIR or --script FILE."),
        (["tune", "--script", "absent.py"], "error: absent.py: no such file, expected a Python script, or a module's name."),
    ],
)
def test_mistakes_end_with_one_message_and_leave_nothing(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "search":
        arguments = [*arguments, "--out", "study"]
    code, _, err = run(*arguments, capsys=capsys)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_data_that_do_not_fit(tiny_space, tmp_path, capsys):
    np.savez(
        tmp_path / "odd.npz",
        **{f"{part}_{k}": np.zeros((4, 8, 8, c), np.float32) for part in ("train", "val") for k, c in (("x", 1), ("y", 3))},
    )
    code, _, err = run("search", tiny_space[0], "--data", tmp_path / "odd.npz", "--out", tmp_path / "study", capsys=capsys)
    assert code == 2
    assert "(8, 8, 1)" in err
    assert "(16, 16, 1)" in err
    assert not (tmp_path / "study").exists()


def test_an_unknown_option_is_a_usage_error(capsys):
    code, _, err = run("check", "colorizer", "--colour", "red", capsys=capsys)
    assert code == 2
    assert "--colour" in err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_main_job_on_tiny_data(tiny_space, tmp_path, capsys):
    """Search, interruption by too few trials, resume, tune, train, export, report: every stage with real parts."""
    space, data = tiny_space
    out = tmp_path / "study"
    settings = ["--at-most", "params=100", "--epochs", "1", "--workers", "1", "--out", out]
    code, text, _ = run("search", space, "--data", data, "--trials", "2", *settings, capsys=capsys)
    assert code == 0
    assert text.rstrip().endswith("report.html")
    full = ["--full", "--tune-trials", "1", "--tune-epochs", "1", "--train-epochs", "2"]
    code, text, _ = run("search", space, "--data", data, "--trials", "3", *settings, *full, capsys=capsys)
    assert code == 0
    for row in ("winner", "tuned winner", "first network", "gray->RGB table"):
        assert row in text
    code, text, _ = run("status", out, "--json", capsys=capsys)
    facts = json.loads(text)
    assert facts["trials"] == {"completed": 3}
    assert set(facts["stages"]) == {"winner", "tuning", "training"}
    assert {p.name for p in (out / "export").iterdir()} >= {"model.keras", "model.tflite", "savedmodel", "source"}
    page = (out / "report.html").read_text()
    for section in ("results", "images", "search", "networks", "tuning", "exports", "trials", "reproduce"):
        assert f'id="{section}"' in page
    code, text, _ = run("top", out, "--json", capsys=capsys)
    assert len(json.loads(text)) == 3
    code, _, err = run("search", space, "--data", data, "--seed", "7", *settings, capsys=capsys)
    assert code == 2
    assert "it holds another job: seed was 0, is now 7" in err


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--trials 8 --workers 1 --seed 3 --epochs 2 --at-most latency_ms=book --at-most params=1e6",
        "--controller asha --over nsga2 --epochs 9 --runtime onnxruntime --resolution 0.5 --task image",
        "--full --tune-trials 6 --tune-epochs 3 --train-epochs 20 --start-from baselines --cache 'my files/shared.db'",
        "--reward mnasnet-soft:latency_ms=5 --device http://127.0.0.1:8000 --warm-start runs/before",
    ],
)
def test_the_commands_of_a_report_do_the_same_again(options, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    began = []
    monkeypatch.setattr("nas.cli.search._run", lambda settings, out: began.append((settings, out)))
    run("search", "colorizer", "--data", "photos", *shlex.split(options), "--out", "runs/one", capsys=capsys)
    settings, out = began[0]
    command = settings.commands(tmp_path / out).splitlines()[0]
    run(*shlex.split(command)[1:], capsys=capsys)
    assert began[1] == began[0]
