"""What is learnt follows from the targets: images, one class for each image, or one class for each pixel.

    task             targets y                              loss            beside it                   to search by
    image            floats or bytes (n, h, w, channels)    mse             psnr, ssim                  mse, low
    classification   whole numbers (n,)                     crossentropy    accuracy                    accuracy, high
    segmentation     whole numbers (n, h, w)                crossentropy    miou, accuracy of pixels    miou, high

Bytes with a channel axis, `(n, h, w, 1)`, are gray images; that they are classes has to be said. Of a network with C classes,
labels are 0 to C - 1; C itself and 255 (as in Cityscapes and Pascal VOC) mean void: not trained on and not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from nas.errors import DataError, UserError
from nas.study.objective import Objective

VOID = 255
"""Void whatever the number of classes; so is the number after the last class."""

AUTO = "auto"
CROSSENTROPY = "crossentropy"

Goal = Literal["minimize", "maximize"]


@dataclasses.dataclass(frozen=True)
class Task:
    """How networks are trained and judged.

    Attributes:
        name: for people and settings.
        loss: what is minimized unless other settings say so.
        scores: what else is told of predictions, and which way is better.
        metric: what a search goes by: the loss or one of the scores.
        target_axes: of the array of targets.
    """

    name: str
    loss: str
    scores: Mapping[str, Goal]
    metric: str
    target_axes: int

    @property
    def has_labels(self) -> bool:
        """Whether targets are classes."""
        return self.loss == CROSSENTROPY

    @property
    def goal(self) -> Goal:
        """Which way `metric` is better."""
        return self.scores.get(self.metric, "minimize")

    def loss_named(self, loss: str) -> str:
        """The loss of a setting, "auto" being the task's own.

        Raises:
            UserError: the task has no other than its own.
        """
        if loss == AUTO or loss == self.loss:
            return self.loss
        if self.has_labels or loss == CROSSENTROPY:
            raise UserError(
                f"{loss!r} is no loss for {self.name}",
                path="loss",
                received=loss,
                expected=f"{self.loss}" if self.has_labels else "a Keras loss by name, such as mse, mae or huber",
                hint=f'Leave it at "{AUTO}"',
            )
        return loss

    def objective(self, loss: str = AUTO) -> Objective:
        """What a search goes by on validation data: `metric`, or the loss of a setting where `metric` is the loss.

        Raises:
            UserError: as `loss_named`.
        """
        named = self.loss_named(loss)
        metric = named if self.metric == self.loss else self.metric
        return Objective(f"val_{metric}", self.scores.get(metric, "minimize"))


IMAGE = Task("image", "mse", {"psnr": "maximize", "ssim": "maximize"}, "mse", 4)
CLASSIFICATION = Task("classification", CROSSENTROPY, {"accuracy": "maximize"}, "accuracy", 1)
SEGMENTATION = Task("segmentation", CROSSENTROPY, {"miou": "maximize", "accuracy": "maximize"}, "miou", 3)
TASKS = {task.name: task for task in (IMAGE, CLASSIFICATION, SEGMENTATION)}


def task_of(targets: np.ndarray, name: str = AUTO) -> Task:
    """The task that targets are for; a name other than "auto" overrides what they look like.

    Raises:
        UserError: no task of that name.
    """
    if name != AUTO:
        if name not in TASKS:
            raise UserError(f"no task {name!r}", path="task", received=name, expected=f"{AUTO}, {', '.join(TASKS)}")
        return TASKS[name]
    if targets.dtype.kind not in "iu":
        return IMAGE
    shape = targets.shape
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return CLASSIFICATION
    if len(shape) == 3 or (len(shape) == 4 and shape[3] == 1 and targets.dtype != np.uint8):
        return SEGMENTATION
    return IMAGE


def as_labels(path: str, targets: np.ndarray, task: Task) -> np.ndarray:
    """Targets as classes, `(n,)` or `(n, h, w)`, bytes where they fit.

    Raises:
        DataError: other axes, or numbers that are no classes.
    """
    if targets.ndim == task.target_axes + 1 and targets.shape[-1] == 1:
        targets = targets[..., 0]
    if targets.ndim != task.target_axes:
        expected = "(example,)" if task is CLASSIFICATION else "(example, height, width)"
        raise DataError(f"has shape {targets.shape}", path=path, received=targets.shape, expected=f"{expected}, whole numbers")
    if targets.dtype.kind not in "iu":
        raise DataError(
            f"holds {targets.dtype} numbers",
            path=path,
            received=str(targets.dtype),
            expected="classes as whole numbers from 0",
            hint='Save labels as array.astype("uint8"), one-hot ones after array.argmax(-1)',
        )
    if targets.size and int(targets.min()) < 0:
        raise DataError("holds negative classes", path=path, received=int(targets.min()), expected=f"0 or more; {VOID} is void")
    small = not targets.size or int(targets.max()) <= VOID
    return targets.astype(np.uint8 if small else np.int32, copy=False)


def loss_function(task: Task, loss: str, model: Any) -> Any:
    """What `keras.Model.compile` takes: the name of a Keras loss, or the cross-entropy of labels."""
    return crossentropy(model) if task.has_labels else loss


def crossentropy(model: Any) -> Callable[[Any, Any], Any]:
    """`loss(labels, outputs)`: the mean cross-entropy (nats) of a model's outputs over all labels that are not void.

    The outputs may be probabilities (the last layer a softmax, or a sigmoid of one channel) or logits.
    """
    from keras import ops

    classes, last = model.output_shape[-1], last_activation(model)

    def loss(labels: Any, outputs: Any) -> Any:
        labels = ops.cast(labels, "int32")
        if classes == 1:
            labels = ops.reshape(labels, ops.shape(outputs)[:-1])
            known = labels < 2
            truth = ops.cast(ops.where(known, labels, 0), outputs.dtype)
            each = ops.binary_crossentropy(truth, outputs[..., 0], from_logits=last != "sigmoid")
        else:
            known = labels < classes
            each = ops.sparse_categorical_crossentropy(ops.where(known, labels, 0), outputs, from_logits=last != "softmax")
        weights = ops.cast(known, each.dtype)
        return ops.sum(each * weights) / ops.maximum(ops.sum(weights), 1.0)

    return loss


def stock_loss(model: Any, void: int | None = None) -> Any:
    """The nearest that Keras itself has to `crossentropy`: what a saved model carries, so that it loads without this package.

    Args:
        model: whose outputs it is of.
        void: the label that is ignored.
    """
    import keras

    last = last_activation(model)
    if model.output_shape[-1] == 1:
        return keras.losses.BinaryCrossentropy(from_logits=last != "sigmoid")
    return keras.losses.SparseCategoricalCrossentropy(from_logits=last != "softmax", ignore_class=void)


def last_activation(model: Any) -> str:
    """`softmax`, `sigmoid`, `linear`, ...: what the last layer of a functional model applies to its outputs."""
    layer = model.layers[-1]
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", "linear") if activation is not None else type(layer).__name__.lower()


def classes_of(channels: int | None) -> int:
    """Classes that so many output channels tell apart: one channel is a yes or no."""
    return 2 if channels == 1 else int(channels or 0)


def check_labels(path: str, highest: Mapping[int, int], channels: int | None) -> int | None:
    """The label that means void for a network with so many output channels, None where there is none.

    Args:
        path: of the data, for messages.
        highest: label -> how often, of all that occur.
        channels: of the network's output.

    Raises:
        DataError: a label that is neither a class of the network nor void.
    """
    classes = classes_of(channels)
    beyond = sorted(label for label in highest if label >= classes)
    strange = [label for label in beyond if label not in (classes, VOID)]
    if strange:
        raise DataError(
            f"has labels up to {max(strange)}, the network {classes} classes",
            path=path,
            received=max(strange),
            expected=f"0 to {classes - 1}, and {classes} or {VOID} for void",
            hint=f"Define the space with {max(set(highest) - {VOID}) + 1} output channels",
        )
    return beyond[0] if beyond else None
