"""Worker processes: crashes, hangs, exits, mistakes, recycling, logs, and what cannot be sent there."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from study_fakes import Blocks, InOrder, Loss, Trouble

from nas.errors import StudyError, UserError
from nas.study import workers
from nas.study.objective import minimize
from nas.study.study import Study


def reasons(study):
    return {t.id: (t.state, t.reason) for t in study.trials}


def test_a_worker_that_dies_or_hangs_takes_only_its_trial(tmp_path):
    at = {0: "segfault", 2: "exit", 3: "hang", 4: "error", 5: "sys.exit", 6: "print"}
    study = Study(Blocks(), InOrder(), Trouble(at), minimize("loss"), directory=tmp_path / "s")
    study.run(8, workers=2, timeout_s=6)
    found = reasons(study)
    assert [found[i][0] for i in range(1, 9)] == ["failed", "completed", *["failed"] * 4, "completed", "completed"]
    assert "was ended by SIGSEGV" in found[1][1]
    assert "exited in the middle of the trial" in found[3][1]
    assert found[4][1] == "timed out after 6 s"
    assert found[5][1].rstrip().endswith("ValueError: trouble at this index")
    assert 'raise ValueError("trouble' in found[5][1]
    assert found[6][1].rstrip().endswith("SystemExit: bye")
    logs = {p.stem: p.read_text() for p in (tmp_path / "s" / "logs").iterdir()}
    assert "hello from the worker" in logs[study.trials[6].worker]
    assert "Segmentation fault" in logs[study.trials[0].worker]  # faulthandler
    assert study.best().id == 2


def test_workers_are_reused_and_recycled(tmp_path):
    study = Study(Blocks(), InOrder(), Loss(isolated=True), minimize("loss"), directory=tmp_path / "s")
    study.run(3, tasks_per_worker=2)
    first, second, third = (t.worker for t in study.trials)
    assert first == second != third
    assert f"worker-{os.getpid()}" not in (first, third)


def test_a_worker_that_has_grown_is_replaced_and_a_mistake_stops_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "GROWTH_BYTES", 50 * 2**20)
    study = Study(Blocks(), InOrder(), Trouble({1: "grow", 3: "mistake"}), minimize("loss"), directory=tmp_path / "s")
    with pytest.raises(UserError, match=r"^photos: no such file. Make it.$") as caught:
        study.run(10)
    assert caught.value.path == "photos"
    trials = Study.open(tmp_path / "s").trials
    assert [t.state for t in trials] == ["completed", "completed", "completed", "queued"]
    assert trials[0].worker == trials[1].worker != trials[2].worker


def test_what_cannot_be_sent_is_said_before_anything_is_written(tmp_path):
    def local(architecture):
        return {"loss": 1.0}

    for evaluator, name in ((lambda a: {"loss": 1.0}, "<lambda>"), (local, "local")):
        study = Study(Blocks(), InOrder(), evaluator, minimize("loss"), directory=tmp_path / "s")
        with pytest.raises(StudyError, match=f"evaluator {name} cannot be sent.*top of a module.*use workers=1"):
            study.run(5, workers=2)
        with pytest.raises(StudyError, match="without timeout_s"):
            study.run(5, timeout_s=1)
    assert not (tmp_path / "s").exists()
    assert study.run(3).finished == 3  # workers=1 does


def run_script(tmp_path, text):
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    folder = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    return subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_needs_the_usual_guard_and_is_told(tmp_path, guarded):
    done = run_script(
        tmp_path,
        f"""
        from study_fakes import Blocks, InOrder, loss_of
        from nas.errors import StudyError
        from nas.study.study import Study
        from nas.study.objective import minimize

        def mine(architecture):  # lives in the script itself
            return loss_of(architecture)

        if {guarded} and __name__ != "__main__":
            pass
        else:
            try:
                print(Study(Blocks(), InOrder(), mine, minimize("loss"), directory="s").run(3, workers=2))
            except StudyError as error:
                raise SystemExit(str(error))
        """,
    )
    if guarded:
        assert done.stdout == "3 trials are finished.\n", done.stderr
    else:
        assert done.returncode == 1
        assert 'put what runs under `if __name__ == "__main__":`' in done.stderr
