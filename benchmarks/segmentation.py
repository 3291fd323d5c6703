"""CamVid (Brostow et al. 2009): street scenes in eleven classes, and a U-Net of equal latency to beat, by mean IoU.

Images of 96x128, the standard split of 367, 101 and 233 (which is not independent: validation and 204 training frames are one
drive). Class 11 is void: not trained on, not judged. The space is `unet` with 16 to 128 channels; the hand-made network is the
U-Net of the paper at half that width, with batch normalization.
"""

from __future__ import annotations

import numpy as np

from benchmarks.comparison import Arrays, RealTask
from search_spaces.unet import make_unet
from trainer.arrays import KEYS
from trainer.data import Dataset

CLASSES = 11

unet = make_unet(input=(96, 128, 3), classes=CLASSES, widths=(16, 32, 64, 128))


def split(arrays: Arrays) -> dict[str, np.ndarray]:
    return {key: arrays[key] for key in KEYS}


def references(data: Dataset) -> dict[str, tuple[float, float]]:
    """The class that is most frequent at each position of the training images."""
    counts = np.stack([(data.train_y == label).sum(axis=0) for label in range(CLASSES)])
    always = counts.argmax(axis=0)
    assert data.test_y is not None
    return {"most frequent class at each position": (mean_iou(always, data.val_y), mean_iou(always, data.test_y))}


def mean_iou(predicted: np.ndarray, true: np.ndarray) -> float:
    """Of one map of classes `(height, width)` given for every image; void left out."""
    found = []
    for label in range(CLASSES):
        said, is_it = (predicted == label) & (true < CLASSES), true == label
        if (said | is_it).any():
            found.append((said & is_it).sum() / (said | is_it).sum())
    return float(np.mean(found))


TASK = RealTask(
    name="segmentation",
    title="CamVid segmentation, mean IoU",
    file="camvid_96x128.npz",
    split=split,
    space=unet,
    baseline_name="U-Net",
    baseline={**unet.baselines["ronneberger2015"].decisions, "scale": 0.5, "norm": "batch"},
    proxy={"epochs": 4, "batch_size": 8, "learning_rate": 2e-3, "schedule": "cosine"},
    full={"batch_size": 8, "learning_rate": 2e-3, "flip": True},
    trials=48,
    epochs=20,
    seeds=3,
    references=references,
)
