import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from nas.errors import UserError
from trainer.tuning import protocol
from trainer.tuning.protocol import TrialProcess, read_tail, run_trial
from trainer.tuning.reports import Report, best_report, read_metric_file

REPORTS = """
import argparse, hypertune, sys
parser = argparse.ArgumentParser()
parser.add_argument("--values", required=True)
parser.add_argument("--tag", default="val_loss")
parser.add_argument("--batch_size", type=int)
args = parser.parse_args()
tune = hypertune.HyperTune()
for step, value in enumerate(filter(None, args.values.split(",")), 1):
    tune.report_hyperparameter_tuning_metric(args.tag, float(value), global_step=step)
print("reported", args.values)
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script of this text as trial 7, with flags."""

    def run(text, *flags, **options):
        script = tmp_path / "script.py"
        script.write_text(textwrap.dedent(text))
        return run_trial([sys.executable, str(script)], flags, tmp_path / "trial-7", 7, "val_loss", **options)

    return run


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def wait_until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_trial_sees_vertex_flags_and_environment(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "99")  # a tuner that is itself a trial
    monkeypatch.setenv("FROM_OUTSIDE", "kept")
    text = """
        import json, os, sys
        seen = {name: os.environ[name] for name in os.environ if name.startswith(("CLOUD_ML_", "AIP_", "FROM_", "EXTRA"))}
        with open(os.environ["AIP_MODEL_DIR"] + "seen.json", "w") as file:
            json.dump([seen, sys.argv[1:], sys.stdin.read(), os.getpid() == os.getsid(0)], file)
    """
    outcome = run(text, "--learning_rate=0.0001", "--loss=mse", environment={"EXTRA": "1"})
    here = tmp_path / "trial-7"
    seen, flags, stdin, own_session = json.loads((here / "model" / "seen.json").read_text())
    assert seen == {
        "CLOUD_ML_TRIAL_ID": "7",
        "CLOUD_ML_HP_METRIC_TAG": "val_loss",
        "CLOUD_ML_HP_METRIC_FILE": f"{here}/metrics.jsonl",
        "AIP_MODEL_DIR": f"{here}/model/",
        "AIP_CHECKPOINT_DIR": f"{here}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{here}/logs/",
        "FROM_OUTSIDE": "kept",
        "EXTRA": "1",
    }
    assert flags == ["--learning_rate=0.0001", "--loss=mse"]
    assert (stdin, own_session) == ("", True)
    assert (here / "checkpoints").is_dir() and (here / "logs").is_dir()  # noqa: PT018
    assert outcome.state == "infeasible"
    assert outcome.reason == (
        "it ended without a report of 'val_loss' (hypertune.HyperTune().report_hyperparameter_tuning_metric)"
    )


