"""Studies of several fidelities: trials told apart, trainings continued, stopped, and whole after kill -9."""

import json
import multiprocessing
import random
import sqlite3
import time

import pytest
from gradual_fakes import SPACE, Gradual
from study_fakes import comparable

import nas
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import ASHA, Hyperband, MedianStopping, SuccessiveHalving
from controllers.random_search import Random
from nas.errors import StudyError
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Proposal
from nas.study.study import Study
from nas.study.trial import Measurement


def asha(seed=0, kind=ASHA):
    return kind(RegularizedEvolution(seed=seed, population=8, sample=4), epochs=(1, 2, 4), reduction=2)


def make(directory=None, controller=None, **evaluator):
    return Study(SPACE, controller or asha(), Gradual(**evaluator), nas.minimize("loss"), directory=directory, seed=3)


def described(trials):
    how = [(t.fidelity, t.parent, t.curve) for t in trials]
    return list(zip(comparable(trials), how, strict=True))


def lines(log):
    return [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []


# -- continuing ----------------------------------------------------------------------------------------------------------


def test_a_promotion_continues_its_parent_and_trains_each_epoch_once(tmp_path):
    study = make(tmp_path / "s", log=tmp_path / "log")
    study.run(30)
    trials = {t.id: t for t in study.trials}
    promoted = [t for t in trials.values() if t.parent is not None]
    assert {t.fidelity.epochs for t in promoted} == {2, 4}
    for trial in promoted:
        parent = trials[trial.parent]
        assert (parent.fingerprint, parent.seed) == (trial.fingerprint, trial.seed)
        assert parent.curve == trial.curve[: parent.fidelity.epochs]
        assert [epoch for epoch, _ in trial.curve] == list(range(1, trial.fidelity.epochs + 1))
    assert (
        len(set(lines(tmp_path / "log")))
        == len(lines(tmp_path / "log"))
        == sum(t.fidelity.epochs - (trials[t.parent].fidelity.epochs if t.parent else 0) for t in trials.values())
    )


def test_a_promotion_equals_a_training_without_a_pause():
    study = make()
    study.run(30)
    for trial in study.trials:
        alone = Gradual().evaluate(study.architecture(trial), trial.fidelity, seed=trial.seed)
        assert alone["loss"].value == trial.value("loss")


def test_checkpoints_are_given_back(tmp_path):
    study = make(tmp_path / "s")
    study.run(40)
    left = {int(p.parent.name.removeprefix("trial-")) for p in (tmp_path / "s" / "artifacts").glob("trial-*/checkpoint")}
    by_id = {t.id: t for t in study.trials}
    assert left
    assert not left & {t.parent for t in study.trials}
    assert all(by_id[i].fidelity.epochs < 4 for i in left)
    for epochs in (1, 2):  # the better half of those that were not continued, and a few in any case
        assert sum(by_id[i].fidelity.epochs == epochs for i in left) <= max(8, len(by_id) // 2)


def test_where_a_checkpoint_is_gone_training_starts_over_with_equal_results(tmp_path):
    whole = make(None)
    whole.run(12)
    study = make(tmp_path / "s")
    study.run(6)
    for path in (tmp_path / "s" / "artifacts").glob("trial-*/checkpoint/*"):
        path.unlink()
    study.run(12)
    assert described(study.trials) == described(whole.trials)


def test_the_best_is_one_at_the_highest_fidelity():
    study = make()
    study.run(40)
    best = study.best()
    highest = [t for t in study.trials if t.fidelity.epochs == 4]
    assert best.id == min(highest, key=lambda t: t.value("loss")).id
    assert {t.id for t in study.pareto_front()} <= {t.id for t in highest}
    few = make()
    few.run(2)
    assert few.best().fidelity.epochs == 1  # better than nothing


def test_a_study_of_a_stored_fidelity_keeps_the_rest_of_its_own(tmp_path):
    seen = []

    class Seen(Gradual):
        def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0, watch=None):
            seen.append(fidelity)
            return super().evaluate(architecture, fidelity, seed=seed, watch=watch)

    Study(SPACE, asha(), Seen(), nas.minimize("loss"), fidelity=Fidelity(data_share=0.5)).run(1)
    assert seen == [Fidelity(epochs=1, data_share=0.5, horizon=4)]


def test_what_does_not_depend_on_fidelity_is_measured_once():
    asked = []

    class Size(nas.Evaluator):
        name, metrics, constant = "size", ("size",), True

        def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
            asked.append(architecture.fingerprint)
            return {"size": Measurement(float(architecture.index))}

    study = Study(SPACE, asha(), [Size(), Gradual()], nas.minimize("loss"), nas.at_most("size", 10_000))
    study.run(30)
    assert len(set(asked)) == len(asked) < 30
    assert all(t.value("size") == study.architecture(t).index for t in study.trials)


def test_a_plain_evaluator_is_simply_asked_again():
    study = Study(SPACE, asha(), lambda a: {"loss": float(a.index)}, nas.minimize("loss"))
    study.run(20)
    assert {t.fidelity.epochs for t in study.trials} == {1, 2, 4}
    assert all(not t.curve for t in study.trials)


# -- resuming ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ASHA, SuccessiveHalving, Hyperband])
def test_a_study_taken_up_in_pieces_equals_one_in_one_piece(tmp_path, kind):
    whole = make(controller=asha(kind=kind))
    whole.run(150)
    for wanted in (1, 5, 40, 41, 100, 150):  # before and after snapshots
        make(tmp_path / "s", controller=asha(kind=kind)).run(wanted)
    assert described(make(tmp_path / "s", controller=asha(kind=kind)).trials) == described(whole.trials)
    assert described(Study.open(tmp_path / "s").trials) == described(whole.trials)


def run(directory, wanted, sleep_s):
    make(directory, sleep_s=sleep_s, log=directory.parent / "log").run(wanted)


def test_kills_change_nothing(tmp_path):
    rng, directory, wanted, log = random.Random(7), tmp_path / "s", 400, tmp_path / "log"
    fork = multiprocessing.get_context("fork")  # a process like any other, without a second of imports before it
    finished = [0]
    for _ in range(10):
        process = fork.Process(target=run, args=(directory, wanted, 0.004))
        known, deadline = len(lines(log)), time.monotonic() + 60
        process.start()
        while len(lines(log)) < known + 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.05, 0.15))
        process.kill()
        process.join()
        finished.append(sum(t.is_finished for t in Study.open(directory).trials))
    assert finished == sorted(finished)
    assert len(set(finished)) > 4, f"the kills did not fall into the study: {finished}"
    assert finished[-1] < wanted
    run(directory, wanted, 0)
    whole = make()
    whole.run(wanted)
    assert described(Study.open(directory).trials) == described(whole.trials)
    assert not list((directory / "artifacts").glob("trial-*/checkpoint.part"))


