"""`nas tune` as a user meets it: scripts that work and scripts that do not, each with its state, message and exit code."""

import json

import numpy as np
import pytest
from nas_command import run

import controllers
import evaluators
import nas
from trainer.tuning import TuningResult

SPEC = """
parameters:
  x: {type: double, min: 0, max: 1}
  kind: {type: categorical, values: [a, b]}
  n: {type: integer, min: 1, max: 9, when: {kind: b}}
metric: val_loss
max_trial_count: 4
"""
HEAD = """
import argparse, hypertune, os, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, required=True)
parser.add_argument("--kind", required=True)
parser.add_argument("--n", type=int)
parser.add_argument("--data", default="")
args = parser.parse_args()
assert (args.n is not None) == (args.kind == "b")
def report(value, step=1):
    tuner.report_hyperparameter_tuning_metric("val_loss", value, global_step=step)
tuner = hypertune.HyperTune()
"""


@pytest.fixture
def tune(tmp_path, capsys, monkeypatch):
    """Exit code, standard output, standard error of `nas tune` on a script of this text."""
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "hpt.yaml").write_text(SPEC)

    def tune(body, *options):
        (tmp_path / "task.py").write_text(HEAD + body)
        arguments = ["tune", "--script", tmp_path / "task.py", "--spec", tmp_path / "hpt.yaml", "--out", tmp_path / "run"]
        return run(*arguments, *options, capsys=capsys)

    return tune


def test_a_script_that_works_ends_in_a_table_and_files(tune, tmp_path):
    code, out, err = tune("report(args.x)", "--flag", "data=gs://bucket/x")
    assert code == 0
    best = TuningResult.load(tmp_path / "run").best
    assert f"Best: trial {best.id}, val_loss {best.value:.6g}. To run it again:" in out
    assert f"task.py --data=gs://bucket/x --x={best.values['x']!r} --kind={best.values['kind']}" in out
    assert out.count("succeeded") == 4
    assert "trial 4 succeeded, val_loss" in err  # as it goes on
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"results.csv", "results.svg", "tensorboard", "trial-1"} <= written


def test_json_is_all_there_is_on_standard_output_and_a_larger_count_goes_on(tune):
    code, out, err = tune("report(args.x)", "--json", "--max-trials", "2")
    assert code == 0
    assert "trial 2 succeeded" in err
    first = json.loads(out)
    longer = json.loads(tune("report(args.x)", "--json", "--max-trials", "3")[1])
    assert longer["trials"][:2] == first["trials"]
    assert len(longer["trials"]) == 3


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("sys.stdout.buffer.write(os.urandom(9999)); report(args.x)", "succeeded"),
        ("report(args.x, 2); report(7.0, 1); report(args.x, 1)", "succeeded"),
        ("report(7.0); tuner = hypertune.HyperTune(); report(args.x)", "succeeded"),
        ("report(float('nan'))", "infeasible: val_loss is nan at step 1"),
        ("report('inf')", "infeasible: val_loss is inf at step 1"),
    ],
    ids=["garbage in the log", "unordered and twice", "hypertune twice", "nan", "inf"],
)
def test_what_is_reported_decides_the_state(tune, body, state):
    code, out, _ = tune(body, "--json")
    trials = json.loads(out)["trials"]
    assert [": ".join(filter(None, (trial["state"], trial["reason"]))) for trial in trials] == [state] * 4
    assert code == (0 if state == "succeeded" else 1)
    assert all(trial["value"] == (trial["values"]["x"] if state == "succeeded" else None) for trial in trials)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "3 trials failed, the last of them trial 3: it ended without a report of 'val_loss'"),
        ("tuner.report_hyperparameter_tuning_metric('loss', 1.0)", "trial 3: it never reported 'val_loss', only 'loss'"),
        ("report(1.0); sys.exit(1)", "trial 3: it exited with code 1"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "trial 3: it was killed by SIGSEGV"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "open(os.environ['CLOUD_ML_HP_METRIC_FILE'], 'wb').write(b'{\"val_loss\": \\n\\xff')",
            "it reported nothing readable: 2 lines of",
        ),
    ],
    ids=["never reports", "another metric", "exits 1", "crashes", "import error", "broken metric file"],
)
def test_a_broken_script_ends_the_tuning_with_one_message(tune, body, message):
    code, _, err = tune(body)
    assert code == 2
    last = err[err.index("error: ") :]
    assert message in last
    assert "Mend the script and run the same command again, or raise max_failed_trial_count" in last


def test_a_script_that_hangs_is_timed_out(tune):
    code, out, _ = tune("report(args.x); time.sleep(60)", "--timeout", "0.6", "--max-trials", "1")
    assert code == 1
    assert "timed_out: it ran for more than 0.6 s" in out
    assert "No trial has a result. Their logs:" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--flag", "x=3"], "--flag: x is tuned, expected another flag. Take it out of the spec, or leave --flag out."),
        (["--flag", "data"], "--flag: 'data' is no flag, expected NAME=VALUE, e.g. epochs=2."),
        (["--timeout", "-1"], "timeout_s: -1.0 does not fit, expected seconds, more than 0."),
        (["--spec", "absent.yaml"], "absent.yaml: it cannot be read, No such file or directory, expected a YAML file."),
    ],
)
def test_mistakes_are_named_before_anything_runs(tune, tmp_path, options, message):
    code, _, err = tune("report(1.0)", *options)
    assert (code, err.strip()) == (2, f"error: {message}")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_studys_winner_is_tuned_with_conditions_and_early_stopping(tmp_path, capsys):
    (tmp_path / "tiny.py").write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n@nas.space(input=(16, 16, 1))\n"
        "def tiny(gray):\n    return L.Conv2D(3, oneof([1, 3]), name='rgb')(gray)\n"
    )
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{k}": rng.random((8, 16, 16, c), np.float32) for part in ("train", "val") for k, c in (("x", 1), ("y", 3))
    }
    np.savez(tmp_path / "data.npz", **arrays)
    space = nas.load_space(f"{tmp_path}/tiny.py:tiny")
    study = nas.Study(
        space,
        controllers.Random(seed=0),
        [evaluators.Cost()],
        objectives=[nas.minimize("flops")],
        directory=str(tmp_path / "study"),
    )
    study.run(trials=2)
    (tmp_path / "hpt.yaml").write_text(
        "parameters:\n  learning_rate: {type: categorical, values: ['0.01', '0.02', '0.03', '1e-8']}\n"
        "  schedule: {type: categorical, values: [constant]}\n"
        "  batch_size: {type: discrete, values: [4], when: {schedule: constant}}\n"
        "algorithm: grid\nmax_trial_count: 4\nearly_stopping: median\n"
    )
    flags = ["--flag", f"data={tmp_path}/data.npz", "--flag", "epochs=40", "--flag", "steps_per_epoch=20", "--json"]
    code, out, _ = run("tune", tmp_path / "study", "--spec", tmp_path / "hpt.yaml", *flags, capsys=capsys)
    assert code == 0
    found = json.loads(out)
    assert [trial["state"] for trial in found["trials"]] == ["succeeded", "succeeded", "succeeded", "stopped"]
    assert all(trial["values"]["batch_size"] == 4 for trial in found["trials"])
    assert [len(trial["reports"]) == 40 for trial in found["trials"]] == [True, True, True, False]