def test_another_environment_can_be_spoken(run, tmp_path):
    model = tmp_path / "nas" / "search" / "7"
    text = """
        import os
        open(os.path.join(os.environ["AIP_MODEL_DIR"], "job_status.json"), "w").close()
    """
    run(text, environment={"AIP_MODEL_DIR": str(model), "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "there" / "m.jsonl")})
    assert (model / "job_status.json").exists()
    assert (tmp_path / "there").is_dir()


def test_a_report_is_the_result(run):
    outcome = run(REPORTS, "--values=0.357", "--batch_size=16")
    assert (outcome.state, outcome.value, outcome.exit_code, outcome.reason) == ("succeeded", 0.357, 0, "")
    assert outcome.measurement == outcome.reports[0]
    assert outcome.measurement.step == 1
    assert outcome.measurement.timestamp == pytest.approx(time.time(), abs=60)
    assert 0 < outcome.seconds < 60


def test_the_last_or_the_best_of_several_reports_counts(run):
    values = "--values=0.5,0.2,nan,0.3"
    outcome = run(REPORTS, values)
    assert [report.step for report in outcome.reports] == [1, 2, 3, 4]
    assert outcome.value == 0.3
    assert run(REPORTS, values, select=best_report("minimize")).value == 0.2
    assert run(REPORTS, values, select=best_report("maximize")).value == 0.5


def test_an_earlier_trials_reports_do_not_count(run, tmp_path):
    assert run(REPORTS, "--values=0.5").state == "succeeded"
    (tmp_path / "trial-7" / "checkpoints" / "epoch-3").touch()
    assert run(REPORTS, "--values=").state == "infeasible"
    assert (tmp_path / "trial-7" / "checkpoints" / "epoch-3").exists()  # an interrupted run may continue from it


@pytest.mark.parametrize(("values", "reason"), [("0.5,nan", "val_loss is nan at step 2"), ("inf", "val_loss is inf at step 1")])
def test_nan_is_infeasible(run, values, reason):
    outcome = run(REPORTS, f"--values={values}")
    assert (outcome.state, outcome.reason) == ("infeasible", reason)
    assert math.isnan(outcome.value)


def test_only_nan_has_no_best(run):
    assert run(REPORTS, "--values=nan,nan", select=best_report("minimize")).state == "infeasible"


def test_another_metric_is_named(run):
    outcome = run(REPORTS, "--values=0.5", "--tag=accuracy")
    assert (outcome.state, outcome.reason) == ("infeasible", "it never reported 'val_loss', only 'accuracy'")


def test_no_report_is_expected_without_a_metric(tmp_path):
    outcome = run_trial([sys.executable, "-c", "pass"], [], tmp_path, 1, "")
    assert (outcome.state, outcome.measurement) == ("succeeded", None)


def test_garbage_in_the_metric_file_is_counted(run, tmp_path):
    text = """
        import os
        with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "wb") as file:
            file.write(b"hello\\n\\xff\\xfe\\n[1]\\n7\\n{}\\n{\\"val_loss\\": \\"high\\"}\\n" + b"[" * 100000 + b"\\n")
    """
    outcome = run(text)
    assert outcome.state == "infeasible"
    lines = f"6 lines of {tmp_path}/trial-7/metrics.jsonl are no reports"
    assert outcome.reason == f"it reported nothing readable: {lines}"


def test_good_lines_count_between_bad_ones(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"val_loss": "0.5", "global_step": "2", "timestamp": 3.5, "trial": "1"}\nwhat?\n{"val_loss": 0.25}\n{"val')
    found = read_metric_file(path, "val_loss")
    assert found.reports == (Report(0.5, 2, 3.5), Report(0.25, 0, 0.0))
    assert found.unreadable == 2
    assert read_metric_file(tmp_path, "val_loss").reports == ()  # a directory where the file should be


def test_a_crash_has_its_code_and_last_words(run):
    outcome = run(REPORTS + "raise SystemExit('no \\x1b[31mmemory\\x1b[0m')", "--values=0.5")
    assert (outcome.state, outcome.exit_code, outcome.reason) == ("failed", 1, "it exited with code 1")
    assert outcome.log_tail == "reported 0.5\nno memory"
    assert math.isnan(outcome.value)
    assert outcome.reports[0].value == 0.5


def test_a_flag_that_the_script_does_not_take_is_in_the_log(run):
    outcome = run(REPORTS, "--values=1", "--batch_size=16.5")
    assert outcome.state == "failed"
    assert outcome.log_tail.endswith("argument --batch_size: invalid int value: '16.5'")


def test_a_signal_is_named(run):
    outcome = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (outcome.state, outcome.exit_code) == ("failed", -9)
    assert outcome.reason == "it was killed by SIGKILL (often: out of memory)"


def test_the_log_keeps_the_end_of_a_long_output(run, tmp_path):
    text = """
        import sys
        sys.stdout.write("".join(f"epoch {i}\\n" for i in range(100_000)))
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\\xff\\x00 1/9\\r 9/9\\x07\\n")
        sys.exit(3)
    """
    outcome = run(text)
    assert outcome.log_tail.splitlines() == [f"epoch {i}" for i in range(99_986, 100_000)] + [" 9/9"]
    assert read_tail(tmp_path / "absent") == ""


def test_a_hanging_trial_is_timed_out_with_its_children(run, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "GRACE_S", 0.3)
    text = f"""
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open({str(tmp_path / "pids")!r}, "w") as file:
            print(os.getpid(), child.pid, file=file)
        print("hanging", flush=True)
        time.sleep(600)
    """
    outcome = run(text, timeout_s=2)
    assert (outcome.state, outcome.reason, outcome.log_tail) == ("timed_out", "it ran for more than 2 s", "hanging")
    assert 2.3 < outcome.seconds < 20  # the time and the grace
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: not any(map(is_alive, pids)))


def test_a_trial_may_save_when_it_is_told_to_stop(tmp_path):
    text = """
import os, signal, sys, time
def save(*_):
    open(os.environ["AIP_CHECKPOINT_DIR"] + "saved", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready")
time.sleep(600)
"""
    process = TrialProcess([sys.executable, "-c", text], [], tmp_path, 1, "val_loss")
    process.start()
    wait_until(lambda: read_tail(process.log) == "ready")  # unbuffered though it is no terminal
    process.stop("timed_out")
    assert process.wait().state == "timed_out"
    assert (tmp_path / "checkpoints" / "saved").exists()


def test_children_left_behind_are_ended(run, tmp_path):
    text = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open({str(tmp_path / "pid")!r}, "w") as file:
            print(child.pid, file=file)
    """
    run(text)
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_running_trial_can_be_watched_and_stopped(tmp_path):
    text = "import hypertune, time; hypertune.HyperTune().report_hyperparameter_tuning_metric('val_loss', 0.5); time.sleep(600)"
    process = TrialProcess([sys.executable, "-c", text], [], tmp_path, 1, "val_loss")
    process.start()
    stopper = threading.Thread(target=lambda: (wait_until(process.reports), process.stop("interrupted", "enough")))
    stopper.start()
    outcome = process.wait()
    stopper.join()
    assert (outcome.state, outcome.reason, outcome.exit_code) == ("interrupted", "enough", -signal.SIGTERM)
    assert outcome.reports[0].value == 0.5


def test_a_trial_stopped_before_its_start_never_starts(tmp_path):
    process = TrialProcess([sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"], [], tmp_path, 1, "val_loss")
    process.stop("interrupted")
    process.start()
    assert process.wait().state == "interrupted"
    assert not (tmp_path / "ran").exists()


def test_a_program_that_cannot_start_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError) as caught:
        run_trial(["no-such-program"], [], tmp_path, 1, "val_loss")
    assert str(caught.value) == (
        "command: 'no-such-program' cannot be started, No such file or directory, expected a program and its arguments."
    )
    with pytest.raises(UserError, match="cannot be started, embedded null byte"):
        run_trial([sys.executable], ["--loss=m\0se"], tmp_path, 1, "val_loss")


def test_trials_die_with_a_killed_tuner(tmp_path):
    trial = "import os, subprocess; child = subprocess.Popen(['sleep', '600']); print(os.getpid(), flush=True); child.wait()"
    tuner = f"""
from trainer.tuning.protocol import run_trial
run_trial([{sys.executable!r}, "-c", {trial!r}], [], {str(tmp_path)!r}, 1, "val_loss")
"""
    process = subprocess.Popen([sys.executable, "-c", tuner])
    log = tmp_path / "output.log"
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 30)
    group = int(log.read_text())
    os.killpg(group, 0)
    process.kill()
    process.wait()
    wait_until(lambda: not group_lives(group))


def test_trials_die_though_a_forked_process_holds_the_guards_pipe(tmp_path):
    tuner = f"""
import os, time
from trainer.tuning.protocol import TrialProcess
process = TrialProcess(["sleep", "600"], [], {str(tmp_path)!r}, 1, "val_loss")
process.start()
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
print(process._process.pid, flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", tuner], stdout=subprocess.PIPE, text=True, start_new_session=True)
    group = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not group_lives(group))
    os.killpg(process.pid, signal.SIGKILL)  # the forked one
    process.stdout.close()


def group_lives(group):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                state, _, pgrp = stat.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            return True
    return False
