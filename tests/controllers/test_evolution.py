import controller_fakes as fakes
import numpy as np
import pytest
from controller_fakes import LARGE, TWENTY_FOUR, loss, make, trial

import nas
from controllers import RegularizedEvolution
from nas.errors import UserError

LATENCY = [nas.at_most("latency_ms", 5)]


def members(controller):
    return [m["vector"] for m in controller.state()["members"]]


def vectors(architectures):
    return [a.vector.tolist() for a in architectures]


def distance(a, b):
    return int((np.array(a) != np.array(b)).sum())


def test_the_oldest_by_order_of_tells_leaves():
    controller = make("evolution", LARGE, population=3, sample=2)
    asked = controller.ask(5)
    order = [4, 0, 3, 1, 2]
    for i in order:
        controller.tell([trial(asked[i], i)])
    assert members(controller) == vectors(asked[i] for i in order[-3:])


def test_random_until_a_tournament_can_be_held_then_children_of_the_best():
    controller = make("evolution", LARGE, population=4, sample=4)
    uniform = vectors(make("random", LARGE).ask(4))
    asked = controller.ask(4)
    assert vectors(asked) == uniform
    controller.tell([trial(a, i) for i, a in enumerate(asked)])
    best = min(asked, key=loss).vector
    children = controller.ask(20)
    assert [distance(child.vector, best) for child in children] == [1] * 20


def test_one_contestant_is_no_selection():
    controller = make("evolution", LARGE, population=10, sample=1)
    asked = controller.ask(10)
    controller.tell([trial(a, i) for i, a in enumerate(asked)])
    parents = [min(range(10), key=lambda i: distance(child.vector, asked[i].vector)) for child in controller.ask(100)]
    assert set(parents) == set(range(10))


def test_infeasible_members_rank_below_feasible_ones_and_leave_first():
    controller = make("evolution", LARGE, population=3, sample=3, constraints=LATENCY)
    a, b, c, d, e = controller.ask(5)
    controller.tell([trial(a, 1, loss=9), trial(b, 2, "infeasible", latency_ms=6), trial(c, 3, "infeasible", latency_ms=7)])
    assert [distance(child.vector, a.vector) for child in controller.ask(5)] == [1] * 5
    controller.tell([trial(d, 4, loss=8)])
    assert members(controller) == vectors([a, c, d])
    controller.tell([trial(e, 5, "infeasible", latency_ms=99)])
    assert members(controller) == vectors([a, d, e])


def test_among_infeasible_ones_the_least_violation_wins():
    controller = make("evolution", LARGE, population=3, sample=3, constraints=LATENCY)
    asked = controller.ask(3)
    controller.tell([trial(a, 1, "infeasible", latency_ms=ms) for a, ms in zip(asked, (50, 6, 20), strict=True)])
    assert [distance(child.vector, asked[1].vector) for child in controller.ask(5)] == [1] * 5


def test_failed_trials_do_not_join():
    controller = make("evolution", LARGE)
    a, b, c = controller.ask(3)
    controller.tell([trial(a, 1, "failed"), trial(b, 2, loss=float("nan")), trial(c, 3, "stopped", other=0)])
    assert members(controller) == []


def test_stopped_trials_join_by_their_last_value():
    controller = make("evolution", LARGE, population=3, sample=2)
    a, b = controller.ask(2)
    controller.tell([trial(a, 1, "stopped", loss=9), trial(b, 2, loss=8)])
    assert members(controller) == vectors([a, b])
    assert [distance(child.vector, b.vector) for child in controller.ask(5)] == [1] * 5


def test_warm_start_fills_the_population():
    controller = make("evolution", LARGE, population=5, sample=5)
    best = LARGE.architecture(0)
    controller.tell([trial(LARGE.architecture(i * 10**18), i) for i in range(5)])
    assert distance(controller.ask(1)[0].vector, best.vector) == 1


def test_crossover_mixes_two_parents():
    controller = make("evolution", LARGE, population=2, sample=1, crossover=1.0)
    low, high = LARGE.architecture(0), LARGE.architecture(LARGE.size - 1)
    controller.tell([trial(low), trial(high)])
    ends = [sum(v in (0, 9) for v in child.vector) for child in controller.ask(50)]
    mixed = [child for child in controller.ask(50) if 2 < distance(child.vector, low.vector) < 18]
    assert min(ends) >= 19  # all but the mutated decision come from a parent
    assert mixed


def test_it_finds_better_ones_than_random_search():
    best = {}
    for name in ("random", "evolution"):
        controller = make(name, LARGE, seed=1)
        losses = []
        for i in range(300):
            (a,) = controller.ask(1)
            controller.tell([trial(a, i)])
            losses.append(loss(a))
        best[name] = min(losses)
    assert best["evolution"] < 0.5 * best["random"]


def test_with_two_objectives_the_parent_is_not_dominated():
    controller = make("evolution", TWENTY_FOUR, population=3, sample=3, objectives=[nas.minimize("x"), nas.minimize("y")])
    a, b, c = controller.ask(3)
    controller.tell([trial(a, 1, x=1, y=3), trial(b, 2, x=2, y=4), trial(c, 3, x=3, y=1)])
    for child in controller.ask(6):
        assert 1 in (distance(child.vector, a.vector), distance(child.vector, c.vector))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, r"RegularizedEvolution\(population\): 0 does not fit, expected a whole number of at least 1\."),
        ({"population": 2.5}, r"RegularizedEvolution\(population\): 2.5 does not fit, expected a whole number of at least 1\."),
        ({"sample": 30}, r"RegularizedEvolution\(sample\): 30 of 20 members cannot compete, expected at most the population"),
        ({"crossover": 2}, r"RegularizedEvolution\(crossover\): 2 does not fit, expected a number from 0 to 1\."),
        ({"crossover": float("nan")}, r"RegularizedEvolution\(crossover\): nan does not fit, expected a number from 0 to 1\."),
        ({"seed": -1}, r"RegularizedEvolution\(seed\): -1 does not fit, expected a whole number of at least 0\."),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        RegularizedEvolution(**settings)


def test_a_population_survives_a_restore_in_a_continuous_space():
    controller = make("evolution", fakes.CONTINUOUS, population=4, sample=2)
    controller.tell([trial(a, i) for i, a in enumerate(controller.ask(6))])
    again = make("evolution", fakes.CONTINUOUS, population=4, sample=2)
    again.restore(controller.state())
    assert members(again) == members(controller)
    assert controller.ask(1)[0].decisions == again.ask(1)[0].decisions
