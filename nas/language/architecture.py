"""An architecture: one point of a search space, frozen."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nas.language.graph import Graph
from nas.language.pricing import Cost

if TYPE_CHECKING:
    from nas.language.drawing import Picture
    from nas.language.space import SearchSpace


class Architecture:
    """One network: its decisions, and on demand everything that follows from them.

    Made by a space (`space.sample()`, `space.architecture(...)`), never directly. Equal when the decisions are equal; two
    architectures with equal `fingerprint` compute the same family of functions.

    Attributes:
        space: where it comes from.
        vector: its decisions as a row of the genome (read-only).
    """

    def __init__(self, space: SearchSpace, vector: np.ndarray):
        self.space = space
        self.vector = np.array(vector)
        self.vector.setflags(write=False)

    @functools.cached_property
    def decisions(self) -> dict[str, Any]:
        """Name -> chosen value, for the decisions that are active; plain JSON."""
        return self.space.genome.decisions(self.vector)

    @functools.cached_property
    def index(self) -> int:
        """Its number in the space, from 0."""
        return self.space.genome.rank(self.vector)

    @functools.cached_property
    def network(self) -> Graph:
        """The network as plain data, without identities and dead nodes."""
        return self.space.lower(self)

    @functools.cached_property
    def graph(self) -> Any:
        """The network as a `networkx.DiGraph` of operations with shapes and costs."""
        return self.network.networkx()

    @functools.cached_property
    def fingerprint(self) -> str:
        """Equal for architectures that compute the same family of functions; stable across processes and machines."""
        return self.space.fingerprint_of(self)

    def cost(self) -> Cost:
        """FLOPs, MACs, parameters and peak activation memory for one example."""
        return self.space.price(self)

    def build(self, seed: int | None = None) -> Any:
        """A `keras.Model` of stock layers, with weights drawn from `seed`."""
        return self.space.build(self, seed)

    def source(self, function_name: str = "build_model") -> str:
        """Standalone Keras source of the same network."""
        from nas.language.keras_source import write_source

        return write_source(self.network, function_name)

    def draw(self, title: str = "", detail: Literal["auto", "layers", "blocks"] = "auto") -> str:
        """A picture of the network as SVG text.

        Args:
            title: a heading.
            detail: a box for each layer, for each block, or what stays readable.
        """
        return self.picture(title, detail).svg()

    def picture(self, title: str = "", detail: Literal["auto", "layers", "blocks"] = "auto") -> Picture:
        """The same to `.save("network.png")` or `.save("network.svg")`."""
        from nas.language.drawing import draw_network

        return draw_network(self.network, title, detail)

    def value(self) -> Any:
        """The PyGlove value the decisions select (`pg.materialize`)."""
        return self.space.materialize(self)

    def to_dna(self) -> Any:
        """The decisions as a `pg.DNA`."""
        return self.space.genome.to_dna(self.vector)

    def to_vertex(self) -> dict[str, Any]:
        """The decisions as Vertex AI NAS writes them: `{"path": "1/2 (32)"}`."""
        return self.space.genome.to_vertex(self.vector)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Architecture)
            and self.space.digest == other.space.digest
            and np.array_equal(self.vector, other.vector)
        )

    def __hash__(self) -> int:
        return hash((self.space.name, self.vector.tobytes()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in list(self.decisions.items())[:6])
        return f"Architecture({self.space.name}: {shown}{', ...' if len(self.decisions) > 6 else ''})"

    def _repr_html_(self) -> str:
        if self.space.is_network:
            return self.picture(title=f"{self.space.name} #{self.fingerprint[:8]}").html()
        from nas.language.drawing.table import decisions_table

        return decisions_table(self.space.name, self.decisions)
