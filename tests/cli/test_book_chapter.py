"""The book's chapter, executed: the same task and spec on this machine and on a local Vertex AI, through Google's client."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_vertex import FakeVertex

from trainer.tuning import TuningResult

REPOSITORY = Path(__file__).parents[2]
CHAPTER = REPOSITORY / "examples" / "book_chapter"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
TRIALS = "2"


def execute(*command):
    environment = os.environ | {"PATH": PATH, "COLUMNS": "140"}
    done = subprocess.run(
        [str(w) for w in command], env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The chapter run on this machine: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("chapter")
    return folder, execute("sh", CHAPTER / "run.sh", folder, "--max-trials", TRIALS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_chapter_runs_and_ends_in_a_table(here):
    folder, printed = here
    result = TuningResult.load(folder / "tuning")
    assert [trial.state for trial in result.trials] == ["succeeded", "succeeded"]
    assert f"Best: trial {result.best.id}, val_loss {result.best.value:.6g}." in printed
    assert result.best.value < 0.6  # of images between -1 and 1; an untrained network has about 0.75
    log = (folder / "tuning" / "trial-1" / "output.log").read_text()
    assert "1,106,755" in log
    assert (folder / "tuning" / "trial-1" / "model" / "saved_model.pb").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_chapter_on_vertex_ends_in_the_same_table(here, tmp_path, monkeypatch):
    folder, printed = here
    monkeypatch.setenv("PATH", PATH)  # where the local Vertex AI finds python
    with FakeVertex(tmp_path / "server") as server:
        there = execute(
            "nas", "vertex", "tune", "--spec", CHAPTER / "hpt.yaml", "--max-trials", TRIALS, "--watch",
            "--image", "europe-docker.pkg.dev/p/r/chapter:1", "--command", f"python {CHAPTER / 'task.py'}",
            "--arg", f"--data={folder / 'data'}", "--staging", "gs://bucket/chapter", "--out", tmp_path / "cloud",
            "--project", "rehearsal", "--region", "europe-west4", "--endpoint", server.url,
        )  # fmt: skip
    assert _table(there) == _table(printed)
    assert len(_table(there)[1]) == int(TRIALS)


def _table(printed):
    """The names of the columns of the table of trials, and which trials its rows are of, sorted."""
    lines = [line.replace("┃", " ").replace("│", " ").split() for line in printed.splitlines()]
    start = next(i for i, words in enumerate(lines) if words[:1] == ["trial"] and "learning_rate" in words)
    rows = [words[0] for words in lines[start:] if len(words) == len(lines[start]) and words[0].isdigit()]
    return sorted(lines[start]), sorted(rows)
