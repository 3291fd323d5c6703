"""Tracing: a Python function of tensors is run once and becomes a hyper value.

Loops unroll, helper functions inline, Python values are constants. What Python cannot say about a choice (`if`, `range`,
arithmetic) is refused by `choices`. Shapes are followed as the function runs, so a mistake is reported on the line that
made it.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import pyglove as pg

from nas.errors import SpaceError
from nas.language.application import Traced, apply
from nas.language.blocks import Block, Rule, Step
from nas.language.layers import Add
from nas.language.operation import Operation, Shape
from nas.language.shapes import Doubt, Possible, SpaceNet, expect_arity
from nas.language.tying import Again, Same, shared_in
from nas.language.wording import counted, shown

_NETWORK: contextvars.ContextVar[Any] = contextvars.ContextVar("network", default=None)


class Trace:
    """The steps of one function while it runs.

    Args:
        inputs: name -> the shapes the input can have, or None inside a block, where they are not known yet.

    Attributes:
        rules: between tied decisions, as `nas.require` has added them.
    """

    def __init__(self, inputs: Mapping[str, Possible | None]):
        self.inputs = list(inputs)
        self.steps: dict[str, Step] = {}
        self.edges: dict[str, Possible | None] = dict(inputs)
        self.doubts: list[Doubt] = []
        self.rules: list[Rule] = []

    def add(self, op: Any, sources: Sequence[str], name: str | None) -> Tensor:
        name = self._name(op, name)
        edges = [self.edges[source] for source in sources]
        known = [edge for edge in edges if edge is not None]
        if len(known) == len(edges):
            net = SpaceNet()
            found = net.apply(op, *known, name=name)
            self.edges[name] = found
            self.doubts += net.doubts
        else:
            self.edges[name] = None
        self.steps[name] = Step(op=op, inputs=list(sources))
        return Tensor(name, self)

    def block(self, outputs: Sequence[Tensor], name: str | None) -> Block:
        """All of it as an operation."""
        self._check_outputs(outputs, name)
        return Block(inputs=self.inputs, steps=self.steps, outputs=[tensor.name for tensor in outputs], name=name)

    def network(self, outputs: Sequence[Tensor], name: str) -> Block:
        """All of it as a whole network, with the tied decisions that are read in it."""
        self._check_outputs(outputs, name)
        shared = shared_in(list(self.steps.values()))
        for rule in self.rules:
            unread = [decision for decision in rule.decisions if decision not in shared]
            if unread:
                raise SpaceError(
                    f"nothing reads {', '.join(unread)}",
                    path=f"require({', '.join(rule.decisions)})",
                    received=unread,
                    hint="Use the tied decision in a layer, or remove the rule",
                )
        return Block(
            inputs=self.inputs,
            shared=shared,
            steps=self.steps,
            outputs=[tensor.name for tensor in outputs],
            rules=self.rules,
            name=name,
        )

    def _check_outputs(self, outputs: Sequence[Tensor], name: str | None) -> None:
        for tensor in outputs:
            if not isinstance(tensor, Tensor) or tensor._trace is not self:
                raise SpaceError(
                    f"returns {tensor!r}", path=name or "block", expected="tensors made in this function from its arguments"
                )

    def _name(self, op: Any, name: str | None) -> str:
        taken = self.edges
        if name is None:
            kind = _kind(op)
            name, k = kind, 1
            while name in taken:
                name, k = f"{kind}_{k}", k + 1
        elif not isinstance(name, str) or not name.isidentifier():
            raise SpaceError(
                f"{shown(name)} is not a name", path=_kind(op), received=name, expected="letters, digits and underscores"
            )
        elif name in taken:
            raise SpaceError("the name is taken", path=name, received=name, hint="Give every layer of a function its own name")
        return name


def _kind(op: Any) -> str:
    """What an operation without a name is called."""
    if op is None:
        return "identity"
    if isinstance(op, Same | Again):
        return op.decision
    return "choice" if isinstance(op, pg.hyper.Choices) else type(op).__name__.lower()


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
                f"its shape depends on decisions ({listed})",
                path=self.name,
                received=shapes,
                hint="Compute with a tied decision, width = nas.tied([...], name=...), or look at all of Tensor.shapes",
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
            expect_arity(op, len(tensors), path)
        return self._trace.add(op, [tensor.name for tensor in tensors], name)

    def __add__(self, other: Any) -> Tensor:
        return apply(Add(), (self, other), None) if isinstance(other, Tensor) else self._refuse_arithmetic()

    def _refuse(self, *_: Any) -> NoReturn:
        raise SpaceError(
            "Python control flow on a tensor", path=self.name, hint="A space function describes layers; it never sees values"
        )

    __bool__ = __iter__ = __len__ = __int__ = __float__ = __index__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse

    def _refuse_arithmetic(self, *_: Any) -> NoReturn:
        raise SpaceError(
            "Python arithmetic or indexing on a tensor",
            path=self.name,
            expected="layers, or x + y for tensors x and y",
            hint="L.Rescaling(scale, offset)(x) is x * scale + offset, L.Multiply()(x, y) is x * y, L.Cropping2D cuts",
        )

    for _name in ("sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
        locals()[f"__{_name}__"] = locals()[f"__r{_name}__"] = _refuse_arithmetic
    __radd__ = __neg__ = __abs__ = __getitem__ = _refuse_arithmetic
    del _name

    def __repr__(self) -> str:
        return f"Tensor({self.name!r})"


def trace_block(function: Callable[..., Any], name: str | None) -> Block:
    """A function of tensors as a `Block` whose input shapes are left open."""
    trace = Trace(dict.fromkeys(parameter_names(function)))
    outputs = _as_outputs(function(*(Tensor(argument, trace) for argument in trace.inputs)), function)
    if len(outputs) != 1:
        raise SpaceError(
            f"returns {counted(len(outputs), 'tensor')}",
            path=name or _function_name(function),
            received=outputs,
            expected="one",
            hint="A block is used like a layer: merge the tensors, or make each by a block of its own",
        )
    return trace.block(outputs, name)


def trace_network(function: Callable[..., Any], inputs: Mapping[str, Shape], name: str) -> tuple[Block, Trace]:
    """A space function as the `Block` of its whole network, and the trace with the shapes that were followed."""
    trace = Trace({argument: Possible(frozenset([tuple(shape)]), argument) for argument, shape in inputs.items()})
    with _as_current(trace):
        result = function(*(Tensor(argument, trace) for argument in trace.inputs))
    return trace.network(_as_outputs(result, function), name), trace


def current_trace() -> Trace | None:
    """The trace of the network that is being defined; None: there is none."""
    return _NETWORK.get()


@contextlib.contextmanager
def _as_current(trace: Trace) -> Iterator[None]:
    token = _NETWORK.set(trace)
    try:
        yield
    finally:
        _NETWORK.reset(token)


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """The names of a function's positional parameters without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise SpaceError(
            "its arguments cannot be read",
            path=_function_name(function),
            received=function,
            expected="a plain function of tensors",
        ) from None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if not names:
        raise SpaceError(
            "takes no tensors", path=_function_name(function), expected="one argument for each tensor it is applied to"
        )
    return names


def _as_outputs(result: Any, function: Callable[..., Any]) -> list[Any]:
    if result is None:
        raise SpaceError("returns nothing", path=_function_name(function), expected="a tensor", hint="Add a return statement")
    return list(result) if isinstance(result, list | tuple) else [result]


def _function_name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
