import math

import numpy as np
import pytest

from nas.errors import UserError
from trainer.tuning import BOOK, Categorical, Discrete, Double, Integer
from trainer.tuning.conditions import count
from trainer.tuning.parameters import flags, to_flag

UNIFORM = np.random.default_rng(0).random(20_000)


def draws(parameter):
    return np.array([parameter.at(position) for position in UNIFORM])


def test_linear_spreads_values_evenly():
    values = draws(Double(2.0, 4.0))
    assert 2 <= values.min() <= values.max() <= 4
    assert np.quantile(values, [0.25, 0.5, 0.75]) == pytest.approx([2.5, 3.0, 3.5], abs=0.03)


def test_log_spreads_ratios_evenly():
    values = draws(Double(1e-4, 1e-2, "log"))
    assert np.median(values) == pytest.approx(1e-3, rel=0.05)  # the geometric mean of the bounds
    assert np.mean(values < 1e-3) == pytest.approx(0.5, abs=0.02)


def test_reverse_log_is_log_seen_from_the_other_end():
    parameter = Double(1.0, 100.0, "reverse_log")
    assert [parameter.at(position) for position in (0, 0.5, 1)] == pytest.approx([1.0, 91.0, 100.0])  # 1 + 100 - 10
    assert parameter.position(91.0) == pytest.approx(0.5)
    assert np.mean(draws(parameter) > 91) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("scale", ["linear", "log", "reverse_log"])
def test_positions_and_values_are_inverse(scale):
    for parameter in (Double(0.5, 8.0, scale), Integer(1, 300, scale)):
        for position in (0.0, 0.1, 0.5, 0.93, 1.0):
            value = parameter.at(position)
            assert parameter.contains(value)
            assert parameter.at(parameter.position(value)) == pytest.approx(value)


def test_every_integer_gets_its_share():
    _, counts = np.unique(draws(Integer(1, 4)), return_counts=True)
    assert counts / len(UNIFORM) == pytest.approx([0.25] * 4, abs=0.015)
    _, counts = np.unique(draws(Integer(1, 3, "log")), return_counts=True)
    shares = np.log([3, 5 / 3, 7 / 5]) / math.log(7)  # 0.5 ... 1.5 ... 2.5 ... 3.5
    assert counts / len(UNIFORM) == pytest.approx(shares, abs=0.015)


def test_listed_values_get_equal_shares():
    _, counts = np.unique(draws(Discrete((64, 16, 32))), return_counts=True)
    assert counts / len(UNIFORM) == pytest.approx([1 / 3] * 3, abs=0.015)
    assert Categorical(("a", "b")).at(1.0) == "b"


def test_grids_hold_both_bounds():
    assert Double(1e-4, 1.0, "log").grid(5) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert Integer(1, 3).grid(5) == [1, 2, 3]
    assert Integer(0, 100).grid(5) == [0, 25, 50, 75, 100]
    assert Integer(1, 10_000, "log").grid(5) == [1, 10, 100, 1000, 10_000]
    assert Double(3, 3).grid(5) == [3.0]


def test_discrete_values_are_put_in_order():
    assert Discrete([64, 16, 32]).values == (16, 32, 64)
    assert Discrete((16, 32)).contains(16.0)
    assert not Discrete((16, 32)).contains("16")


@pytest.mark.parametrize(
    ("value", "text"), [(16.0, "16"), (16, "16"), (1e-4, "0.0001"), (1e-5, "1e-05"), ("mse", "mse"), (-0.5, "-0.5")]
)
def test_whole_floats_are_passed_as_integers(value, text):
    assert to_flag(value) == text


def test_numpy_numbers_are_passed_as_plain_ones():
    assert flags({"learning_rate": np.float64(0.5), "epochs": np.int64(3)}) == ["--learning_rate=0.5", "--epochs=3"]


def test_the_book_tunes_five_flags():
    assert list(BOOK) == ["learning_rate", "epochs", "steps_per_epoch", "batch_size", "loss"]
    assert count(BOOK) is None
    assert count({name: BOOK[name] for name in BOOK if name != "learning_rate"}) == 3 * 201 * 3 * 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Double(3, 1), "Double.min: 3 is above max, 1, expected min <= max. Swap them."),
        (
            lambda: Double(0, 1, "log"),
            'Double.min: 0 has no place on a log scale, expected min > 0. Raise it, or choose scale="linear".',
        ),
        (
            lambda: Integer(-2, 1, "reverse_log"),
            'Integer.min: -2 has no place on a reverse_log scale, expected min > 0. Raise it, or choose scale="linear".',
        ),
        (lambda: Double(0, 1, "cubic"), "Double.scale: 'cubic' is not a scale, expected linear, log or reverse_log."),
        (lambda: Double("0", 1), "Double.min: '0' does not fit, expected a finite number."),
        (lambda: Double(0, math.inf), "Double.max: inf does not fit, expected a finite number."),
        (lambda: Integer(1, 2.5), "Integer.max: 2.5 does not fit, expected a whole number."),
        (lambda: Integer(True, 2), "Integer.min: True does not fit, expected a whole number."),
        (lambda: Discrete(()), "Discrete.values: the list is empty, expected at least one number."),
        (lambda: Discrete((16, 16.0)), "Discrete.values: 16.0 is listed twice, expected different values. Remove one."),
        (lambda: Discrete((1, math.nan)), "Discrete.values: nan does not fit, expected a finite number."),
        (lambda: Categorical("mse"), "Categorical.values: 'mse' is no list, expected a list of values."),
        (
            lambda: Categorical(("mse", True)),
            'Categorical.values: True does not fit, expected a string. Quote it, as in "true", or list numbers in a Discrete.',
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value) == message
