"""How good predictions are, beyond the loss: PSNR and SSIM of images, accuracy and mean IoU of classes.

Scores are added up over blocks of examples, so that a split of any size is judged in bounded memory:

    scores = scores_for(dataset, model, "mse")
    scores.add(true, predicted)     # as often as there are blocks
    scores.result()                 # {"mse": .021, "psnr": 22.8, "ssim": .84}
"""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np

from trainer.tasks import Task, classes_of, crossentropy, last_activation

MAX_PSNR = 100.0
"""Decibels. An image without error has an infinite PSNR, which no mean survives."""

WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03
"""Wang et al. 2004, section III-C."""


class Scores(abc.ABC):
    """Adds up over blocks; `result` names what came out."""

    @abc.abstractmethod
    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Takes one block of targets and predictions, `(example, ...)`."""

    @abc.abstractmethod
    def result(self) -> dict[str, float]:
        """The loss first, then the scores of the task."""


def scores_for(task: Task, loss: str, model: Any, span: float = 2.0) -> Scores:
    """The scores of a task.

    Args:
        task: which.
        loss: its name, as `task.loss_named` gives it.
        model: whose predictions are judged; its last layer says whether they are probabilities.
        span: between the lowest and highest value that target images can have; 2 for [-1, 1].
    """
    return LabelScores(task, model) if task.has_labels else ImageScores(loss, span)


class ImageScores(Scores):
    """The loss (a mean over examples), PSNR in decibels and SSIM (means over images)."""

    def __init__(self, loss: str, span: float = 2.0):
        self.loss, self.span = loss, span
        self._sums, self._count = np.zeros(3), 0

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        import keras

        measured = keras.ops.convert_to_numpy(keras.losses.get(self.loss)(true, predicted))
        self._sums[0] += float(np.mean(measured)) * len(true)
        squared = np.asarray(np.mean((predicted - true).reshape(len(true), -1) ** 2, axis=1, dtype=np.float64))
        self._sums[1] += math.fsum(min(MAX_PSNR, psnr(mse, self.span)) for mse in squared.tolist())
        self._sums[2] += float(np.sum(ssim(true, predicted, self.span)))
        self._count += len(true)

    def result(self) -> dict[str, float]:
        return dict(zip((self.loss, "psnr", "ssim"), (self._sums / self._count).tolist(), strict=True))


class LabelScores(Scores):
    """Cross-entropy in nats, and what the confusion matrix says; labels that are void count nowhere.

    `accuracy` is the share of labels (of pixels, in segmentation) that are right. `miou` is the mean over classes of
    intersection over union (Everingham et al. 2010, Pascal VOC, over the whole split), without classes that neither occur nor
    are predicted.
    """

    def __init__(self, task: Task, model: Any):
        self.task, self.classes = task, classes_of(model.output_shape[-1])
        self._loss, self._total, self._seen = crossentropy(model), 0.0, 0
        self._yes_above = 0.5 if last_activation(model) == "sigmoid" else 0.0
        self.confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        true = true.reshape(predicted.shape[:-1])
        known = true < self.classes
        best = np.argmax(predicted, axis=-1) if predicted.shape[-1] > 1 else predicted[..., 0] > self._yes_above
        pairs = self.classes * true[known].astype(np.int64) + best[known]
        self.confusion += np.bincount(pairs, minlength=self.classes**2).reshape(self.classes, self.classes)
        count = int(known.sum())
        if count:
            self._total += count * float(self._loss(true, predicted))
            self._seen += count

    def result(self) -> dict[str, float]:
        right, seen = np.diag(self.confusion), max(1, self._seen)
        union = self.confusion.sum(0) + self.confusion.sum(1) - right
        found = {
            self.task.loss: self._total / seen,
            "miou": float(np.mean(right[union > 0] / union[union > 0])) if union.any() else math.nan,
            "accuracy": float(right.sum() / seen),
        }
        return {name: found[name] for name in (self.task.loss, *self.task.scores)}


def psnr(mse: float, span: float = 2.0) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error on values that span `span` (2 for [-1, 1])."""
    return math.inf if mse == 0 else 10 * math.log10(span * span / mse)


def ssim(true: np.ndarray, predicted: np.ndarray, span: float = 2.0) -> np.ndarray:
    """Structural similarity of each pair of images, `(example, height, width, channels)` -> `(example,)`, at most 1.

    Wang et al. 2004, *Image Quality Assessment* (IEEE TIP 13), eq. 13: Gaussian windows of 11 pixels (fewer, where the image is
    smaller), means over channels and over the positions at which the window lies inside the image.
    """
    window = min(WINDOW, *(n - 1 + n % 2 for n in true.shape[1:3]))
    offsets = np.arange(window) - window // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).astype(np.float32)
    x, y = np.asarray(true, np.float32), np.asarray(predicted, np.float32)
    mean_x, mean_y, xx, yy, xy = (_blurred(image, weights) for image in (x, y, x * x, y * y, x * y))
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    both, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    structure = (2 * (xy - both) + c2) / (xx + yy - squares + c2)
    return np.mean((2 * both + c1) / (squares + c1) * structure, axis=(1, 2, 3))


def _blurred(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means along height and width where the window fits."""
    height, width = (n - len(weights) + 1 for n in images.shape[1:3])
    rows: np.ndarray = sum(weight * images[:, k : k + height] for k, weight in enumerate(weights))  # type: ignore[assignment]
    return sum(weight * rows[:, :, k : k + width] for k, weight in enumerate(weights))  # type: ignore[return-value]
