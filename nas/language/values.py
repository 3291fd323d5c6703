"""From points to PyGlove values, and to what tells values apart.

`Values` reads a hyper value once. A point then becomes its value ten times faster than by `pg.materialize`, which walks and
copies all of the hyper value each time, keeps state on it meanwhile (one wrong decode in 405 with threads), and takes 60 ms for
50 decisions. What is built here is compared once with what PyGlove makes.

It also gives each point a key: plain JSON, equal exactly for points whose values are equal. Two candidates that are the same,
or a value that can be decided in two ways, have one key. What a builder ignores only the user can know: `canonical` is a
function from a value to what identifies its network, and its result is the key then.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyglove as pg

from nas.errors import SpaceError
from nas.language.genome import Genome
from nas.language.parts import Part, Reader, Struct

PROBES = 3  # points whose values are compared with PyGlove's


class Values:
    """The values of one space.

    Args:
        hyper: the hyper value.
        genome: its genome.
        canonical: from a value to its key.

    Attributes:
        root: the hyper value taken apart.
    """

    def __init__(self, hyper: Any, genome: Genome, canonical: Callable[[Any], Any] | None = None):
        self._hyper, self._genome, self._canonical = hyper, genome, canonical
        self._lock = threading.Lock()
        reader = Reader()
        self.root = reader.read(hyper)
        assert reader.slots == genome.width, "PyGlove walks the value in another order"

    def value(self, vector: np.ndarray) -> Any:
        """The value of a point, a new one each time."""
        return self.root.value(vector.tolist()) if self._is_direct else self._by_pyglove(vector)

    def key(self, vector: np.ndarray) -> Any:
        """Plain JSON; equal for points with equal values, or with equal canonical keys where the user says what these are.

        Raises:
            SpaceError: `canonical` returns what has no text that is the same in each process.
        """
        return self.root.key(vector.tolist()) if self._canonical is None else self._canonical_key(self.value(vector))

    def keys(self, vectors: np.ndarray) -> list[str]:
        """The keys of many points as text. Where they are near each other, each value is made of the one before."""
        if self._canonical is None:
            return [json.dumps(self.root.key(options), sort_keys=True) for options in vectors.tolist()]
        found: list[str] = []
        value, before = None, None
        for vector in vectors:
            options = vector.tolist()
            if value is None or not self._is_direct or not self._change(value, before, options):
                value = self.value(vector)
            found.append(json.dumps(self._canonical_key(value), sort_keys=True))
            before = options
        return found

    def _change(self, value: Any, before: Any, options: Sequence[Any]) -> bool:
        """Makes the value of one point into that of another, where that can be done in place."""
        if not isinstance(self.root, Struct):
            return False
        changed = {path: part.value(options) for path, part, slots in self._outer if before[slots] != options[slots]}
        try:
            value.rebind(changed, raise_on_no_change=False)
        except (TypeError, ValueError, KeyError, pg.WritePermissionError):  # sealed, or with a mind of its own
            return False
        return True

    @functools.cached_property
    def _outer(self) -> list[tuple[str, Part, slice]]:
        """The outermost choices and numbers: where they stand in the value, and their slots."""
        found = list(self.root.outer(""))
        starts = [part.start for _, part in found] + [self._genome.width]
        return [(path, part, slice(a, b)) for (path, part), a, b in zip(found, starts[:-1], starts[1:], strict=True)]

    def _canonical_key(self, value: Any) -> Any:
        assert self._canonical is not None
        found = self._canonical(value)
        try:
            return json.loads(json.dumps(found, sort_keys=True))
        except (TypeError, ValueError) as error:
            raise SpaceError(
                f"it returned {type(found).__name__}, which is not plain JSON ({error})",
                path="canonical",
                received=found,
                expected="numbers, texts, lists or mappings of these",
            ) from None

    @functools.cached_property
    def _is_direct(self) -> bool:
        """Whether building the value here gives what PyGlove gives, tried on a few points."""
        for vector in self._genome.sample(np.random.default_rng(0), PROBES):
            try:
                if not pg.eq(self.root.value(vector.tolist()), self._by_pyglove(vector)):
                    return False
            except (TypeError, ValueError, KeyError):  # classes with constructors of their own
                return False
        return True

    def _by_pyglove(self, vector: np.ndarray) -> Any:
        with self._lock:
            return pg.materialize(self._hyper, self._genome.to_dna(vector))
