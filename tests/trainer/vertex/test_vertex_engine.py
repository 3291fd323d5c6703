import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nas_trainers
import pytest
from nas_trainers import Listed, job_message, make_job, script, seen, strip

from nas.errors import StudyError, UserError
from trainer.vertex.engine import NasEngine
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.spend import Budget


@pytest.fixture
def command(tmp_path):
    return script(tmp_path / "my_trainer.py")


def run(job, directory, **settings):
    engine = NasEngine(job, directory, settings.pop("proposer", None) or Listed(), **settings)
    engine.run()
    return engine


def states(engine):
    return [(trial.stage, trial.id, trial.state, trial.ending) for trial in engine.trials]


# -- the protocol ----------------------------------------------------------------------------------------------------------


def test_a_search_trial_gets_flags_environment_and_directories(command, tmp_path):
    job = make_job(command, "--seconds=0", trials=1)
    engine = run(NasJobSpec.from_json({"displayName": "my job", "nasJobSpec": job.to_json()}), tmp_path / "out")
    given = seen(engine, "search", 1)
    (directory,) = (tmp_path / "out").glob("my_job_*/nas/search/1")
    assert re.fullmatch(r"my_job_\d{8}_\d{6}", directory.parents[2].name)
    assert given["argv"] == [
        '--nas_params_str={"kernel": "0/4 (1)", "width": "0/3 (8)"}',
        f"--job-dir={directory}",
        "--seconds=0",
    ]
    environment = given["environment"]
    assert environment["CLOUD_ML_TRIAL_ID"] == "1"
    assert environment["CLOUD_ML_HP_METRIC_TAG"] == "accuracy"
    assert Path(environment["CLOUD_ML_HP_METRIC_FILE"]).parent == directory
    for name, folder in (("MODEL", "model"), ("CHECKPOINT", "checkpoints"), ("TENSORBOARD_LOG", "logs")):
        assert environment[f"AIP_{name}_DIR"] == f"{directory}/{folder}/"
        assert Path(environment[f"AIP_{name}_DIR"]).is_dir()
    assert re.match(r".*nas/(search|train)/\d+", environment["AIP_MODEL_DIR"])[0] == str(directory)


def test_stage_2_trains_the_top_n_after_every_m_searched_trials(command, tmp_path):
    # in this order accuracy grows but for the last: 1.08, 1.16, 1.32, 3.08, 3.16, 3.32
    engine = run(make_job(command, trials=6, train=(2, 3)), tmp_path)
    trained = [(t.id, t.search_id, t.state, t.value) for t in engine.trials if t.stage == "train"]
    assert trained == [
        (1, 3, "SUCCEEDED", 1.32),
        (2, 2, "SUCCEEDED", 1.16),
        (3, 6, "SUCCEEDED", 3.32),
        (4, 5, "SUCCEEDED", 3.16),
    ]
    given = seen(engine, "train", 2)
    (search,) = tmp_path.glob("*/nas/search")
    assert given["argv"][:4] == [
        '--nas_params_str={"kernel": "0/4 (1)", "width": "1/3 (16)"}',
        f"--job-dir={search.parent}/train/2",
        f"--retrain_search_job_dir={search}",
        "--retrain_search_job_trials=3,2",  # the second trial of stage 2 trains the second of these
    ]
    assert seen(engine, "train", 4)["argv"][3] == "--retrain_search_job_trials=3,2,6,5"
    assert given["environment"]["CLOUD_ML_TRIAL_ID"] == "2"
    assert given["environment"]["AIP_MODEL_DIR"] == f"{search.parent}/train/2/model/"
    assert json.loads((search / "2/nas_params_str.json").read_text()) == {"kernel": "0/4 (1)", "width": "1/3 (16)"}


def test_what_is_trained_stays_trained_and_a_goal_to_minimize_turns_it_round(command, tmp_path):
    engine = run(make_job(command, trials=6, goal="MINIMIZE", train=(2, 3)), tmp_path)
    assert [t.search_id for t in engine.trials if t.stage == "train"] == [1, 2]


