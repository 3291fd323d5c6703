"""The jobs that are sent, against the API's reference, and accepted by Google's own messages."""

import re

import pytest

from nas.errors import UserError
from trainer.tuning import Discrete, Double, Integer, TuningSpec
from trainer.vertex.cloud import as_sent, check_job
from trainer.vertex.place import Place
from trainer.vertex.requests import Search, Workers, custom_job, nas_job, resume_job, retrain_job, tuning_job
from trainer.vertex.watch import machines_of

WORKERS = Workers(
    "registry/image:1",
    "gs://bucket/runs/",
    command=["python", "task.py"],
    arguments=["--data=gs://bucket/data"],
    machine="a2-highgpu-2g",
    accelerator="NVIDIA_TESLA_A100:2",
    replicas=3,
    disk_gb=200,
    service_account="me@project.iam.gserviceaccount.com",
    network="projects/1/global/networks/mine",
    environment={"MODE": "fast"},
    hours=1.5,
    spot=True,
)


def test_workers_as_the_reference_says():
    spec = WORKERS.job_spec("gs://bucket/runs/one", ["--more"])
    chief = {
        "machineSpec": {"machineType": "a2-highgpu-2g", "acceleratorType": "NVIDIA_TESLA_A100", "acceleratorCount": 2},
        "replicaCount": "1",
        "containerSpec": {
            "imageUri": "registry/image:1",
            "command": ["python", "task.py"],
            "args": ["--data=gs://bucket/data", "--more"],
            "env": [{"name": "MODE", "value": "fast"}],
        },
        "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
    }
    assert spec == {
        "workerPoolSpecs": [chief, {**chief, "replicaCount": "2"}],
        "baseOutputDirectory": {"outputUriPrefix": "gs://bucket/runs/one"},
        "scheduling": {"timeout": "5400s", "strategy": "SPOT"},
        "serviceAccount": "me@project.iam.gserviceaccount.com",
        "network": "projects/1/global/networks/mine",
    }
    assert WORKERS.directory("one", now=0) == "gs://bucket/runs/one_19700101_000000"
    job = custom_job("one", WORKERS, labels={"team": "vision"})
    assert machines_of(job) == 3
    check_job("customJobs", job)


def test_a_search_its_training_and_its_continuation():
    job = nas_job("first", WORKERS, "{}", Search("reward", "minimize", 20, 50, 4, "grid", top=2, every=10))
    algorithm = job["nasJobSpec"]["multiTrialAlgorithmSpec"]
    assert algorithm["multiTrialAlgorithm"] == "GRID_SEARCH"
    assert algorithm["metric"] == {"metricId": "reward", "goal": "MINIMIZE"}
    search = algorithm["searchTrialSpec"]
    assert [search[f"max{name}TrialCount"] for name in ("", "Parallel", "Failed")] == [20, 20, 4]
    assert (algorithm["trainTrialSpec"]["maxParallelTrialCount"], algorithm["trainTrialSpec"]["frequency"]) == (2, 10)
    check_job("nasJobs", job)
    again = retrain_job("again", job, [9, 4])
    trials = again["nasJobSpec"]["multiTrialAlgorithmSpec"]["searchTrialSpec"]
    where = search["searchTrialJobSpec"]["baseOutputDirectory"]["outputUriPrefix"]
    assert re.fullmatch(r"gs://bucket/runs/first_\d{8}_\d{6}/nas/search", where)
    pools = trials["searchTrialJobSpec"]["workerPoolSpecs"]
    for pool in pools:
        flags = pool["containerSpec"]["args"]
        assert flags[-2:] == [f"--retrain_search_job_dir={where}", "--retrain_search_job_trials=9,4"]
    assert trials["maxTrialCount"] == 2
    output = trials["searchTrialJobSpec"]["baseOutputDirectory"]["outputUriPrefix"]
    assert re.fullmatch(r"gs://bucket/runs/again_\d{8}_\d{6}/nas/train", output)
    check_job("nasJobs", again)
    more = resume_job("more", {**job, "name": "projects/p/locations/r/nasJobs/77"})
    assert more == {"displayName": "more", "nasJobSpec": {"resumeNasJobId": "77"}}


def test_tuning_with_its_limits():
    spec = TuningSpec(
        {"x": Double(0.0, 1.0), "n": Integer(1, 3)}, "loss", "maximize", 7, 9, 2, early_stopping="median", timeout_s=60
    )
    job = tuning_job("lr", WORKERS, spec)
    counts = [job[name] for name in ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount")]
    assert counts == [7, 7, 2]
    assert job["studySpec"]["medianAutomatedStoppingSpec"] == {"useElapsedDuration": False}
    assert job["trialJobSpec"]["scheduling"]["timeout"] == "60s"
    sent = as_sent("hyperparameterTuningJobs", job, Place("p-12345", "us-east1"))["body"]
    assert sent["studySpec"]["parameters"][0] == {
        "parameterId": "x",
        "doubleValueSpec": {"maxValue": 1.0},  # protobuf's JSON leaves zeros out
        "scaleType": "UNIT_LINEAR_SCALE",
    }


def test_what_vertex_does_not_search_is_said():
    grid = TuningSpec({"x": Double(0.0, 1.0)}, "loss", algorithm="grid")
    with pytest.raises(UserError, match="parameters.x: Vertex AI has no grid over a double. List its values in a Discrete"):
        tuning_job("lr", WORKERS, grid)
    tuning_job("lr", WORKERS, TuningSpec({"x": Discrete((0.0, 1.0))}, "loss", algorithm="grid"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": "no image"}, "--image: 'no image' is no image"),
        ({"staging": "s3://bucket"}, "--staging: 's3://bucket' is no bucket"),
        ({"accelerator": "T4:0"}, "--accelerator: 'T4:0' is no accelerator"),
        ({"replicas": 0}, "--replicas: 0 machines"),
        ({"service_account": "me"}, "--service-account: 'me' is no account"),
        ({"hours": 400}, "--trial-hours: 400 hours, expected more than 0, up to 336"),
    ],
)
def test_workers_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        Workers(**{"image": "a/b:1", "staging": "gs://bucket", **settings})


def test_names_and_labels_that_cannot_be():
    with pytest.raises(UserError, match="--name: '1st' does not fit"):
        custom_job("1st", WORKERS)
    with pytest.raises(UserError, match="--label: Team=x does not fit"):
        custom_job("one", WORKERS, labels={"Team": "x"})


def test_an_accelerator_that_there_is_not():
    job = custom_job("one", Workers("a/b:1", "gs://bucket", accelerator="NVIDIA_T5"))
    with pytest.raises(UserError, match="custom_job: the API does not take it .*NVIDIA_T5"):
        check_job("customJobs", job)
