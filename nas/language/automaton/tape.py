"""Which of many networks are the same, told by colours that are refined on all of them at once.

A tape holds the operations of many networks, each after those it reads; an operation stands on it once for all networks that
have it. Colours are refined as in `nas.language.fingerprint`:

- upward: an operation's hash is made of what it is and of the hashes that it reads. Sums are hashed as sums of their terms,
  inner sums included, so that nesting and order do not show;
- downward: its context is made of who reads it. Operations with weights are not alike because they look alike; which of them
  reads what is told by hashes and contexts together.

Where no two operations with weights look alike, the outputs' hashes say it all and are the key. Otherwise it is, after two
rounds each way, a hash of the outputs and of the multiset of operations with weights, contexts included. Equal fingerprints
always give equal keys. The converse can fail, but only where six or more equal operations with weights are connected so
regularly that refinement cannot tell two ways apart (fingerprint.py goes on there); searchable networks have none.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np

ROUNDS = 2
ENTRY = 300  # an array operation takes this long for nothing, in elements
NOWHERE = 0  # the vertex of zeros, which no operation makes

ORDERED, COMMUTATIVE, SUM = 0, 1, 2  # kinds of operations


@dataclasses.dataclass
class _Entry:
    """One operation on the tape, for the points that have it.

    Attributes:
        kind: how it reads.
        label: (points,) what it is.
        apart: (points,) whether it has weights or randomness of its own.
        at: (points,) its places in the colours.
        reads: for each input, (points,) its places in the colours.
    """

    kind: int
    label: np.ndarray
    apart: np.ndarray
    at: np.ndarray
    reads: list[np.ndarray]


class Tape:
    """Operations of many networks, each after those it reads. Vertices are numbers, one for each operation and point.

    Args:
        points: how many networks.

    Attributes:
        work: what it takes, in operations of one network; time goes with it. What an operation takes whose networks are
            few is as much as `ENTRY` of them.
    """

    def __init__(self, points: int):
        self._points = points
        self._vertices = 1  # the first one is NOWHERE
        self.work = 0
        self._entries: list[_Entry] = []

    def vertex(self, rows: np.ndarray) -> np.ndarray:
        """A new vertex, for each of the points `rows`."""
        self._vertices += 1
        return np.full(rows.size, self._vertices - 1)

    def add(self, kind: int, label: np.ndarray, apart: np.ndarray, rows: np.ndarray, reads: Sequence[np.ndarray]) -> np.ndarray:
        """One more operation, for the points `rows`; its vertex."""
        made = self.vertex(rows)
        self.work += rows.size + ENTRY
        places = [vertices * self._points + rows for vertices in (made, *reads)]
        self._entries.append(_Entry(kind, label, apart, places[0], places[1:]))
        return made

    def keys(self, outputs: Sequence[np.ndarray], inputs: int, rough: bool = False) -> np.ndarray:
        """The key of each network, given the vertices of its outputs. `rough`: only the hash of the outputs."""
        size = self._vertices * self._points
        rows = np.arange(self._points)
        ends = [vertices * self._points + rows for vertices in outputs]
        contexts = np.zeros(size, dtype=np.uint64)
        hashes, terms = self._upward(contexts, inputs)
        plain = self._of_outputs(hashes, ends)
        if rough:
            return plain
        tied = self._tied(hashes, ends)
        if not tied.any():
            return plain
        for again in range(ROUNDS):
            if again:
                hashes, terms = self._upward(contexts, inputs)
            contexts = self._downward(hashes, terms, ends)
        key = self._of_outputs(hashes, ends)
        for entry in self._entries:
            here = entry.at[entry.apart]
            here = here[contexts[here] != 0]  # what no output needs has no context
            key[here % self._points] += _mixed(hashes[here] ^ _mixed(contexts[here]))
        return np.where(tied, np.maximum(_mixed(key), np.uint64(1)), plain)

    def _of_outputs(self, hashes: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
        key = np.zeros(self._points, dtype=np.uint64)
        for end in ends:
            key = _mixed(key * _PORT + hashes[end])
        return np.maximum(key, np.uint64(1))

    def _tied(self, hashes: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
        """In which networks two operations with weights, that outputs need, have the same hash."""
        live = np.zeros(hashes.size, dtype=bool)
        for end in ends:
            live[end] = True
        for entry in reversed(self._entries):
            needed = live[entry.at]
            for read in entry.reads:
                live[read] |= needed
        apart = [entry.at[entry.apart] for entry in self._entries]
        places = np.concatenate([at[live[at]] for at in apart]) if apart else np.zeros(0, dtype=np.int64)
        rows, own = places % self._points, hashes[places]
        order = np.lexsort((own, rows))
        rows, own = rows[order], own[order]
        tied = np.zeros(self._points, dtype=bool)
        tied[rows[1:][(rows[1:] == rows[:-1]) & (own[1:] == own[:-1])]] = True
        return tied

    def _upward(self, contexts: np.ndarray, inputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of all vertices; the label of each sum, 0 elsewhere."""
        hashes, terms, sums = (np.zeros(contexts.size, dtype=np.uint64) for _ in range(3))
        for i in range(inputs + 1):
            hashes[i * self._points : (i + 1) * self._points] = label_of(f"input {i}")
        for entry in self._entries:
            if entry.kind == ORDERED:
                found = entry.label
                for read in entry.reads:
                    found = _mixed(found * _PORT + hashes[read])
            else:
                found = np.zeros(entry.at.size, dtype=np.uint64)
                for read in entry.reads:
                    one = _mixed(hashes[read])
                    found = found + (np.where(terms[read] == entry.label, sums[read], one) if entry.kind == SUM else one)
                if entry.kind == SUM:
                    sums[entry.at], terms[entry.at] = found, entry.label
                found = _mixed(entry.label ^ _mixed(found))
            hashes[entry.at] = np.where(entry.apart, _mixed(found ^ contexts[entry.at]), found)
        return hashes, terms

    def _downward(self, hashes: np.ndarray, terms: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
        """Contexts of all vertices. Linear in what is above, so that equal operations without weights count as one."""
        contexts, passed = np.zeros_like(hashes), np.zeros_like(hashes)
        for i, end in enumerate(ends):
            contexts[end] += np.uint64(label_of(f"output {i}"))
        for entry in reversed(self._entries):
            weight = contexts[entry.at] * (_mixed(hashes[entry.at] ^ _PORT) | np.uint64(1))
            if entry.kind == SUM:  # what an inner sum adds is read by the outer one
                weight += passed[entry.at]
            for read in entry.reads:
                if entry.kind == SUM:
                    inner = terms[read] == entry.label
                    passed[read] += np.where(inner, weight, np.uint64(0))
                    contexts[read] += np.where(inner, np.uint64(0), weight)
                else:
                    contexts[read] += weight
                    if entry.kind == ORDERED:
                        weight = weight * _PORT
        return contexts


_PORT = np.uint64(0x9E3779B97F4A7C15)
_SHIFTS = np.array([30, 27, 31], dtype=np.uint64)
_FACTORS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit numbers without structure (the finalizer of SplitMix64; Steele et al. 2014)."""
    mixed = numbers >> _SHIFTS[0]
    mixed ^= numbers
    mixed *= _FACTORS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed


@functools.cache
def label_of(text: str) -> int:
    """A number that stands for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") | 1
