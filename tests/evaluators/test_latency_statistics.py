"""Figures and intervals, worked out by hand."""

import numpy as np
import pytest

from evaluators.latency_statistics import Run, deviation, disturbed_share, fastest, gather, noise, quantile, width


def run(fastest_ms, busy=1.01):
    """Two calls, the second twice as long; each takes `busy` times as long by the wall clock."""
    times = [fastest_ms, fastest_ms * 2]
    return Run([time * busy for time in times], times, 1000)


@pytest.mark.parametrize(("processes", "place"), [(2, 2), (3, 2), (7, 2), (8, 3), (10, 3)])
def test_the_interval_of_the_fastest_ends_at_another_process(processes, place):
    """(1 - j/k)^k: (5/7)^7 = .095, (6/8)^8 = .1001, (5/8)^8 = .023; and as often as resampled minima say."""
    found = fastest([run(float(i)) for i in range(1, processes + 1)])
    assert (found.value, found.low, found.high) == (1, 1, place)
    drawn = np.random.default_rng(0).integers(1, processes + 1, size=(50_000, processes)).min(axis=1)
    assert np.mean(drawn <= place) >= 0.9 > np.mean(drawn <= place - 1) - 0.005


def test_one_process_knows_no_interval():
    for found in (fastest([run(1.0)]), quantile([run(1.0)], 0.5)):
        assert (found.low, found.high) == (None, None)
    assert width([run(1.0)]) == 0


def test_quantiles_weigh_processes_alike_and_their_interval_spans_them():
    """Constant processes of 1 and 3 ms: resampled pairs have medians 1 (1 in 4), 3 (1 in 4) and between."""
    constant = [Run([value] * n, [value] * n, 0) for value, n in ((1.0, 10), (3.0, 5000))]
    found = quantile(constant, 0.5)
    assert (found.low, found.high) == (1, 3)
    assert found.value == pytest.approx(2, abs=1)
    assert quantile([constant[0]] * 3, 0.9).value == 1


def test_the_interval_of_the_median_covers_it_as_often_as_it_says():
    """Processes with a level of their own, calls around it: the true median is 10."""
    rng, hits, repeats = np.random.default_rng(1), 0, 60
    for _ in range(repeats):
        runs = [Run(t := list(10 + level + rng.normal(0, 0.1, 100)), t, 0) for level in rng.normal(0, 1, 8)]
        found = quantile(runs, 0.5)
        hits += found.low <= 10 <= found.high
    assert 0.75 <= hits / repeats <= 1.0  # the bootstrap of 8 clusters is a little narrow


def test_deviation_by_hand():
    """Calls 1, 1.02, 2, 2.04: median 1.51, distances .51, .49, .49, .53, their median .5."""
    assert deviation([run(1.0), run(1.02)]) == pytest.approx(1.4826 * 0.5)


def test_disturbed_calls_are_those_that_took_longer_than_their_work():
    assert disturbed_share([run(1.0), run(1.0, busy=1.5)]) == 0.5


@pytest.mark.parametrize(
    ("figures", "busy", "processes"),
    [
        ([10.0, 12.0, 10.1], 1.01, 3),  # two of three agree
        ([10.0, 12.0, 11.0, 10.2], 1.01, 4),  # a fourth settles it
        ([10.0, 10.0, 10.0, 9.9], 1.5, 4),  # a busy machine takes more
        ([10.0, 12, 14, 16, 18, 20, 22, 24, 26, 28], 1.01, 10),  # never
    ],
)
def test_processes_are_added_until_the_interval_is_narrow(figures, busy, processes):
    left = iter(figures)
    runs = gather(lambda: run(next(left), busy), least=3, most=10, tolerance=0.03)
    assert len(runs) == processes


def test_noise_says_which_processes_how_far_apart_and_what_else_ran():
    assert noise([run(10.0), run(10.2), run(30.0)], 0.03, 0.0, 2) == ""
    assert noise([run(10.0), run(12.0, busy=2.0)], 0.03, 7.25, 2) == (
        "the fastest calls of 2 fresh processes, 10, 12 ms, leave an interval 20.0% wide, at most 3.0% is allowed; "
        "other work had the core during 50% of the calls, load average 7.2 on 2 cores"
    )


def test_a_run_survives_json_and_refuses_anything_else():
    assert Run.from_json(run(1.0).to_json()) == run(1.0)
    good = run(1.0).to_json()
    wrong_calls = ({"times_ms": []}, {"times_ms": [1.0]}, {"wall_ms": [1.0, -1.0]}, {"wall_ms": [1, "x"]})
    for wrong in (*wrong_calls, {"memory_bytes": "many"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Run.from_json(good | wrong)
