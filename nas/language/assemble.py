"""From a hyper value and a vector of decisions to a network: what `pg.materialize` does, thousands of times a second.

`Assembler` walks the hyper value once, beside the genome's slots, and leaves a tree of small functions `maker(choices)`. An
operation whose own subspace is small is made once for each combination of its decisions and then reused: it is a plain,
immutable object that also remembers its shapes and costs. What a tied decision stands for is made where it is read, from the
decision's own slots, which are elsewhere.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyglove as pg

from nas.errors import SpaceError
from nas.language.blocks import Block
from nas.language.graph import Edge, Graph, Net
from nas.language.operation import Operation, Shape
from nas.language.tying import Again, Same, read_in

_REUSED = 4_096  # an operation with at most so many variants is kept; larger ones (whole blocks) rarely repeat

Maker = Callable[[list[Any], bytes], Any]


class _Shared(NamedTuple):
    """What a tied decision stands for, its first slot, and all slots it depends on."""

    make: Maker
    first: int
    slots: set[int]


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
        self._shared: dict[str, _Shared] = {}
        self._elsewhere: set[int] = set()  # slots of tied decisions that are read in what is being compiled
        self._make = self._compile(hyper)
        if self._next != len(slots):
            raise SpaceError(
                f"the hyper value has {self._next} decision points and its DNASpec {len(slots)}",
                hint="Only oneof, manyof and float choices can be used in a network",
            )

    def graph(self, vector: Any, inputs: Mapping[str, Shape] | None = None, net: Net | None = None) -> Graph:
        """The live graph of the decisions in `vector` (one row of the genome).

        Args:
            vector: the decisions.
            inputs: their shapes, where the network is to run on inputs of another size.
            net: what builds it, where it is not to be the live graph.
        """
        net = net or Net()
        edges = [net.input(name, shape) for name, shape in (inputs or self._inputs).items()]
        found = net.apply(self._make(vector.tolist(), vector.tobytes()), *edges)
        return net.graph((found,) if isinstance(found, Edge) else found)

    def _compile(self, value: Any) -> Maker:
        outside, self._elsewhere = self._elsewhere, set()
        make = self._compile_value(value)
        self._elsewhere |= outside
        return make

    def _compile_value(self, value: Any) -> Maker:
        if isinstance(value, Same | Again):
            return self._compile_tied(value)
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
        if isinstance(value, Block) and value.shared:
            return self._compile_network(value, start)
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
            if self._next == start and not self._elsewhere:
                whole = types.SimpleNamespace(**{k: make([], b"") for k, make in entries.items()})
                return lambda *_: whole
            return lambda choices, key: types.SimpleNamespace(**{k: make(choices, key) for k, make in entries.items()})
        return lambda *_: value

    def _kept(self, value: Operation, fields: dict[str, Maker], start: int) -> Maker:
        make_plain, end = type(value).concrete, self._next
        if start == end and not self._elsewhere:
            constant = make_plain(**{k: make([], b"") for k, make in fields.items()})
            return lambda *_: constant
        tied = sorted(self._elsewhere)
        if _variants(self._slots, [*range(start, end), *tied]) > _REUSED:
            return lambda choices, key: make_plain(**{k: make(choices, key) for k, make in fields.items()})
        kept: dict[bytes, Any] = {}

        def make_or_reuse(choices: list[Any], key: bytes) -> Any:
            own = key[start * 8 : end * 8]  # this operation's decisions: its slots are contiguous, 8 bytes each
            for slot in tied:
                own += key[slot * 8 : slot * 8 + 8]
            if own not in kept:
                kept[own] = make_plain(**{k: make(choices, key) for k, make in fields.items()})
            return kept[own]

        return make_or_reuse

    def _compile_network(self, network: Block, start: int) -> Maker:
        fields: dict[str, Maker] = {}
        for key, field in network.sym_items():
            if key == "shared":
                for name, value in field.sym_items():
                    first, self._elsewhere = self._next, set()
                    make = self._compile(value)
                    self._shared[name] = _Shared(make, first, self._elsewhere | set(range(first, self._next)))
            elif key != "rules":
                fields[str(key)] = self._compile(field)
        return self._kept(network, fields, start)

    def _compile_tied(self, value: Any) -> Maker:
        shared = self._shared[value.decision]
        self._elsewhere.update(shared.slots)
        if isinstance(value, Again):
            return shared.make
        options = [self._compile(option) for option in value.options]
        slot = shared.first
        return lambda choices, key: options[int(choices[slot])](choices, key)

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


def _variants(slots: Any, numbers: Iterable[int]) -> int:
    """An upper bound on the number of combinations of some slots."""
    product = 1
    for slot in (slots[number] for number in numbers):
        product *= max(slot.options, 1) if slot.kind == "choice" else _REUSED + 1
        if product > _REUSED:
            break
    return product


def variants(value: Any) -> Iterator[Any]:
    """Every concrete form of a value with open choices, in order. Fields that follow one tied decision agree."""
    tied = read_in(value)
    for picked in itertools.product(*map(range, tied.values())):
        yield from _forms(value, dict(zip(tied, picked, strict=True)))


def _forms(value: Any, tied: Mapping[str, int]) -> Iterator[Any]:
    if isinstance(value, Same):
        yield from _forms(value.options[tied[value.decision]], tied)
    elif isinstance(value, Again):
        yield from variants(value.body.operation)
    elif isinstance(value, pg.hyper.OneOf):
        for i in range(len(value.candidates)):
            yield from _forms(value.candidates.sym_getattr(i), tied)
    elif isinstance(value, pg.hyper.Choices):
        options = [list(_forms(value.candidates.sym_getattr(i), tied)) for i in range(len(value.candidates))]
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
        for combination in itertools.product(*(list(_forms(v, tied)) for _, v in value.sym_items())):
            yield type(value).concrete(**dict(zip(names, combination, strict=True)))
    elif isinstance(value, list):
        values = [value.sym_getattr(i) if isinstance(value, pg.List) else v for i, v in enumerate(value)]
        for combination in itertools.product(*(list(_forms(v, tied)) for v in values)):
            yield list(combination)
    else:
        yield value
