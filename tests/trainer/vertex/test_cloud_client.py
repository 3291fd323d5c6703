"""The door to Vertex AI: Google's real client over a real socket, on good days and bad ones."""

import sys
import time

import pytest
from cloud_scripts import FAILING, HANGING
from fake_faults import Fault

from nas.errors import UserError
from trainer.vertex import cloud
from trainer.vertex.kinds import ENDED
from trainer.vertex.place import Place
from trainer.vertex.requests import Workers, custom_job

NOTHING = "pass"


def job(program=NOTHING, name="one", **labels):
    workers = Workers("registry/image:1", "gs://bucket/runs", command=[sys.executable, "-c", program])
    return custom_job(name, workers, labels=labels)


def end_of(vertex, name):
    deadline = time.monotonic() + 20
    while (found := vertex.get(name))["state"] not in ENDED:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_a_job_from_creation_to_deletion(vertex):
    program = "import os, sys; assert os.environ['AIP_MODEL_DIR'].endswith('/model/'); assert sys.argv[1:] == []"
    made = vertex.create("customJobs", job(program, team="vision"))
    assert made["name"].startswith("projects/rehearsal/locations/europe-west4/customJobs/")
    assert made["labels"]["team"] == "vision"
    assert end_of(vertex, made["name"])["state"] == "JOB_STATE_SUCCEEDED"
    vertex.delete(made["name"])
    with pytest.raises(cloud.NoSuchJob, match=r"customJobs/\d+: it does not exist. Check project, region and name"):
        vertex.get(made["name"])


def test_a_job_that_fails_says_why(vertex):
    made = vertex.create("customJobs", job(FAILING))
    ended = end_of(vertex, made["name"])
    assert ended["state"] == "JOB_STATE_FAILED"
    assert "exited with code 3" in ended["error"]["message"]
    assert "no data" in ended["error"]["message"]


def test_a_job_that_the_service_fails(fake, vertex):
    fake.faults.add(Fault("RUN", "customJobs", "fail"))
    ended = end_of(vertex, vertex.create("customJobs", job())["name"])
    assert (ended["state"], ended["error"]["message"][:14]) == ("JOB_STATE_FAILED", "Internal error")


def test_cancelling_midway(vertex):
    made = vertex.create("customJobs", job(HANGING))
    vertex.cancel(made["name"])
    assert end_of(vertex, made["name"])["state"] == "JOB_STATE_CANCELLED"


def test_pages_hold_every_job_once(vertex):
    names = [vertex.create("customJobs", job(name=f"job{i}"))["name"] for i in range(7)]
    assert [found["name"] for found in vertex.jobs("customJobs", page_size=3)] == names[::-1]
    assert [found["name"] for found in vertex.jobs("customJobs", 'display_name="job4"')] == [names[4]]


@pytest.mark.parametrize("trouble", [429, 503, "drop", "refuse"])
def test_passing_troubles_are_waited_out(fake, vertex, trouble):
    name = vertex.create("customJobs", job())["name"]
    fake.faults.add(Fault("GET", name, trouble, times=2))
    assert vertex.get(name)["name"] == name


@pytest.mark.parametrize("trouble", [429, 503, "drop", "refuse"])
def test_a_job_is_created_once_whatever_becomes_of_the_answer(fake, vertex, trouble):
    fake.faults.add(Fault("POST", "customJobs", trouble, times=2))
    made = vertex.create("customJobs", job())
    assert [found["name"] for found in vertex.jobs("customJobs")] == [made["name"]]


def test_a_deletion_whose_answer_was_lost(fake, vertex):
    name = vertex.create("customJobs", job())["name"]
    end_of(vertex, name)
    fake.faults.add(Fault("DELETE", name, "drop"))
    vertex.delete(name)
    assert list(vertex.jobs("customJobs")) == []


def test_patience_ends(fake):
    impatient = cloud.Vertex(Place("rehearsal", "europe-west4", fake.url), patience_s=0.1)
    fake.faults.add(Fault("GET", "customJobs", 429, times=99), Fault("POST", "customJobs", 503, times=99))
    with pytest.raises(cloud.CloudError) as caught:
        impatient.create("customJobs", job())
    assert caught.value.code in (429, 503)
    with pytest.raises(cloud.CloudError, match=r"the quota is used up \(requested for this test\). Ask for more quota"):
        list(impatient.jobs("customJobs"))


def test_an_answer_that_is_no_answer(fake, vertex):
    name = vertex.create("customJobs", job())["name"]
    fake.faults.add(Fault("GET", name, "garbage"))
    assert vertex.get(name)["name"] == name
    fake.faults.add(Fault("GET", name, "garbage", times=99))
    vertex.patience_s = 0.1
    with pytest.raises(cloud.CloudError, match="http://127.0.0.1:.* does not answer"):
        vertex.get(name)


def test_nobody_there():
    vertex = cloud.Vertex(Place("rehearsal", "europe-west4", "http://127.0.0.1:9"), patience_s=0)
    with pytest.raises(cloud.CloudError, match="http://127.0.0.1:9 does not answer") as caught:
        vertex.get("projects/rehearsal/locations/europe-west4/nasJobs/1")
    assert caught.value.code == 0


def test_what_is_refused_is_not_tried_again(fake, vertex):
    with pytest.raises(cloud.CloudError, match="refused .*labels"):
        vertex.create("customJobs", {**job(), "labels": {"Team": "Vision"}})
    assert len(fake.requests) == 1


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    vertex = cloud.Vertex(Place("rehearsal", "europe-west4", fake.url), patience_s=0)
    assert list(vertex.jobs("customJobs")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"displayNam": "x"}, 'custom_job: the API does not take it .*no field named "displayNam"'),
        ({"displayName": 3}, "custom_job: the API does not take it"),
    ],
)
def test_what_the_api_does_not_know_is_never_sent(fake, vertex, change, message):
    with pytest.raises(UserError, match=message):
        vertex.create("customJobs", job() | change)
    assert fake.requests == []


def test_without_credentials_nothing_is_sent(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(
        UserError, match="no credentials for Google Cloud were found. Run: gcloud auth application-default login"
    ):
        cloud.Vertex(Place("my-project", "europe-west4"))


@pytest.mark.parametrize(
    "endpoint",
    ["http://example.com:80", "https://127.0.0.1:80", "http://127.0.0.1", "http://u:p@127.0.0.1:1", "http://127.0.0.1.evil.com:1",
     "http://127.0.0.1:80/path", "ftp://127.0.0.1:1", "http://[::1", "127.0.0.1:80"],
)  # fmt: skip
def test_only_this_machine_is_spoken_to_without_credentials(endpoint):
    with pytest.raises(UserError, match="--endpoint: .* is not on this machine, expected http://127.0.0.1:PORT"):
        Place("rehearsal", "europe-west4", endpoint)


def test_places():
    assert Place("p-123456", "us-central1").url == "https://us-central1-aiplatform.googleapis.com"
    assert Place("p-123456", "us-central1", "http://localhost:80/").url == "http://localhost:80"
    with pytest.raises(UserError, match="--project: '' is no project"):
        Place("", "us-central1")
    with pytest.raises(UserError, match="--region: 'evil.com/x' is no region"):
        Place("p-123456", "evil.com/x")
