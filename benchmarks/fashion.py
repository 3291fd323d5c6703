"""Fashion-MNIST (Xiao et al. 2017): 28x28 gray images of ten kinds of clothing, and a LeNet-size convolutional network to beat.

The space is opened up around LeNet-5 (LeCun et al. 1998, figure 2; ReLU and max pooling, as one writes it today): two or three
stages of convolutions, and a head. Validation: 5,000 of the 60,000 training images, drawn once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nas
from benchmarks.comparison import Arrays, RealTask
from nas import layers as L
from nas import oneof

VALIDATION = 5_000


def norm(name: str) -> Any:
    return nas.choose(None, L.BatchNormalization(), name=name)


def stage(width: int, padding: str) -> Any:
    """Convolutions at one resolution, then half of it."""

    def inner(x: Any) -> Any:
        widths = [width, 2 * width, 3 * width]
        x = nas.choose(
            L.Conv2D(oneof(widths), 5, padding=padding, name="conv5"),
            L.Conv2D(oneof(widths), 3, padding="same", name="conv3"),
            L.SeparableConv2D(oneof(widths), oneof([3, 5]), padding="same", name="separable"),
            L.Conv2D(oneof(widths), 3, strides=2, padding="same", name="strided"),
            name="first",
        )(x)
        x = norm("norm")(x)
        x = L.ReLU()(x)
        x = nas.repeat(residual, 0, 1, name="more")(x)
        return nas.choose(L.MaxPooling2D(2, name="max"), L.AveragePooling2D(2, name="average"), None, name="pool")(x)

    return inner


def residual(x: Any) -> Any:
    """A cheap block with a shortcut: depthwise, then pointwise."""
    y = L.DepthwiseConv2D(oneof([3, 5]), name="depthwise")(x)
    y = L.BatchNormalization(name="norm")(y)
    y = L.ReLU(name="act")(y)
    y = L.Conv2D(oneof([16, 32]), 1, name="pointwise")(y)
    return L.Merge("add", project=True, name="sum")(y, x)


def dense(units: Any) -> Any:
    return nas.chain(L.Dense(units), L.ReLU(), L.Dropout(oneof([0.0, 0.25, 0.5]), name="drop"))


@nas.space(input=(28, 28, 1), baselines={"lenet": {}})
def convnet(image: Any) -> Any:
    """28x28 gray -> ten classes: small convolutional networks around LeNet-5."""
    x = nas.block(stage(6, "same"), "stage0")(image)
    x = nas.block(stage(16, "valid"), "stage1")(x)
    x = nas.choose(L.Flatten(), L.GlobalAveragePooling2D(), name="head")(x)
    x = nas.choose(dense(oneof([120, 64, 32])), None, name="dense0")(x)
    x = nas.choose(dense(oneof([84, 32])), None, name="dense1")(x)
    return L.Dense(10, activation="softmax", name="classes")(x)


def split(arrays: Arrays) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(0).permutation(len(arrays["train_x"]))
    val, train = np.sort(rows[:VALIDATION]), np.sort(rows[VALIDATION:])
    x, y = arrays["train_x"][..., None], arrays["train_y"]
    test = {"test_x": arrays["test_x"][..., None], "test_y": arrays["test_y"]}
    return {"train_x": x[train], "train_y": y[train], "val_x": x[val], "val_y": y[val]} | test


TASK = RealTask(
    name="fashion",
    title="Fashion-MNIST, accuracy",
    file="fashion_mnist.npz",
    split=split,
    space=convnet,
    baseline_name="LeNet-5",
    baseline=convnet.baselines["lenet"].decisions,
    proxy={"epochs": 3, "data_share": 0.2, "batch_size": 64, "schedule": "cosine"},
    full={"batch_size": 64},
    trials=64,
    epochs=12,
    seeds=3,
)
