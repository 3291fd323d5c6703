"""Zeros: what stands for "no connection" in a network, and what becomes of operations that read it.

`L.Zero` makes a tensor that is known to be zero. It leaves no node behind; `Net.emit` follows it:

- what is computed from zeros alone is zero, a convolution with its bias and normalization included: no connection leads to it,
  so it is no part of the network and costs nothing (the "none" of Dong & Yang 2020, NAS-Bench-201, and Liu et al. 2019, DARTS);
- sums drop zeros, products with zeros are zero;
- where the number zero itself is asked for (beside other tensors in a concatenation, a mean or a maximum, or as the output of
  the network) stock layers make it out of a tensor that is at hand. Those cost nothing either.

Cost, fingerprint, Keras model and the proof over a whole space all see the network that is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, TypeAlias

from nas.language.operation import KerasCall, Shape

BesideZeros: TypeAlias = Literal["drops", "vanishes", "fills"]
"""What an operation does with zeros among its inputs: leave them out, be zero itself, or read them like any numbers."""


def zero_state(shape: Shape) -> Shape:
    """How zeros are told from other tensors where shapes are all that is known: by a 0 in front, as no size is 0."""
    return (0, *shape)


def is_zero_state(shape: Shape) -> bool:
    """Whether `zero_state` has made it."""
    return shape[:1] == (0,)


def zero_calls(given: Shape, wanted: Shape) -> Iterator[tuple[KerasCall, Shape]]:
    """Stock layers without weights that turn any tensor of shape `given` into zeros of shape `wanted`, each with its output."""
    yield KerasCall("Rescaling", scale=0.0), given
    if given == wanted:
        return
    size, target = math.prod(given), math.prod(wanted)
    yield KerasCall("Reshape", target_shape=[size, 1]), (size, 1)
    if target > size:
        yield KerasCall("ZeroPadding1D", padding=[0, target - size]), (target, 1)
    elif target < size:
        yield KerasCall("Cropping1D", cropping=[0, size - target]), (target, 1)
    yield KerasCall("Reshape", target_shape=list(wanted)), wanted


def is_zero_call(call: KerasCall) -> bool:
    """Whether a layer gives zeros whatever it reads."""
    return call.layer == "Rescaling" and call.kwargs.get("scale") == 0 and not call.kwargs.get("offset")


ZERO_STAYS_ZERO = frozenset({"Reshape", "ZeroPadding1D", "Cropping1D"})
"""Layers of `zero_calls` that turn zeros into zeros."""
