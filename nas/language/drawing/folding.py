"""Which layers of a large network are drawn as one block, and which blocks as one pile.

Four passes over the layers, in the order in which they are computed; every block is a piece of that order, so blocks never
depend on each other in a circle:

    named      what one step of the space function made: all of `cell3`, or `enc0[1]`
    forked     what lies between a tensor and the merge that joins all its branches again: a residual block, an inception block
    repeated   equal blocks (or layers, or periods of up to four of them) in a row
    chained    single layers that are left over in a row, at one resolution

A block that went down and came up again would hide the U of an encoder-decoder, so its resolutions stay between those of its
inputs and its output; and only its last layer is read from outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_MOST_NAMED, _MOST_FORKED, _MOST_CHAINED = 48, 200, 6  # layers in a block
_LONGEST_PERIOD = 4  # blocks


class Step(NamedTuple):
    """A layer as folding sees it.

    Attributes:
        text: equal for layers that look alike.
        level: of resolution.
        sources: indices of the layers that it reads.
        output: it is an output of the network.
        path: where it comes from, `enc0[1].conv`.
    """

    text: str
    level: int
    sources: tuple[int, ...]
    output: bool
    path: str


class Fold(NamedTuple):
    """Layers `start` to `stop` as one block: `times` repetitions of `period` layers."""

    start: int
    stop: int
    period: int
    times: int
    name: str


def fold(steps: Sequence[Step]) -> list[Fold]:
    """A network's layers as blocks: every layer in one, in order."""
    network = _Network(steps)
    return network.chained(network.repeated(network.forked(network.named(0, len(steps), 0))))


def piles(steps: Sequence[Step]) -> list[Fold]:
    """The pass `repeated` alone: only equal neighbours are joined."""
    return _Network(steps).repeated([Fold(k, k + 1, 1, 1, "") for k in range(len(steps))])


