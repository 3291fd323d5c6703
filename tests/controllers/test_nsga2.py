import numpy as np
import pytest
from controller_fakes import LARGE, TWENTY_FOUR, trial

import nas
from controllers import Random
from controllers.fronts import hypervolume
from controllers.nsga2 import NSGA2, standing
from nas.errors import UserError

TWO = [nas.maximize("x"), nas.minimize("y")]


def made(space, objectives=TWO, constraints=(), **settings):
    controller = NSGA2(**settings)
    controller.setup(space, objectives, constraints)
    return controller


def members(controller):
    return [m["vector"] for m in controller.state()["members"]]


def vectors(architectures):
    return [a.vector.tolist() for a in architectures]


def feasible(*scores):
    return tuple((2, float(score)) for score in scores)


def test_standing_is_by_front_then_by_crowding():
    merits = [feasible(0, 4), feasible(1, 3.5), feasible(3, 2), feasible(4, 0), feasible(0, 0)]
    # the ends first, then 2 with (4 - 1) / 4 + 3.5 / 4 = 1.625 before 1 with 3 / 4 + 2 / 4 = 1.25, the dominated one last
    assert standing(merits) == [0, 3, 2, 1, 4]


def test_a_feasible_one_stands_before_any_infeasible_one():
    merits = [((1, -0.1), (1, -0.1)), feasible(-9, -9), ((1, -0.2), (1, -0.2))]
    assert standing(merits) == [1, 0, 2]


def test_of_equal_ones_the_older_stands_first():
    assert standing([feasible(1.0), feasible(1.0), feasible(2.0)]) == [1, 2, 0]


def test_the_most_crowded_of_the_last_front_leaves():
    controller = made(LARGE, population=3, start=2)
    a, b, c, d = controller.ask(4)
    controller.tell([trial(a, 1, x=0, y=0), trial(b, 2, x=10, y=10), trial(c, 3, x=4, y=4)])
    controller.tell([trial(d, 4, x=5, y=4.5)])  # dominates none and is dominated by none; c has less room: .5 + .45 < .6 + .6
    assert members(controller) == vectors([a, b, d])


def test_one_that_dominates_replaces():
    controller = made(LARGE, population=2, start=2)
    a, b, c = controller.ask(3)
    controller.tell([trial(a, 1, x=1, y=1), trial(b, 2, x=0, y=2), trial(c, 3, x=2, y=1)])
    assert members(controller) == vectors([a, c])


def test_children_mix_their_parents():
    controller = made(LARGE, population=2, start=2, crossover=1.0)
    low, high = LARGE.architecture(0), LARGE.architecture(LARGE.size - 1)
    controller.tell([trial(low, 1, x=1, y=1), trial(high, 2, x=2, y=2)])
    children = controller.ask(40)
    assert min(sum(v in (0, 9) for v in child.vector) for child in children) >= 18
    assert any(4 <= (child.vector == 0).sum() <= 16 for child in children)


def test_one_objective_keeps_the_best():
    controller = made(TWENTY_FOUR, [nas.minimize("loss")], population=2, start=2)
    asked = controller.ask(4)
    controller.tell([trial(a, i, loss=value) for i, (a, value) in enumerate(zip(asked, (3, 1, 2, 9), strict=True))])
    assert members(controller) == vectors([asked[1], asked[2]])


def test_failed_trials_do_not_join():
    controller = made(LARGE)
    a, b = controller.ask(2)
    controller.tell([trial(a, 1, "failed"), trial(b, 2, x=float("nan"), y=float("nan"))])
    assert members(controller) == []


def front(controller, budget):
    """A trade-off that random points miss: x counts one option, y another."""
    controller.setup(LARGE, TWO)
    found = []
    for i in range(budget):
        (a,) = controller.ask(1)
        x, y = float((a.vector == 1).sum()), float(20 - (a.vector == 2).sum())
        controller.tell([trial(a, i, x=x, y=y)])
        found.append((x, 20 - y))
    return hypervolume(np.array(found), np.zeros(2))


def test_its_front_covers_more_than_random_search():
    assert front(NSGA2(seed=0), 300) > 1.5 * front(Random(seed=0), 300)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, r"NSGA2\(population\): 1 does not fit, expected a whole number of at least 2"),
        ({"start": 30}, r"NSGA2\(start\): 30 is more than the population, expected at most the population, 20"),
        ({"crossover": 1.5}, r"NSGA2\(crossover\): 1.5 does not fit, expected a number from 0 to 1"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        NSGA2(**settings)
