import numpy as np
import pytest
from controller_fakes import LARGE, TWENTY_FOUR, loss, trial

import nas
from controllers.local_search import LocalSearch
from nas.errors import UserError


def made(space, objectives=(), constraints=(), **settings):
    controller = LocalSearch(**settings)
    controller.setup(space, objectives or [nas.minimize("loss")], constraints)
    return controller


def distance(a, b):
    return int((np.array(a.vector) != np.array(b.vector)).sum())


def test_it_climbs_from_the_best_start():
    controller = made(LARGE, starts=3)
    starts = controller.ask(3)
    controller.tell([trial(a, i, loss=value) for i, (a, value) in enumerate(zip(starts, (3, 1, 2), strict=True))])
    assert [distance(a, starts[1]) for a in controller.ask(20)] == [1] * 20


def test_first_moves_at_once_and_best_when_all_are_judged():
    for move in ("first", "best"):
        controller = made(TWENTY_FOUR, starts=1, move=move)
        (start,) = controller.ask(1)
        controller.tell([trial(start, 1, loss=10)])
        (better,) = controller.ask(1)
        controller.tell([trial(better, 2, loss=5)])
        rest = controller.ask(1 + 2 + 3 - 1)  # neighbours: one other a, two other b, three other c
        around_start = [distance(a, start) == 1 for a in rest]
        around_better = [distance(a, better) == 1 for a in rest]
        assert all(around_start if move == "best" else around_better)
        controller.tell([trial(a, i, loss=6) for i, a in enumerate(rest, 3)])
        assert (distance(controller.ask(1)[0], better) == 1) is (move == "best")  # where the first is taken, all are known


def test_a_local_optimum_ends_the_climb_and_another_begins():
    controller = made(TWENTY_FOUR, starts=1)
    (start,) = controller.ask(1)
    controller.tell([trial(start, 1, loss=1)])
    around = controller.ask(6)
    controller.tell([trial(a, i, loss=2) for i, a in enumerate(around, 2)])
    (again,) = controller.ask(1)
    assert distance(again, start) > 1
    controller.tell([trial(again, 8, loss=3)])  # worse than the peak, but a new climb begins here
    assert distance(controller.ask(1)[0], again) == 1


def test_a_late_neighbour_takes_the_climb_up_again():
    controller = made(TWENTY_FOUR, starts=1)
    (start,) = controller.ask(1)
    controller.tell([trial(start, 1, loss=5)])
    *around, late = controller.ask(6)
    controller.tell([trial(a, i, loss=9) for i, a in enumerate(around, 2)])
    controller.ask(3)  # starts of the next climb, still running
    controller.tell([trial(late, 7, loss=4)])
    assert distance(controller.ask(1)[0], late) == 1


def test_lost_trials_do_not_stop_it():
    controller = made(TWENTY_FOUR, starts=2)
    controller.ask(5)  # none is ever told
    a, b = controller.ask(2)
    controller.tell([trial(a, 1, loss=1), trial(b, 2, loss=2)])
    assert distance(controller.ask(1)[0], a) == 1


def test_failed_starts_count_as_judged():
    controller = made(LARGE, starts=2)
    a, b = controller.ask(2)
    controller.tell([trial(a, 1, "failed"), trial(b, 2, loss=1)])
    assert distance(controller.ask(1)[0], b) == 1


def test_a_warm_start_is_climbed_from():
    controller = made(LARGE)
    known = [LARGE.architecture(i * 10**18) for i in range(3)]
    controller.tell([trial(a, i, loss=value) for i, (a, value) in enumerate(zip(known, (3, 1, 2), strict=True))])
    assert distance(controller.ask(1)[0], known[1]) == 1


def test_feasible_before_infeasible():
    controller = made(LARGE, constraints=[nas.at_most("latency_ms", 5)], starts=2)
    a, b = controller.ask(2)
    controller.tell([trial(a, 1, "infeasible", latency_ms=6), trial(b, 2, loss=9, latency_ms=4)])
    assert distance(controller.ask(1)[0], b) == 1


def test_with_two_objectives_better_is_dominating():
    controller = made(LARGE, [nas.minimize("x"), nas.minimize("y")], starts=1)
    (start,) = controller.ask(1)
    controller.tell([trial(start, 1, x=2, y=2)])
    traded, dominating = controller.ask(2)
    controller.tell([trial(traded, 2, x=1, y=3)])
    assert distance(controller.ask(1)[0], start) == 1
    controller.tell([trial(dominating, 3, x=1, y=2)])
    assert distance(controller.ask(1)[0], dominating) == 1


def test_it_finds_the_optimum_of_a_sum():
    controller = made(LARGE)
    for i in range(2000):
        (a,) = controller.ask(1)
        controller.tell([trial(a, i)])
        if loss(a) == 0:
            break
    assert loss(a) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"move": "up"}, r"LocalSearch\(move\): no way to move 'up', expected first or best"),
        ({"starts": 0}, r"LocalSearch\(starts\): 0 does not fit, expected a whole number of at least 1"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        LocalSearch(**settings)
