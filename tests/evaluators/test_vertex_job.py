"""Architectures judged by CustomJobs: the real client, a local Vertex AI, results through the real storage client."""

import pickle
import sys
import textwrap

import pytest
from evaluator_fakes import SMALLEST
from fake_faults import Fault
from fake_vertex import FakeVertex

import controllers
import nas
from evaluators import VertexCustomJob
from nas.errors import Infeasible, UserError
from nas.study.fidelity import Fidelity
from trainer import storage
from trainer.vertex import cloud
from trainer.vertex.place import Place
from trainer.vertex.requests import Workers

TRAINER = """
    import argparse, json, sys
    from trainer import vertex_trial
    parser = argparse.ArgumentParser()
    parser.add_argument("--nas_params_str")
    parser.add_argument("--job-dir")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--status", default="success")
    given = parser.parse_args()
    assert vertex_trial.get_job_dir_from_environment_if_exist("elsewhere") == given.job_dir
    vertex_trial.write_job_status(given.job_dir, given.status)
    vertex_trial.write_model_analysis(given.job_dir, {"val_mse": 1 / given.epochs, "seed": given.seed})
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A local Vertex AI; gs:// is a directory, mounted here as in its containers."""
    monkeypatch.setattr(cloud, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(storage, "_MOUNT", tmp_path / "server" / "buckets")
    (tmp_path / "server" / "buckets" / "colours").mkdir(parents=True)
    with FakeVertex(tmp_path / "server") as server:
        yield server


@pytest.fixture
def emulated(tmp_path, monkeypatch):
    """A local Vertex AI beside a storage emulator with the bucket `colours`."""
    from gcp_storage_emulator.server import create_server

    with create_server("127.0.0.1", 0, in_memory=True, default_bucket="colours") as buckets:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{buckets._api._httpd.server_port}")
        with FakeVertex(tmp_path / "server") as server:
            yield server


@pytest.fixture
def judge(tmp_path, request):
    """Makes the evaluator, its trainer with further arguments or another program."""
    server = request.getfixturevalue("emulated" if "emulated" in request.fixturenames else "fake")

    def judge(*arguments, program=TRAINER, **settings):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(program))
        workers = Workers("registry/image:1", "gs://colours/study", [sys.executable, str(path)], arguments)
        settings = {"every_s": 0.05, "patience_s": 5, **settings}
        return VertexCustomJob(Place("rehearsal", "europe-west4", server.url), workers, ["val_mse", "seed"], **settings)

    return judge


def test_what_the_trial_left_in_a_bucket_is_what_is_measured(emulated, judge):
    found = judge().evaluate(SMALLEST, Fidelity(epochs=4), seed=7)
    assert {name: measurement.value for name, measurement in found.items() if name != "machine_hours"} == {
        "val_mse": 0.25,
        "seed": 7,
    }
    assert 0 < found["machine_hours"].value < 1
    assert (found["val_mse"].device, found["val_mse"].runtime) == ("Vertex AI n1-standard-8", "registry/image:1")


def test_a_trial_that_is_asked_for_again_is_found_not_begun_anew(fake, judge):
    first = judge().evaluate(SMALLEST, seed=7)
    sent = pickle.dumps(judge())  # as to a worker process, after a crash of the one before
    again = pickle.loads(sent).evaluate(SMALLEST, seed=7)  # noqa: S301
    assert first == again
    assert len(fake.jobs.known) == 1
    judge().evaluate(SMALLEST, seed=8)
    assert len(fake.jobs.known) == 2


def test_a_job_that_is_being_cancelled_is_waited_for_and_begun_anew(fake, judge):
    one = judge(program="import time; time.sleep(0.5)" + textwrap.dedent(TRAINER), study="colours-1")
    first = fake.jobs.create(one.place.parent, "customJobs", one.request(SMALLEST))
    first.cancelled.set()
    first.enter("JOB_STATE_CANCELLING")
    assert one.evaluate(SMALLEST)["val_mse"].value == 1
    assert [job.state for job in fake.jobs.known.values()] == ["JOB_STATE_CANCELLED", "JOB_STATE_SUCCEEDED"]
    assert {job.resource.labels["espalier_study"] for job in fake.jobs.known.values()} == {"colours-1"}


def test_a_lost_machine_is_replaced(fake, judge):
    fake.faults.add(Fault("RUN", "customJobs", "fail", times=2))
    assert judge(tries=3).evaluate(SMALLEST)["val_mse"].value == 1
    fake.faults.add(Fault("RUN", "customJobs", "fail", times=2))
    with pytest.raises(RuntimeError, match="customJobs/1005: failed, Internal error occurred"):
        judge(tries=2).evaluate(SMALLEST, seed=1)


def test_a_program_that_fails_is_not_run_again(fake, judge):
    with pytest.raises(RuntimeError, match="exited with code 3. no data"):
        judge(program="import sys; print('no data'); sys.exit(3)").evaluate(SMALLEST)
    assert len(fake.jobs.known) == 1


@pytest.mark.parametrize(
    ("arguments", "program", "message"),
    [
        (["--status=failed_with_nan_error"], TRAINER, "customJobs/1001: failed_with_nan_error"),
        ([], "pass", "the trial left no gs://colours/study/.*/nas/search/1/job_status.json"),
        ([], TRAINER.replace('"val_mse"', '"val_mae"'), "val_mse is not in gs://.*model_analysis.json, only seed, val_mae"),
    ],
)
def test_a_trial_that_judged_nothing_is_infeasible(judge, arguments, program, message):
    with pytest.raises(Infeasible, match=message):
        judge(*arguments, program=program).evaluate(SMALLEST)


def test_what_a_trial_cannot_be_told_is_a_mistake(judge):
    with pytest.raises(UserError, match="fidelity: a trial takes no resolution, expected epochs"):
        judge().evaluate(SMALLEST, Fidelity(resolution=0.5))
    with pytest.raises(UserError, match="metrics: 'val_mse' does not fit"):
        VertexCustomJob(Place("rehearsal", "europe-west4"), Workers("a/b:1", "gs://colours/x"), "val_mse")


def test_any_controller_drives_the_clouds_machines(fake, judge, tmp_path):
    from search_spaces.nasbench201 import nasbench201

    made = nas.Study(
        nasbench201,
        controllers.get("random", seed=0),
        [judge()],
        objectives=[nas.minimize("val_mse")],
        directory=tmp_path / "study",
    )
    made.run(trials=3)
    assert [trial.state for trial in made.trials] == ["completed"] * 3
    assert len({trial.measurements["seed"].value for trial in made.trials}) == 3
    assert len(fake.jobs.known) == 3
