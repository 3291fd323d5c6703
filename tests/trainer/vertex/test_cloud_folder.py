"""What is known here of jobs in the cloud: nothing is sent twice, and nothing seen is lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from cloud_scripts import HANGING, SEARCHED, TUNED, script
from fake_faults import Fault

from nas.errors import StudyError, UserError
from nas.language.space import SearchSpace
from trainer.tuning import Categorical, Discrete, Double, Integer, TuningSpec
from trainer.tuning.parameters import When
from trainer.vertex.folder import JobFolder
from trainer.vertex.place import Place
from trainer.vertex.requests import Search, Workers, custom_job, nas_job, resume_job, retrain_job, tuning_job
from trainer.vertex.search_space import encode_search_space
from trainer.vertex.spend import Budget
from trainer.vertex.trials import Metric, read_rows, tuning_result
from trainer.vertex.watch import look, watch

SPEC = TuningSpec(
    {
        "x": Double(0.0, 2.0),
        "n": Integer(0, 4),
        "optimizer": Categorical(("adam", "sgd")),
        "momentum": Double(0.5, 0.9, when=When("optimizer", "sgd")),
    },
    "loss",
    max_trial_count=6,
    parallel_trial_count=3,
    max_failed_trial_count=3,
)


@pytest.fixture
def space() -> SearchSpace:
    import pyglove as pg

    import nas

    return nas.as_space(pg.Dict(a=pg.oneof([1, 2, 3]), b=pg.oneof(["p", "q", "r"])))


def workers(command):
    return Workers("registry/image:1", "gs://bucket/runs", command=command)


def searching(space, command, **how):
    return nas_job(
        "first", workers(command), encode_search_space(space), Search("reward", **{"trials": 6, "parallel": 3, **how})
    )


def test_tuning_comes_back_as_a_tuning(vertex, tmp_path):
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "hyperparameterTuningJobs", tuning_job("lr", workers(script(tmp_path, TUNED)), SPEC))
    job = watch(vertex, folder, every_s=0.05)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    result = tuning_result(folder.latest.request, list(folder.trials().values()), folder.directory)
    assert result.spec == SPEC
    assert [trial.state for trial in result.trials] == ["succeeded"] * 6
    for trial in result.trials:
        given = trial.values
        assert isinstance(given["n"], int)
        assert ("momentum" in given) == (given["optimizer"] == "sgd")
        assert trial.value == pytest.approx((given["x"] - 1) ** 2 + given["n"] / 20 + given.get("momentum", 0))
        assert [report.step for report in trial.reports] == [1, 2]
    assert result.best.value == min(trial.value for trial in result.trials)


def test_tuning_ends_what_hangs_and_stops_what_is_behind(vertex, tmp_path):
    program = """
        import argparse, hypertune, time
        parser = argparse.ArgumentParser()
        parser.add_argument("--n", type=int)
        n = parser.parse_args().n
        time.sleep(600 if n == 0 else 0)
        hypertune.HyperTune().report_hyperparameter_tuning_metric("loss", n, 1)
        time.sleep(600 if n == 5 else 0)
    """
    spec = TuningSpec(
        {"n": Discrete(range(6))}, "loss", max_trial_count=6, algorithm="grid", early_stopping="median", timeout_s=3
    )
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "hyperparameterTuningJobs", tuning_job("lr", workers(script(tmp_path, program)), spec))
    assert watch(vertex, folder, every_s=0.05)["state"] == "JOB_STATE_SUCCEEDED"
    rows = read_rows(folder.trials().values())
    assert [row.state for row in rows] == ["INFEASIBLE", *["SUCCEEDED"] * 5]
    assert "it ran for more than 3" in rows[0].reason
    assert rows[5].metrics == {"loss": 5.0}
    assert rows[5].seconds < 3


def test_a_search_with_training_of_the_best(vertex, space, tmp_path):
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "nasJobs", searching(space, script(tmp_path, SEARCHED), top=1, every=3))
    seen = []
    job = watch(vertex, folder, every_s=0.05, on_change=lambda job, changed: seen.append(len(changed)))
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    rows, metric = read_rows(folder.trials().values()), Metric.of(job)
    assert [(row.stage, row.id) for row in rows] == [("search", i) for i in range(1, 7)] + [("train", 1), ("train", 2)][
        : len(rows) - 6
    ]
    assert len(rows) in (7, 8)  # the best of the first three may still be the best of all six
    best = metric.ranking(rows)[0]
    assert best.trained["reward"] == best.metrics["reward"] == max(row.metrics["reward"] for row in rows)
    assert set(best.parameters) == {"a", "b"}


def test_stage_two_and_going_on_as_jobs_of_their_own(vertex, space, tmp_path):
    folder = JobFolder(tmp_path / "out")
    program = script(tmp_path, SEARCHED)
    search = folder.submit(vertex, "nasJobs", searching(space, program, trials=3))
    watch(vertex, folder, every_s=0.05)
    earlier = {**search.request, "name": search.name}
    folder.submit(vertex, "nasJobs", retrain_job("again", earlier, [3, 1]))
    assert watch(vertex, folder, every_s=0.05)["state"] == "JOB_STATE_SUCCEEDED"
    assert len(read_rows(folder.trials().values())) == 2
    folder.submit(vertex, "nasJobs", resume_job("more", earlier))
    assert watch(vertex, folder, every_s=0.05)["state"] == "JOB_STATE_SUCCEEDED"
    assert [record.request["displayName"] for record in folder.records] == ["first", "again", "more"]
    assert sorted(path.name for path in folder.directory.glob("trials-*")) == [
        "trials-1.jsonl",
        "trials-2.jsonl",
        "trials-3.jsonl",
    ]


def test_a_crash_before_the_answer_sends_nothing_twice(fake, vertex, tmp_path, monkeypatch):
    """Killed between sending and being answered, at the worst moment: the job is there, its name is not known here."""
    folder, job = JobFolder(tmp_path / "out"), custom_job("one", workers(["true"]))
    fake.faults.add(Fault("POST", "customJobs", "drop"))
    monkeypatch.setattr(vertex, "patience_s", 0)
    with pytest.raises(UserError, match="does not answer"):
        folder.submit(vertex, "customJobs", job)
    assert JobFolder(tmp_path / "out").latest.name == ""
    fake.faults.add(Fault("GET", "customJobs", 503))  # also when the first look for it fails
    with pytest.raises(UserError):
        JobFolder(tmp_path / "out").submit(vertex, "customJobs", custom_job("other", workers(["true"])))
    again = JobFolder(tmp_path / "out")
    again.submit(vertex, "customJobs", job)
    assert [found["name"] for found in vertex.jobs("customJobs")] == [again.latest.name]


def test_another_job_does_not_take_the_place_of_one_whose_answer_was_lost(fake, vertex, tmp_path, monkeypatch):
    folder = JobFolder(tmp_path / "out")
    fake.faults.add(Fault("POST", "customJobs", "drop"))
    monkeypatch.setattr(vertex, "patience_s", 0)
    with pytest.raises(UserError):
        folder.submit(vertex, "customJobs", custom_job("one", workers(["true"])))
    with pytest.raises(StudyError, match="customJobs/1001 was sent from here before. Watch it or cancel it"):
        folder.submit(vertex, "customJobs", custom_job("other", workers(["false"])))
    assert folder.latest.name.endswith("/1001")


def test_a_refused_job_leaves_no_record(vertex, tmp_path):
    folder = JobFolder(tmp_path / "out")
    with pytest.raises(UserError, match="refused"):
        folder.submit(vertex, "customJobs", custom_job("one", workers(["true"])) | {"labels": {"a": "B!"}})
    assert folder.records == []


def test_killing_a_watch_at_any_moment_loses_nothing(vertex, space, tmp_path):
    out = tmp_path / "out"
    folder = JobFolder(out)
    folder.submit(vertex, "nasJobs", searching(space, [*script(tmp_path, SEARCHED), "--slow=0.1"], trials=9))
    program = f"""
        from trainer.vertex.cloud import Vertex
        from trainer.vertex.folder import JobFolder
        from trainer.vertex.watch import watch
        folder = JobFolder.open({str(out)!r})
        watch(Vertex(folder.latest.place), folder, every_s=0.01, on_change=lambda job, changed: print(len(changed), flush=True))
    """
    for _ in range(2):
        watcher = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        while watcher.stdout.readline() in ("0\n",):
            pass
        os.kill(watcher.pid, signal.SIGKILL)
        watcher.wait()
    with next(out.glob("trials-*.jsonl")).open("a") as file:
        file.write('{"name": "projects/')  # killed while it wrote
    again = JobFolder.open(out)
    assert watch(vertex, again, every_s=0.05)["state"] == "JOB_STATE_SUCCEEDED"
    read = {number: trial["searchTrial"]["state"] for number, trial in JobFolder.open(out).trials().items()}
    assert read == {str(number): "SUCCEEDED" for number in range(1, 10)}


def test_ten_thousand_trials_are_read_in_pages_and_then_only_what_changed(fake, vertex, space, tmp_path):
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "nasJobs", searching(space, [sys.executable, "-c", HANGING], trials=1))
    job = fake.jobs.get(folder.latest.name)
    trials = [
        {"id": str(i), "state": "SUCCEEDED", "finalMeasurement": {"metrics": [{"metricId": "reward", "value": i}]}}
        for i in range(1, 10_001)
    ]

    def details(first, count):
        chosen = trials[first : first + count]
        return [{"name": f"{job.name}/nasTrialDetails/{t['id']}", "parameters": "{}", "searchTrial": t} for t in chosen]

    def refresh():
        from google.cloud import aiplatform_v1 as v1
        from google.protobuf import json_format

        output = v1.NasJobOutput.pb(job.resource.nas_job_output)
        output.Clear()
        json_format.ParseDict({"multiTrialJobOutput": {"searchTrials": trials}}, output)

    job.details, job.refresh = details, refresh
    before = len(fake.requests)
    assert len(look(vertex, folder)[1]) == 10_000
    assert len(fake.requests) - before == 1 + 100  # the job, and a hundred pages of a hundred
    trials.append({"id": "10001", "state": "ACTIVE"})
    before = len(fake.requests)
    assert [trial["name"].rpartition("/")[2] for trial in look(vertex, folder)[1]] == ["10001"]
    assert len(fake.requests) - before == 2
    assert Metric.of(folder.job()).ranking(read_rows(JobFolder.open(folder.directory).trials().values()))[0].id == 10_000


def test_a_budget_stops_the_job(vertex, space, tmp_path):
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "nasJobs", searching(space, [sys.executable, "-c", HANGING], parallel=2))
    said = []
    job = watch(vertex, folder, every_s=0.05, budget=Budget(money=0.001, price_per_machine_hour=3.6), on_limit=said.append)
    assert job["state"] == "JOB_STATE_CANCELLED"
    assert said == ["0.00 of 0.00 are spent"]


def test_what_was_seen_outlives_the_job(vertex, tmp_path):
    folder = JobFolder(tmp_path / "out")
    folder.submit(vertex, "hyperparameterTuningJobs", tuning_job("lr", workers(script(tmp_path, TUNED)), SPEC))
    watch(vertex, folder, every_s=0.05)
    vertex.delete(folder.latest.name)
    assert len(JobFolder.open(folder.directory).trials()) == 6


def test_a_damaged_record(tmp_path):
    (tmp_path / "vertex.json").write_text("{}")
    with pytest.raises(StudyError, match="vertex.json: it cannot be read"):
        JobFolder.open(tmp_path)
    with pytest.raises(StudyError, match="no job was sent from here"):
        JobFolder.open(tmp_path / "nowhere")


def test_the_record_holds_no_credentials(vertex, tmp_path):
    folder = JobFolder(tmp_path)
    folder.submit(vertex, "customJobs", custom_job("one", workers(["true"])))
    data = json.loads((tmp_path / "vertex.json").read_text())["jobs"][0]
    assert sorted(data) == ["digest", "kind", "name", "notes", "place", "request", "sent"]
    assert Place.from_json(data["place"]) == vertex.place
