"""What an architecture looks like to a latency model: the operations it runs, and the decisions it came from.

Runtimes differ in what they run. Some drop whatever no output needs (LiteRT, XLA): for those the live graph says what is
executed. Others execute every branch that was written (eager PyTorch): see written.py.

    operations   how often each primitive operation occurs in the live graph
    dead         how often in what was written beside it: branches that no output needs, or that only "none" leads to
    decisions    which decision takes which option: `edge03=nor_conv_3x3`
    options      how often an option is taken by decisions that differ only in their numbers: `edge=nor_conv_3x3` four times
    depth        operations on the longest path from an input to an output

All of it comes from the architecture alone; nothing is built and nothing is particular to a space.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluators.latency_model.operations import OperationFacts, facts_of
from evaluators.latency_model.written import graph_as_written
from nas.language.graph import Graph
from nas.language.operation import KerasCall, Shape

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

KEPT = 100_000  # descriptions remembered: 0.1 GB


@dataclasses.dataclass(frozen=True)
class Described:
    """One architecture, described. Each field but `depth` is (k, 2): numbers in the `Catalogue`, and how often.

    Attributes:
        operations: those of the network.
        dead: those that were written and are not part of it.
        decisions: each with its option, once.
        options: those of all decisions.
        depth: operations on the longest path.
    """

    operations: np.ndarray
    dead: np.ndarray
    decisions: np.ndarray
    options: np.ndarray
    depth: int


class Catalogue:
    """Numbers what occurs in architectures, and describes them by it. It remembers descriptions, so models can share one.

    Attributes:
        operations: facts of each operation, by number; grows as architectures are described.
    """

    def __init__(self) -> None:
        self.operations: list[OperationFacts] = []
        self._calls: dict[tuple[KerasCall, tuple[Shape, ...]], int] = {}
        self._numbers: dict[OperationFacts, int] = {}
        self._names: dict[str, int] = {}
        self._known: dict[tuple[str, bytes], Described] = {}

    def describe(self, architecture: Architecture) -> Described:
        """Raises `SpaceError` where an operation has no cost rule, or the space no graphs."""
        key = architecture.space.whole.digest, architecture.vector.tobytes()
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = self._work_out(architecture)
        return self._known[key]

    def describe_all(self, architectures: Iterable[Architecture]) -> list[Described]:
        """Of several."""
        return [self.describe(architecture) for architecture in architectures]

    def number(self, facts: OperationFacts) -> int:
        """Of an operation, which is added where it is new."""
        if facts not in self._numbers:
            self._numbers[facts] = len(self.operations)
            self.operations.append(facts)
        return self._numbers[facts]

    def _work_out(self, architecture: Architecture) -> Described:
        live, depth = self._count(architecture.network)
        written, _ = self._count(graph_as_written(architecture))
        taken = [(name, repr(value)) for name, value in architecture.decisions.items()]
        decisions = Counter(self._name(f"{name}={value}") for name, value in taken)
        options = Counter(self._name(f"{without_numbers(name)}:{value}") for name, value in taken)
        return Described(_pairs(live), _pairs(written - live), _pairs(decisions), _pairs(options), depth)

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _count(self, graph: Graph) -> tuple[Counter[int], int]:
        """How often each operation occurs, and the longest path."""
        counts: Counter[int] = Counter()
        depth: dict[str, int] = {}
        for name, node in graph.nodes.items():
            depth[name] = 1 + max((depth[source] for source in node.inputs), default=-1)
            if node.call is not None:
                shapes = tuple(graph.nodes[source].shape for source in node.inputs)
                key = node.call, shapes
                if key not in self._calls:
                    self._calls[key] = self.number(facts_of(node.call, shapes, node.shape, node.cost))
                counts[self._calls[key]] += 1
        return counts, max(depth.values())


def without_numbers(name: str) -> str:
    """`level2.enc2[0].filters` -> `level.enc.filters`: decisions that do the same elsewhere in the network."""
    return re.sub(r"\[\d+\]|\d+", "", name)


def matrix(rows: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Pairs of number and count, one array for each row, as (rows, width)."""
    out = np.zeros((len(rows), width))
    at = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    if at.size:
        pairs = np.concatenate(rows)
        out[at, pairs[:, 0]] = pairs[:, 1]
    return out


def _pairs(counts: Mapping[int, int]) -> np.ndarray:
    return np.array(list(counts.items()), dtype=np.int64).reshape(-1, 2)
