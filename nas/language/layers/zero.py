"""Zero: no connection. Among the options of an edge it says that the edge is not there."""

from typing import Any

from nas.language.fields import OptionalPositive, PerAxis
from nas.language.operation import Operation, Shape
from nas.language.rules import as_tuple, window_size


class Zero(Operation):
    """Zeros in place of the input: the operation "none" of spaces whose edges may be missing (Liu et al. 2019, DARTS).

    A sum leaves zeros out, a product with zeros is zero, and what only zeros reach is not part of the network: it is free. So a
    network has the same fingerprint, cost and model as one written without the connection (`nas.language.zeros`).

    (..., channels) -> (... / strides, filters), rounded up.

    Args:
        strides: of the operations it stands beside; one number, or one for each axis.
        filters: their output channels; None: as many as come in.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> edge = nas.choose(L.Conv2D(16, 3, name="conv"), None, L.Zero(name="none"), name="edge")
    """

    strides: PerAxis = 1
    filters: OptionalPositive = None

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.zeros(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        *grid, channels = inputs[0]
        strides = as_tuple(self.strides, len(grid), "strides")
        return (*(window_size(n, 1, s, "same") for n, s in zip(grid, strides, strict=True)), self.filters or channels)
