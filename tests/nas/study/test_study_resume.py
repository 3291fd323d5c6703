"""A study taken up again takes the same way, and known architectures are answered from the store."""

import sqlite3

import pytest
from study_fakes import Blocks, Evolution, InOrder, Line, Loss, Rough, comparable, loss_of
from study_process import blocks, make

from nas.errors import StudyError
from nas.study.database import Database
from nas.study.evaluation import Verdict
from nas.study.ledger import Ledger, trial_seed
from nas.study.loop import REPEATS_IN_A_ROW
from nas.study.objective import minimize
from nas.study.store import Store
from nas.study.study import Study
from nas.study.trial import Measurement


def test_a_study_taken_up_in_pieces_equals_one_in_one_piece(tmp_path):
    whole = make(None)
    whole.run(400)
    for wanted in (1, 2, 63, 64, 200, 201, 400):  # before, at and after snapshots
        make(tmp_path / "s").run(wanted)
    assert comparable(make(tmp_path / "s").trials) == comparable(whole.trials)
    assert {t.state for t in whole.trials} == {"completed", "infeasible", "failed"}


def test_replay_is_verified(tmp_path):
    blocks(tmp_path / "s", controller=InOrder([3, 1, 2, 0])).run(2)
    for order in ([3, 2, 1, 0], [3]):
        with pytest.raises(StudyError, match="InOrder does not propose again what is stored .step 3 of the journal, trials 2"):
            blocks(tmp_path / "s", controller=InOrder(order)).run(3)
    assert blocks(tmp_path / "s", controller=InOrder([3, 1, 2, 0])).run(9).finished == 4


def test_an_unfinished_trial_is_evaluated_first_with_its_id_and_seed(tmp_path):
    log = tmp_path / "log"
    blocks(tmp_path / "s", Loss(log=log)).run(5)
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:  # as if a process had died at trial 5
        db.execute("UPDATE trials SET state = 'running', measurements = '{}', finished = NULL WHERE id = 5")
        db.execute("DELETE FROM journal WHERE seq = 10")
    before = log.read_text().splitlines()
    study = blocks(tmp_path / "s", Loss(log=log))
    assert study.trials[4].state == "running"
    study.run(7)
    after = [line.split() for line in log.read_text().splitlines()[len(before) :]]
    assert [(i, s) for i, _, s in after] == [(str(i), str(trial_seed(0, i + 1))) for i in (4, 5, 6)]
    assert study.controller.told == list(range(1, 8))


def test_a_space_that_changed_its_networks_is_noticed(tmp_path):
    blocks(tmp_path / "s").run(2)
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        db.execute("UPDATE trials SET state = 'queued', fingerprint = 'other', finished = NULL WHERE id = 2")
        db.execute("DELETE FROM journal WHERE seq = 4")
    with pytest.raises(StudyError, match="the same decisions make another network"):
        blocks(tmp_path / "s").run(3)


def test_snapshots_are_few_and_only_the_last_is_kept(tmp_path):
    states = []

    class Counting(InOrder):
        def state(self):
            states.append(self.next)
            return super().state()

    Study(Line(), Counting(), loss_of, minimize("loss"), directory=tmp_path / "s").run(1000)
    assert states == [0, 0, 32, 64, 96, 144, 216, 324, 486, 729]  # settings, then by journal entries: two a trial
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        assert db.execute("SELECT seq FROM snapshots").fetchall() == [(1458,)]


def test_warm_start_is_told_once_and_kept(tmp_path):
    old = Study(Line(), InOrder(range(100, 130)), Rough(), minimize("loss"))
    old.run(30)

    def warm():
        study = Study(Line(), Evolution(seed=1), Rough(), minimize("loss"), directory=tmp_path / "s")
        study.warm_start(old.trials)
        return study

    warm().run(20)
    again = warm()
    again.run(60)
    kinds = sqlite3.connect(tmp_path / "s" / "study.db").execute("SELECT kind, COUNT(*) FROM journal GROUP BY kind").fetchall()
    assert dict(kinds) == {"ask": 60, "tell": 60, "warm": 1}
    assert len(again.trials) == 60
    told_at_once = Study(Line(), Evolution(seed=1), Rough(), minimize("loss")).warm_start(old.trials)
    told_at_once.run(60)
    assert comparable(told_at_once.trials) == comparable(again.trials)
    cold = Study(Line(), Evolution(seed=1), Rough(), minimize("loss"))
    cold.run(60)
    assert comparable(cold.trials) != comparable(again.trials)