def test_a_trial_of_stage_2_need_not_report_but_must_not_fail(tmp_path):
    ending = "sys.exit(3 if kernel == 3 and args.retrain_search_job_dir else 0)\n"
    command = script(
        tmp_path / "my_trainer.py", "if not args.retrain_search_job_dir:\n" + _indent(nas_trainers.REPORT) + ending
    )
    engine = run(make_job(command, trials=4, train=(1, 3)), tmp_path / "a")
    (quiet,) = (t for t in engine.trials if t.stage == "train")
    assert (quiet.state, quiet.measurement, quiet.reason) == ("SUCCEEDED", None, "")
    engine = run(make_job(command, trials=4, train=(1, 4)), tmp_path / "b")
    (broken,) = (t for t in engine.trials if t.stage == "train")
    assert (broken.state, broken.ending, broken.exit_code) == ("INFEASIBLE", "failed", 3)
    assert engine.state == "JOB_STATE_SUCCEEDED"


def test_a_job_that_only_trains_has_its_trials_in_nas_train(command, tmp_path):
    message = job_message(command, "--retrain_search_job_trials=4,9", trials=2)
    custom = message["multiTrialAlgorithmSpec"]["searchTrialSpec"]["searchTrialJobSpec"]
    custom["baseOutputDirectory"] = {"outputUriPrefix": "gs://bucket/retrain_20260101_000000/nas/train"}
    engine = run(NasJobSpec.from_json(message), tmp_path / "out")
    assert (tmp_path / "out/retrain_20260101_000000/nas/train/2/seen.json").exists()
    assert engine.state == "JOB_STATE_SUCCEEDED"


def test_arguments_that_name_the_script_stay_before_the_flags(command, tmp_path):
    message = job_message(command[:1], "-u", command[1], "--seconds=0", trials=1)
    engine = run(NasJobSpec.from_json(message), tmp_path / "out")
    assert seen(engine, "search", 1)["argv"][0].startswith("--nas_params_str=")


def test_parameters_too_long_for_a_flag_travel_as_a_file(command, tmp_path):
    class Long(Listed):
        def ask(self):
            return super().ask() | {"more": "x" * 150_000}

    engine = run(make_job(command, trials=1), tmp_path / "out", proposer=Long())
    assert engine.state == "JOB_STATE_SUCCEEDED"
    assert seen(engine, "search", 1)["argv"][0].endswith("/nas/search/1/nas_params_str.json")


def test_the_container_environment_reaches_the_trial(command, tmp_path):
    message = job_message(command, trials=1)
    custom = message["multiTrialAlgorithmSpec"]["searchTrialSpec"]["searchTrialJobSpec"]
    custom["workerPoolSpecs"][0]["containerSpec"]["env"] = [{"name": "COLOUR", "value": "blue"}]
    engine = run(NasJobSpec.from_json(message), tmp_path / "out")
    assert seen(engine, "search", 1)["environment"]["COLOUR"] == "blue"


def test_details_are_vertex_messages(command, tmp_path):
    nas_job = pytest.importorskip("google.cloud.aiplatform_v1.types")
    engine = run(make_job(command, trials=3, train=(1, 3)), tmp_path / "job")
    details = engine.details("projects/p/locations/l/nasJobs/7")
    assert json.loads((tmp_path / "job/nas_trial_details.json").read_text()) == {"nasTrialDetails": engine.details()}
    assert [set(detail) for detail in details] == [{"name", "parameters", "searchTrial"}] * 2 + [
        {"name", "parameters", "searchTrial", "trainTrial"}
    ]
    last = nas_job.NasTrialDetail.from_json(json.dumps(details[2]))
    assert last.name == "projects/p/locations/l/nasJobs/7/nasTrialDetails/3"
    assert json.loads(last.parameters) == {"kernel": "0/4 (1)", "width": "2/3 (32)"}
    assert (last.search_trial.id, last.train_trial.id) == ("3", "1")
    assert last.search_trial.state == nas_job.NasTrial.State.SUCCEEDED
    (metric,) = last.search_trial.final_measurement.metrics
    assert (metric.metric_id, metric.value, last.search_trial.final_measurement.step_count) == ("accuracy", 1.32, 7)
    assert last.search_trial.start_time < last.search_trial.end_time


def test_other_metrics_are_shown_beside_the_reward(tmp_path):
    ending = """
    from trainer import vertex_trial as metrics_reporter
    reporter = metrics_reporter.NasMetricsReporter()
    reporter.report_metrics("accuracy", 0.5, 3, other_metrics={"latency_ms": 4.5}, model_flops=2e8)
    """
    engine = run(make_job(script(tmp_path / "my_trainer.py", ending), trials=1), tmp_path / "job")
    (detail,) = engine.details()
    assert {m["metricId"]: m["value"] for m in detail["searchTrial"]["finalMeasurement"]["metrics"]} == {
        "accuracy": 0.5,
        "latency_ms": 4.5,
        "model_flops": 2e8,
    }


