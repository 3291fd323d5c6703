"""Shape arithmetic, against windows that are counted one by one."""

import pytest

from nas.errors import ShapeError
from nas.language import rules


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_positions_of_a_window(size, kernel, stride, dilation):
    span = (kernel - 1) * dilation + 1
    inside = [start for start in range(0, size, stride) if start + span <= size]
    assert rules.window_size(size, kernel, stride, "valid", dilation) == len(inside)
    assert rules.window_size(size, kernel, stride, "same", dilation) == len(range(0, size, stride))


def test_a_transposed_window_undoes_a_window():
    for size, kernel, stride in [(12, 3, 2), (12, 5, 3), (7, 2, 1)]:
        small = rules.window_size(size, kernel, stride, "same")
        assert rules.transposed_size(small, kernel, stride, "same") == small * stride
    assert rules.transposed_size(4, 3, 2, "valid") == 9  # windows of 3 at 0, 2, 4, 6
    assert rules.transposed_size(4, 2, 3, "valid") == 12  # the stride is wider than the window


def test_numbers_for_each_axis():
    assert rules.as_tuple(3, 2, "strides") == (3, 3)
    assert rules.as_tuple([1, 2], 2, "strides") == (1, 2)
    assert rules.collapse((3, 3)) == 3
    assert rules.collapse([3, 5]) == (3, 5)
    with pytest.raises(ShapeError, match=r"strides \(1, 2\) has 2 numbers, expected 3"):
        rules.as_tuple((1, 2), 3, "strides")


def test_one_name_for_each_function():
    assert rules.canonical_function("swish") == "silu"
    assert rules.canonical_function("linear") is rules.canonical_function(None) is None
