"""Nothing is measured twice, by whichever study, worker or run it is asked for."""

import json
import multiprocessing
import pickle
import sqlite3
import time

import pytest
from evaluator_fakes import SMALLEST, tiny, tiny_data

import nas
from controllers import Random
from evaluators import Cost, ProxyTraining, cached
from nas.errors import Infeasible, UserError
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Evaluator, GradualEvaluator
from nas.study.objective import minimize
from nas.study.trial import Measurement
from nas.study.watch import Assignment, Stopped, Watch

LARGEST = tiny.architecture(1)


class Counting(Evaluator):
    """Writes a line for each measurement; refuses the larger architecture, fails where it is told to."""

    name, metrics = "counting", ("loss",)

    def __init__(self, log, setting=1, fails=False, constant=False):
        self.log, self.setting, self.fails, self.is_constant = log, setting, fails, constant

    @property
    def constant(self):
        return self.is_constant

    def describe(self):
        return {"name": self.name, "setting": self.setting}

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
        with self.log.open("a") as log:
            log.write("measured\n")
        if self.fails:
            raise RuntimeError("the device is on fire")
        if architecture.fingerprint == LARGEST.fingerprint:
            raise Infeasible("too large")
        time.sleep(0.3 if self.setting == "slow" else 0)
        return {"loss": Measurement(0.5 + seed, "", "here", "by hand", 0.1, 3)}

    @property
    def count(self):
        return self.log.read_text().count("\n") if self.log.exists() else 0


@pytest.fixture
def counting(tmp_path):
    return Counting(tmp_path / "log")


def test_the_same_is_measured_once(counting, tmp_path):
    first = cached(counting, tmp_path / "m.db").evaluate(SMALLEST, seed=1)
    again = cached(Counting(counting.log), tmp_path / "m.db").evaluate(SMALLEST, seed=2)  # another study, another seed
    assert (counting.count, again) == (1, first)
    assert again["loss"] == Measurement(1.5, "", "here", "by hand", 0.1, 3)


def test_other_settings_fidelities_and_architectures_are_others(counting, tmp_path):
    evaluator = cached(counting, tmp_path / "m.db")
    evaluator.evaluate(SMALLEST)
    cached(Counting(counting.log, setting=2), tmp_path / "m.db").evaluate(SMALLEST)
    evaluator.evaluate(SMALLEST, Fidelity(epochs=2))
    assert counting.count == 3


def test_what_depends_on_no_fidelity_is_measured_once_for_all_of_them(counting, tmp_path):
    evaluator = cached(Counting(counting.log, constant=True), tmp_path / "m.db")
    evaluator.evaluate(SMALLEST, Fidelity(epochs=1))
    evaluator.evaluate(SMALLEST, Fidelity(epochs=2))
    assert counting.count == 1


def test_seeds_are_kept_apart_on_request(counting, tmp_path):
    evaluator = cached(counting, tmp_path / "m.db", by_seed=True)
    assert [evaluator.evaluate(SMALLEST, seed=seed)["loss"].value for seed in (1, 2, 1)] == [1.5, 2.5, 1.5]
    assert counting.count == 2


def test_infeasible_is_remembered_a_failure_is_not(counting, tmp_path):
    evaluator = cached(counting, tmp_path / "m.db")
    for _ in range(2):
        with pytest.raises(Infeasible, match="too large"):
            evaluator.evaluate(LARGEST)
    assert counting.count == 1
    failing = cached(Counting(counting.log, fails=True), tmp_path / "other.db")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            failing.evaluate(SMALLEST)
    assert counting.count == 3


def measure(evaluator):
    return evaluator.evaluate(SMALLEST)["loss"].value


def test_processes_that_want_the_same_at_once_measure_it_once(counting, tmp_path):
    evaluator = cached(Counting(counting.log, setting="slow"), tmp_path / "m.db")
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(measure, [evaluator] * 4) == [0.5] * 4
    assert counting.count == 1


def test_studies_share_a_file_and_are_the_same_with_and_without_it(counting, tmp_path):
    def run(evaluator, directory, seed=0):
        study = nas.Study(
            tiny, Random(seed=seed), [Cost(), evaluator], objectives=[minimize("loss")], directory=directory, seed=seed
        )
        study.run(trials=2)
        return study

    shared = tmp_path / "m.db"
    run(cached(counting, shared), tmp_path / "a")
    run(cached(counting, shared), tmp_path / "b", seed=5)
    assert counting.count == 2  # the space has two architectures
    assert run(counting, tmp_path / "a").trials  # continued without the cache: the settings are the same


def test_it_passes_for_its_evaluator(counting, tmp_path):
    evaluator = cached(counting, tmp_path / "m.db")
    assert (evaluator.name, evaluator.metrics, evaluator.describe()) == ("counting", ("loss",), counting.describe())
    assert not isinstance(evaluator, GradualEvaluator)
    assert pickle.loads(pickle.dumps(evaluator)).evaluate(SMALLEST) == evaluator.evaluate(SMALLEST)  # noqa: S301 - our own


def test_a_training_is_recalled_with_its_curve_and_can_be_stopped_again(tmp_path):
    evaluator = cached(ProxyTraining(tiny_data(), epochs=3, batch_size=8), tmp_path / "m.db")
    assert isinstance(evaluator, GradualEvaluator)
    objective = minimize("val_mse")
    trained = Watch(objective)
    found = evaluator.evaluate(SMALLEST, seed=1, watch=trained)
    recalled = Watch(objective)
    assert evaluator.evaluate(SMALLEST, seed=1, watch=recalled) == found
    assert recalled.curve == trained.curve
    assert len(trained.curve) == 3
    with pytest.raises(Stopped, match="after epoch 2"):
        evaluator.evaluate(SMALLEST, seed=1, watch=Watch(objective, Assignment(bars={2: 1e9})))


def test_the_file_says_what_was_measured(counting, tmp_path):
    cached(counting, tmp_path / "m.db").evaluate(SMALLEST)
    with sqlite3.connect(tmp_path / "m.db") as database:
        fingerprint, evaluator = database.execute("SELECT fingerprint, evaluator FROM measured").fetchone()
    assert fingerprint == SMALLEST.fingerprint
    assert json.loads(evaluator) == counting.describe()


def test_files_and_evaluators_that_do_not_do(counting, tmp_path):
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 50)
    with pytest.raises(UserError, match=r"text.db: file is not a database, expected a measurement cache"):
        cached(counting, tmp_path / "text.db")
    with pytest.raises(UserError, match="does not say what its results depend on"):
        cached(lambda a: {"loss": 1}, tmp_path / "m.db")
