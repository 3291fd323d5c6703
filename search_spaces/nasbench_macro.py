"""`nasbench_macro`: NAS-Bench-Macro, eight layers of which each is one of three, 6,561 networks trained on CIFAR-10.

Su et al. 2021, "Prioritized Architecture Sampling with Monto-Carlo Tree Search" (section 5). Eight layers in stages of two,
three and three; each is an identity, an inverted bottleneck with kernel 3 and expansion 3, or one with kernel 5 and expansion
6: 3^8 = 6,561 networks for CIFAR-10, all trained in the benchmark. A stage halves the grid and doubles the channels in its
first layer, where an identity therefore becomes a strided 1x1 convolution.

`architecture(digits)` is the network that the benchmark calls `digits`, such as "22212220", the best of all.

Conventions of the published table, met to the digit in the tests: its parameters leave out the moving mean and variance of
batch normalizations (two for each channel), which are counted here; its "FLOPs" are multiply-adds of convolutions and the
classifier.
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from search_spaces.mobile_blocks import MBConv, classifier, conv_norm

STAGES = (2, 3, 3)
OPTIONS = ("identity", "mb3_k3", "mb6_k5")
"""What the digits 0, 1 and 2 of the benchmark's names stand for."""

BEST = "22212220"
"""Mean test accuracy 93.13 in the benchmark."""


def layer(filters: int, strides: int, name: str) -> Any:
    """One of the three operations."""
    identity = None
    if strides > 1:
        conv = L.Conv2D(filters, 1, strides=strides, use_bias=False, name="conv")
        identity = nas.chain(conv, L.BatchNormalization(name="norm"), name="identity")
    return nas.choose(
        identity,
        MBConv(filters, 3, strides, expansion=3, activation="relu", name="mb3_k3"),
        MBConv(filters, 5, strides, expansion=6, activation="relu", name="mb6_k5"),
        name=name,
    )


def decisions(digits: str) -> dict[str, Any]:
    """The decisions of the network that the benchmark calls `digits`.

    Raises:
        DecisionError: that is no name of one.
    """
    if len(digits) != sum(STAGES) or not set(digits) <= set("012"):
        raise nas.errors.DecisionError(
            f"{digits!r} names no network", path="nasbench_macro", received=digits, expected="eight digits, each 0, 1 or 2"
        )
    starts = {sum(STAGES[:i]) for i in range(len(STAGES))}
    names = [("none", *OPTIONS[1:]) if i not in starts else OPTIONS for i in range(len(digits))]
    return {f"layer{i}": names[i][int(digit)] for i, digit in enumerate(digits)}


@nas.family
def make_nasbench_macro(input: tuple[int, int, int] = (32, 32, 3), classes: int = 10, width: int = 32) -> nas.SearchSpace:
    """NAS-Bench-Macro for images of another size; `width`: channels of the stem, doubled in each stage."""

    @nas.space(input=input, name="nasbench_macro", baselines={"best": decisions(BEST), "largest": decisions("2" * 8)})
    def nasbench_macro(image: Any) -> Any:
        """NAS-Bench-Macro: identity or inverted bottleneck in each of eight layers, for CIFAR-10."""
        x = conv_norm(image, width, 3, "relu", name="stem")
        filters, index = width, 0
        for layers in STAGES:
            filters *= 2
            for i in range(layers):
                x = layer(filters, strides=1 if i else 2, name=f"layer{index}")(x)
                index += 1
        x = conv_norm(x, 1280, 1, "relu", name="head")
        return classifier(x, classes)

    return nasbench_macro


nasbench_macro = make_nasbench_macro()


def architecture(digits: str) -> nas.Architecture:
    """The network of the space that the benchmark calls `digits`."""
    return nasbench_macro.architecture(decisions(digits))
