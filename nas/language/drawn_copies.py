"""Copies in a space that is too large to be listed: estimates from points drawn uniformly, and those one step away from them.

A decision or an option that has made no difference there is asked about once more at points in which rare options are frequent,
so that what matters in one network of a million is not taken for dead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.language.copies import DeadDecision, Duplicates, KeySource, Names, SameOptions, outermost
from nas.language.intervals import clopper_pearson
from nas.language.moves import Moves, Step, draw_evenly
from nas.language.program import INACTIVE

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

COMPARED = 20_000  # points that are compared with drawn ones otherwise
FEW = 4  # then, points that are compared before the next are made
BATCH = 16  # points drawn together at first otherwise, then as many as
TOGETHER = 2_000  # comparisons take
ELSEWHERE = 64  # points at which what has made no difference is tried once more
OPERATIONS = 1_500_000  # of the networks that are compared, at most: deep ones take longer
DRAWN = 1_000  # at most
SEEN = 5  # comparisons, at least, before a decision or an option is called a copy without having seen all points


class Drawing:
    """Points of a space with those one step away."""

    def __init__(self, space: SearchSpace, keys: KeySource, seed: int):
        self._space, self._program, self._names = space, space.genome.program, Names(space)
        self._keys, self._slow = keys.of, keys.slow
        self._operations = keys.operations
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
        batch = 1 if self._slow > 1 else BATCH
        while drawn < DRAWN and self._compared < COMPARED // self._slow and self._operations() < OPERATIONS:
            points = self._space.genome.sample(self._rng, batch)
            firsts += self._count_firsts(points)
            drawn += batch
            if self._slow == 1:
                batch = min(max(TOGETHER * drawn // self._compared, BATCH), DRAWN)
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

    def _look_elsewhere(self) -> None:
        """Asks what has made no difference so far at points in which rare options are frequent."""
        points = self._program.vectors([draw_evenly(self._program, self._rng) for _ in range(ELSEWHERE // self._slow)])
        for at in range(0, len(points), BATCH):
            some = points[at : at + BATCH]
            steps = [[step for step in self._moves.steps(point) if self._is_suspect(step)] for point in some]
            if any(steps):
                own = self._keys(some)
                for k, kept, found in self._evaluated(steps):
                    self._learn(kept, [key == own[k] for key in found])

    def _is_suspect(self, step: Step) -> bool:
        """Whether it would be told as making no difference."""
        decision = self._alike[step.slot] and step.slot not in self._matters
        return bool(decision or (self._equal[_pair(step)] and _pair(step) not in self._differ))

    def _count_firsts(self, points: np.ndarray) -> int:
        """How many of the points are the first of their kind, as far as can be seen."""
        own = self._keys(points)
        texts = [tuple(self._program.values(point)) for point in points]
        waiting = [self._steps(point) for point in points]
        firsts = set(range(len(points)))
        while any(waiting):
            taken = [steps[: self._at_once(steps)] for steps in waiting]
            waiting = [steps[len(now) :] for steps, now in zip(waiting, taken, strict=True)]
            for k, steps, found in self._evaluated(taken):
                equal = [key == own[k] for key in found]
                self._learn(steps, equal)
                hits = [step.slot for step, same in zip(steps, equal, strict=True) if same and step.point < texts[k]]
                self._hits.update(hits)
                if hits:
                    firsts.discard(k)
            waiting = [steps if k in firsts else [] for k, steps in enumerate(waiting)]
        left = sorted(firsts)
        swaps = [[Step(-1, -1, -1, p) for p in self._moves.exchanges(points[k]) if p < texts[k]] for k in left]
        for k, _, found in self._evaluated(swaps):
            if own[left[k]] in found:
                firsts.discard(left[k])
        return len(firsts)

    def _steps(self, point: np.ndarray) -> list[Step]:
        """The steps that can tell something: of what is not known to matter first, then those to earlier points."""
        here = tuple(self._program.values(point))
        steps = self._moves.steps(point)
        earlier = [step for step in steps if step.point < here and not self._is_open(step)]
        return [step for step in steps if self._is_open(step)] + sorted(earlier, key=lambda step: -self._hits[step.slot])

    def _is_open(self, step: Step) -> bool:
        """Whether it is not known yet that the decision, or the two options, make a difference."""
        return step.slot not in self._matters or (step.before != INACTIVE and _pair(step) not in self._differ)

    def _at_once(self, steps: list[Step]) -> int:
        """How many steps to look at together: where keys are slow, few, since one that shows a copy is enough."""
        open_ones = next((i for i, step in enumerate(steps) if not self._is_open(step)), len(steps))
        return len(steps) if self._slow == 1 else open_ones or FEW

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

    def _evaluated(self, wanted: Sequence[list[Step]]) -> Iterator[tuple[int, list[Step], list]]:
        """Steps that lead to points of the space, with the keys there, for each list."""
        kept = [self._allowed(steps) for steps in wanted]
        flat = [step.point for steps in kept for step in steps]
        self._compared += len(flat) + len(wanted)
        keys = self._keys(self._program.vectors([list(point) for point in flat])) if flat else []
        at = 0
        for k, steps in enumerate(kept):
            yield k, steps, keys[at : at + len(steps)]
            at += len(steps)

    def _allowed(self, steps: list[Step]) -> list[Step]:
        """Those that no rule between decisions forbids."""
        rules = self._program.rules
        if rules is None or not steps:
            return steps
        meets = rules.meets(self._program.vectors([list(step.point) for step in steps]))
        return [step for step, fine in zip(steps, meets, strict=True) if fine]


def _pair(step: Step) -> tuple[int, int, int]:
    """A decision and two of its options, the earlier one first."""
    return step.slot, min(step.before, step.after), max(step.before, step.after)