def test_workers_continue_checkpoints_too(tmp_path):
    study = make(tmp_path / "s", log=tmp_path / "log", isolated=True)
    study.run(16, workers=2)
    assert {t.fidelity.epochs for t in study.trials} == {1, 2, 4}
    assert len(set(lines(tmp_path / "log"))) == len(lines(tmp_path / "log"))
    for trial in study.trials:
        assert Gradual().evaluate(study.architecture(trial), trial.fidelity, seed=trial.seed)["loss"].value == trial.value(
            "loss"
        )


def test_another_fidelity_than_stored_is_noticed(tmp_path):
    make(tmp_path / "s").run(5)
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        db.execute("""UPDATE trials SET fidelity = '{"epochs": 3, "horizon": 4}' WHERE id = 5""")
    with pytest.raises(StudyError, match="ASHA does not propose again what is stored"):
        make(tmp_path / "s").run(6)


def test_a_directory_of_format_1_is_read_and_brought_up_to_date(tmp_path):
    plain = lambda: Study(SPACE, Random(seed=0), Gradual(), nas.minimize("loss"), directory=tmp_path / "s")  # noqa: E731
    plain().run(5)
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        columns = "id, decisions, fingerprint, state, measurements, seed, reason, started, finished, worker"
        db.executescript(
            f"CREATE TABLE old AS SELECT {columns} FROM trials; DROP TABLE trials; ALTER TABLE old RENAME TO trials;"
            "PRAGMA user_version = 1;"
        )
    before = comparable(Study.open(tmp_path / "s").trials)
    assert len(before) == 5
    plain().run(8)
    after = Study.open(tmp_path / "s").trials
    assert comparable(after)[:5] == before
    assert [bool(t.curve) for t in after] == [False] * 5 + [True] * 3
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'old'").fetchone() == (0,)


