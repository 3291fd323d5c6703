"""The steps of a space as they are drawn: inner U-shapes opened, small steps joined to those that they follow.

An inner function that goes down and comes up again (the optional deeper levels of a U-Net) is replaced by its own steps, so
that the picture is the U. Where it is optional, what comes after it reads two tensors: its output, and, past it, its input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyglove as pg

from nas.errors import UserError
from nas.language.assemble import variants
from nas.language.blocks import Block
from nas.language.blocks import Step as BlockStep
from nas.language.drawing.captions import kind_of_layer
from nas.language.drawing.telling import layers_in, options_of
from nas.language.graph import Net
from nas.language.naming import option_labels
from nas.language.operation import Shape
from nas.language.shapes import Possible, SpaceNet
from nas.language.tying import Same

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


class Piece(NamedTuple):
    """A step of a space, or an input (without parts).

    Attributes:
        name: of the step, with the names of the functions it was opened from.
        parts: (name, operation), more than one where small steps follow on the same tensor.
        sources: indices of the pieces it reads.
        bypasses: those of them that are read only where something optional is absent.
        shapes: what can come out.
        usual: the one of them at whose resolution it is drawn.
        optional: it stands in something that may be absent.
        output: it is an output of the network.
    """

    name: str
    parts: tuple[tuple[str, Any], ...]
    sources: tuple[int, ...]
    bypasses: frozenset[int]
    shapes: Possible
    usual: Shape
    optional: bool = False
    output: bool = False


class Flow(NamedTuple):
    """A tensor. `origin`: the pieces it can come from, and whether each is a bypass; `shapes`, `usual`: as in `Piece`."""

    origin: tuple[tuple[int, bool], ...]
    shapes: Possible
    usual: Shape


class _Opening:
    """Walks the steps of a space and opens inner U-shapes."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def walk(self, block: Block, flows: dict[str, Flow], prefix: str, optional: bool) -> None:
        """Adds the steps of a block, whose inputs `flows` has, to the pieces; and their outputs to `flows`."""
        for name, step in block.steps.items():
            operation = step.sym_getattr("op")
            read = [flows[source] for source in step.inputs]
            shapes = SpaceNet().apply(operation, *(flow.shapes for flow in read), name=name)
            usual = [flow.usual for flow in read]
            inner, is_choice, instead = _inner_block(operation)
            if inner is not None and _is_u(inner, usual):
                own = dict(zip(inner.inputs, read, strict=True))
                self.walk(inner, own, f"{prefix}{name}.", optional or is_choice)
                end, past = own[inner.outputs[0]], read[0]
                if instead is not None:
                    other = Piece(f"{prefix}{name} = False", (("", instead),), (), frozenset(), shapes, end.usual, True)
                    past = self.add(other, read)
                bypass = tuple((piece, True) for piece, _ in past.origin) if is_choice else ()
                flows[name] = Flow(end.origin + bypass, shapes, end.usual)
            else:
                part = ((name, operation),)
                made = Piece(prefix + name, part, (), frozenset(), shapes, _usual(operation, usual, shapes), optional)
                flows[name] = self.add(made, read)

    def add(self, piece: Piece, read: Sequence[Flow] = ()) -> Flow:
        """Adds a piece that reads some tensors; what comes out of it."""
        origins = [origin for flow in read for origin in flow.origin]
        surely = {source for source, bypass in origins if not bypass}
        sources = tuple(dict.fromkeys(source for source, _ in origins))
        self.pieces.append(piece._replace(sources=sources, bypasses=frozenset(sources) - surely))
        return Flow(((len(self.pieces) - 1, False),), piece.shapes, piece.usual)


