import itertools

import controller_fakes as fakes
import pytest
from controller_fakes import CONTINUOUS, LARGE, TWENTY_FOUR

import nas
from controllers.grid import Grid
from nas.errors import UserError


def made(space, **settings):
    grid = Grid(**settings)
    grid.setup(space, [nas.minimize("loss")])
    return grid


def test_a_small_space_by_index():
    assert [a.index for a in made(TWENTY_FOUR, seed=3).ask(100)] == list(range(24))


def test_spread_lists_all_and_the_seed_says_where_it_begins():
    # 24 * 0.618 = 14.8; the first number from 14 on without a common factor with 24 is 17
    assert [a.index for a in made(TWENTY_FOUR, order="spread").ask(4)] == [0, 17, 10, 3]
    assert [a.index for a in made(TWENTY_FOUR, order="spread", seed=1).ask(3)] == [17, 10, 3]
    assert sorted(a.index for a in made(TWENTY_FOUR, order="spread").ask(100)) == list(range(24))


def test_a_large_space_is_covered_evenly():
    indices = sorted(a.index for a in made(LARGE).ask(100))
    gaps = [b - a for a, b in itertools.pairwise(indices)]
    assert max(gaps) < 0.03 * LARGE.size
    for digit in zip(*(a.vector for a in made(LARGE).ask(200)), strict=True):
        assert len(set(digit)) >= 5  # of ten options, for every decision


def test_equal_networks_come_once():
    assert len(made(fakes.copies()).ask(100)) == 4


def test_numbers_take_their_levels():
    asked = [a.decisions for a in made(CONTINUOUS, levels=3).ask(100)]
    assert len(asked) == 3 * 3 + 3  # share is active in one of the two kinds
    assert sorted({round(d["rate"], 9) for d in asked}) == pytest.approx([1e-4, 10**-2.5, 1e-1])
    assert {d["kind[=0/2].share"] for d in asked if "kind[=0/2].share" in d} == {0.0, 0.5, 1.0}


def test_points_outside_a_limit_are_left_out():
    space = fakes.restricted("rules")
    points = [a.index for a in made(space, order="index").ask(50)]
    assert points == list(range(50))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "random"}, r"Grid\(order\): no order 'random', expected one of auto, index, spread"),
        ({"levels": 1}, r"Grid\(levels\): 1 does not fit, expected a whole number of at least 2"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        Grid(**settings)
