"""`nas vertex study` under a budget: Google's real clients, a local Vertex AI and a storage emulator."""

import re
import shlex
import sys
import textwrap

import nas_command
import pytest

import nas
from trainer.vertex import fleet

HANGING = "import time; time.sleep(600)"
TRAINER = """
    import argparse
    from trainer import vertex_trial
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-dir")
    given, _ = parser.parse_known_args()
    vertex_trial.write_job_status(given.job_dir, "success")
    vertex_trial.write_model_analysis(given.job_dir, {"val_mse": 0.5})
"""


@pytest.fixture
def buckets(monkeypatch):
    """A storage emulator with the bucket `colours`, for this process and those it starts."""
    from gcp_storage_emulator.server import create_server

    with create_server("127.0.0.1", 0, in_memory=True, default_bucket="colours") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
        monkeypatch.setattr(fleet, "CREATE_LAGS_S", 0.2)
        yield


@pytest.fixture
def run(capsys, tmp_path, buckets, fake):
    """The command on a space of the package, its program given; other options as given."""

    def run(program, *options):
        (tmp_path / "program.py").write_text(textwrap.dedent(program))
        command = shlex.join([sys.executable, str(tmp_path / "program.py")])
        container = ["--image", "registry/image:1", "--command", command, "--staging", "gs://colours/study"]
        place = ["--project", "my-project", "--region", "europe-west4", "--endpoint", fake.url, "--every", "0.05"]
        options = ["--controller", "random", "--trials", 2, "--workers", 2, "--out", tmp_path / "out", *options]
        return nas_command.run("vertex", "study", "colorizer", *container, *place, *options, capsys=capsys)

    return run


def posts(fake):
    """How many jobs were created, and how many cancellations were sent."""
    sent = [path.endswith(":cancel") for method, path, _ in fake.requests if method == "POST"]
    return sent.count(False), sent.count(True)


def jobs(fake):
    return [job.state.removeprefix("JOB_STATE_").lower() for job in fake.jobs.known.values()]


def trials(directory):
    return [trial.state for trial in nas.Study.open(directory).trials]


def test_a_spent_budget_cancels_the_jobs_and_a_larger_one_goes_on(run, fake, tmp_path):
    out = tmp_path / "out"
    code, said, err = run(HANGING, "--max-machine-hours", "0.0005")
    spent = r"0 of 2 trials are finished: 0\.000\d+ machine hours of 0\.0005 are used\. The same command with a larger budget"
    assert (code, bool(re.search(spent, said))) == (0, True), said
    assert "The budget is spent. Jobs that run are being cancelled." in err
    created, cancelled = posts(fake)
    assert (jobs(fake), trials(out), cancelled) == (["cancelled"] * created, ["queued"] * 2, created)
    assert created >= 1  # a slow machine sends the second one too late

    code, said, _ = run(TRAINER, "--max-cost", "1", "--price", "2000")  # the same hours, as money
    assert (code, bool(re.search(r"0 of 2 trials are finished: \d\.\d\d of 1\.00 are spent\.", said))) == (0, True), said
    assert (trials(out), posts(fake)) == (["queued"] * 2, (created, cancelled))

    code, said, _ = run(TRAINER, "--max-machine-hours", "9")
    assert (code, "2 trials are finished. The best: nas top" in said) == (0, True), said
    assert (jobs(fake), trials(out)) == (["cancelled"] * created + ["succeeded"] * 2, ["completed"] * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-cost", "5"], "--max-cost: money without a price. Give the price of a machine hour"),
        (["--max-machine-hours", "0"], "--max-machine-hours: 0.0 does not fit, expected more than 0"),
        (["--max-cost", "5", "--price", "-1"], "--price: -1.0 does not fit, expected more than 0"),
    ],
)
def test_a_budget_that_cannot_be_is_one_clear_message(run, fake, tmp_path, options, message):
    code, _, err = run(TRAINER, *options)
    assert (code, message in err, err.count("\n"), fake.requests) == (2, True, 1, []), err
    assert not (tmp_path / "out").exists()
