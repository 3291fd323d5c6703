"""A space of tiny networks, the data that fit it, and architectures that cannot be judged."""

import numpy as np

import nas
from nas import layers as L
from nas import oneof
from trainer.data import from_arrays


@nas.space(input=(32, 32, 1))
def tiny(x):
    """32x32x1 -> 32x32x3, two convolutions: 4 * 3 * 3 * 1 + 4 and 3 * 3 * 3 * 4 + 3 weights at the first index."""
    x = L.Conv2D(oneof([4, 8]), 3, activation="relu", name="body")(x)
    return L.Conv2D(3, 3, name="rgb")(x)


SMALLEST = tiny.architecture(0)


def tiny_data(examples=24, shape=(32, 32)):
    """Noisy gray images, colour as a fixed mix of them."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (examples + 8, *shape, 1)).astype("float32")
    y = (x * np.array([0.9, 0.5, -0.3]) + 0.1).astype("float32")
    return from_arrays("tiny", {"train_x": x[:examples], "train_y": y[:examples], "val_x": x[examples:], "val_y": y[examples:]})


class Bicubic:
    """An architecture with a layer that LiteRT does not have."""

    def build(self, seed=None):
        import keras

        image = keras.Input((32, 32, 1))
        return keras.Model(image, keras.layers.UpSampling2D(2, interpolation="bicubic")(image))


class FixedSize:
    """An architecture that only takes one image size."""

    def build(self, seed=None):
        import keras

        layers = keras.layers
        image = keras.Input((32, 32, 1))
        flat = layers.Dense(32 * 32 * 3)(layers.Flatten()(layers.AveragePooling2D(8)(image)))
        return keras.Model(image, layers.Reshape((32, 32, 3))(flat))
