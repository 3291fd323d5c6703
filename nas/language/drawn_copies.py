"""Copies in a space that is too large to be listed: estimates from points drawn uniformly, and those one step away from them.

A decision or an option that has made no difference there is asked about once more at points in which rare options are frequent,
so that what matters in one network of a million is not taken for dead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.language.copies import DeadDecision, Duplicates, KeySource, Names, SameOptions, outermost
from nas.language.intervals import clopper_pearson
from nas.language.moves import Moves, Step, draw_evenly
from nas.language.program import INACTIVE

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

COMPARED = 20_000  # points that are compared with drawn ones otherwise
FEW = 4  # steps that are looked at before the others: one that shows a copy is enough
SECOND = 8  # points, at least, that are drawn after the first one, which tells what need not be asked of them
ELSEWHERE = 64  # points at which what has made no difference is tried once more
WORK = 2_000_000  # `Keys.work` that is spent, about a second: of large networks, fewer points are compared
DRAWN = 1_000  # at most
SEEN = 5  # comparisons, at least, before a decision or an option is called a copy without having seen all points


class Drawing:
    """Points of a space with those one step away."""

    def __init__(self, space: SearchSpace, keys: KeySource, seed: int):
        self._space, self._program, self._names = space, space.genome.program, Names(space)
        self._keys = keys
        self._moves = Moves(self._program)
        self._rng = np.random.default_rng(seed)
        self._compared = 0
        self._alike: Counter[int] = Counter()  # decision -> how often it made no difference
        self._matters: set[int] = set()  # decisions that did
        self._equal: Counter[tuple[int, int, int]] = Counter()  # (decision, option, option) -> how often they were the same
        self._differ: set[tuple[int, int, int]] = set()
        self._hits: Counter[int] = Counter()  # decision -> how often it showed that a point is not the first

    def found(self) -> Duplicates:
        """What is the same, as far as can be seen."""
        drawn = firsts = 0
        while drawn < DRAWN and (left := self._left()) > 0:
            batch = max(int(drawn * left / (1 - left)), SECOND) if drawn and self._keys.slow == 1 else 1
            points = self._space.genome.sample(self._rng, min(batch, DRAWN - drawn))
            firsts += self._count_firsts(points)
            drawn += len(points)
        self._look_elsewhere()
        dead = outermost([i for i in sorted(self._alike) if self._alike[i] >= SEEN and i not in self._matters], self._program)
        hidden = {i for slot in dead for i in range(slot, self._program.slots[self._program.slots[slot].group[-1]].end)}
        same: dict[tuple[int, int], SameOptions] = {}
        for (slot, a, b), seen in sorted(self._equal.items()):
            if seen >= SEEN and (slot, a, b) not in self._differ and slot not in hidden:
                same.setdefault((slot, b), SameOptions(self._names.decision(slot), self._names.options(slot, a, b), seen))
        return Duplicates(
            self._program.points,
            clopper_pearson(firsts, drawn),
            None,
            drawn,
            tuple(DeadDecision(self._names.decision(i), self._alike[i]) for i in dead),
            tuple(same.values()),
        )

    def _left(self) -> float:
        """Which share of what may be spent is left."""
        return 1 - max(self._compared * self._keys.slow / COMPARED, self._keys.work() / WORK)

    def _look_elsewhere(self) -> None:
        """Asks what has made no difference so far at points in which rare options are frequent."""
        count = ELSEWHERE // max(self._keys.slow, 1 if self._left() > 0 else 4)
        points = self._program.vectors([draw_evenly(self._program, self._rng) for _ in range(count)])
        for some in np.split(points, [FEW]):
            steps = [[step for step in self._moves.steps(point) if self._is_suspect(step)] for point in some]
            for _, kept, equal in self._compare(_Drawn(some, self._keys), steps):
                self._learn(kept, equal)

    def _is_suspect(self, step: Step) -> bool:
        """Whether it would be told as making no difference."""
        decision = self._alike[step.slot] and step.slot not in self._matters
        return bool(decision or (self._equal[_pair(step)] and _pair(step) not in self._differ))

    def _count_firsts(self, points: np.ndarray) -> int:
        """How many of the points are the first of their kind, as far as can be seen."""
        drawn = _Drawn(points, self._keys)
        texts = [tuple(self._program.values(point)) for point in points]
        waiting = [self._steps(point) for point in points]
        firsts = set(range(len(points)))
        few = FEW
        while any(waiting):
            taken = [steps[: self._open_ones(steps) + few] for steps in waiting]
            waiting = [steps[len(now) :] for steps, now in zip(waiting, taken, strict=True)]
            for k, steps, equal in self._compare(drawn, taken):
                self._learn(steps, equal)
                hits = [step.slot for step, same in zip(steps, equal, strict=True) if same and step.point < texts[k]]
                self._hits.update(hits)
                if hits:
                    firsts.discard(k)
            waiting = [steps if k in firsts else [] for k, steps in enumerate(waiting)]
            few = FEW if self._keys.slow > 1 else len(self._program.slots) ** 2
        swaps: list[list[Step]] = [[] for _ in points]
        for k in firsts:
            swaps[k] = [Step(-1, -1, -1, point) for point in self._moves.exchanges(points[k]) if point < texts[k]]
        return len(firsts) - sum(any(equal) for _, _, equal in self._compare(drawn, swaps))

    def _steps(self, point: np.ndarray) -> list[Step]:
        """The steps that can tell something: of what is not known to matter first, then those to earlier points."""
        here = tuple(self._program.values(point))
        steps = self._moves.steps(point)
        earlier = [step for step in steps if step.point < here and not self._is_open(step)]
        return [step for step in steps if self._is_open(step)] + sorted(earlier, key=lambda step: -self._hits[step.slot])

    def _is_open(self, step: Step) -> bool:
        """Whether it is not known yet that the decision, or the two options, make a difference."""
        return step.slot not in self._matters or (step.before != INACTIVE and _pair(step) not in self._differ)

    def _open_ones(self, steps: list[Step]) -> int:
        """How many steps there are before the first one that is not open."""
        return next((i for i, step in enumerate(steps) if not self._is_open(step)), len(steps))

    def _learn(self, steps: list[Step], equal: list[bool]) -> None:
        """Takes note of which steps have made a difference, all from one point."""
        alike: dict[tuple[int, int, int], bool] = {}
        for step, same in zip(steps, equal, strict=True):
            alike[_pair(step)] = alike.get(_pair(step), False) or same
            if not same:
                self._matters.add(step.slot)
        self._alike.update({step.slot for step in steps} - self._matters)
        for pair, same in alike.items():
            if pair[1] != INACTIVE:
                self._equal[pair] += same
                if not same:
                    self._differ.add(pair)

    def _compare(self, drawn: _Drawn, wanted: Sequence[list[Step]]) -> Iterator[tuple[int, list[Step], list[bool]]]:
        """For each drawn point, the steps that lead to points of the space, and whether the network there is the same."""
        kept = [self._allowed(steps) for steps in wanted]
        self._compared += sum(map(len, kept)) + len(kept)
        owners = [k for k, steps in enumerate(kept) for _ in steps]
        if not owners:
            return
        equal = drawn.is_same(owners, self._program.vectors([list(step.point) for steps in kept for step in steps]))
        at = 0
        for k, steps in enumerate(kept):
            if steps:
                yield k, steps, equal[at : at + len(steps)]
            at += len(steps)

    def _allowed(self, steps: list[Step]) -> list[Step]:
        """Those that no rule between decisions forbids."""
        rules = self._program.rules
        if rules is None or not steps:
            return steps
        meets = rules.meets(self._program.vectors([list(step.point) for step in steps]))
        return [step for step, fine in zip(steps, meets, strict=True) if fine]


class _Drawn:
    """Points with their keys, so far as these have been asked for."""

    def __init__(self, points: np.ndarray, keys: KeySource):
        self.points, self._keys = points, keys
        self._rough: dict[int, Any] = {}
        self._exact: dict[int, Any] = {}

    def is_same(self, owners: Sequence[int], others: np.ndarray) -> list[bool]:
        """For each of other points, whether its network is that of point number `owners[i]`."""
        if self._keys.rough is None:
            return self._has_key_of(owners, others, self._keys.of, self._exact)
        equal = self._has_key_of(owners, others, self._keys.rough, self._rough)
        alike = [i for i, same in enumerate(equal) if same]
        if alike:
            exact = self._has_key_of([owners[i] for i in alike], others[alike], self._keys.of, self._exact)
            for i, same in zip(alike, exact, strict=True):
                equal[i] = same
        return equal

    def _has_key_of(
        self, owners: Sequence[int], others: np.ndarray, keys: Callable[[np.ndarray], list], known: dict[int, Any]
    ) -> list[bool]:
        missing = [k for k in dict.fromkeys(owners) if k not in known]
        found = keys(np.concatenate([self.points[missing], others]))
        known.update(zip(missing, found, strict=False))
        return [known[k] == key for k, key in zip(owners, found[len(missing) :], strict=True)]


def _pair(step: Step) -> tuple[int, int, int]:
    """A decision and two of its options, the earlier one first."""
    return step.slot, min(step.before, step.after), max(step.before, step.after)
