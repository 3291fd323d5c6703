"""`nas vertex` as a user meets it, with Google's real client and a local Vertex AI."""

import functools
import json
import shlex
import sys
import textwrap

import nas_command
import pytest
import yaml
from fake_faults import Fault
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

REPORT = "report_hyperparameter_tuning_metric"
TRAINER = f"""
    import argparse, hypertune, json, os
    parser = argparse.ArgumentParser()
    for name in ("nas_params_str", "job-dir", "retrain_search_job_dir", "retrain_search_job_trials"):
        parser.add_argument("--" + name)
    given = parser.parse_args()
    chosen = [int(str(value).split("/")[0]) for value in json.loads(given.nas_params_str).values()]
    if given.retrain_search_job_trials:
        number = given.retrain_search_job_trials.split(",")[int(os.environ["CLOUD_ML_TRIAL_ID"]) - 1]
        with open(os.path.join(given.retrain_search_job_dir, number, "nas_params_str.json")) as file:
            chosen = [int(str(value).split("/")[0]) for value in json.load(file).values()]
    hypertune.HyperTune().{REPORT}("reward", sum(chosen), 1)
"""
TASK = f"""
    import argparse, hypertune
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=float)
    given = parser.parse_args()
    hypertune.HyperTune().{REPORT}("loss", (given.x - 1) ** 2, 1)
"""
SPACE = """
    import pyglove as pg
    import nas
    tiny = nas.as_space(pg.Dict(a=pg.oneof([1, 2, 3]), b=pg.oneof([4, 5, 6])))
"""


@pytest.fixture
def run(capsys):
    return functools.partial(nas_command.run, "vertex", capsys=capsys)


@pytest.fixture
def files(tmp_path):
    """A trainer, a task, a space and a spec."""
    for name, text in (("trainer", TRAINER), ("task", TASK), ("space", SPACE)):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    spec = {"parameters": {"x": {"type": "double", "min": 0.0, "max": 2.0}}, "metric": "loss", "max_trial_count": 3}
    (tmp_path / "hpt.yaml").write_text(yaml.safe_dump(spec))
    return tmp_path


def place(endpoint=""):
    return ["--project", "my-project", "--region", "europe-west4", *(["--endpoint", endpoint] if endpoint else [])]


def container(files, program):
    command = shlex.join([sys.executable, str(files / f"{program}.py")])
    return ["--image", "registry/image:1", "--command", command, "--staging", "gs://bucket/runs"]


def search(files, fake, *more):
    base = ["search", f"{files / 'space.py'}:tiny", *container(files, "trainer"), *place(fake.url)]
    return [*base, "--trials", 4, "--parallel", 2, "--out", files / "out", *more]


def test_the_whole_way_of_a_search(run, files, fake):
    out = files / "out"
    code, said, _ = run(*search(files, fake, "--train-top", 1, "--train-every", 4, "--watch", "--every", 0.05))
    assert code == 0
    for line in ("nasJobs/1001 was sent", "search trial 4: succeeded, reward", "train trial 1 of search trial", "succeeded"):
        assert line in " ".join(said.split())
    code, said, _ = run("top", out, "-n", 2, "--json")
    best = json.loads(said)
    assert [row["stage"] for row in best] == ["search", "search"]
    assert best[0]["trained"] == best[0]["metrics"]
    assert run("status", out)[:2] == (0, "projects/my-project/locations/europe-west4/nasJobs/1001: succeeded\n")
    assert len(json.loads(run("trials", out, "--json")[1])) == 5
    code, said, _ = run("train", out, "--trials", "2,1", "--watch", "--every", 0.05, "--json")
    trained = {row["id"]: row["metrics"]["reward"] for row in json.loads(said)["trials"]}
    searched = {
        row["id"]: row["metrics"]["reward"]
        for row in json.loads(run("trials", out, "--number", 1, "--json")[1])
        if row["stage"] == "search"
    }
    assert (code, trained) == (0, {1: searched[2], 2: searched[1]})
    assert len(json.loads(run("trials", out, "--json")[1])) == 2
    assert len(json.loads(run("trials", out, "--number", 1, "--json")[1])) == 5
    assert run("trials", out, "--number", 9)[0] == 2
    code, said, _ = run("resume", out, "--watch", "--every", 0.05, "--json")
    assert (code, len(json.loads(said)["trials"])) == (0, 5)
    code, said, _ = run("delete", out, "--yes")
    assert (code, "deleted" in said) == (0, True)
    code, said, err = run("top", out, "--json")
    assert (code, len(json.loads(said)), "As last seen" in err) == (0, 4, True)
    assert run("status", out)[0] == 2


def test_tuning(run, files, fake):
    command = ["tune", "--spec", files / "hpt.yaml", *container(files, "task"), *place(fake.url), "--out", files / "hpt"]
    code, said, _ = run(*command, "--watch", "--every", 0.05)
    assert code == 0
    assert "best 3 of 3 trials, minimize loss" in said
    code, said, _ = run(*command, "--watch", "--every", 0.05, "--json")  # the same again finds what was sent
    assert (code, json.loads(said)["name"].split("/")[-2:]) == (0, ["hyperparameterTuningJobs", "1001"])
    assert len(fake.jobs.known) == 1
    code, _, err = run(*command, "--max-trials", 9)
    assert (code, "was sent from here. Choose another --out" in err) == (2, True)


