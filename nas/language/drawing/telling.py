"""What a box says about an operation with open choices: its layers, its decisions with their options, and how deep they nest.

down0
one of 3
  strided: Conv /2           a layer, by what is fixed
    filters (3): 32, 16, 24  a decision, the number of its options, and the options
  maxpool: 2 layers, 2 decisions  what lies deeper than asked for is counted
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyglove as pg

from nas.language.blocks import Block, Branches, Chain, Repeated, TiedRepeat, part_names
from nas.language.drawing.boxes import CHIP, NOTES_SIZE, Line
from nas.language.drawing.captions import caption, kind_of_layer
from nas.language.drawing.lettering import fitted, wrapped
from nas.language.drawing.picture import INK, SOFT_INK
from nas.language.naming import option_labels
from nas.language.operation import Operation
from nas.language.tying import Again, Same, parts_of

ROOM = 300.0  # pixels for text
TIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b5fbf", "#7f7f00")
"""Colours of tied decisions (Okabe & Ito's palette at full strength, and two more)."""
_INDENT = 12.0
_MOST_SHOWN = 7  # options of one decision


class Repetition(NamedTuple):
    """An operation applied `low` to `high` times."""

    operation: Any
    low: int
    high: int
    tied: bool


class Teller:
    """Tells what operations are; gives each tied decision its colour, and tells a tied operation once.

    Args:
        depth: how many operations inside each other are told.
    """

    def __init__(self, depth: int):
        self.depth = depth
        self._colours: dict[str, str] = {}
        self._told: set[str] = set()

    def lines(self, operation: Any, level: int = 0, label: str = "") -> list[Line]:
        """The lines for an operation that stands `level` deep, called `label`."""
        if isinstance(operation, Again):
            return self._again(operation, level, label)
        if (repetition := repetition_of(operation)) is not None:
            own = not repetition.tied and repetition.high > 1 and decides_itself(repetition.operation)
            times = times_of(repetition) + (", each with its own decisions" if own else "")
            head = self._text(_headed(label, times), level)
            return [head, *self.lines(repetition.operation, level + bool(label))]
        if isinstance(operation, Same | pg.hyper.Choices):
            return self._choice(operation, level, label)
        if operation is None:
            return [self._text(_headed(label, "nothing"), level)]
        parts = list(children_of(operation))
        if parts or isinstance(operation, Block | Chain):
            return self._composite(operation, parts, level, label)
        return self._layer(operation, level, label)

    def _composite(self, operation: Any, parts: list[tuple[str, Any]], level: int, label: str) -> list[Line]:
        if level >= self.depth:
            return [self._text(_headed(label, summary(operation)), level)]
        head = [self._text(f"{label}:", level)] if label else []
        if isinstance(operation, Branches):
            head = [self._text(_headed(label, "side by side, merged"), level)]
        below = level + bool(head)
        return [*head, *(line for name, part in parts for line in self.lines(part, below, _spoken(name, part)))]

    def _choice(self, choice: Any, level: int, label: str) -> list[Line]:
        """A decision between operations (or several of them)."""
        tie = self._colour(choice.decision) if isinstance(choice, Same) else None
        labels = [str(text) for text in (choice.labels if isinstance(choice, Same) else option_labels(choice))]
        options = options_of(choice)
        if is_optional(choice):
            head = self._text(_headed(label, "optional"), level, tie)
            return [head, *(self.lines(options[1], level + 1) if level < self.depth else [])]
        if isinstance(choice, Same):
            label = f"{label} = {choice.decision}" if label else choice.decision
        if not any(decisions_in(option) or list(children_of(option)) for option in options):
            return self._values(label, labels, level, tie)
        many = getattr(choice, "num_choices", 1)
        head = self._text(_headed(label, f"{'one' if many == 1 else many} of {len(options)}"), level, tie)
        if level >= self.depth:
            return self._values(label, labels, level, tie, count_in(choice) - many)
        return [head, *(line for name, o in zip(labels, options, strict=True) for line in self.lines(o, level + 1, name))]

    def _layer(self, operation: Any, level: int, label: str) -> list[Line]:
        """A layer by what is fixed, then its decisions."""
        kind = kind_of_layer(type(operation).__name__)
        title = caption_of(operation)
        text = title if label.lower() in (title.lower(), type(operation).__name__.lower(), "") else f"{label}: {title}"
        lines = [self._text(text, level, kind)]
        for name, value in _open_fields(operation):
            lines += self._field(name, value, level + 1)
        return lines

    def _field(self, name: str, value: Any, level: int) -> list[Line]:
        if isinstance(value, Same):
            shown = [str(option) for option in value.options]
            return self._values(f"{name} = {value.decision}", shown, level, self._colour(value.decision))
        if isinstance(value, pg.hyper.Float):
            return [self._text(f"{name}: {value.min_value:g} to {value.max_value:g}", level)]
        if isinstance(value, pg.hyper.Choices):
            many = f", {value.num_choices} of them" if value.num_choices > 1 else ""
            return self._values(f"{name}{many}", [str(text) for text in option_labels(value)], level)
        parts = ((k, part) for k, part in enumerate(parts_of(value)) if _is_open(part))
        return [line for k, part in parts for line in self._field(f"{name}[{k}]", part, level)]

    def _again(self, operation: Again, level: int, label: str) -> list[Line]:
        tie = self._colour(operation.decision)
        if operation.decision in self._told:
            return [self._text(_headed(label, f"{operation.decision}, decided as before"), level, tie)]
        self._told.add(operation.decision)
        head = self._text(_headed(label, f"{operation.decision}, decided once for all"), level, tie)
        return [head, *self.lines(operation.body.operation, level + 1)]

    def _values(self, name: str, options: list[str], level: int, tie: str | None = None, deeper: int = 0) -> list[Line]:
        """ "filters (3): 32, 16, 24", in two lines at most."""
        first = f"{name} ({len(options)}): " if name else f"one of {len(options)}: "
        shown = options if len(options) <= _MOST_SHOWN else [*options[: _MOST_SHOWN - 2], "…", options[-1]]
        shown = [first + shown[0], *shown[1:], *([f"with {deeper} more decisions"] if deeper else [])]
        room = ROOM - (level + 1) * _INDENT - (CHIP if tie else 0.0)
        texts = wrapped(shown, ", ", room, NOTES_SIZE, 2)
        first_line, *others = (Line(text, NOTES_SIZE, INK, indent=level * _INDENT) for text in texts)
        return [first_line._replace(chip=tie), *(line._replace(indent=line.indent + _INDENT) for line in others)]

    def _text(self, text: str, level: int, chip: str | None = None) -> Line:
        indent = level * _INDENT
        return Line(fitted(text, ROOM - indent - CHIP, NOTES_SIZE), NOTES_SIZE, SOFT_INK, chip=chip, indent=indent)

    def _colour(self, decision: str) -> str:
        return self._colours.setdefault(decision, TIES[len(self._colours) % len(TIES)])


def repetition_of(operation: Any) -> Repetition | None:
    """What `nas.repeat` made, rolled up again."""
    if isinstance(operation, TiedRepeat):
        times = operation.sym_getattr("times")
        counts = [int(n) for n in options_of(times)] if isinstance(times, Same | pg.hyper.Choices) else [times]
        return Repetition(operation.sym_getattr("op"), min(counts), max(counts), tied=True)
    if is_optional(operation) and isinstance(options_of(operation)[1], TiedRepeat):
        inner = repetition_of(options_of(operation)[1])
        return inner._replace(low=0) if inner and inner.low == 1 else None
    low, high, first, must = 0, 0, None, True
    while True:
        if isinstance(operation, pg.hyper.OneOf) and len(operation.candidates) == 2:
            none, operation = options_of(operation)
            if none is not None:
                return None
            must = False
        if not isinstance(operation, Repeated):
            break
        high, low = high + 1, low + must
        first = operation.sym_getattr("first") if high == 1 else first
        operation = operation.sym_getattr("rest")
    return Repetition(first, low, high, tied=False) if high else None


def is_optional(operation: Any) -> bool:
    """Whether it is what `nas.optional` made."""
    return (
        isinstance(operation, pg.hyper.OneOf) and option_labels(operation) == [False, True] and options_of(operation)[0] is None
    )


def times_of(repetition: Repetition) -> str:
    """ "1 to 3 times"."""
    low, high = repetition.low, repetition.high
    if high == 1:
        return "once" if low else "optional"
    return f"{low} times" if low == high else f"{low} or {high} times" if high == low + 1 else f"{low} to {high} times"


def options_of(choice: Any) -> list[Any]:
    """The candidates of a choice, as they stand in its tree."""
    if isinstance(choice, Same):
        return list(choice.options)
    return [choice.candidates.sym_getattr(i) for i in range(len(choice.candidates))]


def children_of(operation: Any) -> Iterator[tuple[str, Any]]:
    """The named parts of an operation made of operations."""
    if isinstance(operation, Block):
        for name, step in operation.steps.items():
            yield name, step.sym_getattr("op")
    elif isinstance(operation, Operation) and hasattr(operation, "ops"):
        ops = operation.sym_getattr("ops")
        if isinstance(ops, pg.hyper.Choices):
            yield "", ops
        else:
            listed = [ops.sym_getattr(i) for i in range(len(ops))]
            yield from zip(part_names(listed), listed, strict=True)
        if isinstance(operation, Branches):
            yield "merge", operation.sym_getattr("merge")


def layers_in(operation: Any) -> list[Any]:
    """The layers of an operation, those of a choice's options one after the other."""
    if isinstance(operation, Again):
        return layers_in(operation.body.operation)
    if (repetition := repetition_of(operation)) is not None:
        return layers_in(repetition.operation)
    if isinstance(operation, Same | pg.hyper.Choices):
        return [layer for option in options_of(operation) for layer in layers_in(option)]
    parts = list(children_of(operation))
    if parts or not isinstance(operation, Operation) or isinstance(operation, Block | Chain):
        return [layer for _, part in parts for layer in layers_in(part)]
    return [operation]


def decisions_in(value: Any) -> bool:
    """Whether anything is open in a value."""
    return count_in(value) > 0


def decides_itself(value: Any) -> bool:
    """Whether a value has decisions of its own, tied ones apart."""
    return not isinstance(value, Same) and (isinstance(value, pg.hyper.HyperValue) or any(map(decides_itself, parts_of(value))))


def count_in(value: Any) -> int:
    """How many decisions are written in a value, one for each element of a `manyof`; a tied one where it is read."""
    own = value.num_choices if isinstance(value, pg.hyper.Choices) else int(isinstance(value, Same | pg.hyper.HyperValue))
    return own + sum(map(count_in, () if isinstance(value, Same) else parts_of(value)))


def depth_of(operation: Any) -> int:
    """How many layers an operation has; of options, those of the one that has most."""
    if isinstance(operation, Again):
        return depth_of(operation.body.operation)
    if (repetition := repetition_of(operation)) is not None:
        return repetition.high * depth_of(repetition.operation)
    if isinstance(operation, Same | pg.hyper.Choices):
        return max(map(depth_of, options_of(operation)))
    parts = list(children_of(operation))
    return sum(depth_of(part) for _, part in parts) if parts else int(isinstance(operation, Operation))


def summary(operation: Any) -> str:
    """ "4 layers, 6 decisions": a composite in a few words."""
    layers, decisions = depth_of(operation), count_in(operation)
    counts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((layers, "layer"), (decisions, "decision")) if n]
    return ", ".join(counts) or "nothing"


def caption_of(operation: Any) -> str:
    """A layer by those of its fields that are fixed: "Conv /2"."""
    fixed = {str(key): value for key, value in operation.sym_items() if not _is_open(value) and value is not None}
    if "function" in fixed:
        fixed["activation"] = fixed["function"]
    if operation.sym_hasattr("factor"):  # up- or down-sampling: by how much, not through which kernel
        fixed = {"strides": fixed.get("factor"), "mode": fixed.get("mode")}
    text = caption(type(operation).__name__, fixed)
    more = [str(fixed[key]) for key in ("mode", "activation") if fixed.get(key) and str(fixed[key]) not in text]
    return ", ".join([text, *more])


def _open_fields(operation: Any) -> Iterator[tuple[str, Any]]:
    return ((str(key), value) for key, value in operation.sym_items() if _is_open(value))


def _is_open(value: Any) -> bool:
    return isinstance(value, Same | pg.hyper.HyperValue) or any(map(_is_open, parts_of(value)))


def _headed(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


def _spoken(name: str, part: Any) -> str:
    """A part's name, where it says more than what the part is."""
    return "" if name.rstrip("0123456789_") in (type(part).__name__.lower(), "choice") else name
