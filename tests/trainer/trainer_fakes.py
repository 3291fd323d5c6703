"""Small real data sets and networks for the trainer's tests."""

from __future__ import annotations

import numpy as np

from trainer.data import Dataset, from_arrays


def tiny_arrays(train: int = 24, val: int = 8, test: int = 4, size: int = 16) -> dict[str, np.ndarray]:
    """Gray uint8 images, and targets that follow from them: gray, its square, its negative."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", train), ("val", val), ("test", test)):
        gray = rng.integers(0, 256, (n, size, size, 1), dtype=np.uint8)
        arrays[f"{split}_x"] = gray
        squared = (gray.astype(int) ** 2 // 255).astype(np.uint8)
        arrays[f"{split}_y"] = np.concatenate([gray, squared, 255 - gray], axis=-1)
    return arrays


def tiny_data(**sizes: int) -> Dataset:
    return from_arrays("tiny", tiny_arrays(**sizes))


def tiny_model(seed: int = 0, size: int = 16, activation: str = "tanh"):
    """A network with all that training carries along: batch statistics and dropout."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    x = gray = keras.Input((size, size, 1))
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(gray, layers.Conv2D(3, 3, padding="same", activation=activation)(x), name="tiny")
