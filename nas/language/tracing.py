"""Tracing: a Python function of tensors is run once and becomes a hyper value.

Loops unroll, helper functions inline, Python values are constants. What Python cannot say about a choice (`if`, `range`,
arithmetic) is refused by `choices`. Shapes are followed as the function runs, so a mistake is reported on the line that
made it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import pyglove as pg

from nas.errors import ShapeError, SpaceError
from nas.language.application import Traced, apply
from nas.language.blocks import Block, Step
from nas.language.layers import Add
from nas.language.operation import Operation, Shape
from nas.language.shapes import Doubt, Possible, SpaceNet


class Trace:
    """The steps of one function while it runs.

    Args:
        inputs: name -> the shapes the input can have, or None inside a block, where they are not known yet.
    """

    def __init__(self, inputs: Mapping[str, Possible | None]):
        self.inputs = list(inputs)
        self.steps: dict[str, Step] = {}
        self.edges: dict[str, Possible | None] = dict(inputs)
        self.doubts: list[Doubt] = []

    def add(self, op: Any, sources: Sequence[str], name: str | None) -> Tensor:
        name = self._name(op, name)
        edges = [self.edges[source] for source in sources]
        known = [edge for edge in edges if edge is not None]
        if len(known) == len(edges):
            net = SpaceNet()
            found = net.apply(op, *known, name=name)
            if isinstance(found, tuple):
                raise SpaceError(f"the block returns {len(found)} tensors", path=name, expected="one")
            self.edges[name] = found
            self.doubts += net.doubts
        else:
            self.edges[name] = None
        self.steps[name] = Step(op=op, inputs=list(sources))
        return Tensor(name, self)

    def block(self, outputs: Sequence[Tensor], name: str | None) -> Block:
        for tensor in outputs:
            if not isinstance(tensor, Tensor) or tensor._trace is not self:
                raise SpaceError(
                    f"returns {tensor!r}", path=name or "block", expected="tensors made in this function from its arguments"
                )
        return Block(inputs=self.inputs, steps=self.steps, outputs=[tensor.name for tensor in outputs], name=name)

    def _name(self, op: Any, name: str | None) -> str:
        taken = self.edges
        if name is None:
            kind = "choice" if isinstance(op, pg.hyper.Choices) else type(op).__name__.lower() if op is not None else "identity"
            name, k = kind, 1
            while name in taken:
                name, k = f"{kind}_{k}", k + 1
        elif not isinstance(name, str) or not name.isidentifier():
            raise SpaceError(f"{name!r} is not a name", path="name", received=name, expected="letters, digits and underscores")
        elif name in taken:
            raise SpaceError("the name is taken", path=name, received=name, hint="Give every layer of a function its own name")
        return name


class Tensor(Traced):
    """What flows between layers while a space function runs.

    Attributes:
        name: of the step that makes it.
        shape: `(height, width, channels)`, where all architectures agree on it.
    """

    def __init__(self, name: str, trace: Trace):
        self.name = name
        self._trace = trace

    @property
    def shapes(self) -> frozenset[Shape]:
        """Every shape it can have."""
        edge = self._trace.edges[self.name]
        if edge is None:
            raise SpaceError(
                "its shape is not known inside a block, which can be applied to any input",
                path=self.name,
                hint="Use layers that follow their input, or pass sizes to the function that makes the block",
            )
        return edge.shapes

    @property
    def shape(self) -> Shape:
        shapes = self.shapes
        if len(shapes) > 1:
            listed = ", ".join(map(str, sorted(shapes)[:4])) + (", ..." if len(shapes) > 4 else "")
            raise SpaceError(
                f"its shape depends on decisions ({listed})", path=self.name, hint="Use Tensor.shapes, or decide inside a layer"
            )
        return next(iter(shapes))

    def receive(self, op: Any, tensors: Sequence[Any], name: str | None) -> Tensor:
        path = name or type(op).__name__
        if any(tensor._trace is not self._trace for tensor in tensors):
            raise SpaceError(
                "its inputs belong to different functions",
                path=path,
                hint="A block sees only its arguments: make the outer tensor one of them, as in choose(f, g)(x, skip)",
            )
        if isinstance(op, Operation):
            least, most = op.arity
            if len(tensors) < least or (most is not None and len(tensors) > most):
                raise ShapeError(
                    f"takes {least if most == least else f'at least {least}'} input(s), got {len(tensors)}", path=path
                )
        return self._trace.add(op, [tensor.name for tensor in tensors], name)

    def __add__(self, other: Any) -> Tensor:
        return apply(Add(), (self, other), None)

    def _refuse(self, *_: Any) -> NoReturn:
        raise SpaceError(
            "Python control flow on a tensor", path=self.name, hint="A space function describes layers; it never sees values"
        )

    __bool__ = __iter__ = __len__ = __int__ = __float__ = __index__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse

    def __repr__(self) -> str:
        return f"Tensor({self.name!r})"


def trace_block(function: Callable[..., Any], name: str | None) -> Block:
    """A function of tensors as a `Block` whose input shapes are left open."""
    trace = Trace(dict.fromkeys(parameter_names(function)))
    result = function(*(Tensor(argument, trace) for argument in trace.inputs))
    return trace.block(_as_outputs(result, function), name)


def trace_network(function: Callable[..., Any], inputs: Mapping[str, Shape], name: str) -> tuple[Block, Trace]:
    """A space function as the `Block` of its whole network, and the trace with the shapes that were followed."""
    trace = Trace({argument: Possible(frozenset([tuple(shape)])) for argument, shape in inputs.items()})
    result = function(*(Tensor(argument, trace) for argument in trace.inputs))
    return trace.block(_as_outputs(result, function), name), trace


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """The names of a function's positional parameters without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise SpaceError(f"{function!r} has no readable signature", expected="a plain function of tensors") from None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if not names:
        raise SpaceError(
            "takes no tensors", path=getattr(function, "__name__", repr(function)), expected="one argument an input"
        )
    return names


def _as_outputs(result: Any, function: Callable[..., Any]) -> list[Any]:
    if result is None:
        raise SpaceError("returns nothing", path=function.__name__, expected="a tensor", hint="Add a return statement")
    return list(result) if isinstance(result, list | tuple) else [result]
