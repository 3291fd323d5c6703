"""The store: whole files only, one writer, many readers, errors that say what is wrong."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.errors import StudyError
from nas.study.database import GROUP_S
from nas.study.directory import NETWORK_FILE_SYSTEMS, check_location, driver_of, file_system
from nas.study.store import Store, trial_from_json, trial_to_json
from nas.study.trial import Measurement, Trial

FOUND = {"loss": Measurement(float("inf")), "t": Measurement(1.5, "ms", spread=0.1)}
TRIAL = Trial(1, {"width": 32, "skip": None}, "abc", "completed", FOUND, seed=9, started=1.25, finished=2.5, worker="main")


def test_what_is_committed_is_there_again_and_nothing_else(tmp_path):
    with Store(tmp_path / "s", create={"space": {"name": "x"}}) as store:
        store.add_trial(TRIAL)
        store.append(1, "ask", {"n": 1, "ids": [1], "new": [1]})
        store.put_snapshot(1, {"rng": [1, 2]})
        store.commit()
        store.add_trial(Trial(2, {}, "def"))
    with Store(tmp_path / "s") as store:
        assert store.trials() == [TRIAL]
        assert store.meta("space") == {"name": "x"}
        assert store.meta("other") is None
        assert [(e.seq, e.kind, e.payload["ids"]) for e in store.events()] == [(1, "ask", [1])]
        assert (store.events(after=1), store.events(kind="tell"), store.last_seq()) == ([], [], 1)
        store.put_snapshot(5, {"rng": [3]})
        assert store.snapshot() == (5, {"rng": [3]})
        assert store.has_results()


def test_a_trial_as_json():
    assert trial_from_json(json.loads(json.dumps(trial_to_json(TRIAL)))) == TRIAL


def test_stages_are_durable_at_once(tmp_path):
    with Store(tmp_path / "s", create={}) as store:
        store.put_stage("tuning", {"learning_rate": 1e-3}, state="running")
        store.put_stage("tuning", {"learning_rate": 2e-3})
        store.put_stage("export", ["keras"])
    with Store(tmp_path / "s", read_only=True) as store:
        assert store.stage("tuning").payload == {"learning_rate": 2e-3}
        assert store.stage("tuning").state == "completed"
        assert set(store.stages()) == {"tuning", "export"}
        assert store.stage("training") is None


def test_commits_are_due_after_a_while(tmp_path):
    with Store(tmp_path / "s", create={}) as store:
        assert not store.is_due
        store.put_meta("a", 1)
        assert not store.is_due
        time.sleep(GROUP_S)
        assert store.is_due
        store.commit()
        assert not store.is_due


def test_equal_fingerprints_are_refused_and_half_a_step_is_never_committed(tmp_path):
    with Store(tmp_path / "s", create={}) as store:
        store.add_trial(TRIAL)
        with pytest.raises(StudyError, match="UNIQUE constraint failed: trials.fingerprint"):
            store.add_trial(Trial(2, {}, "abc"))
        with pytest.raises(StudyError, match="writing has failed before"):
            store.commit()
    with Store(tmp_path / "s") as store:
        assert store.trials() == []


def test_one_process_writes(tmp_path):
    code = "import sys, nas.study.store as s; store = s.Store(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    Store(tmp_path / "s", create={}).close()
    assert driver_of(tmp_path / "s") is None
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StudyError, match=f"process {other.pid} is running this study") as caught:
        Store(tmp_path / "s")
    assert caught.value.received == other.pid
    assert driver_of(tmp_path / "s") == other.pid
    Store(tmp_path / "s", read_only=True).close()
    other.kill()  # the lock goes with the process, the pid in the file does not matter
    other.communicate()
    assert driver_of(tmp_path / "s") is None
    Store(tmp_path / "s").close()


def test_readers_see_commits_while_another_process_writes(tmp_path):
    code = """
