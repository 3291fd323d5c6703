import numpy as np
import pytest

from controllers.fronts import crowding, domination, fronts, hypervolume


def test_domination_needs_one_better_and_none_worse():
    scores = np.array([[1, 1], [1, 2], [2, 1], [1, 1]])
    assert domination(scores).tolist() == [
        [False, False, False, False],
        [True, False, False, True],
        [True, False, False, True],
        [False, False, False, False],
    ]


def test_fronts_peel_off_one_after_the_other():
    scores = np.array([[3, 1], [1, 3], [2, 2], [2, 1], [1, 1], [0, 0], [2, 2]])
    assert fronts(scores).tolist() == [0, 0, 0, 1, 2, 3, 0]


def test_fronts_of_one_objective_are_its_order():
    assert fronts(np.array([[5.0], [7.0], [6.0], [7.0]])).tolist() == [2, 0, 1, 0]


def test_crowding_is_the_share_of_the_range_between_the_neighbours():
    scores = np.array([[0.0, 10.0], [1.0, 8.0], [4.0, 2.0], [5.0, 0.0]])
    # second: (4 - 0) / 5 + (10 - 2) / 10; third: (5 - 1) / 5 + (8 - 0) / 10
    assert crowding(scores).tolist() == [np.inf, pytest.approx(1.6), pytest.approx(1.6), np.inf]


def test_crowding_of_equal_and_of_huge_scores_is_finite_or_infinite_but_a_number():
    assert crowding(np.zeros((3, 2))).tolist() == [0, 0, 0]
    huge = crowding(np.array([[-1.7e308], [0.0], [1.7e308]]))
    assert huge.tolist() == [np.inf, pytest.approx(1.0), np.inf]
    assert crowding(np.array([[1.0, 2.0]])).tolist() == [0.0]


def test_hypervolume_by_hand():
    origin = np.zeros(2)
    assert hypervolume(np.array([[2.0, 1.0], [1.0, 3.0]]), origin) == 2 * 1 + 1 * 2
    assert hypervolume(np.array([[2.0, 1.0], [1.0, 3.0], [1.0, 1.0]]), origin) == 4  # dominated: nothing more
    assert hypervolume(np.array([[2.0, 1.0], [-1.0, 9.0]]), origin) == 2  # does not beat the reference
    assert hypervolume(np.zeros((0, 2)), origin) == 0
    assert hypervolume(np.array([[3.0], [5.0]]), np.array([1.0])) == 4
    # three boxes of 1 x 1 x 3 along the axes that share the unit cube
    assert hypervolume(np.array([[3.0, 1, 1], [1, 3.0, 1], [1, 1, 3.0]]), np.zeros(3)) == 3 + 2 + 2


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_agrees_with_counting_cells(objectives):
    rng = np.random.default_rng(objectives)
    points = rng.integers(1, 6, size=(6, objectives))
    cells = np.stack(np.meshgrid(*[np.arange(5)] * objectives), axis=-1).reshape(-1, objectives)
    covered = (cells[:, None, :] < points[None, :, :]).all(axis=2).any(axis=1).sum()
    assert hypervolume(points, np.zeros(objectives)) == covered