def test_a_job_that_fails_ends_the_watch_with_1(run, files, fake):
    fake.faults.add(Fault("RUN", "nasJobs", "fail"))
    code, said, _ = run(*search(files, fake, "--watch", "--every", 0.05))
    assert (code, "failed: Internal error occurred" in " ".join(said.split())) == (1, True)


def test_cancelling(run, files, fake):
    (files / "trainer.py").write_text("import time; time.sleep(600)")
    assert run(*search(files, fake))[0] == 0
    assert run("cancel", files / "out")[0] == 0
    assert run("watch", files / "out", "--every", 0.05)[0] == 0
    assert json.loads(run("status", files / "out", "--json")[1])["state"] == "JOB_STATE_CANCELLED"
    code, _, err = run("delete", files / "nowhere", "--yes")
    assert (code, "no job was sent from here" in err) == (2, True)


def test_a_dry_run_prints_what_is_sent_and_sends_nothing(run, files, fake):
    code, said, _ = run(*search(files, fake, "--dry-run", "--label", "team=vision", "--accelerator", "NVIDIA_TESLA_T4:2"))
    printed = json.loads(said)
    assert (code, fake.requests, (files / "out").exists()) == (0, [], False)
    run(*search(files, fake, "--label", "team=vision", "--accelerator", "NVIDIA_TESLA_T4:2"))
    method, path, body = fake.requests[0]
    assert (printed["method"], printed["url"]) == (method, f"{fake.url}{path}")
    assert message(printed["body"]) == message(body)
    machine = printed["body"]["nasJobSpec"]["multiTrialAlgorithmSpec"]["searchTrialSpec"]["searchTrialJobSpec"][
        "workerPoolSpecs"
    ][0]
    assert machine["machineSpec"] == {
        "machineType": "n1-standard-8",
        "acceleratorType": "NVIDIA_TESLA_T4",
        "acceleratorCount": 2,
    }
    sent = len(fake.requests)
    name = "projects/my-project/locations/europe-west4/nasJobs/1001"
    for command, requests in {
        "status": [("GET", name)],
        "watch": [("GET", name), ("GET", f"{name}/nasTrialDetails?pageSize=100")],
        "cancel": [("POST", f"{name}:cancel")],
        "delete": [("DELETE", name)],
    }.items():
        told = json.loads(run(command, files / "out", "--dry-run")[1])
        assert told == [{"method": method, "url": f"{fake.url}/v1/{path}"} for method, path in requests]
    assert len(fake.requests) == sent


def message(body):
    """A job as the API's message, without what differs from one sending to the next."""
    job = json_format.ParseDict(body, v1.NasJob.pb()())
    del job.labels["espalier_request"]
    job.nas_job_spec.multi_trial_algorithm_spec.search_trial_spec.search_trial_job_spec.ClearField("base_output_directory")
    return job


def test_a_dry_run_needs_no_account(run, files):
    code, said, _ = run(
        "tune", "--spec", files / "hpt.yaml", *container(files, "task"), *place(), "--dry-run", "--service-account", "me@p.iam"
    )
    printed = json.loads(said)
    start = "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/"
    assert (code, printed["url"]) == (0, f"{start}hyperparameterTuningJobs")
    assert printed["body"]["studySpec"]["metrics"] == [{"metricId": "loss", "goal": "MINIMIZE"}]
    assert printed["body"]["trialJobSpec"]["serviceAccount"] == "me@p.iam"


def test_a_job_from_a_file_is_sent_as_it_is(run, files, fake):
    spec = json.loads(run(*search(files, fake, "--dry-run"))[1])["body"]
    (files / "job.json").write_text(json.dumps(spec))
    code, said, _ = run("search", "--job", files / "job.json", *place(fake.url), "--out", files / "again", "--dry-run")
    assert (code, json.loads(said)["body"]["nasJobSpec"]) == (0, spec["nasJobSpec"])
    spec["nasJobSpec"]["multiTrialAlgorithmSpec"]["searchTrialSpec"]["maxTrialCont"] = 3
    (files / "job.json").write_text(json.dumps(spec))
    code, _, err = run("search", "--job", files / "job.json", *place(fake.url), "--dry-run")
    assert (code, "maxTrialCont" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--endpoint", "http://example.com:80"], "--endpoint: 'http://example.com:80' is not on this machine"),
        (["--region", "nowhere"], "--region: 'nowhere' is no region"),
        (["--staging", "/tmp/x"], "--staging: '/tmp/x' is no bucket"),
        (["--accelerator", "t4"], "--accelerator: 't4' is no accelerator"),
        (["--accelerator", "NVIDIA_T5"], "nas_job: the API does not take it"),
        (["--train-top", "3"], "--train-top: top 3 after every 0 trials"),
        (["--max-cost", "5"], "--max-cost: money without a price"),
        (["--label", "Team=x"], "--label: Team=x does not fit"),
        (["--env", "x"], "--env: 'x' does not fit"),
        (["--goal", "more"], "--goal: 'more' is not known"),
        (["--trial-hours", "9999"], "--trial-hours: 9999.0 hours"),
    ],
)
def test_mistakes_are_one_clear_message_and_nothing_is_sent(run, files, fake, options, message):
    code, _, err = run(*search(files, fake, *options))
    assert (code, message in err, err.count("\n")) == (2, True, 1), err
    assert fake.requests == []


def test_nothing_is_sent_without_project_and_region(run, files, fake):
    command = [word for word in search(files, fake) if word not in ("--project", "my-project")]
    code, _, err = run(*command)
    assert (code, "--project" in err, fake.requests) == (2, True, [])
