"""Whether the networks of a space take images of another size: a cheaper proxy task on smaller images needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


def takes_size(space: SearchSpace, size: Sequence[int], samples: int = 8) -> bool:
    """Whether networks, weights and all, also take inputs of another size and give outputs scaled alike.

    Asked of `samples` random architectures.

    Args:
        size: of the input without its channels, (height, width).
    """
    if not space.is_network or len(space.inputs) != 1:
        return False
    (name, shape), rank = next(iter(space.inputs.items())), len(size)
    for architecture in space.sample(seed=0, n=samples):
        full = architecture.network
        try:
            small = space.assembler.graph(architecture.vector, {name: (*size, *shape[rank:])})
        except UserError:
            return False
        if small.nodes.keys() != full.nodes.keys():
            return False
        if any(a.cost.params != b.cost.params for a, b in zip(full.nodes.values(), small.nodes.values(), strict=True)):
            return False
        for output in full.outputs:
            before, after = full.nodes[output].shape, small.nodes[output].shape
            if any(b * old != a * new for a, b, old, new in zip(before, after, shape, size, strict=False)):
                return False
    return True
