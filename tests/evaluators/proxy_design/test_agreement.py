import math

import numpy as np
import pytest
from scipy import stats

from evaluators.proxy_design import agreement
from evaluators.proxy_design.agreement import kendall


def test_kendall_by_hand():
    assert kendall(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(4 / 6)  # one of six pairs is swapped
    assert kendall(np.array([1, 1, 2]), np.array([1, 2, 3])) == pytest.approx(2 / 3)  # a tie counts for neither side


def test_without_ties_tau_and_p_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for n in (6, 9, 14):
        x, y = rng.standard_normal((2, n))
        found = agreement(x, y)
        known = stats.kendalltau(x, y, alternative="greater", method="exact")
        assert (found.tau, found.p) == (pytest.approx(known.statistic), pytest.approx(known.pvalue))


def test_a_perfect_order_is_as_sure_as_its_rarity():
    found = agreement(range(5), range(5))
    assert found.p == pytest.approx(1 / math.factorial(5))
    assert 0 < found.low < 1 == found.high
    assert agreement(range(12), range(12)).low > found.low
    assert agreement(range(3), range(3)).low < 0  # 1 of 6 orders: no evidence at 5%


def test_intervals_widen_with_what_they_have_to_hold():
    x, y = np.arange(12), [2, 0, 1, 4, 3, 5, 8, 6, 7, 9, 11, 10]
    wide, narrow = agreement(x, y, 0.05 / 20), agreement(x, y, 0.05)
    assert wide.low < narrow.low < narrow.tau < narrow.high < wide.high


def test_reversing_the_scores_turns_the_interval_round():
    x, y = np.arange(10), [2, 0, 1, 4, 3, 5, 8, 6, 7, 9]
    one, other = agreement(x, y), agreement(-x, y)
    assert (other.tau, other.low, other.high) == pytest.approx((-one.tau, -one.high, -one.low))


@pytest.mark.parametrize("scores", [[1.0] * 12, [math.nan] * 12])
def test_a_flat_proxy_has_no_lower_bound_above_zero(scores):
    found = agreement(scores, range(12))
    assert found.tau == 0
    assert found.low < 0 < found.high
    assert found.p == 1


def test_unknown_scores_rank_last_and_do_not_help():
    truth = list(range(8))
    assert agreement([math.nan, *range(1, 8)], truth).tau == 1  # the worst one could not be judged
    assert agreement([*range(7), math.nan], truth).tau < 1
    assert agreement([math.nan] * 4 + [4, 5, 6, 7], truth).low < agreement(truth, truth).low


@pytest.mark.parametrize(("n", "tau"), [(10, 0.65), (16, 0.3), (30, 0.5)])
def test_the_lower_bound_holds_for_correlated_normal_scores(n, tau):
    rng = np.random.default_rng(n)
    r = math.sin(math.pi * tau / 2)  # the correlation that has this tau
    x, noise = rng.standard_normal((2, 2000, n))
    missed = [agreement(a, r * a + math.sqrt(1 - r * r) * b).low > tau for a, b in zip(x, noise, strict=True)]
    assert np.mean(missed) <= 0.06


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_ties_do_not_make_chance_findings(levels):
    rng = np.random.default_rng(levels)
    found = [agreement(rng.integers(levels, size=12), rng.permutation(12)).low > 0 for _ in range(2000)]
    assert np.mean(found) <= 0.05
