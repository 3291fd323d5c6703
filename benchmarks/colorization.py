"""BSDS500 (Arbelaez et al. 2011): gray photographs in colour, and the book's encoder-decoder to beat, on its own latency.

The official 200, 100 and 200 photographs, each cut into six tiles of 80x80. Whatever a network gives, 256 gray levels and the
mean colour of each (`gray->RGB table`) are what it has to beat; copying gray comes next. The book's network loses to both: all
detail passes its bottleneck.
"""

from __future__ import annotations

import numpy as np

from benchmarks.comparison import Arrays, RealTask
from search_spaces.colorizer import colorizer
from trainer.baselines import reference_points
from trainer.data import Dataset
from trainer.photos import TILE, luma


def tiles(photos: np.ndarray) -> np.ndarray:
    """`(photo, height, width, 3)` -> `(tile, 80, 80, 3)`, side by side."""
    count, height, width, channels = photos.shape
    cut = photos.reshape(count, height // TILE, TILE, width // TILE, TILE, channels)
    return cut.swapaxes(2, 3).reshape(-1, TILE, TILE, channels)


def split(arrays: Arrays) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name in ("train", "val", "test"):
        colour = np.concatenate([tiles(arrays[f"{name}_{way}"]) for way in ("land", "port")])
        found |= {f"{name}_x": luma(colour), f"{name}_y": colour}
    return found


def references(data: Dataset) -> dict[str, tuple[float, float]]:
    return {point.name: (point.val_mse, point.test_mse or 0.0) for point in reference_points(data) or ()}


TASK = RealTask(
    name="colorization",
    title="BSDS500 colorization, mean squared error on [-1, 1]",
    file="bsds500_160x240.npz",
    split=split,
    space=colorizer,
    baseline_name="book network",
    baseline=colorizer.baselines["book"].decisions,
    proxy={"epochs": 3, "data_share": 0.5, "resolution": 0.6, "schedule": "cosine"},
    full={"batch_size": 8, "flip": True},
    trials=24,
    epochs=12,
    references=references,
)
