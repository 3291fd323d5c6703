"""What a picture of a network says about its nodes.

A box shows one main operation ("Conv 3x3 /2, 64"), what follows it on the same tensor ("BatchNorm, relu") and facts
("40x40x64, 1.2 MFLOPs"). Its kind decides the colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nas.language.graph import Node
from nas.language.operation import Shape

KINDS = {
    "input": "input",
    "convolution": "convolution",
    "down": "down-sampling",
    "up": "up-sampling",
    "merge": "merge",
    "dense": "dense, attention",
    "pointwise": "normalization, activation",
    "other": "other",
    "block": "several kinds",
}
"""Kind of a box -> its name in the legend, in the legend's order."""

_KIND_OF_LAYER = (  # the first pattern that is found in the layer's name
    (r"Transpose|Up[Ss]ampl|DepthToSpace", "up"),
    (r"Pooling|Downsample|SpaceToDepth", "down"),
    (r"Conv", "convolution"),
    (r"^(Merge|Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot)$", "merge"),
    (r"Dense|Attention|LSTM|GRU|RNN|Embedding", "dense"),
    (r"Normalization|Activation|Dropout|Noise|Softmax|ReLU|ELU|Rescaling", "pointwise"),
)
_SHORT = (
    (r"[123]D", ""),
    (r"Normalization", "Norm"),
    (r"Global(Average|Max)Pooling", r"Global\1"),
    (r"(Average|Max)Pooling", r"\1Pool"),
    (r"Average(?=Pool)|(?<=Global)Average", "Avg"),
    (r"UpSampling", "Upsample"),
    (r"^(Depthwise|Separable)Conv", r"\1"),
    (r"Concatenate", "Concat"),
)


def kind_of(node: Node) -> str:
    """One of `KINDS`. A convolution with strides is still a convolution: its title shows the strides."""
    return kind_of_layer(node.call.layer) if node.call else "input"


def kind_of_layer(layer: str) -> str:
    """The kind of a Keras layer, or of an operation, by its name."""
    return next((kind for pattern, kind in _KIND_OF_LAYER if re.search(pattern, layer)), "other")


def joint_kind(kinds: Iterable[str], descent: int) -> str:
    """The kind of several layers in one box: theirs, merges, normalizations and activations aside, where it is one.

    Otherwise what becomes of the resolution, which is halved `descent` times; "block" where it stays.
    """
    found = set(kinds)
    if len(found) > 1:
        found -= {"merge", "pointwise", "other"}
        if "convolution" in found:  # pooling that gates, as in squeeze-and-excite, brings nothing down
            found -= {"down"} if descent <= 0 else set()
            found -= {"up"} if descent >= 0 else set()
        elif "dense" in found:  # the head of a classifier
            found = {"dense"}
    if len(found) == 1:
        return found.pop()
    return "down" if descent > 0 else "up" if descent < 0 else "block"


def title_of(node: Node) -> str:
    """The operation with the numbers that matter: kernel, strides, channels. "Conv 3x3 /2, 64"."""
    return caption(node.call.layer, node.call.kwargs) if node.call else f"Input {node.name}"


def caption(layer: str, arguments: Mapping[str, Any]) -> str:
    """The same of a layer's name and those of its arguments that are known."""
    words = [short_name(layer, arguments)]
    axes = int(match[1]) if (match := re.search(r"([123])D", layer)) else 1
    window = arguments.get("kernel_size", arguments.get("pool_size", arguments.get("size")))
    if window is not None:
        words.append(_per_axis(window, axes))
    strides = arguments.get("strides")
    if strides not in (None, 1, "") and set(_listed(strides)) != {1}:
        factor = _per_axis(strides, axes) if len(set(_listed(strides))) > 1 else str(_listed(strides)[0])
        words.append(f"{'x' if kind_of_layer(layer) == 'up' else '/'}{factor}")
    channels = arguments.get("filters", arguments.get("units"))
    return " ".join(words) + (f", {channels}" if channels is not None else "")


def notes_of(node: Node, before: Iterable[Node], after: Iterable[Node]) -> str:
    """What else happens to the tensor: "BatchNorm, relu"; what comes first is said to: "after BatchNorm, relu; Dropout"."""
    own = node.call.kwargs.get("activation") if node.call and node.call.layer != "Activation" else None
    first = ", ".join(map(_short_name, before))
    then = ", ".join([*([str(own)] if own and own != "linear" else []), *map(_short_name, after)])
    return "; ".join(part for part in (first and f"after {first}", then) if part)


def size_of(shape: Shape) -> str:
    """`(40, 40, 64)` -> "40x40x64"."""
    return "x".join(map(str, shape)) or "scalar"


def flops_of(flops: int) -> str:
    """`1234567` -> "1.2 MFLOPs"; three digits or fewer before the unit."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if flops >= scale:
            amount = flops / scale
            return f"{amount:.1f} {unit}FLOPs" if amount < 99.95 else f"{amount:.0f} {unit}FLOPs"
    return f"{flops} FLOPs"


def short_name(layer: str, arguments: Mapping[str, Any]) -> str:
    """A layer's name without what goes without saying; an activation goes by its function."""
    if layer == "Activation":
        return str(arguments.get("activation", "Activation"))
    for pattern, replacement in _SHORT:
        layer = re.sub(pattern, replacement, layer)
    return layer


def _short_name(node: Node) -> str:
    assert node.call is not None
    return short_name(node.call.layer, node.call.kwargs)


def _listed(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _per_axis(value: Any, axes: int) -> str:
    sizes = _listed(value)
    return "x".join(str(size) for size in (sizes if len(sizes) > 1 else list(sizes) * axes))
