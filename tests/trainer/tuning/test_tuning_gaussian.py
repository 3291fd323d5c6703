import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.stats import norm

from trainer.tuning import Categorical, Discrete, Double, Integer, When
from trainer.tuning.algorithms import log_improvement
from trainer.tuning.gaussian import Encoding, GaussianProcess, warp

SPACE = {
    "rate": Double(1e-4, 1.0, "log"),
    "batch": Discrete((16, 32, 64)),
    "width": Discrete((1, 10, 100), "log"),
    "kind": Categorical(("a", "b")),
    "layers": Integer(1, 4, when=When("kind", "b")),
}


def test_trials_become_positions_and_words_numbers():
    rows = Encoding(SPACE).rows(
        [
            {"rate": 1e-2, "batch": 32, "width": 10, "kind": "a"},
            {"rate": 1.0, "batch": 64, "width": 1, "kind": "b", "layers": 1},
        ]
    )
    assert rows == pytest.approx(np.array([[0.5, 0.5, 0.5, 0, 0.5], [1, 1, 0, 1, 0.125]]), abs=0.05)  # 1 owns 0.5 ... 1.5 of 4


def test_words_are_equal_or_not():
    encoding = Encoding({"kind": Categorical(("a", "b", "c")), "x": Double(0.0, 1.0)})
    rows = encoding.rows([{"kind": "a", "x": 0.0}, {"kind": "c", "x": 0.5}])
    assert encoding.distances(rows, rows).tolist() == [[[0, 1], [1, 0]], [[0, 0.25], [0.25, 0]]]


def test_the_better_half_keeps_its_proportions_and_the_worse_its_order():
    targets = warp([-1e9, 1.0, 2.0, 4.0, None, -3.0, 3.0])
    order = [4, 0, 5, 1, 2, 6, 3]  # the median is 1
    assert targets[1] == 0
    assert (targets[3] / targets[2], targets[6] / targets[2]) == pytest.approx((3, 2))
    assert targets[4] == targets[0]
    assert all(np.diff(targets[order][1:]) > 0)
    assert targets.min() > -3  # though one trial was a thousand million away


def test_equal_scores_and_huge_ones_are_no_trouble():
    assert warp([2.0, 2.0, 2.0]).tolist() == [0, 0, 0]
    assert np.isfinite(warp([1e300, -1e300, 3e300, None])).all()


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    rows = rng.random((25, 2))
    return Encoding({"x": Double(0.0, 1.0), "y": Double(0.0, 1.0)}), rows, np.sin(6 * rows[:, 0])


def test_it_predicts_and_knows_what_matters(data):
    encoding, rows, targets = data
    model = GaussianProcess(encoding, rows, targets)
    fresh = np.random.default_rng(1).random((50, 2)) * 0.8 + 0.1
    means, deviations = model.predict(fresh)
    assert np.abs(means - np.sin(6 * fresh[:, 0])).max() < 0.15
    assert model.lengths[1] > 3 * model.lengths[0]  # y plays no part
    assert model.predict(rows)[1].max() < deviations.mean()  # where it was tried it is surer


def test_the_gradient_is_the_derivative(data):
    encoding, rows, targets = data
    model = GaussianProcess(encoding, rows, targets)
    distances = encoding.distances(rows, rows)
    for logs in (np.zeros(4), np.array([-1.0, 0.3, 0.5, -3.0])):
        error = check_grad(lambda at: model._loss(at, distances)[0], lambda at: model._loss(at, distances)[1], logs)
        assert error < 1e-3 * np.linalg.norm(model._loss(logs, distances)[1])


def test_a_running_trial_is_taken_as_expected_and_makes_its_surroundings_surer(data):
    encoding, rows, targets = data
    model = GaussianProcess(encoding, rows[:8], targets[:8])
    place = np.array([[0.9, 0.9]])
    mean, deviation = model.predict(place)
    model.add(place)
    assert model.predict(place)[0] == pytest.approx(mean, abs=0.02)
    assert model.predict(place)[1] < deviation


@pytest.mark.parametrize(("mean", "deviation", "best"), [(0.5, 0.3, 0.2), (-0.5, 0.3, 0.2), (-2.0, 0.4, 0.5)])
def test_expected_improvement_is_the_integral(mean, deviation, best):
    integral = quad(lambda y: (y - best) * norm.pdf(y, mean, deviation), best, best + 10)[0]
    found = log_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert math.exp(found) == pytest.approx(integral, rel=1e-5)


def test_far_below_the_best_it_still_tells_apart():
    found = log_improvement(np.array([-40.0, -50.0, -1e4]), np.ones(3), 0.0)
    assert np.isfinite(found).all()
    assert all(np.diff(found) < 0)
    assert found[0] == pytest.approx(
        -800 - 0.5 * math.log(2 * math.pi) - 2 * math.log(40), abs=0.01
    )  # Mills ratio, z to -infinity
