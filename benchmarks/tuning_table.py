"""A real tuning problem as a table: the winner of a search trained with each of 156 settings, so that tuners can be compared.

    python -m benchmarks.tuning_table          # trains what is missing in tuning_table.jsonl, half an hour on two cores

The network is the best of `nas search colorizer --data photos --at-most latency_ms=book --trials 24 --seed 0`
(tuning_winner.json); the data are the middles of `photos`, 32x32 pixels. Every training sees the same 384 tiles and starts from
the same weights; what differs is what is tuned:

    learning_rate   13 values from 1e-4 to 1, evenly on a log scale
    optimizer       adam (beta_1 = .5, as in the book), or sgd, which alone has
    momentum        0, .9 or .99
    batch_size      8, 16 or 32

A line holds the settings and `val_mse`, the mean squared error on 217 validation tiles; null where training diverged.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".jsonl")
WINNER = FILE.with_name("tuning_winner.json")
RATES = tuple(float(f"{rate:.4g}") for rate in np.geomspace(1e-4, 1.0, 13))
BATCHES = (8, 16, 32)
MOMENTA = (0.0, 0.9, 0.99)
TILES = 384
SEED = 0


def settings() -> Iterator[dict[str, Any]]:
    """Every line's settings, those of one compiled network together."""
    for batch_size, momentum in itertools.product(BATCHES, (None, *MOMENTA)):
        for rate in RATES:
            kind = {"optimizer": "adam"} if momentum is None else {"optimizer": "sgd", "momentum": momentum}
            yield {"learning_rate": rate, **kind, "batch_size": batch_size}


def read() -> list[dict[str, Any]]:
    """The lines there are."""
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []


def main() -> None:
    """Trains with the settings that the file lacks, a line after each."""
    known = [{name: value for name, value in line.items() if name != "val_mse"} for line in read()]
    missing = [setting for setting in settings() if setting not in known]
    if not missing:
        return
    tiles = _middles()
    for (batch_size, momentum), group in itertools.groupby(missing, lambda s: (s["batch_size"], s.get("momentum"))):
        train = _Training(tiles, batch_size, momentum)
        for setting in group:
            error = train(setting)
            with FILE.open("a") as file:
                file.write(json.dumps(setting | {"val_mse": float(f"{error:.5g}") if math.isfinite(error) else None}) + "\n")
            print(setting, error, flush=True)


class _Training:
    """One network, compiled once and put back to its first weights before each training."""

    def __init__(self, tiles: Mapping[str, np.ndarray], batch_size: int, momentum: float | None):
        import keras

        from search_spaces.colorizer import colorizer

        self.tiles, self.batch_size = tiles, batch_size
        full_size = colorizer.architecture(json.loads(WINNER.read_text())).build(seed=SEED)
        keras.utils.set_random_seed(SEED)
        self.network = keras.models.clone_model(full_size, input_tensors=keras.Input(tiles["train_x"].shape[1:]))
        made = keras.optimizers.Adam(beta_1=0.5) if momentum is None else keras.optimizers.SGD(momentum=momentum)
        self.network.compile(optimizer=made, loss="mse")
        made.build(self.network.trainable_variables)
        self.weights = [variable.numpy() for variable in self.network.weights]

    def __call__(self, setting: Mapping[str, Any]) -> float:
        self.network.set_weights(self.weights)
        optimizer = self.network.optimizer
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        optimizer.learning_rate = setting["learning_rate"]
        x, y = self.tiles["train_x"], self.tiles["train_y"]
        for start in range(0, len(x), self.batch_size):
            batch = slice(start, start + self.batch_size)
            if not math.isfinite(float(self.network.train_on_batch(x[batch], y[batch]))):
                return math.nan
        guess = self.network.predict(self.tiles["val_x"], batch_size=64, verbose=0)
        return float(np.mean(np.square(guess - self.tiles["val_y"])))


def _middles() -> dict[str, np.ndarray]:
    """The middle 32x32 pixels of `photos`: 384 tiles drawn from training, all of validation."""
    from trainer.data import load_data

    photos = load_data("photos")
    drawn = np.random.default_rng(SEED).permutation(len(photos.train_x))[:TILES]
    full = {"train_x": photos.train_x[drawn], "train_y": photos.train_y[drawn], "val_x": photos.val_x, "val_y": photos.val_y}
    return {name: np.ascontiguousarray(tiles[:, 24:56, 24:56]) for name, tiles in full.items()}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
