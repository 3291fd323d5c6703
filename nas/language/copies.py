"""What is the same in a space: the answer of `nas.language.duplicates`, and how it is found in a space that can be listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nas.language.program import INACTIVE, Program

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class DeadDecision:
    """A decision that never makes a difference, with all that hangs below it. `compared`: how often that was seen."""

    name: str
    compared: int


@dataclasses.dataclass(frozen=True)
class SameOptions:
    """Two options of a decision that always lead to the same networks. `compared`: how often that was seen."""

    name: str
    options: tuple[Any, Any]
    compared: int


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """What is the same in a space.

    Attributes:
        points: how many points there are.
        share: of them that are distinct networks: at least and at most.
        distinct: how many distinct networks there are, exactly; None where it is estimated.
        drawn: points drawn for the estimate; 0: all points were listed.
        dead: decisions that never matter, outermost ones.
        same: options that are the same.
    """

    points: int
    share: tuple[float, float]
    distinct: int | None
    drawn: int
    dead: tuple[DeadDecision, ...]
    same: tuple[SameOptions, ...]

    @property
    def exact(self) -> bool:
        return self.distinct is not None


class KeySource(NamedTuple):
    """What tells points of a space apart.

    Attributes:
        of: (n, width) points -> n keys, hashable.
        rough: the same faster: keys that are equal where those are, and now and then where those are not.
        slow: how much slower than in batches.
        work: how much has been done so far; time goes with it.
    """

    of: Callable[[np.ndarray], list]
    rough: Callable[[np.ndarray], list] | None = None
    slow: int = 1
    work: Callable[[], int] = lambda: 0


class Names:
    """What decisions and options are called."""

    def __init__(self, space: SearchSpace):
        self._genome, self._slots = space.plain_genome, space.genome.slots

    def decision(self, slot: int) -> str:
        """Of a decision, by its first slot."""
        name = self._genome.name(slot)
        return name.removesuffix("[0]") if len(self._slots[slot].group) > 1 else name

    def options(self, slot: int, a: int, b: int) -> tuple[Any, Any]:
        """Of two of its options."""
        return self._genome.label(slot, a), self._genome.label(slot, b)


def outermost(dead: Sequence[int], program: Program) -> list[int]:
    """Without those that hang below another one."""
    ends = {slot: program.slots[program.slots[slot].group[-1]].end for slot in dead}
    return [slot for slot in dead if not any(other < slot < end for other, end in ends.items())]


class Listing:
    """All points of a space with their keys."""

    def __init__(self, space: SearchSpace, keys: KeySource):
        self._program, self._names = space.genome.program, Names(space)
        self._points = np.array([space.genome.unrank(i) for i in range(self._program.points)]).reshape(-1, self._program.width)
        _, self._keys = np.unique(np.array(keys.of(self._points)), return_inverse=True)
        rng = np.random.default_rng(0)
        self._weights = rng.integers(1 << 62, size=self._program.width).astype(np.uint64)

    def found(self) -> Duplicates:
        """What is the same."""
        distinct = int(self._keys.max()) + 1
        dead: dict[int, int] = {}
        same: list[SameOptions] = []
        for i, slot in enumerate(self._program.slots):
            if slot.group[0] != i:
                continue
            ends = self._program.slots[slot.group[-1]].end
            active = np.flatnonzero(self._points[:, i] != INACTIVE)
            others, group = self._outside(active, i, ends)
            keys = self._keys[active]
            if np.bincount(group).max(initial=0) > 1 and len(np.unique(np.stack([group, keys]), axis=1).T) == others:
                dead[i] = active.size - others
            elif len(slot.group) == 1:
                same += self._same(i, self._points[active, i], group, keys)
        outer = outermost(list(dead), self._program)
        inside = [name for slot in outer for name in self._below(slot)]
        return Duplicates(
            self._program.points,
            (distinct / self._program.points,) * 2,
            distinct,
            0,
            tuple(DeadDecision(self._names.decision(slot), dead[slot]) for slot in outer),
            tuple(each for each in same if each.name not in inside),
        )

    def _outside(self, active: np.ndarray, start: int, end: int) -> tuple[int, np.ndarray]:
        """How many ways there are to decide everything else, and which of them each active point has."""
        rest = self._points[active].astype(np.uint64)
        rest[:, start:end] = 0
        ways, group = np.unique(rest @ self._weights, return_inverse=True)
        return len(ways), group

    def _same(self, slot: int, options: np.ndarray, group: np.ndarray, keys: np.ndarray) -> Iterator[SameOptions]:
        """Pairs of options that, with everything else equal, lead to the same set of networks."""
        rows = np.unique(np.stack([group, options, keys]), axis=1)
        mixed = np.random.default_rng(1).integers(1 << 62, size=int(self._keys.max()) + 1).astype(np.uint64)
        count = self._program.slots[slot].options
        sets = np.zeros((int(group.max(initial=-1)) + 1, count), dtype=np.uint64)
        np.add.at(sets, (rows[0], rows[1]), mixed[rows[2]])
        for b in range(count):
            for a in range(b):
                both = (sets[:, a] != 0) & (sets[:, b] != 0)
                if both.any() and (sets[both, a] == sets[both, b]).all():
                    yield SameOptions(self._names.decision(slot), self._names.options(slot, a, b), int(both.sum()))
                    break  # b is the same as a, and so as all that a is the same as

    def _below(self, slot: int) -> list[str]:
        end = self._program.slots[self._program.slots[slot].group[-1]].end
        return [self._names.decision(i) for i in range(slot, end)]
