"""The container of trials: what it is built from, and what is said where it cannot be built."""

import functools
import os
import stat
from pathlib import Path

import nas_command
import pytest

IMAGE = "europe-docker.pkg.dev/my-project/nas/trainer:1"


@pytest.fixture
def run(capfd):
    return functools.partial(nas_command.run, "vertex", "build", IMAGE, capsys=capfd)


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A program `docker` that notes how it is called, and answers with a given exit code."""

    def docker(code=0):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" = version ] && exit {code}\nexit 0\n')
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return tmp_path / "calls"

    return docker


def test_a_context_holds_what_the_image_needs_and_your_own_files(run, tmp_path):
    (tmp_path / "task.py").write_text("print('mine')\n")
    code, said, _ = run("--add", tmp_path / "task.py", "--gpu", "--push", "--context", tmp_path / "context", "--dry-run")
    assert (code, said.splitlines()) == (0, [f"docker build --tag {IMAGE} {tmp_path}/context", f"docker push {IMAGE}"])
    context = tmp_path / "context"
    assert (context / "extra" / "task.py").read_text() == "print('mine')\n"
    assert 'ARG MORE="tensorflow[and-cuda]"' in (context / "Dockerfile").read_text()
    copied = [
        line.split()[1:-1]
        for line in (context / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY") and "--from" not in line
    ]
    assert all((context / name).exists() for names in copied for name in names)
    assert not list(context.rglob("__pycache__"))
    assert not (context / ".git").exists()


def test_it_builds_with_docker_and_pushes_only_if_asked(run, docker):
    calls = docker()
    code, said, _ = run()
    assert (code, f"To push it: docker push {IMAGE}" in said) == (0, True)
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["version", "build"]
    assert run("--push")[0] == 0
    assert calls.read_text().splitlines()[-1] == f"push {IMAGE}"


def test_a_docker_that_does_not_run_is_said(run, docker):
    docker(code=1)
    code, _, err = run()
    assert (code, "docker does not run here" in err, "--context DIR --dry-run" in err) == (2, True, True)


def test_no_docker_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run()
    assert (code, "docker is not installed here" in err) == (2, True)


def test_cloud_build_needs_a_project(run):
    code, _, err = run("--cloud-build", "--dry-run")
    assert (code, "--project: Cloud Build bills a project" in err) == (2, True)
    code, said, _ = run("--cloud-build", "--project", "my-project", "--dry-run")
    assert (code, said.strip()) == (0, f"gcloud builds submit CONTEXT --project=my-project --tag={IMAGE}")


@pytest.mark.parametrize(
    ("options", "message"), [(["--add", "nowhere.py"], "nowhere.py: no such file"), (["--source", "/"], "it has no Dockerfile")]
)
def test_mistakes(run, options, message):
    code, _, err = run(*options, "--dry-run")
    assert (code, message in err) == (2, True)


def test_the_container_is_pinned_and_not_root():
    text = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()
    assert "ARG PYTHON=3.11." in text
    assert text.index("USER trainer") < text.index("CMD")
