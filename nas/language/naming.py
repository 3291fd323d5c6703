"""Names for decisions: `enc0[1].conv2d.filters` instead of PyGlove's `steps.enc0.op.rest[=1/2].first.ops[0].filters`.

A decision is named after the place it is written in: the step's name, the block's parts, the field. Its options are called by
their values, operations by their name or class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyglove as pg

from nas.language.blocks import part_names
from nas.language.operation import Operation
from nas.language.tying import Same

Named = tuple[str, str, list[Any]]
"""DNASpec id, name, one label for each option."""


def name_decisions(network: Operation) -> list[Named]:
    """Every decision of a network with open choices; names that would coincide are counted (`x`, `x#2`)."""
    taken: dict[str, int] = {}
    out: list[Named] = []
    for identity, name, labels in _walk(network, "", ""):
        name = name.lstrip(".") or "choice"
        taken[name] = taken.get(name, 0) + 1
        out.append((identity, name if taken[name] == 1 else f"{name}#{taken[name]}", labels))
    return out


def option_labels(choice: Any) -> list[Any]:
    """What the options of a choice are called: plain JSON values, each once."""
    own = getattr(choice, "option_labels", None)
    if own:
        return list(own)
    options = [choice.candidates.sym_getattr(i) for i in range(len(choice.candidates))]
    operations = [o for o in options if isinstance(o, Operation | pg.hyper.Choices | Same)]
    names = iter(part_names(operations))
    labels: list[Any] = []
    for option in options:
        if isinstance(option, Operation | pg.hyper.Choices | Same):
            label: Any = next(names)
        elif option is None and operations:
            label = "none"
        elif isinstance(option, bool | int | float | str) or option is None:
            label = option
        else:
            label = str(list(option)) if isinstance(option, list | tuple) else str(option)
        same = sum(1 for other in labels if type(other) is type(label) and other == label)
        labels.append(f"{label}#{same + 1}" if same else label)
    return labels


def _walk(value: Any, identity: str, name: str) -> Iterator[Named]:
    """Decisions below `value`, whose DNASpec id is `identity` and whose name is `name`."""
    if isinstance(value, pg.hyper.Choices):
        labels = option_labels(value)
        many = value.num_choices > 1
        for k in range(value.num_choices):
            own_id, own_name = (f"{identity}[{k}]", f"{name}[{k}]") if many else (identity, name)
            yield own_id, own_name, labels
            for i, label in enumerate(labels):
                option = value.candidates.sym_getattr(i)
                below = own_name if label is True else f"{own_name}.{label}"
                yield from _walk(option, f"{own_id}[={i}/{len(labels)}]", below)
    elif isinstance(value, pg.hyper.HyperValue):
        yield identity, name, []
    elif isinstance(value, Operation) and hasattr(value, "parts"):
        for place, for_choice, for_parts, part in value.parts():
            own_id = _join(identity, place)
            if isinstance(part, pg.hyper.Choices) and for_choice != for_parts:
                yield from _walk_continuation(part, own_id, name + for_choice, name + for_parts)
            else:
                yield from _walk(part, own_id, name + for_parts)
    elif isinstance(value, pg.Object | pg.Dict):
        for key, part in value.sym_items():
            yield from _walk(part, _join(identity, str(key)), f"{name}.{key}")
    elif isinstance(value, pg.List):
        for i in range(len(value)):
            yield from _walk(value.sym_getattr(i), f"{identity}[{i}]", f"{name}[{i}]")


def _walk_continuation(choice: Any, identity: str, name: str, below: str) -> Iterator[Named]:
    """A choice named apart from its options' parts: `x[1]` says whether a repetition goes on, its parts are `x[1].conv`."""
    labels = option_labels(choice)
    yield identity, name, labels
    for i in range(len(labels)):
        yield from _walk(choice.candidates.sym_getattr(i), f"{identity}[={i}/{len(labels)}]", below)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