def pieces_of(space: SearchSpace) -> list[Piece]:
    """The steps of a space, opened and with small steps joined to what they follow."""
    opening = _Opening()
    flows: dict[str, Flow] = {}
    for name, shape in space.inputs.items():
        flows[name] = opening.add(Piece(name, (), (), frozenset(), Possible(frozenset([shape])), shape))
    operation = space.hyper
    if not isinstance(operation, Block):  # `as_space(operation, input=...)`: a network of one step
        inputs = list(flows)
        operation = Block(inputs=inputs, steps={space.name: BlockStep(op=operation, inputs=inputs)}, outputs=[space.name])
    opening.walk(operation, flows, "", False)
    ends = {piece for name in operation.outputs for piece, _ in flows[name].origin}
    return _joined([piece._replace(output=k in ends) for k, piece in enumerate(opening.pieces)])


def _inner_block(operation: Any) -> tuple[Block | None, bool, Any]:
    """A block; whether it is a decision to have it; and what there is instead (None: nothing)."""
    if isinstance(operation, pg.hyper.OneOf) and option_labels(operation) == [False, True]:
        instead, operation = options_of(operation)
        return (operation if isinstance(operation, Block) else None), True, instead
    return (operation if isinstance(operation, Block) else None), False, None


def _is_u(block: Block, inputs: Sequence[Shape]) -> bool:
    """Whether a block goes down to a lower resolution than it begins and ends with."""
    if len(block.outputs) != 1:
        return False
    usual = dict(zip(block.inputs, inputs, strict=True))
    for name, step in block.steps.items():
        usual[name] = _usual(step.sym_getattr("op"), [usual[source] for source in step.inputs])
    positions = {name: math.prod(shape[:-1]) for name, shape in usual.items()}
    ends = [positions[name] for name in (*block.inputs, *block.outputs)]
    return min(positions.values()) < min(ends)


class _FirstOptions(SpaceNet):
    """Follows a single shape: every choice takes its first option, which is the published one."""

    def apply(self, operation: Any, *inputs: Possible, name: str | None = None) -> Possible:
        if isinstance(operation, Same | pg.hyper.OneOf):
            return self.apply(options_of(operation)[0], *inputs, name=name)
        if operation is None or operation.structural:
            return super().apply(operation, *inputs, name=name)
        net = Net()
        edges = [net.input(f"input{k}", next(iter(edge.shapes))) for k, edge in enumerate(inputs)]
        return Possible(frozenset([net.apply(next(iter(variants(operation))), *edges).shape]))


def _usual(operation: Any, inputs: Sequence[Shape], possible: Possible | None = None) -> Shape:
    """The output for one shape of each input. `possible`: what can come out, for first options that do not fit together."""
    try:
        found = _FirstOptions().apply(operation, *(Possible(frozenset([shape])) for shape in inputs)).shapes
    except UserError:
        if possible is None:
            raise
        found = possible.shapes
    return max(found, key=lambda shape: (math.prod(shape[:-1]), shape))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Steps that only normalize, activate or drop stand in the box of the step that they follow."""
    readers = [0] * len(pieces)
    for piece in pieces:
        for source in piece.sources:
            readers[source] += 1
    place: dict[int, int] = {}
    joined: list[Piece] = []
    for k, piece in enumerate(pieces):
        before = piece.sources[0] if len(piece.sources) == 1 else None
        follows = bool(piece.parts) and all(
            kind_of_layer(type(o).__name__) == "pointwise" for o in layers_in(piece.parts[0][1])
        )
        if before is not None and follows and readers[before] == 1 and not pieces[before].output:
            at = place[before]
            if joined[at].parts and joined[at].optional == piece.optional:
                known = joined[at]
                joined[at] = known._replace(
                    parts=known.parts + piece.parts, shapes=piece.shapes, usual=piece.usual, output=piece.output
                )
                place[k] = at
                continue
        place[k] = len(joined)
        sources = tuple(dict.fromkeys(place[s] for s in piece.sources))
        joined.append(piece._replace(sources=sources, bypasses=frozenset(place[s] for s in piece.bypasses)))
    return joined
