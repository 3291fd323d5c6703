"""Blocks that encoders and decoders of these spaces share, for steps (1 axis), images (2) and volumes (3).

A `Kit` holds what a network decides once (normalization, activation, padding); its methods make blocks that keep the stride
at 1. Widths may be numbers, choices, or what `nas.tied` returned.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import nas
from nas import layers as L
from nas import oneof

CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.Conv3D)


@dataclasses.dataclass(frozen=True)
class Kit:
    """How a network's convolutions are dressed.

    Attributes:
        axes: of the grid, 1 to 3.
        norm: an operation after each convolution, or None.
        activation: the name of a function, or a choice of names.
        padding: "same" or "valid".
        kernels: sizes to choose from, the first being the default.
    """

    axes: int
    norm: Any = None
    activation: Any = "relu"
    padding: str = "same"
    kernels: tuple[int, ...] = (3,)

    def conv(self, width: Any, name: str | None = None) -> Any:
        """Convolution, normalization, activation."""
        return nas.chain(self.plain_conv(width), self.norm, L.Activation(self.activation), name=name)

    def plain_conv(self, width: Any) -> Any:
        return CONVOLUTIONS[self.axes - 1](width, self.kernel(), padding=self.padding)

    def pointwise(self, width: Any, **fields: Any) -> Any:
        """A convolution of each position by itself."""
        return CONVOLUTIONS[self.axes - 1](width, 1, **fields)

    def kernel(self) -> Any:
        return self.kernels[0] if len(self.kernels) == 1 else oneof(self.kernels)

    def convs(self, width: Any, count: int, name: str) -> Any:
        """Convolutions in a row (Ronneberger et al. 2015 have two)."""
        return nas.chain(*(self.conv(width) for _ in range(count)), name=name)

    def separable(self, width: Any, name: str = "separable") -> Any:
        """Two convolutions in cheaper parts: channels apart, then together (Howard et al. 2017, MobileNets); in volumes across
        the slices, then along them (Tran et al. 2018, R(2+1)D)."""
        layers: list[Any] = []
        for _ in range(2):
            if self.axes == 3:
                layers += [L.Conv3D(width, (1, 3, 3), padding=self.padding), self.norm, L.Activation(self.activation)]
                layers += [L.Conv3D(width, (3, 1, 1), padding=self.padding)]
            else:
                layers += [(L.SeparableConv1D, L.SeparableConv2D)[self.axes - 1](width, self.kernel(), padding=self.padding)]
            layers += [self.norm, L.Activation(self.activation)]
        return nas.chain(*layers, name=name)

    def residual(self, width: Any, name: str = "residual") -> Any:
        """Two convolutions and the input added back, brought to their width and, unpadded, cropped (He et al. 2016)."""

        def inner(x: Any) -> Any:
            y = self.conv(width, name="conv0")(x)
            y = self.plain_conv(width)(y)
            y = y if self.norm is None else nas.chain(self.norm)(y)
            y = L.Merge("add", project=True, name="sum")(y, L.MatchGrid("crop")(x, y) if self.padding == "valid" else x)
            return L.Activation(self.activation)(y)

        return nas.block(inner, name)

    def dense(self, width: Any, name: str = "dense") -> Any:
        """Two convolutions of half the width, each reading all before it, then all of them together (Huang et al. 2017)."""

        def inner(x: Any) -> Any:
            for i in range(2):
                x = L.Concatenate(name=f"joined{i}")(x, self.conv(width // 2, name=f"conv{i}")(x))
            return self.pointwise(width)(x)

        return nas.block(inner, name)

    def gated_concat(self, width: Any, name: str = "gated") -> Any:
        """Skip connection of (x, skip): the skip weighed at each position by what x and it say together, then concatenated.

        Oktay et al. 2018, Attention U-Net, figure 2, with the gate at the skip's own resolution.
        """

        def inner(x: Any, skip: Any) -> Any:
            query = self.pointwise(width // 2, name="query")(x)
            key = self.pointwise(width // 2, use_bias=False, name="key")(skip)
            both = L.Merge("add", project=True, name="both")(query, key)
            gate = self.pointwise(1, activation="sigmoid", name="gate")(L.Activation("relu", name="act")(both))
            return L.Concatenate(name="joined")(x, L.Multiply(name="gated")(skip, gate))

        return nas.block(inner, name)


def scaled(width: int, scale: Any) -> Any:
    """A width times a tied multiplier (Howard et al. 2017, section 3.3)."""
    return scale.map(lambda factor: max(1, int(width * factor)))


def normalizations(*names: str) -> dict[str, Any]:
    """Normalizations by name, for `nas.tied(names, name="norm").map(normalizations(*names).get)`. "group": 8 groups."""
    known = {
        "none": None,
        "batch": L.BatchNormalization(),
        "layer": L.LayerNormalization(),
        "instance": L.GroupNormalization(-1),
        "group": L.GroupNormalization(8),
    }
    return {name: known[name] for name in names}


def all_levels(at_least: int, depth: int) -> dict[str, Any]:
    """Decisions, for a baseline, that make an encoder go down to its last level."""
    return {_inside(at_least, level)[:-1]: True for level in range(at_least, depth)}


def at_every_level(at_least: int, depth: int, step: str, option: Any, part: str = "") -> dict[str, Any]:
    """One option at every level, for a baseline: `part` of the steps `enc0`, `enc1`, ... or `skip0`, `up0`, `dec0`, ...

    What belongs to a level that some networks lack stands inside the decision about that level; so does the way up from it.
    """
    own = step in ("enc", "down")
    levels = range(step == "down", depth if own else depth - 1)
    end = f".{part}" if part else ""
    return {f"{_inside(at_least, level if own else level + 1)}{step}{level}{end}": option for level in levels}


def _inside(at_least: int, level: int) -> str:
    return "".join(f"level{i}." for i in range(at_least, level + 1))
