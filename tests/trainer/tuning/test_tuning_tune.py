import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from nas.errors import StudyError, UserError
from trainer.tuning import Discrete, Double, TuningResult, tune
from trainer.tuning.ledger import Ledger, TuningTrial

SCRIPT = """
import argparse, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, required=True)
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--ran")
parser.add_argument("--fails_at", type=int)
parser.add_argument("--seconds", type=float, default=0)
args = parser.parse_args()
if args.ran:
    with open(args.ran, "a") as file:
        print(os.environ["CLOUD_ML_TRIAL_ID"], *sys.argv[-2:], file=file)
time.sleep(args.seconds)
if args.size == args.fails_at:
    sys.exit("out of memory, as foretold")
import hypertune
hypertune.HyperTune().report_hyperparameter_tuning_metric("val_loss", (args.x - 0.3) ** 2 + args.size, global_step=1)
"""
SPACE = {"x": Double(0.0, 1.0), "size": Discrete((1, 2, 4))}


@pytest.fixture
def command(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return [sys.executable, str(script)]


def strip(trials):
    """What must be equal between two runs."""
    return [(trial.id, dict(trial.values), trial.state, trial.value) for trial in trials]


def ran(path):
    return [line.split() for line in path.read_text().splitlines()]


def test_trials_run_and_the_best_is_found(command, tmp_path):
    events = []
    result = tune(command, SPACE, max_trial_count=6, directory=tmp_path / "run", on_event=events.append)
    assert [trial.id for trial in result.trials] == [1, 2, 3, 4, 5, 6]
    for trial in result.trials:
        assert trial.state == "succeeded"
        assert trial.value == pytest.approx((trial.values["x"] - 0.3) ** 2 + trial.values["size"])
    assert result.best.value == min(trial.value for trial in result.trials)
    assert [(event.id, event.state) for event in events[:4]] == [
        (1, "running"), (1, "succeeded"), (2, "running"), (2, "succeeded"),
    ]  # fmt: skip
    assert (tmp_path / "run" / "trial-6" / "output.log").exists()


def test_goal_maximize_looks_the_other_way(command, tmp_path):
    result = tune(command, SPACE, goal="maximize", algorithm="grid", max_trial_count=99, directory=tmp_path)
    assert len(result.trials) == 15  # the grid is exhausted
    assert result.best.values == {"x": 1.0, "size": 4}


def test_parallel_trials_run_at_the_same_time(command, tmp_path):
    now, most = set(), []

    def watch(trial):
        (now.add if trial.state == "running" else now.discard)(trial.id)
        most.append(len(now))

    tune([*command, "--seconds=0.3"], SPACE, max_trial_count=6, parallel_trial_count=3, directory=tmp_path, on_event=watch)
    assert max(most) == 3


def test_a_finished_tuning_is_only_read(command, tmp_path):
    arguments = {"max_trial_count": 3, "directory": tmp_path / "run"}
    first = tune([*command, f"--ran={tmp_path / 'ran'}"], SPACE, **arguments)
    again = tune([*command, f"--ran={tmp_path / 'ran'}"], SPACE, **arguments)
    assert again == first == TuningResult.load(tmp_path / "run")
    assert len(ran(tmp_path / "ran")) == 3


def test_raising_the_count_goes_on_as_if_it_had_been_so(command, tmp_path):
    tune(command, SPACE, max_trial_count=4, directory=tmp_path / "a")
    longer = tune(command, SPACE, max_trial_count=13, directory=tmp_path / "a")
    whole = tune(command, SPACE, max_trial_count=13, directory=tmp_path / "b")
    assert strip(longer.trials) == strip(whole.trials)


def test_other_settings_are_refused(command, tmp_path):
    tune(command, SPACE, max_trial_count=1, algorithm="random", directory=tmp_path)
    with pytest.raises(StudyError) as caught:
        tune(command, SPACE, max_trial_count=2, directory=tmp_path)
    assert str(caught.value) == (
        f'{tmp_path}/tuning.json: an earlier tuning here has algorithm "random", this one "bayesian", expected the same '
        "settings. Continue with the earlier settings, or choose another directory."
    )
    with pytest.raises(StudyError, match=r"an earlier tuning here has parameters \{"):
        tune(command, dict(reversed(SPACE.items())), max_trial_count=2, algorithm="random", directory=tmp_path)


def test_failed_trials_are_kept_with_their_reason(command, tmp_path):
    result = tune([*command, "--fails_at=4"], SPACE, algorithm="grid", max_trial_count=6, directory=tmp_path)
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert [trial.values["size"] for trial in failed] == [4, 4]
    assert failed[0].log_tail == "out of memory, as foretold"
    assert result.best.state == "succeeded"


def test_a_broken_script_ends_the_tuning_and_can_be_mended(command, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys\nsys.exit('no such data set')")
    with pytest.raises(StudyError) as caught:
        tune(command, SPACE, max_trial_count=9, directory=tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: 3 trials failed, the last of them trial 3: it exited with code 1. Mend the script and run the "
        "same command again, or raise max_failed_trial_count. The end of its log:\nno such data set."
    )
    script.write_text(SCRIPT)
    states = [trial.state for trial in tune(command, SPACE, max_trial_count=9, directory=tmp_path / "run").trials]
    assert states == ["failed"] * 3 + ["succeeded"] * 6


def test_a_wrong_metric_ends_the_tuning(command, tmp_path):
    with pytest.raises(StudyError, match="2 trials failed, .* trial 2: it never reported 'val_acc', only 'val_loss'"):
        tune(command, SPACE, metric="val_acc", max_failed_trial_count=2, directory=tmp_path)


def test_hanging_trials_are_timed_out(command, tmp_path):
    counts = {"max_trial_count": 2, "parallel_trial_count": 2}
    result = tune([*command, "--seconds=600"], SPACE, **counts, timeout_s=0.5, directory=tmp_path)
    assert [trial.state for trial in result.trials] == ["timed_out", "timed_out"]
    assert result.best is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_trial_count": 0}, "max_trial_count: 0 does not fit, expected a whole number of at least 1."),
        ({"goal": "least"}, "goal: 'least' is not known, expected minimize or maximize."),
        ({"algorithm": "cma"}, "algorithm: 'cma' is not known, expected bayesian or random or grid."),
        ({"timeout_s": 0}, "timeout_s: 0 does not fit, expected seconds, more than 0."),
        ({"seed": -1}, "seed: -1 does not fit, expected a whole number of at least 0."),
        ({"parameters": {}}, "parameters: nothing to tune, expected at least one parameter by name."),
        (
            {"parameters": {"x": 3}},
            "parameters.x: 3 is no parameter, expected Double, Integer, Discrete or Categorical.",
        ),
        (
            {"command": "python task.py"},
            "command: 'python task.py' does not fit, expected a list of strings. "
            "Split it, as in [sys.executable, 'task.py'] or shlex.split(command).",
        ),
        ({"command": ["pyhton"]}, "command: 'pyhton' is no program, expected a program on the PATH."),
    ],
)
def test_mistakes_are_named_before_anything_is_written(command, tmp_path, change, message):
    arguments = {"command": command, "parameters": SPACE, "directory": tmp_path / "run"} | change
    with pytest.raises(UserError) as caught:
        tune(**arguments)
    assert str(caught.value) == message
    assert not (tmp_path / "run").exists()


