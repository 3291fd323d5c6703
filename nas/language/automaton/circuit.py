"""Circuits: very many points of a space, written down once and folded over in one pass.

A circuit describes a set of points as a directed acyclic graph. A *sum* node is a list of branches, of which each point takes
one: a branch decides some slots, buys a bundle of operations and goes on at a child. A *product* node is two children that
decide different slots, of which each point takes both. The sets below two branches of one sum have no point in common, so
that

- the number of points is a sum of products of whole numbers, whatever their size;
- the cheapest point is a minimum of sums, and so on: anything that distributes is one pass over the nodes.

That is a deterministic, decomposable circuit (d-DNNF; Darwiche & Marquis 2002, "A knowledge compilation map"), or, if one
prefers, a tree automaton with weights whose states are the nodes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from nas.language.automaton.forms import Assignment

TRUE = 0
"""The node of the one point that decides nothing."""


class Branch(NamedTuple):
    """One way through a sum node: what it decides, the bundle of operations it buys (0: none), where it goes on."""

    assignment: Assignment
    bundle: int
    child: int


class Product(NamedTuple):
    """Two nodes that decide different slots."""

    left: int
    right: int


Node: TypeAlias = "tuple[Branch, ...] | Product"


class Circuit:
    """Nodes that a root needs, each after its children. Immutable once made.

    Attributes:
        nodes: sums (tuples of branches) and products. The last one is the root; node 0 is `TRUE`. A sum without branches is
            the empty set.
        bundles: bundle -> the operations in it, as numbers that `Library` gave, one for each time.
    """

    def __init__(self, nodes: Sequence[Node], bundles: Sequence[tuple[int, ...]]):
        self.nodes = nodes
        self.bundles = bundles

    @functools.cached_property
    def _bought(self) -> tuple[np.ndarray, np.ndarray]:
        """The operations of all bundles in one array, and where each bundle begins, with an end."""
        begins = np.cumsum([0, *map(len, self.bundles)])
        return np.fromiter(itertools.chain.from_iterable(self.bundles), np.int64, int(begins[-1])), begins

    def prices(self, each: Sequence[int]) -> list[int]:
        """What each bundle costs, given what each operation costs, at least 0. Exact, however large the numbers are."""
        bought, begins = self._bought
        small = max(each, default=0) * bought.size < 2**63
        sums = np.zeros(bought.size + 1, dtype=np.int64 if small else object)
        np.cumsum(np.array(each, dtype=sums.dtype)[bought], out=sums[1:])
        return np.diff(sums[begins]).tolist()

    def count(self) -> int:
        """How many points there are, exactly."""
        return self.counts()[-1]

    def counts(self, fixed: Mapping[int, int] | None = None) -> list[int]:
        """How many points each node has; with `fixed`, those that do not decide a fixed slot otherwise."""
        counts: list[int] = []
        for node in self.nodes:
            if isinstance(node, Product):
                counts.append(counts[node.left] * counts[node.right])
            elif not fixed:
                counts.append(sum(counts[branch.child] if branch.child else 1 for branch in node))
            else:
                agreeing = (b for b in node if all(fixed.get(slot, option) == option for slot, option in b.assignment))
                counts.append(sum(counts[branch.child] if branch.child else 1 for branch in agreeing))
        return counts


class Builder:
    """Makes nodes, equal ones once.

    Attributes:
        work: how much has been done to find them, in rows of tables (`elimination`).
        progress: which part of the work that may be done in all may have been done by now.
    """

    def __init__(self) -> None:
        self.work = 0
        self.progress = 1.0
        self._nodes: list[Node] = [(Branch((), 0, TRUE),)]
        self._known: dict[Node, int] = {self._nodes[TRUE]: TRUE}
        self._bundles: dict[tuple[int, ...], int] = {(): 0}
        self._bundle_list: list[tuple[int, ...]] = [()]
        self._free: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def bundle(self, operations: Iterable[int]) -> int:
        """The number of a multiset of operations."""
        key = tuple(sorted(operations))
        if key not in self._bundles:
            self._bundles[key] = len(self._bundle_list)
            self._bundle_list.append(key)
        return self._bundles[key]

    def sum(self, branches: Iterable[Branch]) -> int:
        """One of the branches, no two of which share a point."""
        found = tuple(map(self._shortened, branches))
        if len(found) == 1 and not found[0].assignment and not found[0].bundle:
            return found[0].child
        return self._node(found)

    def product(self, left: int, right: int) -> int:
        """Both nodes."""
        for first, second in ((left, right), (right, left)):
            if first == TRUE:
                return second
            node = self._nodes[first]
            if not isinstance(node, Product) and len(node) == 1 and node[0].child == TRUE:
                return self.sum([node[0]._replace(child=second)])
        return self._node(Product(min(left, right), max(left, right)))

    def free(self, number: int) -> int:
        """The same points, at no cost."""
        if number not in self._free:
            node = self._nodes[number]
            if isinstance(node, Product):
                self._free[number] = self.product(self.free(node.left), self.free(node.right))
            else:
                self._free[number] = self.sum(Branch(b.assignment, 0, self.free(b.child) if b.child else TRUE) for b in node)
        return self._free[number]

    def circuit(self, root: int | None) -> Circuit:
        """The nodes that `root` needs; None: the empty set."""
        if root is None:
            return Circuit([self._nodes[TRUE], ()], self._bundle_list)
        needed = {TRUE, root}
        for number in range(root, 0, -1):
            if number in needed:
                node = self._nodes[number]
                needed.update(node if isinstance(node, Product) else (branch.child for branch in node))
        place = {number: i for i, number in enumerate(sorted(needed))}
        nodes: list[Node] = []
        for number in place:
            node = self._nodes[number]
            if isinstance(node, Product):
                nodes.append(Product(place[node.left], place[node.right]))
            else:
                nodes.append(tuple(branch._replace(child=place[branch.child]) for branch in node))
        return Circuit(nodes, self._bundle_list)

    def _shortened(self, branch: Branch) -> Branch:
        """A branch that goes on at a node with one branch, as one."""
        node = self._nodes[branch.child]
        if branch.child == TRUE or isinstance(node, Product) or len(node) > 1:
            return branch
        (after,) = node
        bundle = (
            self.bundle(self._bundle_list[branch.bundle] + self._bundle_list[after.bundle]) if branch.bundle else after.bundle
        )
        return Branch(branch.assignment + after.assignment, bundle, after.child)

    def _node(self, node: Node) -> int:
        if node not in self._known:
            self._known[node] = len(self._nodes)
            self._nodes.append(node)
        return self._known[node]
