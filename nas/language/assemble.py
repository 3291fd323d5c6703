"""From a hyper value and a vector of decisions to a network: what `pg.materialize` does, thousands of times a second.

`Assembler` walks the hyper value once, beside the genome's slots, and leaves a tree of small functions `maker(choices)`. An
operation whose own subspace is small is made once for each combination of its decisions and then reused: it is a plain,
immutable object that also remembers its shapes and costs.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.graph import Edge, Graph, Net
from nas.language.operation import Operation, Shape

_REUSED = 4_096  # an operation with at most so many variants is kept; larger ones (whole blocks) rarely repeat

Maker = Callable[[list[Any], bytes], Any]


class Assembler:
    """Makes the graph of any point of a space.

    Args:
        hyper: an operation with open choices: the space's network.
        slots: the genome's slots (`id`, `end`), which must come in the order in which the hyper value is walked.
        inputs: name -> shape.
    """

    def __init__(self, hyper: Any, slots: Any, inputs: Mapping[str, Shape]):
        self._slots = slots
        self._inputs = dict(inputs)
        self._next = 0
        self._make = self._compile(hyper)
        if self._next != len(slots):
            raise SpaceError(
                f"the hyper value has {self._next} decision points and its DNASpec {len(slots)}",
                hint="Only oneof, manyof and float choices can be used in a network",
            )

    def graph(self, vector: Any, inputs: Mapping[str, Shape] | None = None) -> Graph:
        """The live graph of the decisions in `vector` (one row of the genome); `inputs`: on inputs of another size."""
        net = Net()
        edges = [net.input(name, shape) for name, shape in (inputs or self._inputs).items()]
        found = net.apply(self._make(vector.tolist(), vector.tobytes()), *edges)
        return net.graph((found,) if isinstance(found, Edge) else found)

    def _compile(self, value: Any) -> Maker:
        if isinstance(value, pg.hyper.ManyOf) or (isinstance(value, pg.hyper.Choices) and value.num_choices > 1):
            return self._compile_many(value)
        if isinstance(value, pg.hyper.OneOf):
            return self._compile_one(value)
        if isinstance(value, pg.hyper.Float):
            slot = self._next
            self._next += 1
            return lambda choices, _: choices[slot]
        if isinstance(value, pg.hyper.HyperValue):
            raise SpaceError(f"{type(value).__name__} has no place in a network", expected="oneof, manyof or a float choice")
        start = self._next
        if isinstance(value, Operation):
            fields = {str(k): self._compile(v) for k, v in value.sym_items()}
            return self._kept(value, fields, start)
        if isinstance(value, list):
            makers = [self._compile(value.sym_getattr(i) if isinstance(value, pg.List) else v) for i, v in enumerate(value)]
            return lambda choices, key: [make(choices, key) for make in makers]
        if isinstance(value, dict):
            entries = {k: self._compile(v) for k, v in (value.sym_items() if isinstance(value, pg.Dict) else value.items())}
            return lambda choices, key: {k: make(choices, key) for k, make in entries.items()}
        if isinstance(value, pg.Object):  # a part of an operation, such as a step of a block
            entries = {str(k): self._compile(v) for k, v in value.sym_items()}
            if self._next == start:
                whole = types.SimpleNamespace(**{k: make([], b"") for k, make in entries.items()})
                return lambda *_: whole
            return lambda choices, key: types.SimpleNamespace(**{k: make(choices, key) for k, make in entries.items()})
        return lambda *_: value

    def _kept(self, value: Operation, fields: dict[str, Maker], start: int) -> Maker:
        make_plain, end = type(value).concrete, self._next
        if start == end:
            constant = make_plain(**{k: make([], b"") for k, make in fields.items()})
            return lambda *_: constant
        if _variants_between(self._slots, start, end) > _REUSED:
            return lambda choices, key: make_plain(**{k: make(choices, key) for k, make in fields.items()})
        kept: dict[bytes, Any] = {}

        def make_or_reuse(choices: list[Any], key: bytes) -> Any:
            own = key[start * 8 : end * 8]  # this operation's decisions: its slots are contiguous, 8 bytes each
            if own not in kept:
                kept[own] = make_plain(**{k: make(choices, key) for k, make in fields.items()})
            return kept[own]

        return make_or_reuse

    def _compile_one(self, value: Any) -> Maker:
        slot = self._next
        self._next += 1
        makers = [self._compile(value.candidates.sym_getattr(i)) for i in range(len(value.candidates))]
        return lambda choices, key: makers[int(choices[slot])](choices, key)

    def _compile_many(self, value: Any) -> Maker:
        places: list[tuple[int, list[Maker]]] = []
        for _ in range(value.num_choices):
            slot = self._next
            self._next += 1
            places.append((slot, [self._compile(value.candidates.sym_getattr(i)) for i in range(len(value.candidates))]))
        return lambda choices, key: [makers[int(choices[slot])](choices, key) for slot, makers in places]


def _variants_between(slots: Any, start: int, end: int) -> int:
    """An upper bound on the number of combinations of the slots from `start` up to `end`."""
    product = 1
    for slot in slots[start:end]:
        product *= max(slot.options, 1) if slot.kind == "choice" else _REUSED + 1
        if product > _REUSED:
            break
    return product


def variants(value: Any) -> Iterator[Any]:
    """Every concrete form of a value with open choices, in order."""
    if isinstance(value, pg.hyper.OneOf):
        for i in range(len(value.candidates)):
            yield from variants(value.candidates.sym_getattr(i))
    elif isinstance(value, pg.hyper.Choices):
        options = [list(variants(value.candidates.sym_getattr(i))) for i in range(len(value.candidates))]
        for picked in itertools.product(range(len(options)), repeat=value.num_choices):
            repeats = len(set(picked)) < len(picked)
            disordered = list(picked) != sorted(picked)
            if (value.choices_distinct and repeats) or (value.choices_sorted and disordered):
                continue
            for combination in itertools.product(*(options[i] for i in picked)):
                yield list(combination)
    elif isinstance(value, pg.hyper.Float):
        yield from (value.min_value, value.max_value)  # shapes never depend on a float; both ends show that rules accept it
    elif isinstance(value, Operation):
        names = [str(k) for k, _ in value.sym_items()]
        for combination in itertools.product(*(list(variants(v)) for _, v in value.sym_items())):
            yield type(value).concrete(**dict(zip(names, combination, strict=True)))
    elif isinstance(value, list):
        values = [value.sym_getattr(i) if isinstance(value, pg.List) else v for i, v in enumerate(value)]
        for combination in itertools.product(*(list(variants(v)) for v in values)):
            yield list(combination)
    else:
        yield value
