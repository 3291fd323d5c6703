"""Median stopping: a training that has fallen behind the others is ended (Golovin et al. 2017, section 3.2.2).

Use it where learning curves rarely cross, together with any controller; it needs no rungs and no checkpoints. After each epoch
the best that a training has reached so far is compared with the others: for each completed trial the running average of its
curve up to that epoch is taken, and their median is the bar. Who is strictly below is stopped. The running average makes the
rule lenient in the first epochs, where curves are steep.

A stopped trial counts with what it measured last, so that the controller inside learns to keep away.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.checks import check_whole
from controllers.layer import Layer
from nas.language.architecture import Architecture
from nas.study.interfaces import Controller, Proposal
from nas.study.trial import Trial

KEPT = 256  # curves, the newest: more do not move a median


class MedianStopping(Layer):
    """Stops trainings that fall behind, whoever proposes the architectures.

    Args:
        over: the controller inside; None: regularized evolution.
        curves: completed trials whose curves must be known before anyone is stopped.
        epochs: that every training is given.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: a setting out of range.
    """

    name = "median-stopping"

    def __init__(self, over: Controller | None = None, curves: int = 5, epochs: int = 1, seed: int = 0):
        super().__init__(over, seed)
        self.curves = check_whole("MedianStopping(curves)", curves, 1)
        self.epochs = check_whole("MedianStopping(epochs)", epochs, 1)

    def begin(self) -> None:
        self._averages: dict[str, dict[int, float]] = {}  # fingerprint -> epoch -> mean score up to it

    def settings(self) -> dict[str, Any]:
        return {"curves": self.curves, "epochs": self.epochs}

    def ask(self, n: int = 1) -> Sequence[Architecture | Proposal]:
        return self.over.ask(n)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            known = self._averages.get(trial.fingerprint, {})
            if trial.state == "completed" and len(trial.curve) > len(known):
                self._averages.pop(trial.fingerprint, None)
                self._averages[trial.fingerprint] = self._running_average(trial.curve)
                if len(self._averages) > KEPT:
                    self._averages.pop(next(iter(self._averages)))
        self.over.tell(trials)

    def bars(self) -> Mapping[int, float]:
        """Epoch -> the median of the others' running averages, from the epoch after those that everyone is given."""
        bars = dict(self.over.bars())
        for epoch in sorted({epoch for curve in self._averages.values() for epoch in curve}):
            reached = [curve[epoch] for curve in self._averages.values() if epoch in curve]
            if epoch >= self.epochs and len(reached) >= self.curves:
                bars[epoch] = max(statistics.median(reached), bars.get(epoch, float("-inf")))
        return bars

    def memory(self) -> dict[str, Any]:
        return {"averages": {key: list(map(list, curve.items())) for key, curve in self._averages.items()}}

    def recall(self, memory: Mapping[str, Any]) -> None:
        self._averages = {key: {int(epoch): float(mean) for epoch, mean in curve} for key, curve in memory["averages"].items()}

    def _running_average(self, curve: Sequence[tuple[int, float]]) -> dict[int, float]:
        averages, total = {}, 0.0
        for count, (epoch, value) in enumerate(curve, start=1):
            total += self.objectives[0].score(value)
            averages[epoch] = total / count
        return averages
