import math
import sys

import pytest

import nas
from controllers.ranking import best, dominates, is_failed, is_feasible, merit, read_merit
from nas.study.trial import Measurement, Trial

LOSS, ACCURACY = nas.minimize("loss"), nas.maximize("accuracy")
LATENCY = nas.at_most("latency_ms", 10)


def told(state="completed", **metrics):
    return Trial(1, {}, "f", state, {k: Measurement(v) for k, v in metrics.items()})


def test_merits_by_hand():
    assert merit(told(loss=0.5), [LOSS], []) == ((2, -0.5),)
    assert merit(told(loss=0.5, accuracy=0.9), [LOSS, ACCURACY], []) == ((2, -0.5), (2, 0.9))
    assert merit(told("infeasible", latency_ms=15.0), [LOSS], [LATENCY]) == ((1, -0.5),)  # 50% above the bound
    assert merit(told("infeasible"), [LOSS], [LATENCY]) == ((1, -sys.float_info.max),)
    assert merit(told("failed"), [LOSS], []) == ((0, 0.0),)
    assert merit(told(loss=math.nan), [LOSS], []) == ((0, 0.0),)
    assert merit(told(loss=math.inf), [LOSS], []) == ((2, -sys.float_info.max),)


def test_feasible_before_infeasible_before_failed():
    trials = [
        told(loss=1e9),
        told("infeasible", latency_ms=11.0),
        told("infeasible", latency_ms=30.0),
        told("infeasible"),
        told("failed"),
    ]
    merits = [merit(t, [LOSS, ACCURACY], [LATENCY]) for t in trials[1:]]
    assert all(dominates(a, b) and not dominates(b, a) for i, a in enumerate(merits) for b in merits[i + 1 :])
    merits = [merit(t, [LOSS], [LATENCY]) for t in trials]
    assert [best(merits[i:]) for i in range(5)] == [0] * 5
    assert [best(merits[: i + 1][::-1]) for i in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("metrics", "failed", "feasible"), [({"loss": 1.0}, False, False), ({}, True, False)])
def test_a_missing_objective(metrics, failed, feasible):
    found = merit(told(**metrics), [LOSS, ACCURACY], [])
    assert (is_failed(found), is_feasible(found)) == (failed, feasible)


def test_domination_and_the_best_of_several():
    a, b, c, d = ((2, 3.0), (2, 1.0)), ((2, 1.0), (2, 3.0)), ((2, 2.0), (2, 0.5)), ((2, 0.0), (2, 0.0))
    assert dominates(a, c)
    assert not dominates(a, b)
    assert not dominates(b, a)
    assert not dominates(a, a)
    assert best([d, c, b, a]) == 2  # b and a are dominated by none, b comes first
    assert best([d, c]) == 1


def test_a_merit_comes_back_from_json():
    assert read_merit([[2, -0.5], [0, 0]]) == ((2, -0.5), (0, 0.0))