class _Network:
    def __init__(self, steps: Sequence[Step]):
        self.steps = steps
        self.readers: list[list[int]] = [[] for _ in steps]
        for k, step in enumerate(steps):
            for source in step.sources:
                self.readers[source].append(k)
        self.paths = [re.findall(r"\[[^\]]*\]|[^.\[]+", step.path) for step in steps]

    def named(self, start: int, stop: int, depth: int) -> list[Fold]:
        """Layers with a common beginning of their paths, as long as possible blocks."""
        folds: list[Fold] = []
        k = start
        while k < stop:
            first = k
            part = self.paths[k][depth : depth + 1]
            while k < stop and self.paths[k][depth : depth + 1] == part:
                k += 1
            below = {tuple(self.paths[i][depth + 1 : depth + 2]) for i in range(first, k)}
            repetition = len(below) > 1 and all(part and part[0].startswith("[") for part in below)
            if k - first == 1 or not part:
                folds += [Fold(i, i + 1, 1, 1, "") for i in range(first, k)]
            elif k - first <= _MOST_NAMED and not repetition and self._is_block(first, k):
                folds.append(Fold(first, k, k - first, 1, _joined(self.paths[first][: depth + 1])))
            else:
                folds += self.named(first, k, depth + 1)
        return folds

    def forked(self, folds: Sequence[Fold]) -> list[Fold]:
        """Joins what lies between a fork and its merge: the shortest piece that reads a single tensor."""
        done: list[Fold] = []
        for last in folds:
            done.append(last)
            if len(self._outside(last.start, last.stop)) < 2:
                continue
            for k in range(len(done) - 2, -1, -1):
                start, stop = done[k].start, last.stop
                if stop - start > _MOST_FORKED or not self._is_block(start, stop):
                    break
                sources = self._outside(start, stop)
                if len(sources) == 1:
                    done[k:] = [Fold(start, stop, stop - start, 1, self._form(start, stop))]
                    break
        return done

    def repeated(self, folds: Sequence[Fold]) -> list[Fold]:
        """Piles up equal neighbours."""
        signatures = self._signatures(folds)
        done: list[Fold] = []
        k = 0
        while k < len(folds):
            period, times = self._best_repetition(folds, signatures, k)
            if times > 1:
                group = folds[k : k + period * times]
                length = folds[k + period - 1].stop - group[0].start
                name = re.sub(r"\[\d+\]$", "", group[0].name) if period == 1 else "Blocks"
                done.append(Fold(group[0].start, group[-1].stop, length, times, name))
                k += period * times
            else:
                done.append(folds[k])
                k += 1
        return done

    def chained(self, folds: Sequence[Fold]) -> list[Fold]:
        """Joins what is still single and in a row."""
        done: list[Fold] = []
        for f in folds:
            before = done[-1] if done else f
            start = before.start
            single = f.stop - f.start == 1 and (before.stop - start == 1 or before.name.endswith("layers"))
            follows = self.steps[f.start].sources == (before.stop - 1,) and self.readers[before.stop - 1] == [f.start]
            short = f.stop - start <= _MOST_CHAINED and self.steps[start].level == self.steps[f.start].level
            if single and follows and short and self._is_block(start, f.stop):
                done[-1] = Fold(start, f.stop, f.stop - start, 1, f"{f.stop - start} layers")
            else:
                done.append(f)
        return done

    def _form(self, start: int, stop: int) -> str:
        """What a piece with one input is called."""
        last = self.steps[stop - 1]
        direct = bool(self._outside(start, stop) & set(last.sources))
        if last.text.startswith("Add") and (direct or len(last.sources) == 2):
            return "Residual block"
        if last.text.startswith("Concat") and direct:
            return "Dense block"
        return "Branches" if len(last.sources) > 1 else "Block"

    def _best_repetition(self, folds: Sequence[Fold], signatures: Sequence[object], k: int) -> tuple[int, int]:
        """(period, times) that leaves the fewest boxes; the shorter period of equals."""
        best = (1, 1)
        for period in range(1, _LONGEST_PERIOD + 1):
            end = k + period
            while end < len(folds) and signatures[end] == signatures[end - period]:
                end += 1
            times = (end - k) // period
            while times > 1 and not self._is_pile(folds[k : k + period * times], period):
                times -= 1
            if (times - 1) * period > (best[1] - 1) * best[0]:
                best = (period, times)
        return best

    def _is_pile(self, group: Sequence[Fold], period: int) -> bool:
        """Whether only the last repetition is read from outside, and all are of one resolution."""
        last = group[len(group) - period].start
        stop = group[-1].stop
        private = all(self._is_private(k, stop) for k in range(group[0].start, last))
        return private and len({self.steps[f.stop - 1].level for f in group}) == 1

    def _signatures(self, folds: Sequence[Fold]) -> list[object]:
        """Equal for blocks that look alike and read alike, seen from where they stand."""
        place = {k: i for i, f in enumerate(folds) for k in range(f.start, f.stop)}
        return [
            tuple(
                (
                    self.steps[k].text,
                    tuple(
                        (i - place[s], s - f.start if place[s] == i else folds[place[s]].stop - s)
                        for s in self.steps[k].sources
                    ),
                )
                for k in range(f.start, f.stop)
            )
            for i, f in enumerate(folds)
        ]

    def _is_block(self, start: int, stop: int) -> bool:
        """Whether only the last layer is read from outside and no resolution lies outside those at the block's ends."""
        ends = [self.steps[k].level for k in (*self._outside(start, stop), stop - 1)]
        return all(self._is_private(k, stop) for k in range(start, stop - 1)) and all(
            self.steps[k].sources and min(ends) <= self.steps[k].level <= max(ends) for k in range(start, stop)
        )

    def _is_private(self, k: int, stop: int) -> bool:
        return not self.steps[k].output and all(reader < stop for reader in self.readers[k])

    def _outside(self, start: int, stop: int) -> set[int]:
        """The layers before a piece that it reads."""
        return {s for step in self.steps[start:stop] for s in step.sources if s < start}


def _joined(parts: Sequence[str]) -> str:
    return "".join(part if part.startswith("[") or i == 0 else f".{part}" for i, part in enumerate(parts))
