"""kill -9 of the whole study, again and again: nothing that was finished is lost, nothing is doubled, nothing else changes."""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from study_fakes import Witness, comparable, last_line
from study_process import make

from nas.study.study import Study

SCRIPT = Path(__file__).with_name("study_process.py")


def start(directory, trials, workers, sleep_s):
    command = [sys.executable, str(SCRIPT), str(directory), str(trials), str(workers), str(sleep_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def kill(process):
    process.kill()
    process.wait()
    process.stdout.close()


def check_witness(directory):
    """What was told to be finished is in the store, the same; no id and no fingerprint is there twice."""
    told = Witness.read(directory.parent / "witness.jsonl")
    assert len({id for id, *_ in told}) == len(told), "a trial was finished twice"
    if not (directory / "study.db").exists():
        assert not told
        return 0
    trials = {t.id: t for t in Study.open(directory).trials}
    assert len({t.fingerprint for t in trials.values()}) == len(trials)
    for id, fingerprint, state, loss in told:
        t = trials[id]
        assert [t.fingerprint, t.state, repr(t.value("loss"))] == [fingerprint, state, loss]
    return sum(t.is_finished for t in trials.values())


def run(directory, wanted, sleep_s):
    make(directory, sleep_s).run(wanted, on_event=Witness(directory.parent / "witness.jsonl"))


def test_twenty_kills_change_nothing(tmp_path):
    rng, directory, wanted = random.Random(2024), tmp_path / "study", 900
    fork = multiprocessing.get_context("fork")  # a process like any other, without a second of imports before it
    finished = [0]
    for _ in range(20):
        process = fork.Process(target=run, args=(directory, wanted, 0.004))
        process.start()
        time.sleep(rng.uniform(0.01, 0.35))
        process.kill()
        process.join()
        finished.append(check_witness(directory))
    assert finished == sorted(finished)
    assert len(set(finished)) > 8, f"the kills did not fall into the study: {finished}"
    assert finished[-1] < wanted
    run(directory, wanted, 0)
    assert check_witness(directory) == wanted

    uninterrupted = make(None)
    uninterrupted.run(wanted)
    assert comparable(Study.open(directory).trials) == comparable(uninterrupted.trials)


def test_kills_with_two_workers_lose_and_double_nothing(tmp_path):
    rng, directory, wanted = random.Random(5), tmp_path / "study", 120
    finished = [0]
    for _ in range(3):
        process = start(directory, wanted, 2, 0.02)
        deadline = time.monotonic() + 60
        while not Witness.read(tmp_path / "witness.jsonl")[finished[-1] :] and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        kill(process)
        finished.append(check_witness(directory))
        assert finished[-1] > finished[-2] or finished[-1] == wanted
    run(directory, wanted, 0)
    assert check_witness(directory) == wanted
    trials = Study.open(directory).trials
    assert [t.id for t in trials] == list(range(1, wanted + 1))
    assert all(last_line(t.reason).startswith("ValueError: divisible") for t in trials if t.state == "failed")


def test_workers_end_with_a_killed_parent(tmp_path):
    process = start(tmp_path / "study", 50, 2, 0.2)
    deadline = time.monotonic() + 60
    while not (workers := worker_pids(tmp_path / "study")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(alive(pid) for pid in workers)
    kill(process)
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert not any(alive(pid) for pid in workers)


def test_ctrl_c_keeps_what_is_finished_and_can_be_continued(tmp_path):
    directory, wanted = tmp_path / "study", 100
    for workers in (1, 2):
        process = start(directory, wanted, workers, 0.01)
        known = len(Witness.read(tmp_path / "witness.jsonl"))
        deadline = time.monotonic() + 60
        while len(Witness.read(tmp_path / "witness.jsonl")) < known + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        out, _ = process.communicate(timeout=60)
        assert (out, process.returncode) == ("interrupted\n", 130)
        view = Study.open(directory)
        assert view.driver is None
        assert {t.state for t in view.trials if not t.is_finished} <= {"queued"}
        assert known + 3 <= check_witness(directory) < wanted
        assert check_witness(directory) == len(Witness.read(tmp_path / "witness.jsonl"))
    run(directory, wanted, 0)
    assert check_witness(directory) == wanted


def worker_pids(directory):
    return [int(p.stem.removeprefix("worker-")) for p in (directory / "logs").glob("worker-*.log")]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_journal_is_the_way_of_the_controller(tmp_path):
    make(tmp_path / "study").run(6)
    with sqlite3.connect(f"file:{tmp_path}/study/study.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT kind, payload FROM journal ORDER BY seq").fetchall()
    journal = [(kind, json.loads(payload)) for kind, payload in rows]
    assert journal == [e for i in range(1, 7) for e in (("ask", {"n": 1, "ids": [i], "new": [i]}), ("tell", [i]))]
