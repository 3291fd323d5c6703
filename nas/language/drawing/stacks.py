"""From boxes to stacks: boxes of one resolution that follow each other, in rows and lanes.

A row is a step of the computation, a lane a branch. On the way down, rows are read from top to bottom, on the way up from
bottom to top, so that a stack ends where the next one begins.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from nas.language.drawing.boxes import Box

ROW_GAP = 20.0  # pixels between boxes
_HIGHEST = 720.0  # pixels; a higher stack is continued in a new one beside it


@dataclasses.dataclass
class Stack:
    """Boxes (by index) in succession at one level.

    Attributes:
        level: of resolution, see `Box.level`.
        up: read from bottom to top.
        row, lane: place each box; rows count in the direction of reading, lanes from left to right.
        lift: rows between the stack and the bottom of its band.
        x, right: its left and right edge in pixels.
    """

    level: int
    up: bool = False
    row: dict[int, int] = dataclasses.field(default_factory=dict)
    lane: dict[int, int] = dataclasses.field(default_factory=dict)
    lift: int = 0
    x: float = 0.0
    right: float = 0.0

    @property
    def rows(self) -> int:
        return 1 + max(self.row.values())

    @property
    def lanes(self) -> int:
        return 1 + max(self.lane.values())

    def rows_above_floor(self, box: int) -> int:
        """How many rows of its band lie below a box."""
        return self.lift + (self.row[box] if self.up else self.rows - 1 - self.row[box])

    def is_free(self, box: int, step: int) -> bool:
        """Whether nothing stands above (`step` -1) or below (1) a box in its lane."""
        ahead = -step if self.up else step
        own = self.row[box]
        return not any(self.lane[other] == self.lane[box] and (row - own) * ahead > 0 for other, row in self.row.items())


def make_stacks(boxes: Sequence[Box]) -> list[Stack]:
    """The stacks of a network, in the order in which it is computed."""
    stacks = _split(boxes)
    for k, stack in enumerate(stacks):
        before = stacks[k - 1] if k else None
        stack.up = _goes_up(stacks, k)
        _postpone_branches(stack, before, boxes)
        _assign_lanes(stack, stacks, boxes)
    for k, stack in enumerate(stacks):
        stack.lift = _lift(stack, stacks[k - 1] if k else None, stacks, boxes)
    return stacks


def _split(boxes: Sequence[Box]) -> list[Stack]:
    """Successive boxes of one level; the row is the longest way from the start of the stack."""
    stretches: list[Stack] = []
    for index, box in enumerate(boxes):
        if not stretches or stretches[-1].level != box.level:
            stretches.append(Stack(box.level))
        row = stretches[-1].row
        row[index] = 1 + max((row[s] for s in box.sources if s in row), default=-1)
    return [stack for stretch in stretches for stack in _columns(stretch, boxes)]


def _columns(stretch: Stack, boxes: Sequence[Box]) -> Iterator[Stack]:
    """A long stack in pieces of about equal height, cut where only one tensor passes, if such a place is near."""
    heights = [0.0] * stretch.rows
    for index, row in stretch.row.items():
        heights[row] = max(heights[row], boxes[index].height + ROW_GAP)
    pieces = math.ceil(sum(heights) / _HIGHEST)
    cuts = [0]
    for _ in range(pieces - 1):
        target = sum(heights[cuts[-1] :]) / (pieces + 1 - len(cuts))
        reach = [row for row in range(cuts[-1] + 1, len(heights)) if sum(heights[cuts[-1] : row]) <= 1.5 * target]
        if reach:
            clean = [row for row in reach if len(_passing(stretch, boxes, row)) == 1] or reach
            cuts.append(min(clean, key=lambda row: abs(sum(heights[cuts[-1] : row]) - target)))
    for low, high in zip(cuts, [*cuts[1:], len(heights)], strict=True):
        yield Stack(stretch.level, row={index: row - low for index, row in stretch.row.items() if low <= row < high})


def _passing(stretch: Stack, boxes: Sequence[Box], cut: int) -> set[int]:
    """The boxes of a stack above a row that are read below it."""
    below = (index for index, row in stretch.row.items() if row >= cut)
    return {s for index in below for s in boxes[index].sources if stretch.row.get(s, cut) < cut}


def _goes_up(stacks: Sequence[Stack], k: int) -> bool:
    """A stack is read upward if the network comes from a lower resolution; the first one, if it goes on to a higher one."""
    if k == 0:
        later = [stack.level for stack in stacks if stack.level != stacks[0].level]
        return bool(later) and later[0] < stacks[0].level
    before = stacks[k - 1]
    return before.level > stacks[k].level or (before.level == stacks[k].level and before.up)


def _postpone_branches(stack: Stack, before: Stack | None, boxes: Sequence[Box]) -> None:
    """What begins a branch from far away stands right before the box that reads it, not at the start of the stack."""
    for index in reversed(stack.row):
        near = any(s in stack.row or (before is not None and s in before.row) for s in boxes[index].sources)
        readers = [row for other, row in stack.row.items() if index in boxes[other].sources]
        if readers and boxes[index].sources and not near:
            stack.row[index] = min(readers) - 1


def _assign_lanes(stack: Stack, stacks: Sequence[Stack], boxes: Sequence[Box]) -> None:
    """Each box stands in the lane of the box before it (of several, the nearest), else in the next free lane.

    What only reads a skip connection stands left of the others, where the connection comes from.
    """
    level_of = {index: other.level for other in stacks for index in other.row}
    taken: set[tuple[int, int]] = set()
    for index in sorted(stack.row, key=lambda i: (stack.row[i], i)):
        sources = boxes[index].sources
        before = [s for s in sources if s in stack.row]
        from_skip = bool(sources) and not before and all(level_of[s] == stack.level for s in sources)
        step = -1 if from_skip and len(stack.row) > 1 else 1
        if before:
            lane = stack.lane[max(before, key=lambda s: (stack.row[s], any(t in stack.row for t in boxes[s].sources)))]
        else:
            lane = min(step, 0)
        while (stack.row[index], lane) in taken:
            lane += step
        taken.add((stack.row[index], lane))
        stack.lane[index] = lane
    leftmost = min(stack.lane.values())
    for index in stack.lane:
        stack.lane[index] -= leftmost


def _lift(stack: Stack, before: Stack | None, stacks: Sequence[Stack], boxes: Sequence[Box]) -> int:
    """By how many rows a stack on the way down is raised, so that its first skip connection runs level where there is room."""
    if stack.up:
        return 0
    room = max(other.rows for other in stacks if other.level == stack.level) - stack.rows
    if before is not None and before.level == stack.level and not before.up:
        return room  # goes on beside a full stack: from the top again
    wanted = (row - stack.rows_above_floor(source) for source, row in _skips(stack, stacks, boxes))
    return min(max(0, next(wanted, 0)), room)


def _skips(stack: Stack, stacks: Sequence[Stack], boxes: Sequence[Box]) -> Iterator[tuple[int, int]]:
    """Boxes of `stack` that a stack on the way up at the same level reads, and the reader's row."""
    for other in stacks:
        if other.up and other.level == stack.level:
            for target, row in other.row.items():
                yield from ((source, row) for source in boxes[target].sources if source in stack.row)