def test_one_process_at_a_time(tmp_path):
    with (
        Ledger(tmp_path, {}, {}),
        pytest.raises(StudyError, match="another process is tuning here. Wait for it, stop it, or choose another directory"),
    ):
        Ledger(tmp_path, {}, {})
    Ledger(tmp_path, {}, {}).close()  # the lock is given back


def test_a_line_cut_short_is_dropped_and_a_damaged_one_named(tmp_path):
    trials = [TuningTrial(1, {"x": 0.5}, "succeeded", 0.25), TuningTrial(2, {"x": 0.1})]
    with Ledger(tmp_path, {}, {}) as ledger:
        for trial in trials:
            ledger.record(trial)
    whole = (tmp_path / "trials.jsonl").read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole), 17):
        (tmp_path / "trials.jsonl").write_bytes(whole[:cut])
        with Ledger(tmp_path, {}, {}) as ledger:
            assert list(ledger.trials) == [1]
            ledger.record(trials[1])
        assert (tmp_path / "trials.jsonl").read_bytes() == whole
    (tmp_path / "trials.jsonl").write_bytes(b"{}\n" + whole)
    with pytest.raises(StudyError, match=r"trials.jsonl: line 1 is no trial. Remove the line; its trial is run again."):
        Ledger(tmp_path, {}, {})


