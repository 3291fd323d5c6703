"""The best trial and the Pareto front, against the definition."""

import math
import random

from nas.study.objective import maximize, minimize
from nas.study.results import best_trial, pareto_front
from nas.study.trial import Measurement, Trial


def trial(id, state="completed", **values):
    return Trial(id, {}, str(id), state, {k: Measurement(v) for k, v in values.items()})


def test_the_best_is_completed_and_the_first_of_equals():
    trials = [trial(1, "infeasible", a=0), trial(2, a=3), trial(3, a=2), trial(4, a=2), trial(5, "queued")]
    assert best_trial(trials, minimize("a")).id == 3
    assert best_trial(trials, maximize("a")).id == 2
    assert best_trial([trial(1, "failed"), trial(2, "running")], minimize("a")) is None
    assert best_trial([trial(1, a=math.nan), trial(2, a=9)], minimize("a")).id == 2


def test_the_front_of_a_small_example():
    points = [(1, 5), (2, 3), (2, 4), (3, 3), (4, 1), (4, 1), (9, 0)]
    trials = [trial(i, a=a, b=b) for i, (a, b) in enumerate(points)]
    assert [t.id for t in pareto_front(trials, [minimize("a"), minimize("b")])] == [0, 1, 4, 6]
    assert [t.id for t in pareto_front(trials, [minimize("a"), maximize("b")])] == [0]
    assert [t.id for t in pareto_front(trials, [maximize("a"), minimize("b")])] == [6]
    assert [t.id for t in pareto_front([*trials, trial(9, "infeasible", a=0, b=0)], [minimize("b")])] == [6]
    assert pareto_front([], [minimize("a")]) == []


def test_the_front_is_what_the_definition_says():
    rng = random.Random(0)
    for _ in range(50):
        trials = [trial(i, a=rng.randint(0, 6), b=rng.randint(0, 6), c=rng.randint(0, 6)) for i in range(40)]
        objectives = [minimize("a"), maximize("b"), minimize("c")]
        scores = [tuple(o.score(t.value(o.metric)) for o in objectives) for t in trials]

        def beats(i, j, scores=scores):
            at_least_as_good = all(x >= y for x, y in zip(scores[i], scores[j], strict=True))
            return at_least_as_good and (scores[i] != scores[j] or i < j)

        wanted = {j for j in range(40) if not any(beats(i, j) for i in range(40))}
        assert {t.id for t in pareto_front(trials, objectives)} == wanted
