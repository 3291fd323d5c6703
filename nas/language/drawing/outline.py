"""A tree of decisions: the picture of a space of plain PyGlove values, which has no network.

Each decision is a box with its name and options; what an option opens hangs below it. Decisions beside each other that differ
in their numbers only, such as the same fields of ten layers, are drawn once, as a pile.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

from nas.language.drawing.boxes import NOTES_SIZE, PADDING, TITLE_SIZE, Box, Line
from nas.language.drawing.layout import HEADING_SIZE, MARGIN
from nas.language.drawing.lettering import fitted, text_width, wrapped
from nas.language.drawing.picture import SOFT_INK, Curve, Group, Mark, Picture, Words
from nas.language.drawing.routing import straight
from nas.language.drawing.style import FLOW, marks_of
from nas.language.program import Slot

_WIDTH = 330.0
_INDENT, _GAP, _COLUMN_GAP = 26.0, 16.0, 40.0
_HIGHEST = 1100.0  # pixels; a longer outline goes on in the next column
_MOST_SHOWN = 12  # options of one decision


@dataclasses.dataclass
class Entry:
    """A decision, or several that differ in their numbers only.

    Attributes:
        names: of the decisions, without what they share with the decision above.
        slot: the first of them.
        under: the option that opens it; "": it is always there.
        children: what its options open.
        depth: decisions above it.
        column, box: where it is drawn.
    """

    names: list[str]
    slot: Slot
    under: str
    children: list[Entry]
    depth: int
    box: Box
    column: int = 0


def draw_outline(slots: Sequence[Slot], title: str) -> Picture:
    """The decisions of a space, outermost at the left."""
    entries = outline(slots)
    width, height = _place(entries)
    marks: list[Mark | Group] = [Words(MARGIN, MARGIN + 4.0, title, HEADING_SIZE, bold=True)]
    for entry in _all(entries):
        marks.append(Group(entry.box.tooltip, tuple(marks_of(entry.box))))
    for entry in _all(entries):
        for child in entry.children:
            if child.column == entry.column:
                x, y = entry.box.x + _INDENT / 2, child.box.side(-1)[1]
                down, across = ((x, entry.box.end(1)[1]), (x, y)), ((x, y), child.box.side(-1))
                marks += [Curve(straight(*down), FLOW), Curve(straight(*across), FLOW)]
    return Picture(max(width, text_width(title, HEADING_SIZE, bold=True) + 2 * MARGIN), height, title, tuple(marks))


def outline(slots: Sequence[Slot]) -> list[Entry]:
    """The outermost decisions, with what hangs below them; alike ones as one."""
    below: dict[tuple[int, int] | None, list[int]] = {}
    for k, slot in enumerate(slots):
        if not slot.group or slot.group[0] == k:  # a manyof is one decision, all of whose parts open the same
            below.setdefault(slot.parent, []).append(k)
    return _entries(slots, below, None, "", 0)


def _entries(
    slots: Sequence[Slot],
    below: dict[tuple[int, int] | None, list[int]],
    parent: tuple[int, int] | None,
    under: str,
    depth: int,
) -> list[Entry]:
    alike: dict[object, Entry] = {}
    for k in below.get(parent, []):
        slot = slots[k]
        children = [
            entry
            for option, text in enumerate(_options(slot))
            for entry in _entries(slots, below, (k, option), text, depth + 1)
        ]
        name = slot.id if parent is None else _after(slots[parent[0]].id, slot.id)
        name = name if len(slot.group) < 2 else name.removesuffix("[0]")
        key = (re.sub(r"\d+", "#", name), _options(slot), slot.low, slot.high, len(slot.group), _signature(children))
        if key in alike:
            alike[key].names.append(name)
        else:
            alike[key] = Entry([name], slot, under, children, depth, Box((), "block", (Line(""),), "", 0, ()))
    for entry in alike.values():
        entry.box = _box(entry)
    return list(alike.values())


def _after(parent: str, identity: str) -> str:
    """A decision's id without that of the decision above it and its option: `block[=1/3].filters` -> `filters`."""
    return re.sub(r"^\[=\d+/\d+\]\.?", "", identity.removeprefix(parent)) or "choice"


def _signature(entries: Sequence[Entry]) -> object:
    return tuple(
        (e.under, re.sub(r"\d+", "#", e.names[0]), len(e.names), _options(e.slot), _signature(e.children)) for e in entries
    )


def _options(slot: Slot) -> tuple[str, ...]:
    """What the options are called: PyGlove's text, up to where it begins to tell the choices inside."""
    texts = [re.sub(r"(OneOf|ManyOf|Float)\(.*", "…", str(literal), flags=re.DOTALL) for literal in slot.literals]
    return tuple(texts) if texts else tuple(f"option {k}" for k in range(slot.options))


def _box(entry: Entry) -> Box:
    """Name, number of options and options; what opens it first."""
    slot, room = entry.slot, _WIDTH - 2 * PADDING
    times = f"{len(entry.names)}x " if len(entry.names) > 1 else ""
    name = fitted(times + _spread(entry.names), room, TITLE_SIZE, bold=True)
    lines = [Line(fitted(f"if {entry.under}", room, NOTES_SIZE), NOTES_SIZE, SOFT_INK)] if entry.under else []
    lines.append(Line(name or "choice", TITLE_SIZE, bold=True))
    if slot.kind == "float":
        scale = f", {slot.scale} scale" if slot.scale else ""
        lines.append(Line(f"{slot.low:g} to {slot.high:g}{scale}", NOTES_SIZE))
    else:
        options = _options(slot)
        shown = options if len(options) <= _MOST_SHOWN else (*options[: _MOST_SHOWN - 2], "…", options[-1])
        taken = len(slot.group)
        head = f"{taken} of {len(options)}: " if taken > 1 else f"({len(options)}): "
        lines += [Line(text, NOTES_SIZE) for text in wrapped([head + shown[0], *shown[1:]], ", ", room, NOTES_SIZE, 2)]
    tooltip = "\n".join([slot.id, *_options(slot)])
    box = Box(tuple(entry.names), "block", tuple(lines), "", 0, (), tooltip=tooltip, piled=bool(times), centred=False)
    box.width, box.height = _WIDTH, 15.0 * len(lines) + 9.0
    return box


def _spread(names: Sequence[str]) -> str:
    """`["layers[0].kernel", ..., "layers[6].kernel"]` -> `layers[0…6].kernel`."""
    columns = zip(*(re.split(r"(\d+)", name) for name in names), strict=True)
    words = [[*dict.fromkeys(column)] for column in columns]
    return "".join(word[0] if len(word) == 1 else f"{min(word, key=int)}…{max(word, key=int)}" for word in words)


def _place(entries: Sequence[Entry]) -> tuple[float, float]:
    """Sets the position of every box; returns the size of the picture."""
    top = MARGIN + HEADING_SIZE + 24.0
    x, y, column, right, bottom = MARGIN, top, 0, MARGIN, top
    for entry in _all(entries):
        box = entry.box
        if y > top and y + box.height > _HIGHEST:
            x, y, column = right + _COLUMN_GAP, top, column + 1
        box.x, box.y, entry.column = x + entry.depth * _INDENT, y, column
        y += box.height + _GAP
        right, bottom = max(right, box.x + box.width), max(bottom, y)
    return right + MARGIN, bottom - _GAP + MARGIN


def _all(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from _all(entry.children)