def test_a_directory_that_cannot_be_written_is_named(command, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"file/run: it cannot be written, Not a directory. Choose another directory."):
        tune(command, SPACE, directory=tmp_path / "file" / "run")


TUNER = """
import sys
from trainer.tuning import Discrete, Double, tune
tune(sys.argv[2:], {"x": Double(0.0, 1.0), "size": Discrete((1, 2, 4))}, max_trial_count=8, directory=sys.argv[1])
"""


def start_tuner(command, directory):
    return subprocess.Popen([sys.executable, "-c", TUNER, str(directory), *command], stderr=subprocess.DEVNULL)


def finished_on_disk(directory):
    path = directory / "trials.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines if json.loads(line)["state"] != "running"]


def test_kill_9_loses_nothing_and_repeats_nothing(command, tmp_path):
    command = [*command, f"--ran={tmp_path / 'ran'}", "--seconds=0.05"]
    directory, rng, kept = tmp_path / "run", random.Random(0), []
    for kill in range(3):
        process = start_tuner(command, directory)
        goal = len(kept) + (kill > 0)  # the first is killed early, the others when they got on
        while len(finished_on_disk(directory)) < goal or not directory.exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = finished_on_disk(directory)
        assert now[: len(kept)] == kept
        kept = now
    assert start_tuner(command, directory).wait() == 0
    assert finished_on_disk(directory)[: len(kept)] == kept
    runs = [int(trial_id) for trial_id, *_ in ran(tmp_path / "ran")]
    assert sorted(set(runs)) == list(range(1, 9))
    assert len(runs) <= 8 + 3  # at most the one that ran at each kill was run again
    flags = {tuple(line) for line in ran(tmp_path / "ran")}
    assert len(flags) == 8  # and with the same values
    whole = tune(command, SPACE, max_trial_count=8, directory=tmp_path / "whole")
    assert strip(TuningResult.load(directory).trials) == strip(whole.trials)


def test_ctrl_c_ends_trials_and_keeps_finished_ones(command, tmp_path):
    directory = tmp_path / "run"
    command = [*command, f"--ran={tmp_path / 'ran'}"]

    def interrupt():
        while not (directory / "trial-3" / "model" / "been").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    slow = textwrap.dedent("""
        import os, time
        if os.environ["CLOUD_ML_TRIAL_ID"] == "3" and not os.path.exists(os.environ["AIP_MODEL_DIR"] + "been"):
            open(os.environ["AIP_MODEL_DIR"] + "been", "w").close()
            time.sleep(600)
    """)
    (tmp_path / "script.py").write_text(slow + SCRIPT)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        tune(command, SPACE, max_trial_count=4, directory=directory)
    assert [(trial.id, trial.state) for trial in TuningResult.load(directory).trials] == [
        (1, "succeeded"), (2, "succeeded"), (3, "running"),
    ]  # fmt: skip
    result = tune(command, SPACE, max_trial_count=4, directory=directory)
    assert [trial.state for trial in result.trials] == ["succeeded"] * 4
    assert [trial_id for trial_id, *_ in ran(tmp_path / "ran")] == ["1", "2", "3", "4"]