# -- bad trainers ----------------------------------------------------------------------------------------------------------

BAD = {
    "exits with 1": ("sys.exit('out of memory, as foretold')", "failed", "exited with code 1"),
    "is killed": ("import signal; os.kill(os.getpid(), signal.SIGKILL)", "failed", "SIGKILL"),
    "never reports": ("pass", "infeasible", "without a report of 'accuracy'"),
    "reports something else": (nas_trainers.REPORT.replace("accuracy", "loss"), "infeasible", "only 'loss'"),
    "reports NaN": (nas_trainers.REPORT.replace("kernel +", "float('nan') *"), "infeasible", "accuracy is nan at step 7"),
    "reports garbage": (
        "open(os.environ['CLOUD_ML_HP_METRIC_FILE'], 'wb').write(b'\\xff\\x00 no json\\n{}\\n[1]\\n')",
        "infeasible",
        "nothing readable",
    ),
    "hangs": ("time.sleep(60)", "timed_out", "more than 1.0 s"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_trainers_end_in_a_named_state(case, tmp_path):
    ending, expected, reason = BAD[case]
    job = make_job(script(tmp_path / "my_trainer.py", ending), trials=3, failed=1)
    engine = run(job, tmp_path / "job", timeout_s=1.0 if case == "hangs" else None)
    (trial,) = engine.trials
    assert (trial.state, trial.ending, trial.measurement) == ("INFEASIBLE", expected, None)
    assert reason in trial.reason
    assert engine.state == "JOB_STATE_FAILED"
    assert engine.error.startswith("1 search trials failed, the last of them trial 1: ")
    assert "out of memory, as foretold" in trial.log_tail or case != "exits with 1"


def test_a_trainer_that_reports_twice_counts_by_its_last_report(tmp_path):
    job = make_job(
        script(tmp_path / "my_trainer.py", nas_trainers.REPORT.replace("kernel +", "-") + nas_trainers.REPORT), trials=1
    )
    engine = run(job, tmp_path / "job")
    assert engine.trials[0].value == 1.08


def test_a_few_failures_are_let_pass_and_too_many_end_the_job(tmp_path):
    command = script(tmp_path / "my_trainer.py", "if kernel == 1: sys.exit(1)\n" + nas_trainers.REPORT)
    engine = run(make_job(command, trials=12, failed=4), tmp_path / "a")
    assert engine.state == "JOB_STATE_SUCCEEDED"
    assert [trial.state for trial in engine.trials] == ["INFEASIBLE"] * 3 + ["SUCCEEDED"] * 9
    engine = run(make_job(command, trials=12, failed=3), tmp_path / "b")
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_FAILED", 3)
    engine = run(make_job(command, trials=12, failed=3), tmp_path / "b")  # the same again: nothing is run
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_FAILED", 3)
    engine = run(make_job(command, trials=12, failed=5), tmp_path / "b")  # a raised limit goes on
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_SUCCEEDED", 12)


def test_0_leaves_the_number_of_failures_to_the_engine(tmp_path):
    engine = run(make_job(script(tmp_path / "my_trainer.py", "sys.exit(1)"), trials=12, parallel=1), tmp_path / "job")
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_FAILED", 4)  # a third of them
    engine = run(make_job(script(tmp_path / "my_trainer.py", "sys.exit(1)"), trials=2), tmp_path / "all")
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_FAILED", 2)


# -- what is refused before anything runs ----------------------------------------------------------------------------------


def test_a_program_inside_the_image_has_to_be_replaced(tmp_path, command):
    with pytest.raises(UserError, match=r"inside the image gcr.io/project/trainer.*--command"):
        NasEngine(make_job([]), tmp_path / "job", Listed())
    assert not (tmp_path / "job").exists()
    engine = run(make_job([], trials=1), tmp_path / "job", command=command)
    assert engine.state == "JOB_STATE_SUCCEEDED"


def test_an_unknown_program_and_several_machines_are_refused(tmp_path, command):
    with pytest.raises(UserError, match="'no-such-program' is no program here"):
        NasEngine(make_job(["no-such-program"]), tmp_path, Listed())
    message = job_message(command)
    custom = message["multiTrialAlgorithmSpec"]["searchTrialSpec"]["searchTrialJobSpec"]
    custom["workerPoolSpecs"][0]["replicaCount"] = "2"
    with pytest.raises(UserError, match="2 machines"):
        NasEngine(NasJobSpec.from_json(message), tmp_path, Listed())


# -- going on --------------------------------------------------------------------------------------------------------------


def test_a_job_killed_again_and_again_equals_one_that_was_not(command, tmp_path):
    whole = run(make_job(command, trials=9, parallel=2, train=(1, 3)), tmp_path / "whole", proposer=Listed(seed=1))
    record, rng = tmp_path / "killed/trials.jsonl", random.Random(0)
    program = [sys.executable, nas_trainers.__file__, str(record.parent), command[1], "0.2", "9"]

    def lines():
        return record.read_bytes().count(b"\n") if record.exists() else 0

    for goal in (1, 5, 10):
        process = subprocess.Popen(program, cwd=Path(__file__).parents[3])
        while lines() < goal:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert lines() < 24, "it had ended before it was killed"
    said = subprocess.run(program, cwd=Path(__file__).parents[3], capture_output=True, check=True, timeout=100).stdout
    assert said.strip() == b"JOB_STATE_SUCCEEDED"
    killed = NasEngine(whole.job, record.parent, Listed(seed=1))
    assert [t for t in strip(killed.trials) if t[0] == "search"] == [t for t in strip(whole.trials) if t[0] == "search"]
    finished = [(line["stage"], line["id"]) for line in map(json.loads, record.read_text().splitlines()) if "ending" in line]
    assert len(finished) == len(set(finished)), "a finished trial was run again"


def test_a_stopped_job_goes_on_where_it_was(command, tmp_path):
    job = make_job(command, "--seconds=0.2", trials=5)
    engine = NasEngine(job, tmp_path, Listed(seed=2), on_event=lambda trial: trial.id == 3 and engine.stop())
    assert engine.run() == "JOB_STATE_CANCELLED"
    assert states(engine)[2] == ("search", 3, "REQUESTED", "")
    proposer = Listed(seed=2)
    again = run(job, tmp_path, proposer=proposer)
    assert again.state == "JOB_STATE_SUCCEEDED"
    assert strip(again.trials) == strip(run(job, tmp_path / "whole", proposer=Listed(seed=2)).trials)
    assert proposer.told == [1, 2, 3, 4, 5]


def test_a_snapshot_saves_replaying_and_changes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.vertex.replay.EVENTS_BETWEEN_SNAPSHOTS", 4)

    class Counting(Listed):
        asks = 0

        def ask(self):
            Counting.asks += 1
            return super().ask()

    run(make_job(command, trials=5), tmp_path, proposer=Counting())
    Counting.asks = 0
    proposer = Counting()
    run(make_job(command, trials=7), tmp_path, proposer=proposer)
    assert Counting.asks == 3  # the fifth again, then two new ones
    assert proposer.told == [1, 2, 3, 4, 5, 6, 7]


def test_another_job_or_another_proposer_in_the_same_directory_is_refused(command, tmp_path):
    job = make_job(command, trials=2)
    run(job, tmp_path)
    with pytest.raises(StudyError, match=r"differs in multiTrialAlgorithmSpec\.metric\.goal"):
        run(make_job(command, trials=2, goal="MINIMIZE"), tmp_path)
    with pytest.raises(StudyError, match="does not propose what it proposed before, at trial 1"):
        run(make_job(command, trials=3), tmp_path, proposer=Listed(seed=5))


def test_counts_may_change_when_a_job_goes_on(command, tmp_path):
    run(make_job(command, trials=4, train=(1, 2)), tmp_path)
    engine = run(make_job(command, trials=6, train=(2, 3)), tmp_path)
    assert engine.state == "JOB_STATE_SUCCEEDED"
    # trained first: 2, the best of two, and 4, the best of four; then what N = 2 of every 3 asks for: 3 and 2, 6 and 5
    assert [t.search_id for t in engine.trials if t.stage == "train"] == [2, 4, 3, 6, 5]


def test_one_process_at_a_time_runs_a_job(command, tmp_path):
    job = make_job(command, "--seconds=30", trials=1)
    started = threading.Event()
    first = NasEngine(job, tmp_path, Listed(), on_event=lambda trial: started.set())
    thread = threading.Thread(target=first.run)
    thread.start()
    started.wait(20)
    with pytest.raises(StudyError, match="another process runs this job"):
        run(job, tmp_path)
    first.stop()
    thread.join(20)
    assert first.state == "JOB_STATE_CANCELLED"


def test_a_line_cut_short_is_dropped_and_a_damaged_one_is_named(command, tmp_path):
    run(make_job(command, trials=2), tmp_path)
    record = tmp_path / "trials.jsonl"
    record.write_bytes(record.read_bytes()[:-20])
    again = run(make_job(command, trials=2), tmp_path)
    assert [trial.state for trial in again.trials] == ["SUCCEEDED"] * 2
    record.write_text("no json\n" + record.read_text())
    with pytest.raises(StudyError, match="line 1 is no trial"):
        NasEngine(make_job(command, trials=2), tmp_path, Listed())


def test_earlier_trials_are_told_first(command, tmp_path):
    before = run(make_job(command, trials=2, train=(1, 2)), tmp_path / "a")
    proposer = Listed(seed=3)
    run(make_job(command, trials=1), tmp_path / "b", proposer=proposer, earlier=before.trials)
    assert proposer.told == [1, 2, 1]


# -- limits ----------------------------------------------------------------------------------------------------------------


def test_parallel_limits_both_stages_together(command, tmp_path):
    running, most = set(), {"parallel": 0}

    def watch(trial):
        (running.add if trial.state == "ACTIVE" else running.discard)((trial.stage, trial.id))
        most["parallel"] = max(most["parallel"], len(running))

    run(make_job(command, "--seconds=0.1", trials=6, parallel=4, train=(2, 3)), tmp_path / "a", on_event=watch, parallel=2)
    assert most["parallel"] == 2
    most["parallel"] = 0
    run(make_job(command, "--seconds=0.3", trials=6, parallel=4), tmp_path / "b", on_event=watch)
    assert most["parallel"] == 4


def test_the_jobs_own_timeout_holds(tmp_path):
    command = script(tmp_path / "my_trainer.py", "time.sleep(60)")
    engine = run(make_job(command, trials=1, scheduling={"timeout": "0.5s"}), tmp_path / "job")
    assert engine.trials[0].ending == "timed_out"


def test_a_budget_of_trials_begins_no_more(command, tmp_path):
    engine = run(make_job(command, trials=9, train=(1, 2)), tmp_path, budget=Budget(trials=4))
    assert engine.state == "JOB_STATE_CANCELLED"
    assert engine.error == "all 4 trials of the budget were begun"
    assert len(engine.trials) == 4
    engine = run(make_job(command, trials=2), tmp_path / "enough", budget=Budget(trials=2))
    assert (engine.state, engine.error) == ("JOB_STATE_SUCCEEDED", "")


def test_a_budget_of_money_stops_what_runs(command, tmp_path):
    began = time.monotonic()
    budget = Budget(money=1.0, price_per_machine_hour=3600.0)  # one second of one machine
    engine = run(make_job(command, "--seconds=30", trials=9), tmp_path, budget=budget)
    assert time.monotonic() - began < 10
    assert engine.state == "JOB_STATE_CANCELLED"
    assert re.fullmatch(r"1\.\d\d of 1\.00 are spent", engine.error)
    again = run(make_job(command, "--seconds=30", trials=9), tmp_path, budget=budget)
    assert re.fullmatch(r"1\.\d\d of 1\.00 are spent", again.error)  # what was spent before counts
    assert len(again.trials) == len(engine.trials)


def test_the_search_ends_when_the_space_does(command, tmp_path):
    engine = run(make_job(command, trials=50, parallel=4), tmp_path)
    assert (engine.state, len(engine.trials)) == ("JOB_STATE_SUCCEEDED", 12)


def test_ten_thousand_trials_are_read_and_listed_in_time_proportional_to_their_number(command, tmp_path):
    engine = run(make_job(command, trials=1), tmp_path)
    begun, ended = (tmp_path / "trials.jsonl").read_text().splitlines()

    def seconds(count):
        lines = []
        for i in range(1, count + 1):
            lines += [line.replace('id": 1,', f'id": {i},') for line in (begun, ended)]
        (tmp_path / "trials.jsonl").write_text("\n".join(lines) + "\n")
        start = time.process_time()
        found = NasEngine(engine.job, tmp_path, Listed())
        assert len(found.details()) == len(found.trials) == count
        pages = [found.details("job", first, 20) for first in range(0, count, 20)]
        assert [page[-1]["name"] for page in pages[-2:]] == [
            f"job/nasTrialDetails/{count - 20}",
            f"job/nasTrialDetails/{count}",
        ]
        return time.process_time() - start

    seconds(100)
    small, large = seconds(1000), seconds(10_000)
    assert large < 30 * small, (small, large)
    assert large < 5


def _indent(text):
    return "".join(f"    {line}\n" for line in text.strip().splitlines())