def test_a_directory_of_format_2_is_read_and_brought_up_to_date(tmp_path):
    plain = lambda: Study(SPACE, Random(seed=0), Gradual(), nas.minimize("loss"), directory=tmp_path / "s")  # noqa: E731
    plain().run(3)
    with sqlite3.connect(tmp_path / "s" / "study.db") as db:
        db.executescript("ALTER TABLE trials DROP COLUMN stages; PRAGMA user_version = 2;")
    before = comparable(Study.open(tmp_path / "s").trials)
    plain().run(5)
    after = Study.open(tmp_path / "s").trials
    assert comparable(after)[:3] == before
    assert [len(t.stages) for t in after] == [0, 0, 0, 1, 1]


# -- stopping ------------------------------------------------------------------------------------------------------------


def stopping():
    return MedianStopping(Random(seed=0), curves=3)


def test_a_training_that_falls_behind_is_stopped_with_its_last_value(tmp_path):
    study = make(tmp_path / "s", controller=stopping(), log=tmp_path / "log")
    study.run(25)
    stopped = [t for t in study.trials if t.state == "stopped"]
    assert 0 < len(stopped) < 20
    for trial in stopped:
        epoch, last = trial.curve[-1]
        assert trial.value("loss") == last
        assert trial.reason.startswith(f"loss {min(v for _, v in trial.curve):.4g} after epoch {epoch}, behind the median of ")
        assert epoch < 4
    assert len(lines(tmp_path / "log")) == sum(len(t.curve) for t in study.trials)
    assert study.best().state == "completed"


def test_stopping_is_the_same_in_pieces(tmp_path):
    whole = make(controller=stopping())
    whole.run(60)
    for wanted in (2, 7, 30, 60):
        make(tmp_path / "s", controller=stopping()).run(wanted)
    assert described(make(tmp_path / "s", controller=stopping()).trials) == described(whole.trials)


def test_the_rule_of_golovin_by_hand():
    """Medians are of trials that completed before; the best value so far is compared."""
    study = make(controller=stopping())
    study.run(40)
    for trial in study.trials:
        curves = [t.curve for t in study.trials if t.id < trial.id and t.state == "completed"]
        stops = None
        for s in (1, 2, 3):
            averages = sorted(sum(v for _, v in curve[:s]) / s for curve in curves)
            if len(averages) >= 3 and stops is None and len(trial.curve) >= s:
                n = len(averages)
                median = averages[n // 2] if n % 2 else (averages[n // 2 - 1] + averages[n // 2]) / 2
                if min(v for _, v in trial.curve[:s]) > median:
                    stops = s
        assert (trial.state, len(trial.curve)) == (("stopped", stops) if stops else ("completed", 4))


# -- given architectures and proposals -----------------------------------------------------------------------------------


def test_a_proposal_reads_like_its_architecture():
    architecture = SPACE.architecture(7)
    proposal = Proposal(architecture, Fidelity(epochs=2))
    assert (proposal.fingerprint, proposal.decisions, proposal.index) == (
        architecture.fingerprint,
        architecture.decisions,
        architecture.index,
    )
    assert proposal.vector is architecture.vector


def test_fidelity_as_json_and_in_order():
    assert Fidelity.from_json(json.loads(json.dumps(Fidelity(epochs=3, horizon=9).to_json()))) == Fidelity(epochs=3, horizon=9)
    assert Fidelity().to_json() == {}
    ordered = [Fidelity(epochs=1), Fidelity(epochs=3), Fidelity()]
    assert sorted([ordered[2], ordered[0], ordered[1]], key=lambda f: f.thoroughness) == ordered
    assert Fidelity(epochs=5, data_share=0.5).refined(Fidelity(epochs=2)) == Fidelity(epochs=2, data_share=0.5)
    assert not Fidelity(epochs=3, data_share=0.5).continues(Fidelity(epochs=1))


def test_a_stopped_trial_ranks_by_its_last_value():
    from nas.study.trial import Trial, rank_key

    trial = Trial(1, {}, "a", "stopped", {"loss": Measurement(4.0)})
    assert rank_key(trial, nas.minimize("loss"), ()) == (2, -4.0)
