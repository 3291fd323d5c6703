"""An evaluator that trains epoch by epoch, keeps a checkpoint and reports its curve; importable by worker processes."""

from __future__ import annotations

import json
import os
import random
import time

import pyglove as pg

import nas
from nas.study.interfaces import Fidelity, GradualEvaluator
from nas.study.trial import Measurement
from nas.study.watch import Watch


def five():
    """Six decisions of five options."""
    return pg.Dict(**{f"d{i}": pg.oneof(list(range(5))) for i in range(6)})


SPACE = nas.as_space(five)


class Gradual(GradualEvaluator):
    """A loss that falls from epoch to epoch by steps drawn from one stream, so that a slip in continuing shows in its value.

    Args:
        log: a file that gets a line for each epoch that is trained: fingerprint, epoch, seed.
        sleep_s: what an epoch takes.
        epochs: where the fidelity says nothing.
    """

    name, metrics, seconds = "gradual", ("loss",), 1.0

    def __init__(self, log=None, sleep_s=0.0, epochs=4, isolated=False):
        self.log, self.sleep_s, self.epochs, self.isolated = log, sleep_s, epochs, isolated

    def describe(self):
        return {"name": self.name, "epochs": self.epochs}

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0, watch=None):
        watch = watch or Watch()
        epochs = fidelity.epochs or self.epochs
        rng = random.Random(seed)
        losses = self._restore(watch, rng)
        for epoch, loss in enumerate(losses, start=1):
            watch.recall(epoch, {"loss": Measurement(loss)})
        start = 10 + sum(v for v in architecture.vector.tolist() if v > 0)
        for epoch in range(len(losses) + 1, epochs + 1):
            time.sleep(self.sleep_s)
            losses.append((losses[-1] if losses else start) * (0.5 + 0.4 * rng.random()))
            self._save(watch, rng, losses)
            if self.log:
                with open(self.log, "a") as file:
                    file.write(f"{architecture.fingerprint[:8]} {epoch} {seed}\n")
            (watch.recall if epoch == epochs else watch.report)(epoch, {"loss": Measurement(losses[-1])})
        return {"loss": Measurement(losses[-1])}

    def _restore(self, watch, rng):
        file = watch.checkpoint / "state.json" if watch.checkpoint else None
        if file is None or not file.exists():
            return []
        losses, (kind, numbers, gauss) = json.loads(file.read_text())
        rng.setstate((kind, tuple(numbers), gauss))
        return losses

    def _save(self, watch, rng, losses):
        if watch.checkpoint:
            watch.checkpoint.mkdir(parents=True, exist_ok=True)
            draft = watch.checkpoint / "state.part"
            draft.write_text(json.dumps([losses, rng.getstate()]))
            os.replace(draft, watch.checkpoint / "state.json")
