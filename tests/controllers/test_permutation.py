import collections
import itertools

import pytest

from controllers.permutation import Permutation


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 24, 255, 256, 257, 1000])
def test_it_lists_every_number_once(size):
    assert sorted(Permutation(size, seed=7)) == list(range(size))


def test_all_orders_are_equally_frequent():
    """Chi-square with 23 degrees of freedom: above 49.7 in one of a thousand fair experiments."""
    counts = collections.Counter(tuple(Permutation(4, seed)) for seed in range(6000))
    expected = 6000 / 24
    assert sum((counts[order] - expected) ** 2 / expected for order in itertools.permutations(range(4))) < 49.7


def test_the_seed_and_the_size_decide_the_order():
    assert list(Permutation(100, 1)) == list(Permutation(100, 1))
    assert list(Permutation(100, 1)) != list(Permutation(100, 2))
    assert [n for n in Permutation(100, 1) if n < 99] != list(Permutation(99, 1))


def test_the_order_is_the_same_on_every_machine():
    assert list(Permutation(10, 0)) == [7, 6, 5, 9, 1, 0, 3, 2, 4, 8]


@pytest.mark.parametrize("size", [10**20, 2**600 + 1])
def test_spaces_of_any_size(size):
    numbers = [Permutation(size, 0)[i] for i in range(200)]
    assert len(set(numbers)) == 200
    assert all(0 <= n < size for n in numbers)
    assert 60 < sum(n < size // 2 for n in numbers) < 140


def test_positions_outside_are_refused():
    with pytest.raises(IndexError, match="position 5 of 5"):
        Permutation(5, 0)[5]
