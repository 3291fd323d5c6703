import math
from statistics import NormalDist

import numpy as np
import pytest

import nas
from controllers.acquisition import as_below, chebyshev, log_expected_improvement, log_probability_below, normal_scores


def expected_improvement(mean, deviation, best):
    """By the trapezoidal rule."""
    x = np.linspace(best, mean + 12 * deviation, 400_001)
    density = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    return float(np.trapezoid((x - best) * density, x))


@pytest.mark.parametrize("best", [-2.0, 0.0, 0.7, 1.3, 3.0, 6.0])
def test_expected_improvement_is_the_integral(best):
    found = log_expected_improvement(np.array([0.5]), np.array([0.8]), best)[0]
    assert found == pytest.approx(math.log(expected_improvement(0.5, 0.8, best)), abs=1e-6)


def test_expected_improvement_tells_hopeless_candidates_apart():
    """h(u) -> pdf(u) / u^2: at u = -100 its logarithm is -5000 - log(2 pi) / 2 - log(10^4), where the number itself is 0."""
    found = log_expected_improvement(np.array([-100.0, -101.0, -1e5, -1e9]), np.ones(4), 0.0)
    assert found[0] == pytest.approx(-5000 - math.log(2 * math.pi) / 2 - math.log(1e4), abs=1e-3)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def test_expected_improvement_has_no_seam():
    found = log_expected_improvement(np.linspace(-1.001, -0.999, 201), np.ones(201), 0.0)
    assert np.ptp(np.diff(found)) < 1e-6


def test_probability_below():
    found = log_probability_below(np.array([0.0, 1.0]), np.array([1.0, 2.0]), 0.0)
    assert np.exp(found) == pytest.approx([0.5, NormalDist().cdf(-0.5)])


def test_normal_scores_depend_on_rank_alone():
    quantile = NormalDist().inv_cdf
    assert normal_scores(np.array([1e-6, 1e9, 3.0])) == pytest.approx([quantile(1 / 6), quantile(5 / 6), quantile(0.5)])
    assert normal_scores(np.array([5.0, 5.0, 7.0, 5.0])) == pytest.approx(
        [quantile(3 / 8)] * 2 + [quantile(7 / 8), quantile(3 / 8)]
    )
    assert normal_scores(np.array([2.0])) == pytest.approx([0.0])


def test_chebyshev_prefers_what_is_good_where_the_weight_is():
    scores = np.array([[0.0, 10.0], [5.0, 5.0], [9.0, 0.0]])  # ranks 0 2, 1 1, 2 0
    assert chebyshev(scores, np.array([1.0, 0.0])).argmax() == 2
    assert chebyshev(scores, np.array([0.0, 1.0])).argmax() == 0
    even = chebyshev(scores, np.array([0.5, 0.5]))
    assert even == pytest.approx([-0.5 - 0.05 * 0.5, -0.25 - 0.05 * 0.5, -0.5 - 0.05 * 0.5])
    assert (chebyshev(scores[:, :1], np.ones(1)) == scores[:, 0]).all()


def test_limits_become_upper_bounds():
    targets, bound = as_below([1.0, 10.0, 100.0], nas.at_most("latency_ms", 10.0))
    assert bound == pytest.approx(0.0)  # log 10 is the mean of the logarithms
    assert targets == pytest.approx([-math.sqrt(1.5), 0.0, math.sqrt(1.5)])
    targets, bound = as_below([1.0, 2.0, 3.0, -2.0], nas.at_least("gain", 2.0))
    assert ((targets <= bound) == [False, True, True, False]).all()
    targets, bound = as_below([4.0, 4.0], nas.at_most("x", 5.0))
    assert (targets == 0).all()
    assert bound > 0


def test_extreme_limits_stay_finite():
    targets, bound = as_below([1e308, -1e308, 0.0], nas.at_most("x", 1.0))
    assert np.isfinite([*targets, bound]).all()
