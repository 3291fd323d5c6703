"""Small real parts for tests of the study: spaces, controllers, evaluators. Importable by worker processes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import ClassVar

from nas.errors import Infeasible, UserError
from nas.study.interfaces import Controller, Evaluator, Fidelity
from nas.study.trial import Measurement


class Point:
    def __init__(self, space, index, decisions, fingerprint):
        self.space, self.index, self.decisions, self.fingerprint = space, index, decisions, fingerprint


class Blocks:
    """24 architectures: 4 depths, 3 kernels, skip or not. With `dead_skip` the skip changes nothing: 12 different networks."""

    reference = "study_fakes:Blocks"
    limits: ClassVar[dict] = {}
    DEPTHS, KERNELS, SKIPS = (1, 2, 3, 4), (3, 5, 7), (False, True)
    size = 24

    def __init__(self, name="blocks", dead_skip=False):
        self.name, self.dead_skip = name, dead_skip
        self.digest = hashlib.sha256(f"{name} {dead_skip}".encode()).hexdigest()[:16]

    def architecture(self, point):
        if isinstance(point, int):
            point = {"depth": self.DEPTHS[point // 6], "kernel": self.KERNELS[point // 2 % 3], "skip": self.SKIPS[point % 2]}
        depth, kernel = self.DEPTHS.index(point["depth"]), self.KERNELS.index(point["kernel"])
        skip = self.SKIPS.index(point["skip"])
        network = [depth, kernel] if self.dead_skip else [depth, kernel, skip]
        fingerprint = hashlib.sha256(json.dumps(network).encode()).hexdigest()[:16]
        return Point(self, depth * 6 + kernel * 2 + skip, dict(point), fingerprint)


class Line:
    """As many architectures as wanted, numbered."""

    reference = "study_fakes:Line"
    limits: ClassVar[dict] = {}

    def __init__(self, size=10_000, name="line"):
        self.size, self.name = size, name
        self.digest = f"{name}-{size}"

    def architecture(self, point):
        index = point if isinstance(point, int) else point["x"]
        return Point(self, index, {"x": index}, hashlib.sha256(str(index).encode()).hexdigest()[:16])


class InOrder(Controller):
    """Proposes 0, 1, 2, ... `indices` may repeat or name any order; remembers what it was told."""

    def __init__(self, indices=None, cycle=False):
        self.indices, self.cycle = indices, cycle
        self.next, self.told = 0, []

    def ask(self, n=1):
        order = self.indices if self.indices is not None else range(self.space.size)
        stop = self.next + n if self.cycle else min(self.next + n, len(order))
        found = [self.space.architecture(order[i % len(order)]) for i in range(self.next, stop)]
        self.next = stop
        return found

    def tell(self, trials):
        self.told.extend(t.id for t in trials)

    def state(self):
        return {"next": self.next, "told": list(self.told)}

    def restore(self, state):
        self.next, self.told = state["next"], list(state["told"])


class Evolution(Controller):
    """Mutates the better of two past trials on a Line; every number it draws matters, so any slip shows in what it proposes."""

    def __init__(self, seed=0, warm_up=5):
        self.rng, self.warm_up = random.Random(seed), warm_up
        self.population, self.seen = [], set()

    def ask(self, n=1):
        found = []
        while len(found) < n and len(self.seen) < self.space.size:
            if len(self.population) < self.warm_up:
                index = self.rng.randrange(self.space.size)
            else:
                _, parent = min(self.rng.choice(self.population), self.rng.choice(self.population))
                index = (parent + self.rng.randint(-50, 50)) % self.space.size
            if index not in self.seen:
                self.seen.add(index)
                found.append(self.space.architecture(index))
        return found

    def tell(self, trials):
        for t in trials:
            if t.state == "completed":
                self.population = [*self.population, (t.value("loss"), t.decisions["x"])][-20:]
                self.seen.add(t.decisions["x"])

    def state(self):
        kind, numbers, gauss = self.rng.getstate()
        rng = [kind, list(numbers), gauss]
        return {"warm_up": self.warm_up, "rng": rng, "population": self.population, "seen": sorted(self.seen)}

    def restore(self, state):
        kind, numbers, gauss = state["rng"]
        self.rng.setstate((kind, tuple(numbers), gauss))
        self.warm_up, self.seen = state["warm_up"], set(state["seen"])
        self.population = [tuple(p) for p in state["population"]]


class Params(Evaluator):
    """Cheap: depth * kernel^2."""

    name, metrics, seconds = "params", ("params",), 0.001

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
        return {"params": Measurement(architecture.decisions["depth"] * architecture.decisions["kernel"] ** 2)}


class Loss(Evaluator):
    """1 / (1 + index), after `sleep_s`; writes down whom it judged, if told where."""

    name, metrics, seconds = "loss", ("loss",), 1.0

    def __init__(self, sleep_s=0.0, log=None, isolated=False):
        self.sleep_s, self.log, self.isolated = sleep_s, log, isolated

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
        time.sleep(self.sleep_s)
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{architecture.index} {os.getpid()} {seed}\n")
        return {"loss": Measurement(1 / (1 + architecture.index), device="fake")}

    def describe(self):
        return {"name": self.name}


class Rough(Evaluator):
    """Deterministic and rough: most indices get a loss; some are refused, some fail, some are over the budget, some NaN."""

    name, metrics, seconds = "rough", ("loss", "latency_ms"), 1.0

    def __init__(self, sleep_s=0.0):
        self.sleep_s = sleep_s

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
        time.sleep(self.sleep_s)
        x = architecture.index
        if x % 17 == 0:
            raise Infeasible("divisible by 17")
        if x % 19 == 0:
            raise ValueError("divisible by 19")
        noise = random.Random(seed).random()
        loss = float("nan") if x % 23 == 0 else abs(x - 5000) + noise
        return {"loss": Measurement(loss, spread=noise), "latency_ms": Measurement(x % 29 / 4, "ms")}


class Trouble(Evaluator):
    """Loss by index, but what happens at some indices is another thing."""

    name, metrics, seconds, isolated = "trouble", ("loss",), 1.0, True

    def __init__(self, at):
        self.at = dict(at)

    def evaluate(self, architecture, fidelity=Fidelity(), *, seed=0):
        happens = self.at.get(architecture.index)
        if happens == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif happens == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif happens == "exit":
            os._exit(0)
        elif happens == "exit 3":
            os._exit(3)
        elif happens == "hang":
            time.sleep(600)
        elif happens == "error":
            raise ValueError("trouble at this index")
        elif happens == "mistake":
            raise UserError("no such file", path="photos", hint="Make it")
        elif happens == "sys.exit":
            raise SystemExit("bye")
        elif happens == "grow":
            self.leak = b"x" * (100 * 2**20)
        elif happens == "print":
            print("hello from the worker", flush=True)
        return {"loss": Measurement(float(architecture.index))}


def loss_of(architecture):
    """A plain function as evaluator."""
    return {"loss": 1 / (1 + architecture.index)}


def comparable(trials):
    """What must be equal in two studies: all but times and processes."""
    return [
        (t.id, t.decisions, t.fingerprint, t.state, repr(dict(t.measurements)), t.seed, last_line(t.reason)) for t in trials
    ]  # repr: NaN equals nothing, not even itself


def last_line(reason):
    return reason.strip().splitlines()[-1] if reason else ""


class Witness:
    """An event listener that writes finished trials to a file of its own and syncs it: what it has, no crash may take."""

    def __init__(self, path: Path):
        self.file = open(path, "a")  # noqa: SIM115 - for the life of the process

    def __call__(self, event):
        if type(event).__name__ == "TrialFinished":
            t = event.trial
            self.file.write(json.dumps([t.id, t.fingerprint, t.state, repr(t.value("loss"))]) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    @staticmethod
    def read(path: Path):
        return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("]")] if path.exists() else []