def test_a_full_disk_stops_the_study_and_what_was_committed_goes_on(tmp_path, monkeypatch):
    make(tmp_path / "s").run(20)
    prepare = Database._use_write_ahead_log

    def on_a_small_disk(self):
        prepare(self)
        self.rows(f"PRAGMA max_page_count = {self.rows('PRAGMA page_count')[0][0] + 3}")

    monkeypatch.setattr(Database, "_use_write_ahead_log", on_a_small_disk)
    study = make(tmp_path / "s")
    with pytest.raises(StudyError, match="study.db: database or disk is full.*free space"):
        study.run(400)
    monkeypatch.undo()
    with pytest.raises(StudyError, match="not where this object left it"):
        study.run(400)
    assert 20 <= sum(t.is_finished for t in Study.open(tmp_path / "s").trials) < 400
    make(tmp_path / "s").run(400)
    whole = make(None)
    whole.run(400)
    assert comparable(Study.open(tmp_path / "s").trials) == comparable(whole.trials)


def test_equal_networks_are_answered_from_the_store(tmp_path):
    log = tmp_path / "log"
    study = blocks(tmp_path / "s", Loss(log=log), space=Blocks(dead_skip=True))
    outcome = study.run(100)
    assert (outcome.finished, outcome.repeats, outcome.status) == (12, 12, "exhausted")
    assert len(log.read_text().splitlines()) == 12
    assert study.controller.told == [i for i in range(1, 13) for _ in range(2)]
    blocks(tmp_path / "s", Loss(log=log), space=Blocks(dead_skip=True)).run(100)  # replays equal networks, other decisions
    assert len(log.read_text().splitlines()) == 12


def ledger(indices):
    controller = InOrder(indices)
    controller.setup(Blocks(), [minimize("loss")])
    found = Ledger(controller, seed=0)
    found.attach(Store(None))
    return found


def test_a_known_trial_that_is_running_is_told_once_when_it_finishes():
    study = ledger([5, 5, 5])
    (trial, _), *_ = study.ask(1).new
    trial = study.start(trial)
    assert study.ask(1) == ([], 1, 1)  # one repeat, which waits
    assert study.controller.told == []
    study.finish(trial, Verdict("completed", {"loss": Measurement(1.0)}), "main")
    assert study.controller.told == [1]
    assert study.ask(1) == ([], 1, 0)
    assert study.controller.told == [1, 1]
    assert [(e.kind, e.payload) for e in study.store.events()][1:] == [
        ("ask", {"n": 1, "ids": [1], "new": []}),
        ("tell", [1]),
        ("ask", {"n": 1, "ids": [1], "new": []}),
        ("tell", [1]),
    ]


def test_one_batch_with_equal_networks_makes_one_trial():
    study = ledger([5, 5, 6, 5])
    asked = study.ask(4)
    assert [t.id for t, _ in asked.new] == [1, 2]
    assert (asked.repeats, asked.waiting) == (2, 0)
    assert study.store.events()[0].payload == {"n": 4, "ids": [1, 1, 2, 1], "new": [1, 2]}


def test_a_controller_that_only_repeats_is_exhausted(tmp_path):
    study = blocks(tmp_path / "s", controller=InOrder([1, 2], cycle=True))
    outcome = study.run(10)
    assert (outcome.status, outcome.finished, outcome.repeats) == ("exhausted", 2, REPEATS_IN_A_ROW)
    assert outcome.message == "2 of 10 trials are finished: the controller proposed 1000 known architectures in a row."
