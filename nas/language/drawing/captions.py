"""What a picture of a network says about its nodes, and how much room the words take.

A box shows one main operation ("Conv 3x3 /2, 64"), what follows it on the same tensor ("BatchNorm, relu") and facts
("40x40x64, 1.2 MFLOPs"). Its kind decides the colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
}
"""Kind of a box -> its name in the legend, in the legend's order."""

_KIND_OF_LAYER = (  # the first pattern that is found in the layer's name
    (r"Transpose|UpSampling", "up"),
    (r"Pooling", "down"),
    (r"Conv", "convolution"),
    (r"^(Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot)$", "merge"),
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
    if node.call is None:
        return "input"
    return next((kind for pattern, kind in _KIND_OF_LAYER if re.search(pattern, node.call.layer)), "other")


def title_of(node: Node) -> str:
    """The operation with the numbers that matter: kernel, strides, channels. "Conv 3x3 /2, 64"."""
    if node.call is None:
        return f"Input {node.name}"
    kwargs = node.call.kwargs
    words = [_short_name(node)]
    axes = int(match[1]) if (match := re.search(r"([123])D", node.call.layer)) else 1
    window = kwargs.get("kernel_size", kwargs.get("pool_size", kwargs.get("size")))
    if window is not None:
        words.append(_per_axis(window, axes))
    strides = kwargs.get("strides")
    if strides not in (None, 1, "") and set(_listed(strides)) != {1}:
        factor = _per_axis(strides, axes) if len(set(_listed(strides))) > 1 else str(_listed(strides)[0])
        words.append(f"{'x' if kind_of(node) == 'up' else '/'}{factor}")
    channels = kwargs.get("filters", kwargs.get("units"))
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


def _short_name(node: Node) -> str:
    assert node.call is not None
    if node.call.layer == "Activation":
        return str(node.call.kwargs.get("activation", "Activation"))
    name = node.call.layer
    for pattern, replacement in _SHORT:
        name = re.sub(pattern, replacement, name)
    return name


def _listed(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _per_axis(value: Any, axes: int) -> str:
    sizes = _listed(value)
    return "x".join(str(size) for size in (sizes if len(sizes) > 1 else list(sizes) * axes))


# -- room --------------------------------------------------------------------------------------------------------------------

_EM = {  # advance widths of DejaVu Sans, the widest of the fonts in use, rounded up
    0.40: "'ijlIJ,. /:;\\|f-t()[]!",
    0.53: 'r"*_`sz?',
    0.62: "cLkFvxyPaoTYe",
    0.70: "bdghnpquES0123456789${}KAVBRXZC",
    0.80: "UHNDGO&Q",
    1.00: "w#+<=>^~M%mW@",
}
_WIDTH_OF = {character: em for em, characters in _EM.items() for character in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """An upper estimate of the width of `text` in pixels at a font size of `size` pixels."""
    return sum(_WIDTH_OF.get(character, 1.0) for character in text) * size * (1.15 if bold else 1.0)


def fitted(text: str, width: float, size: float, bold: bool = False) -> str:
    """`text`, cut with an ellipsis where it would be wider than `width`."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"
