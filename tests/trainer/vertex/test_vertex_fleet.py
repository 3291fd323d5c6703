"""A study's jobs together: what they have used, whatever became of them, and their end."""

import sys
import time

import pytest
from cloud_scripts import FAILING, HANGING
from fake_faults import Fault

from trainer.vertex import fleet as fleets
from trainer.vertex.cloud import CloudError
from trainer.vertex.fleet import Fleet, machine_hours
from trainer.vertex.kinds import ENDED
from trainer.vertex.requests import STUDY_LABEL, Workers, custom_job
from trainer.vertex.spend import Budget


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    monkeypatch.setattr(fleets, "CREATE_LAGS_S", 0)


@pytest.fixture
def send(vertex):
    """Begins a job of a study; ended: waits until it has."""

    def send(program, study="mine", replicas=1, ended=True):
        workers = Workers("registry/image:1", "gs://bucket/runs", [sys.executable, "-c", program], replicas=replicas)
        job = vertex.create("customJobs", custom_job("one", workers, labels={STUDY_LABEL: study}))
        deadline = time.monotonic() + 20
        while job["state"] not in ENDED if ended else job["state"] != "JOB_STATE_RUNNING":
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
            job = vertex.get(job["name"])
        return job

    return send


@pytest.fixture
def gather(vertex):
    def gather(budget=Budget(machine_hours=1e-9), **more):
        return Fleet(vertex, "mine", budget, every_s=0.02, **more)

    return gather


def test_machine_hours_by_hand():
    pools = [{"replicaCount": "1"}, {"replicaCount": "3"}]
    job = {"state": "JOB_STATE_RUNNING", "startTime": "2026-01-02T03:00:00Z", "jobSpec": {"workerPoolSpecs": pools}}
    start = 1767322800.0  # date -d 2026-01-02T03:00:00Z +%s
    assert machine_hours(job, now=start + 1800) == 4 * 0.5
    assert (
        machine_hours(job | {"state": "JOB_STATE_SUCCEEDED", "endTime": "2026-01-02T03:15:00.000000Z"}, now=start + 1800) == 1
    )
    assert machine_hours({"state": "JOB_STATE_PENDING", "jobSpec": job["jobSpec"]}, now=start) == 0


def test_every_job_of_the_study_counts_and_no_other(send, gather):
    jobs = [send("import time; time.sleep(0.2)"), send(FAILING, replicas=2)]
    send("pass", study="another")
    fleet = gather()
    hours = sum(map(machine_hours, jobs))
    assert fleet.spent() == f"{hours:.3g} machine hours of 1e-09 are used"
    assert fleet.used(time.time()) == (used := fleet.used(time.time() + 3600))
    assert (used.trials, used.machine_hours) == (2, pytest.approx(hours))
    running, now = send(HANGING, replicas=3, ended=False), time.time()
    time.sleep(0.1)
    fleet.spent()
    assert fleet.used(now + 3600).machine_hours == pytest.approx(hours + machine_hours(running, now + 3600))


def test_the_end_of_those_that_run(send, gather, vertex):
    mine, other = send(HANGING, ended=False), send(HANGING, study="another", ended=False)
    fleet = gather()
    fleet.cancel()
    assert vertex.get(mine["name"])["state"] == "JOB_STATE_CANCELLED"
    assert vertex.get(other["name"])["state"] == "JOB_STATE_RUNNING"
    assert fleet.spent() == gather().spent() != ""
    assert fleet.used(time.time()).machine_hours == machine_hours(vertex.get(mine["name"]))


def test_a_job_that_cannot_be_cancelled_is_said(fake, send, gather):
    send(HANGING, ended=False)
    fake.faults.add(Fault("POST", "customJobs", 403))
    with pytest.raises(CloudError, match="access refused"):
        gather().cancel()


def test_a_job_that_ended_before_it_could_be_cancelled_is_no_trouble(fake, send, gather, vertex):
    job = send("import time; time.sleep(1)", ended=False)

    class Late:
        """Vertex AI, where the job ends just before it is cancelled."""

        get, jobs = vertex.get, vertex.jobs

        def cancel(self, name):
            while vertex.get(name)["state"] not in ENDED:
                time.sleep(0.02)
            fake.faults.add(Fault("POST", "customJobs", 400))
            vertex.cancel(name)

    Fleet(Late(), "mine", Budget(), every_s=0.02).cancel()
    assert vertex.get(job["name"])["state"] == "JOB_STATE_SUCCEEDED"


def test_what_deleted_jobs_used_is_not_forgotten(send, gather, vertex):
    kept, deleted = send("pass"), send("pass")
    fleet = gather()
    fleet.spent()
    running = send(HANGING, ended=False)
    time.sleep(0.05)
    fleet.spent()
    vertex.cancel(running["name"])
    while vertex.get(running["name"])["state"] not in ENDED:
        time.sleep(0.02)
    for job in (deleted, running):
        vertex.delete(job["name"])
    time.sleep(0.05)
    fleet.spent()
    assert fleet.used(0).trials == 3
    trials = sum(map(machine_hours, (kept, deleted)))
    again = gather(measured_h=trials)
    again.spent()
    assert again.used(time.time()).machine_hours == pytest.approx(trials)


def test_ended_jobs_are_read_once(send, gather, vertex, monkeypatch):
    monkeypatch.setattr(fleets, "LIST_LAGS_S", 0)
    asked, jobs = [], vertex.jobs
    monkeypatch.setattr(vertex, "jobs", lambda *given: (found := list(jobs(*given)), asked.append(len(found)))[0])
    send("pass")
    send("pass")
    time.sleep(1.1)  # the list is asked for whole seconds
    fleet = gather()
    fleet.spent()
    send(HANGING, ended=False)
    for _ in range(3):
        time.sleep(0.05)
        fleet.spent()
    assert asked == [2, 1, 1, 1]
    assert fleet.used(0).trials == 3
