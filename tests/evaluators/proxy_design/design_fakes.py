"""Judges without networks: what they say follows from an architecture's number, the seed and the proxy."""

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluators.proxy_design import Proxy
from nas.study.trial import Measurement, StageVerdict, Trial

FULL = Proxy("training", {"epochs": 8}, "val_mse", "minimize")


@dataclasses.dataclass(frozen=True)
class Numbered:
    """Stands for an architecture."""

    number: int

    @property
    def fingerprint(self):
        return f"{self.number:032x}"

    @property
    def decisions(self):
        return {"number": self.number}


@dataclasses.dataclass
class FakeJudge:
    """value: (proxy name, number, repeat) -> measurement; NaN fails. seconds: proxy name -> what a trial takes."""

    value: Callable[[str, int, int], float]
    seconds: Callable[[str], float] = lambda name: 9.0 if name == FULL.name else 1.0
    asked: list = dataclasses.field(default_factory=list)

    def __call__(self, architectures, proxy, name, repeat):
        self.asked.append((name, len(architectures), repeat))
        return [self._trial(a, proxy, repeat) for a in architectures]

    def _trial(self, architecture, proxy, repeat):
        value = self.value(proxy.name, architecture.number, repeat)
        times = {"stages": (StageVerdict("training", "passed", self.seconds(proxy.name)),)}
        if np.isnan(value):
            return Trial(1, architecture.decisions, architecture.fingerprint, "failed", reason="Traceback\nboom", **times)
        found = {proxy.metric: Measurement(value)}
        return Trial(1, architecture.decisions, architecture.fingerprint, "completed", found, **times)


def numbered(n):
    return [Numbered(i) for i in range(n)]


def trainings(*epochs):
    return [Proxy("training", {"epochs": n}, "val_mse", "minimize") for n in epochs]
