"""The one batch that a zero-cost proxy looks at, and the loss it takes gradients of.

Without data, inputs are Gaussian noise and targets are drawn at random; with data, the batch is examples of the training split.
Either is the same for every architecture.

The scalar depends on the targets:

    classes, of each pixel or not   that of training (`trainer.tasks.crossentropy`): the mean over labels that are not void
    one-hot, one axis               cross-entropy of the logits
    images, sequences, anything     mean squared error, so an encoder-decoder has every proxy that a classifier has
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from nas.errors import DataError
from trainer.tasks import check_labels, classes_of, crossentropy


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Inputs `(example, ...)` and targets `(example, ...)`, as float32, or as int32 where targets are classes."""

    x: np.ndarray
    y: np.ndarray

    @property
    def is_classes(self) -> bool:
        return self.y.dtype.kind in "iu"


def random_batch(input_shape: tuple[int, ...], output_shape: tuple[int, ...], size: int, seed: int) -> Batch:
    """Gaussian inputs; random classes for an output with one axis, Gaussian targets for any other."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((size, *input_shape)).astype(np.float32)
    if len(output_shape) == 1 and output_shape[0] > 1:
        return Batch(x, rng.integers(output_shape[0], size=size).astype(np.int32))
    return Batch(x, rng.standard_normal((size, *output_shape)).astype(np.float32))


def data_batch(dataset: Any, size: int, seed: int) -> Batch:
    """`size` examples of the training split, drawn by `seed` (all, where there are fewer)."""
    rows = np.random.default_rng(seed).permutation(len(dataset.train_x))[:size]
    y = np.asarray(dataset.train_y[np.sort(rows)])
    kind = np.int32 if y.dtype.kind in "iu" else np.float32
    return Batch(np.asarray(dataset.train_x[np.sort(rows)], np.float32), y.astype(kind))


def check_fits(batch: Batch, input_shape: tuple[int | None, ...], output_shape: tuple[int | None, ...]) -> None:
    """Raises DataError where a network with these shapes (None: any size) cannot take the batch, or all its labels are void."""
    target = output_shape[:-1] if batch.is_classes else output_shape
    for which, have, want in (("x", batch.x.shape[1:], input_shape), ("y", batch.y.shape[1:], target)):
        if len(have) != len(want) or any(w not in (None, h) for w, h in zip(want, have, strict=True)):
            raise DataError(
                f"{which} has shape {have}, the network wants {tuple(want)}",
                path="ZeroCost(data)",
                received=have,
                expected=f"{tuple(want)}",
                hint="Give the data the space was made for, or none for a random batch",
            )
    if batch.is_classes:
        labels, counts = np.unique(batch.y, return_counts=True)
        check_labels("ZeroCost(data)", dict(zip(labels.tolist(), counts.tolist(), strict=True)), output_shape[-1])
        if labels[0] >= classes_of(output_shape[-1]):
            raise DataError(
                f"all labels of {len(batch.y)} examples are void",
                path="ZeroCost(data)",
                received=labels.tolist(),
                expected="some that are classes",
                hint="Look at more examples: a larger batch_size",
            )


def loss(model: Any, batch: Batch) -> Callable[[Any], Any]:
    """`scalar(outputs)` of a model on a batch; see the module. Whether it ends in logits is looked at when this is called."""
    if batch.is_classes:
        entropy = crossentropy(model)
        return lambda outputs: entropy(batch.y, outputs)
    return lambda outputs: _distance(outputs, batch)


def _distance(predicted: Any, batch: Batch) -> Any:
    from keras import ops

    if len(predicted.shape) == 2 and predicted.shape[-1] > 1 and np.allclose(batch.y.sum(-1), 1):
        return ops.mean(ops.categorical_crossentropy(batch.y, predicted, from_logits=True))
    return ops.mean(ops.square(predicted - ops.convert_to_tensor(batch.y, predicted.dtype)))
