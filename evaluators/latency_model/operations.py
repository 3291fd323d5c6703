"""What an operation costs a device, as far as arithmetic can say: work, traffic, and one start; and which operations are alike.

By the roofline model (Williams, Waterman & Patterson 2009) an operation takes the longer of its arithmetic at the device's peak
rate and its memory traffic at the device's bandwidth; each started operation adds a fixed time of its own, which on GPUs at
batch 1 is most of it. Which rates a device reaches depends on the kind of operation, and is what measuring is for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from nas.language.costing import describe_call
from nas.language.operation import KerasCall, OpCost, Shape

BYTES = 4  # float32
SIZES = frozenset({"filters", "units", "depth_multiplier", "target_shape", "name"})
"""Arguments that say how large an operation is, not of which kind; its work and traffic show them."""


class OperationFacts(NamedTuple):
    """One primitive operation on inputs of given shapes, for one example.

    Attributes:
        key: `Conv2D(filters=32, ...) on (80, 80, 1)`.
        layer: `Conv2D`.
        kind: layer and settings, without what only says how large it is: `Conv2D(kernel_size=3)`.
        flops: one multiply-add is two.
        read_bytes, weight_bytes, written_bytes: float32 elements that go in, that it keeps, that come out.
    """

    key: str
    layer: str
    kind: str
    flops: int
    read_bytes: int
    weight_bytes: int
    written_bytes: int

    @property
    def traffic_bytes(self) -> int:
        """All that has to be moved once."""
        return self.read_bytes + self.weight_bytes + self.written_bytes


def facts_of(call: KerasCall, inputs: Sequence[Shape], output: Shape, cost: OpCost) -> OperationFacts:
    """The facts of a Keras call with its shapes (without the batch) and its cost."""
    layer, kind = _kind(call)
    read = BYTES * sum(map(prod, inputs))
    return OperationFacts(describe_call(call, inputs), layer, kind, cost.flops, read, BYTES * cost.params, BYTES * prod(output))


@functools.lru_cache(maxsize=100_000)
def _kind(call: KerasCall) -> tuple[str, str]:
    """Layer and kind. Floats (a dropout's rate, a slope) change what is computed, not how long it takes."""
    settings = {name: value for name, value in call.kwargs.items() if name not in SIZES and not isinstance(value, float)}
    if "activation" in settings and call.layer == "Activation":
        layer = f"Activation({settings['activation']})"  # a tanh has nothing in common with a ReLU
    else:
        layer = call.layer
    shown = ", ".join(f"{name}={value}" for name, value in sorted(settings.items()) if value is not None)
    return layer, f"{call.layer}({shown})"