import sys
from nas.study.store import Store
from nas.study.trial import Trial
with Store(sys.argv[1], create={}) as store:
    for i in range(1, 1001):
        store.add_trial(Trial(i, {}, str(i)))
        store.append(i, "ask", i)
        if i % 20 == 0:
            store.commit()
            print(i, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    seen = []
    for line in writer.stdout:
        with Store(tmp_path / "s", read_only=True) as store:
            trials = store.trials()
            assert len(trials) % 20 == 0
            assert len(trials) >= int(line)
            assert [t.id for t in trials] == list(range(1, len(trials) + 1))
            seen.append(len(trials))
            with pytest.raises(StudyError, match="readonly"):
                store.add_trial(Trial(9999, {}, "x"))
    assert writer.wait() == 0
    assert seen[-1] == 1000


def write(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(StudyError, match="no study here.*expected a directory with a study.db"):
        Store(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    write(tmp_path / "text" / "study.db", b"not a database, but long enough to be looked at" * 50)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE songs (title)")
    write(tmp_path / "foreign" / "study.db", (tmp_path / "other.db").read_bytes())
    write(tmp_path / "empty" / "study.db", b"")
    for read_only in (True, False):
        with pytest.raises(StudyError, match="not a database.*damaged"):
            Store(tmp_path / "text", read_only=read_only)
        for name in ("foreign", "empty"):
            before = (tmp_path / name / "study.db").read_bytes()
            with pytest.raises(StudyError, match="was not made by Espalier"):
                Store(tmp_path / name, read_only=read_only)
            assert (tmp_path / name / "study.db").read_bytes() == before


def test_newer_and_damaged_files(tmp_path):
    with Store(tmp_path / "s", create={}) as store:
        store.add_trial(TRIAL)
        store.commit()
    file = tmp_path / "s" / "study.db"
    with sqlite3.connect(file) as db:
        db.execute("UPDATE trials SET measurements = '{\"loss\": 5}'")
    with pytest.raises(StudyError, match="trial 1 is damaged"):
        Store(tmp_path / "s", read_only=True).trials()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StudyError, match="format 99, expected format 3"):
        Store(tmp_path / "s")
    data = bytearray(file.read_bytes())
    data[4096 : 4096 * 6] = b"\xff" * (4096 * 5)
    file.write_bytes(data)
    with pytest.raises(StudyError, match="study.db"):
        Store(tmp_path / "s").trials()


def test_a_file_cut_off_while_it_was_made_is_made_anew(tmp_path):
    write(tmp_path / "s" / "study.db.part", b"half")
    with Store(tmp_path / "s", create={"a": 1}) as store:
        assert store.meta("a") == 1
    assert not (tmp_path / "s" / "study.db.part").exists()


def test_places_where_no_study_can_be(tmp_path, monkeypatch):
    write(tmp_path / "file" / "x", b"")
    with pytest.raises(StudyError, match="x is not a directory"):
        check_location(tmp_path / "file" / "x" / "study")
    with pytest.raises(StudyError, match="cannot write there, expected a directory on a local disk"):
        check_location("gs://bucket/study")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, whom no mode stops
    with pytest.raises(StudyError, match=f"no permission to write in {tmp_path}"):
        check_location(tmp_path / "new" / "study")
    assert not (tmp_path / "new").exists()


def test_network_file_systems_are_refused(tmp_path, monkeypatch):
    mounts = f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/net nfs4 rw 0 0\n/dev/b {tmp_path}/net/local xfs rw 0 0\n"
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, **k: mounts if str(self) == "/proc/self/mounts" else read(self, **k))
    (tmp_path / "net" / "local").mkdir(parents=True)
    assert [file_system(tmp_path / p) for p in (".", "net", "net/local", "network")] == ["ext4", "nfs4", "xfs", "ext4"]
    with pytest.raises(StudyError, match="network file system.*nfs4"):
        check_location(tmp_path / "net" / "study")
    check_location(tmp_path / "net" / "local" / "study")
    assert "ext4" not in NETWORK_FILE_SYSTEMS
