"""Batches for training, and cheaper versions of a data set for proxy tasks.

The order of examples is decided before training starts, from the seed alone: pass number k over the data is the permutation
that NumPy's generator gives for (seed, k), and batches are cut from the endless chain of passes. So every batch is full, the
same seed gives the same batches, and training that was interrupted after step n goes on with batch n + 1. `tf.data` then
gathers and prefetches; it never holds a second copy of the arrays, which may be memory-mapped.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from nas.errors import UserError
from trainer.data import Dataset

GRID = 16  # pixels
"""Images are resized to multiples of this. An encoder that halves four times and a decoder that doubles four times give back
the size they were given only for multiples of 2**4: from 40 pixels the book's network would return 48."""

_BLOCK = 256  # examples resized together, which bounds memory


def training_order(examples: int, batch_size: int, steps: int, seed: int, start: int = 0, *, flip: bool = False) -> np.ndarray:
    """Which examples make up each batch, `(steps - start, batch_size)`: batches `start` to `steps` of the chain of passes.

    With `flip` half of the examples, other ones in each pass, are written as `~i`: example i mirrored left to right.
    """
    passes = [_one_pass(examples, seed, k, flip) for k in range(math.ceil(steps * batch_size / examples))]
    return np.concatenate(passes)[: steps * batch_size].reshape(steps, batch_size)[start:]


def _one_pass(examples: int, seed: int, k: int, flip: bool) -> np.ndarray:
    rng = np.random.default_rng([seed, k])
    order = rng.permutation(examples).astype(np.int32)
    return np.where(rng.random(examples) < 0.5, ~order, order) if flip else order


def _gather(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The examples that a batch of `training_order` names."""
    flipped = rows < 0
    kept = np.where(flipped, ~rows, rows)
    batch = x[kept], y[kept]
    for images in batch:
        if images.ndim > 2:  # not one class for each example
            images[flipped] = images[flipped][:, :, ::-1]
    return batch


def training_batches(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> Any:
    """A `tf.data.Dataset` of the batches `order` names, `(batch, height, width, channels)` pairs.

    Under another Keras backend than TensorFlow: a Python generator of the same batches.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return (_gather(x, y, rows) for rows in order)
    import tensorflow as tf

    batch = order.shape[1]

    def gather(rows: Any) -> Any:
        types = tf.as_dtype(x.dtype), tf.as_dtype(y.dtype)
        batch_x, batch_y = tf.numpy_function(lambda i: _gather(x, y, i), [rows], types, stateful=False)
        return tf.ensure_shape(batch_x, (batch, *x.shape[1:])), tf.ensure_shape(batch_y, (batch, *y.shape[1:]))

    return _with_options(tf.data.Dataset.from_tensor_slices(order).map(gather).prefetch(2))


def cheaper(dataset: Dataset, *, data_share: float = 1.0, resolution: float = 1.0, seed: int = 0) -> Dataset:
    """The data set of a proxy task: fewer training examples, smaller images.

    Args:
        data_share: share of the training examples that is kept, in (0, 1]; which ones follows from `seed`. Validation and test
            stay whole: a smaller validation set would save little and make every comparison noisier.
        resolution: factor on height and width of inputs and targets, in (0, 1]; sizes become the nearest multiple of 16.
            Pixels are averaged over the area they cover, so that nothing aliases; classes are taken from the middle of it.
        seed: of the choice of examples.

    Raises:
        UserError: a factor outside (0, 1].
    """
    for name, value in (("data_share", data_share), ("resolution", resolution)):
        if not 0 < value <= 1:
            raise UserError(f"{value!r}", path=name, received=value, expected="a share above 0 and at most 1")
    if data_share < 1:
        kept = max(1, round(data_share * len(dataset.train_x)))
        rows = np.sort(np.random.default_rng(seed).choice(len(dataset.train_x), kept, replace=False))
        dataset = dataclasses.replace(dataset, train_x=dataset.train_x[rows], train_y=dataset.train_y[rows])
    if resolution < 1:
        names = ("train_x", "train_y", "val_x", "val_y", "test_x", "test_y")
        arrays = {name: getattr(dataset, name) for name in names}
        small: dict[str, Any] = {name: _smaller(a, resolution) for name, a in arrays.items() if a is not None}
        dataset = dataclasses.replace(dataset, **small)
    return dataset


def _smaller(array: np.ndarray, resolution: float) -> np.ndarray:
    """Images, or the classes of their pixels; one class for each image stays as it is."""
    if array.ndim == 1:
        return array
    height, width = scaled_size(array.shape[1:3], resolution)
    if array.ndim == 4:
        return resize_area(array, height, width)
    rows, columns = _middles(array.shape[1], height), _middles(array.shape[2], width)
    return array[:, rows[:, None], columns]


def _middles(old: int, new: int) -> np.ndarray:
    """`(new,)`: the old pixel in the middle of each new one along an axis."""
    return ((np.arange(new) + 0.5) * old / new).astype(int)


def scaled_size(size: tuple[int, ...], resolution: float) -> tuple[int, int]:
    """`(height, width)` times `resolution`, to the nearest multiple of 16 (halves go up), at least 16 and never enlarged."""
    height, width = (min(n, max(GRID, int(n * resolution / GRID + 0.5) * GRID)) for n in size)
    return height, width


def resize_area(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """`(example, height, width, channels)` images made smaller: each new pixel is the mean over the area it covers."""
    rows, columns = _coverage(images.shape[1], height), _coverage(images.shape[2], width)
    out = np.empty((len(images), height, width, images.shape[3]), np.float32)
    for i in range(0, len(images), _BLOCK):
        shorter = np.einsum("ah,nhwc->nawc", rows, images[i : i + _BLOCK], optimize=True)
        out[i : i + _BLOCK] = np.einsum("bw,nawc->nabc", columns, shorter, optimize=True)
    return out


def _coverage(old: int, new: int) -> np.ndarray:
    """`(new, old)`: the share of each old pixel in each new one along an axis; rows sum to 1."""
    edges = np.linspace(0, old, new + 1)
    left, right = edges[:-1, None], edges[1:, None]
    overlap = np.minimum(right, np.arange(1, old + 1)) - np.maximum(left, np.arange(old))
    return (np.clip(overlap, 0, None) * new / old).astype(np.float32)


def _with_options(dataset: Any) -> Any:
    """Several workers share each epoch by examples: there are no input files to share by.

    Nothing is tuned while it runs, as nothing could be: the thread that would do it sleeps ever longer, and whoever lets an
    iterator go waits until it wakes. After a training of 20 seconds that took up to 20 more.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)
