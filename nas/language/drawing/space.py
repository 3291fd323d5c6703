"""`draw_space`: a picture of a space with its choices visible.

A space of networks is drawn like a network: each step of the space function is a box at its level of resolution, which tells
its decisions and their options; what may be absent is dashed, what is repeated is a pile. Any other space is a tree of
decisions (outline.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.language.drawing.boxes import FACTS_SIZE, NOTES_SIZE, TITLE_SIZE, Box, Line, level_of
from nas.language.drawing.captions import joint_kind, kind_of_layer, size_of
from nas.language.drawing.folding import Fold, Step, piles
from nas.language.drawing.layout import Layout, arrange
from nas.language.drawing.lettering import fitted
from nas.language.drawing.outline import draw_outline
from nas.language.drawing.picture import SOFT_INK, Picture
from nas.language.drawing.steps import Piece, pieces_of
from nas.language.drawing.style import paint
from nas.language.drawing.telling import ROOM, Teller, decides_itself, is_optional, layers_in, repetition_of
from nas.language.shapes import Possible

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

_MANY_LINES = 160  # of all boxes; a picture that would have more tells less deeply
_DEEPEST = 5
_MANY_BOXES = 24  # from here on, equal neighbours are piled up


def draw_space(space: SearchSpace, title: str = "", depth: int | None = None) -> Picture:
    """A space with its choices visible.

    Args:
        space: any space.
        title: a heading; None: the space's name and size.
        depth: how many operations inside each other are told; None: as many as leave the picture readable.
    """
    title = title or title_of(space)
    return paint(plan_of(space, title, depth), title) if space.is_network else draw_outline(space.genome.slots, title)


def plan_of(space: SearchSpace, title: str = "", depth: int | None = None) -> Layout:
    """The layout of a space of networks."""
    pieces = pieces_of(space)
    for deep in range(_DEEPEST, 0, -1) if depth is None else (depth,):
        told = _tell(pieces, deep)
        if sum(map(len, told)) <= _MANY_LINES:
            break
    return arrange(_boxes_of(pieces, told, space), title)


def title_of(space: SearchSpace) -> str:
    """ "colorizer: 1.18e+35 architectures, 191 decisions"."""
    size = space.size
    count = "infinitely many" if size is None else f"{size:,}" if size < 10**9 else f"{size:.3g}"
    decisions = len(space.genome.slots)
    return f"{space.name}: {count} architectures, {decisions} decision{'s' if decisions != 1 else ''}"


def _tell(pieces: Sequence[Piece], depth: int) -> list[tuple[Line, ...]]:
    """The lines of every piece, without its name and shape."""
    teller = Teller(depth)
    told = []
    for piece in pieces:
        lines: list[Line] = []
        for k, (name, operation) in enumerate(piece.parts):
            lines += teller.lines(operation, 0, name if k else "")
        told.append(tuple(lines))
    return told


def _boxes_of(pieces: Sequence[Piece], told: Sequence[tuple[Line, ...]], space: SearchSpace) -> list[Box]:
    """A box for each piece, or for each pile of equal neighbours."""
    reference = max((shape[:-1] for shape in space.inputs.values()), key=math.prod)
    steps = [
        Step(
            text=f"{[line.text for line in lines]} {sorted(piece.shapes.shapes)}",
            level=level_of(piece.usual[:-1], reference),
            sources=piece.sources,
            output=piece.output,
            path="",
        )
        for piece, lines in zip(pieces, told, strict=True)
    ]
    groups = piles(steps) if len(steps) > _MANY_BOXES else [Fold(k, k + 1, 1, 1, "") for k in range(len(steps))]
    place = {k: i for i, group in enumerate(groups) for k in range(group.start, group.stop)}
    boxes = []
    for i, group in enumerate(groups):
        members = pieces[group.start : group.stop]
        last = members[-1]
        grid = last.usual[:-1]
        repeated = len(members) > 1 or any(_is_repeated(operation) for _, operation in last.parts[:1])
        boxes.append(
            Box(
                names=tuple(name for piece in members for name, _ in piece.parts or [(piece.name, None)]),
                kind=_kind(last, steps[group.stop - 1].level - max((steps[s].level for s in members[0].sources), default=0)),
                lines=_lines_of(members, told[group.start : group.start + group.period], group.times),
                grid=size_of(grid) if grid else "",
                level=steps[group.stop - 1].level,
                sources=tuple(s for s in dict.fromkeys(place[s] for piece in members for s in piece.sources) if s != i),
                output=last.output,
                tooltip="\n".join(piece.name for piece in members),
                piled=repeated,
                dashed=last.optional or any(_may_be_absent(operation) for _, operation in last.parts[:1]),
                bypasses=frozenset(place[s] for piece in members for s in piece.bypasses),
                centred=False,
            )
        )
    return boxes


def _lines_of(members: Sequence[Piece], told: Sequence[tuple[Line, ...]], times: int) -> tuple[Line, ...]:
    """Name, choices and shapes of a piece, or of a pile of them."""
    names = (f"{times}x " if times > 1 else "") + " … ".join(dict.fromkeys([members[0].name, members[-1].name]))
    name = f"Input {names}" if not members[0].parts else names
    title = Line(fitted(name, ROOM, TITLE_SIZE, bold=True), TITLE_SIZE, bold=True)
    own = times > 1 and any(decides_itself(operation) for piece in members for _, operation in piece.parts)
    note = [Line("each with its own decisions", NOTES_SIZE, SOFT_INK)] if own else []
    lines = [line for lines in told for line in lines]
    return title, *note, *lines, Line(fitted(_sizes(members[-1].shapes), ROOM, FACTS_SIZE))


def _sizes(possible: Possible) -> str:
    """ "40x40, 16 to 64 channels": what can come out."""
    if len(possible.shapes) == 1:
        return size_of(next(iter(possible.shapes)))
    grids = sorted({shape[:-1] for shape in possible.shapes}, key=lambda grid: (math.prod(grid), grid))
    channels = sorted({shape[-1] for shape in possible.shapes})
    grid = " to ".join(size_of(grid) for grid in dict.fromkeys([grids[0], grids[-1]]) if grid)
    depth = " to ".join(map(str, dict.fromkeys([channels[0], channels[-1]])))
    return f"{grid}, {depth} channels" if grid else depth


def _kind(piece: Piece, descent: int) -> str:
    if not piece.parts:
        return "input"
    return joint_kind((kind_of_layer(type(layer).__name__) for layer in layers_in(piece.parts[0][1])), descent)


def _is_repeated(operation: Any) -> bool:
    repetition = repetition_of(operation)
    return repetition is not None and repetition.high > 1


def _may_be_absent(operation: Any) -> bool:
    repetition = repetition_of(operation)
    return repetition.low == 0 if repetition else is_optional(operation)
