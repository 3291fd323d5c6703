"""FLOPs by arithmetic against TensorFlow's profiler on the built Keras model, layer by layer.

    python -m benchmarks.profiler                       # every encoder-decoder space, 200 random architectures each
    python -m benchmarks.profiler unet --architectures 20

The profiler walks the frozen graph of the model and knows the cost of most operations, but counts others as zero: resizing,
every activation but softmax, pooling and transposed convolution in 3D. So for each layer class two sums are kept, ours and the
profiler's; what the profiler left out (zero where we count) is named, and the totals are compared without it; its arithmetic on
constants (the scales of batch normalization) is no work at inference and not compared. What is left is itemized by layer class.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import math
import os
import re
import sys
from typing import Any

SPACES = (
    "colorizer",
    "unet",
    "unet3d",
    "fpn_segmentation",
    "conv_autoencoder",
    "dense_autoencoder",
    "super_resolution",
    "denoising1d",
)
ARCHITECTURES = 200
TOLERANCE = 0.01


@dataclasses.dataclass
class Comparison:
    """One architecture: FLOPs by layer class.

    Attributes:
        ours: layer class -> FLOPs by arithmetic.
        theirs: layer class -> FLOPs by the profiler.
        left_out: layer class -> what we count in layers for which the profiler says nothing, or only a bias.
    """

    ours: collections.Counter[str]
    theirs: collections.Counter[str]
    left_out: collections.Counter[str]

    @property
    def raw(self) -> float:
        """Relative difference of the totals."""
        return self.ours.total() / self.theirs.total() - 1

    @property
    def reconciled(self) -> float:
        """The same without what the profiler left out."""
        return (self.ours.total() - self.left_out.total()) / self.theirs.total() - 1


def compare(architecture: Any) -> Comparison:
    """Builds an architecture in Keras and counts it both ways."""
    import keras

    keras.backend.clear_session()
    profiled, uncounted = profile(architecture.build())
    ours: collections.Counter[str] = collections.Counter()
    theirs: collections.Counter[str] = collections.Counter()
    left_out: collections.Counter[str] = collections.Counter()
    for name, node in architecture.network.nodes.items():  # a layer is named as its node
        if node.call is None:
            continue
        layer, flops, hidden = node.call.layer, node.cost.flops, uncounted[name]
        ours[layer] += flops
        theirs[layer] += profiled[name]
        if hidden:
            most = len(hidden) * math.prod(node.shape) if hidden <= ELEMENTWISE else flops
            left_out[f"{layer} ({', '.join(sorted(hidden))})"] += min(max(0, flops - profiled[name]), most)
    return Comparison(ours, theirs, left_out)


ELEMENTWISE = {
    "Elu", "Erf", "Exp", "LeakyRelu", "Relu", "Relu6", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh",
}  # fmt: skip
"""Operations that can hide no more than one FLOP for each element."""

MOVES = {
    "Cast", "ConcatV2", "Const", "ExpandDims", "Identity", "IdentityN", "NoOp", "Pack", "Placeholder", "Reshape", "Shape",
    "Squeeze", "StopGradient", "StridedSlice", "Tile", "Transpose", "Pad", "PadV2", "MirrorPad", "ResizeNearestNeighbor",
    "Slice", "GatherV2", "BroadcastTo", "Range", "SpaceToBatchND", "BatchToSpaceND", "DepthToSpace", "Split", "SplitV",
}  # fmt: skip
"""Operations that move data: nobody counts them."""


def profile(model: Any) -> tuple[collections.Counter[str], dict[str, set[str]]]:
    """Layer name -> FLOPs by the profiler; layer name -> types of its operations that compute but count as zero there."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    names = {layer.name for layer in model.layers}
    signature = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    call = tf.function(lambda *inputs: model(list(inputs) if len(inputs) > 1 else inputs[0], training=False))
    graph = convert_variables_to_constants_v2(call.get_concrete_function(*signature)).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    tree = tf.compat.v1.profiler.profile(graph, options=options, cmd="scope")
    found: dict[str, int] = {}
    pending = [tree]
    while pending:
        node = pending.pop()
        found[node.name] = node.float_ops
        pending.extend(node.children)
    total: collections.Counter[str] = collections.Counter()
    uncounted: dict[str, set[str]] = collections.defaultdict(set)
    constant: set[str] = set()  # what depends on weights only; normalization scales, which a runtime works out once
    for operation in graph.get_operations():  # in an order in which inputs come first
        if operation.type == "Const" or (operation.inputs and all(tensor.op.name in constant for tensor in operation.inputs)):
            constant.add(operation.name)
            continue
        outer, _, inner = operation.name.partition("/")
        if not inner:
            continue  # inputs and outputs
        scope = inner.partition("/")[0]
        owner = scope if outer == model.name else re.sub(r"_\d+$", "", scope)  # TensorFlow numbers the scopes of a second call
        if owner not in names:
            raise AssertionError(f"{operation.name} belongs to no layer of {model.name}")
        flops = found.get(operation.name, 0)
        total[owner] += flops
        if flops == 0 and operation.type not in MOVES:
            uncounted[owner].add(operation.type)
    return total, uncounted


def main() -> int:
    """Prints a line for each space and what its differences consist of; 1 if an architecture is further off than 1%."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spaces", nargs="*", default=SPACES, help="names of shipped spaces")
    parser.add_argument("--architectures", type=int, default=ARCHITECTURES, help="random architectures of each space")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import search_spaces

    misses = 0
    for name in options.spaces:
        found = [compare(a) for a in search_spaces.get(name).sample(seed=options.seed, n=options.architectures)]
        worst = max(abs(each.reconciled) for each in found)
        misses += worst > TOLERANCE
        print(
            f"{'ok  ' if worst <= TOLERANCE else 'MISS'} {name}: {len(found)} architectures, worst difference {worst:.2%}",
            end="",
        )
        print(f" ({max(abs(each.raw) for each in found):.2%} with what the profiler leaves out)", flush=True)
        _itemize(found)
    return 1 if misses else 0


def _itemize(found: list[Comparison]) -> None:
    total = sum(each.theirs.total() for each in found)
    left_out = sum((each.left_out for each in found), collections.Counter())
    for label, flops in left_out.most_common():
        print(f"     left out by the profiler: {label}: {flops / total:.3%}")
    for layer in sorted({layer for each in found for layer in each.ours}):
        ours = sum(each.ours[layer] for each in found) - sum(
            flops for label, flops in left_out.items() if label.split(" ")[0] == layer
        )
        difference = (ours - sum(each.theirs[layer] for each in found)) / total
        if abs(difference) >= 5e-6:
            print(f"     counted otherwise: {layer}: {difference:+.3%}")


if __name__ == "__main__":
    sys.exit(main())
