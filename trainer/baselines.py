"""What a colorizer has to beat: answers that need no network.

A network that loses to the gray->RGB table has learned less than 256 colours. Reference points are honest only on the same
split, so they are fitted on training data and judged on validation and test data like any network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from trainer.data import Dataset

LEVELS = 256
_BLOCK = 256  # examples at a time, which bounds memory


@dataclasses.dataclass(frozen=True)
class Baseline:
    """An answer without a network.

    Attributes:
        name: for people.
        val_mse: mean squared error on the validation split, on the data's own scale ([-1, 1] for images).
        test_mse: the same on the test split; None where the data set has none.
        parameters: how many numbers it keeps from the training data.
    """

    name: str
    val_mse: float
    test_mse: float | None
    parameters: int


class GrayTable:
    """The mean colour of each of 256 gray levels.

    Attributes:
        colours: `(256, channels)`; a level that training never shows is interpolated between its neighbours.
    """

    def __init__(self, colours: np.ndarray):
        self.colours = colours

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray) -> GrayTable:
        """Fits on gray `x` (example, height, width, 1) and colour `y` (example, height, width, channels), both on [-1, 1]."""
        counts = np.zeros(LEVELS)
        sums = np.zeros((LEVELS, y.shape[-1]))
        for start in range(0, len(x), _BLOCK):
            levels = _levels(x[start : start + _BLOCK]).ravel()
            colours = np.asarray(y[start : start + _BLOCK]).reshape(-1, y.shape[-1])
            counts += np.bincount(levels, minlength=LEVELS)
            for channel in range(y.shape[-1]):
                sums[:, channel] += np.bincount(levels, colours[:, channel], LEVELS)
        seen = np.flatnonzero(counts)
        means = sums[seen] / counts[seen, None]
        return cls(np.stack([np.interp(np.arange(LEVELS), seen, means[:, c]) for c in range(y.shape[-1])], axis=1))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The colours of gray `x`, `(example, height, width, 1)` -> `(example, height, width, channels)`."""
        return self.colours[_levels(x)]


def reference_points(dataset: Dataset) -> tuple[Baseline, ...] | None:
    """The gray->RGB table, gray copied, and the mean colour; None unless the data are gray images with colour targets."""
    if not is_colorization(dataset):
        return None
    table = GrayTable.fit(dataset.train_x, dataset.train_y)
    mean = np.mean(dataset.train_y, axis=(0, 1, 2), dtype=np.float64)
    return (
        _judge("gray->RGB table", table.predict, table.colours.size, dataset),
        _judge("gray copied", lambda x: x, 0, dataset),
        _judge("mean colour", lambda x: mean, mean.size, dataset),
    )


def is_colorization(dataset: Dataset) -> bool:
    """Whether inputs are one-channel images and targets three-channel images of the same size."""
    x, y = dataset.input_shape, dataset.output_shape
    return len(x) == len(y) == 3 and x[:2] == y[:2] and (x[2], y[2]) == (1, 3)


def _judge(name: str, predict: Callable[[np.ndarray], Any], parameters: int, dataset: Dataset) -> Baseline:
    test = None
    if dataset.test_x is not None and dataset.test_y is not None:
        test = _mse(predict, dataset.test_x, dataset.test_y)
    return Baseline(name, _mse(predict, dataset.val_x, dataset.val_y), test, parameters)


def _mse(predict: Callable[[np.ndarray], Any], x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for start in range(0, len(x), _BLOCK):
        error = predict(x[start : start + _BLOCK]) - np.asarray(y[start : start + _BLOCK], np.float64)
        total += float(np.sum(error * error))
    return total / y.size


def _levels(x: np.ndarray) -> np.ndarray:
    """Gray on [-1, 1] as levels 0..255, `(example, height, width, 1)` -> `(example, height, width)`."""
    return np.clip(np.rint((x[..., 0] + 1.0) * 127.5), 0, LEVELS - 1).astype(np.intp)
