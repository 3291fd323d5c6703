import dataclasses

import numpy as np
import pytest
from trainer_fakes import tiny_arrays, tiny_data

from trainer.baselines import reference_points
from trainer.data import from_arrays


def test_the_table_learns_what_depends_on_gray_alone():
    table, copied, mean = reference_points(tiny_data(train=64))
    assert table.val_mse < 1e-3  # every level is seen, targets follow from it
    assert copied.val_mse > 0.1
    assert mean.val_mse > copied.val_mse / 10


def test_by_hand():
    x = np.zeros((2, 1, 1, 1), np.float32)
    arrays = {"train_x": x, "train_y": np.array([[0.5, 0, 0], [0.5, 0, 0]], np.float32).reshape(2, 1, 1, 3)}
    arrays |= {"val_x": x, "val_y": np.array([[0.5, 0.3, 0], [0.5, 0, 0]], np.float32).reshape(2, 1, 1, 3)}
    table, copied, mean = reference_points(from_arrays("hand", arrays))
    assert table.val_mse == pytest.approx(0.09 / 6)
    assert mean.val_mse == pytest.approx(0.09 / 6)
    assert copied.val_mse == pytest.approx((0.25 + 0.09 + 0.25) / 6)
    assert table.test_mse is None


@pytest.mark.parametrize("key", ["x", "y"])
def test_only_for_gray_to_colour(key):
    arrays = {k: v[..., :1].repeat(2, axis=-1) if k.endswith(key) else v for k, v in tiny_arrays().items()}
    assert reference_points(from_arrays("other", arrays)) is None


def test_not_for_other_sizes():
    data = tiny_data()
    bigger = {name: np.repeat(getattr(data, name), 2, axis=1) for name in ("train_y", "val_y", "test_y")}
    assert reference_points(dataclasses.replace(data, **bigger)) is None
