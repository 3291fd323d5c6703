"""Who proposes a trial's values: grid, random or Bayesian search, behind one ask and tell.

    algorithm = get("bayesian", parameters, seed=0)
    values = algorithm.ask(trial_id=1)            # {"learning_rate": 0.0004, ...}; None: everything was tried
    algorithm.tell(1, score=-0.031)               # larger is better; None: the trial gave no result

A proposal depends on the seed, the trial's id and the trials before it, and on nothing else: no generator runs along.
So replaying what was recorded (`adopt`, then `tell` where the trial ended) puts an algorithm exactly where it was, and a
resumed tuning goes on with the proposals it would have made. No algorithm proposes the same values twice.

Choose grid for a few listed values, random for a first look or many parallel trials, bayesian otherwise. The Bayesian one
models the trials by a Gaussian process and proposes what promises the largest improvement (Jones et al. 1998; Snoek et al.
2012), after a start-up that covers the space evenly (the additive recurrence of Roberts 2018).
"""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from nas.errors import UserError
from trainer.tuning.conditions import Values, choose, combinations, count
from trainer.tuning.gaussian import Encoding, GaussianProcess, warp
from trainer.tuning.parameters import Categorical, Discrete, Parameter, Value

Score = float | Literal["running"] | None

GRID_LEVELS = 5
"""Into how many values grid search cuts a Double, and an Integer with more values than that."""

RUNNING: Final = "running"


class Algorithm(abc.ABC):
    """Proposes values for trials, and remembers which were tried and how good they were.

    Args:
        parameters: name -> parameter, in the order of the flags.
        seed: of everything random.
    """

    def __init__(self, parameters: Mapping[str, Parameter], seed: int = 0):
        self.parameters, self.seed = dict(parameters), seed
        self.trials: dict[int, tuple[Values, Score]] = {}
        """id -> values and score: RUNNING, a number (larger is better), or None where the trial gave no result."""

    def ask(self, trial_id: int) -> Values | None:
        """New values for a trial, from then on running; None: the space holds no values that were not tried."""
        tried = {_key(values) for values, _ in self.trials.values()}
        size = self.size
        if size is not None and len(tried) >= size:
            return None
        attempt = 0
        while _key(values := self._propose(trial_id, attempt)) in tried:
            attempt += 1
        self.adopt(trial_id, values)
        return values

    def adopt(self, trial_id: int, values: Values) -> None:
        """Takes a trial as running with these values: one that was asked for before a restart, or by someone else."""
        self.trials[trial_id] = values, RUNNING

    def tell(self, trial_id: int, score: float | None) -> None:
        """How a trial ended: its score, larger is better, or None where it gave none."""
        self.trials[trial_id] = self.trials[trial_id][0], score

    @property
    def size(self) -> int | None:
        """How many different trials there are; None: no end of them."""
        return count(self.parameters)

    @abc.abstractmethod
    def _propose(self, trial_id: int, attempt: int) -> Values:
        """Values for a trial; `attempt` counts the earlier proposals for it that had been tried already."""

    def _random(self, *key: int) -> Values:
        rng = np.random.default_rng((self.seed, *key))
        positions = dict(zip(self.parameters, rng.random(len(self.parameters)), strict=True))
        return choose(self.parameters, lambda name, parameter: parameter.at(float(positions[name])))


class Random(Algorithm):
    """Independent draws, spread as each parameter's scale says (Bergstra and Bengio 2012)."""

    def _propose(self, trial_id: int, attempt: int) -> Values:
        return self._random(trial_id, attempt)


class Grid(Algorithm):
    """Every combination in order, the last parameter changing fastest.

    Lists are taken whole; a Double is cut into `GRID_LEVELS` values, evenly on its scale and both bounds among them, and so
    is an Integer with more values than that.
    """

    def __init__(self, parameters: Mapping[str, Parameter], seed: int = 0):
        super().__init__(parameters, seed)
        self.columns = {name: parameter.grid(GRID_LEVELS) for name, parameter in self.parameters.items()}
        self._combinations = combinations(self.columns, self.parameters)
        self._listed: list[Values] = []  # of the combinations as many as were asked for

    @property
    def size(self) -> int:
        return count(self.parameters, self.columns) or 0

    def _propose(self, trial_id: int, attempt: int) -> Values:
        index = (trial_id - 1 + attempt) % self.size
        self._listed += itertools.islice(self._combinations, max(0, index + 1 - len(self._listed)))
        return self._listed[index]


class Bayesian(Algorithm):
    """Values from which most improvement is expected, after `startup` evenly spread ones.

    What is expected follows from a Gaussian process over the trials that ended (`gaussian`). Trials without a result count as
    the worst; running ones as if they had ended as expected, so that parallel trials spread out.
    """

    startup = 6
    """Trials before the model is asked."""
    spread, near, rounds = 512, 64, 3
    """Candidates: all over the space; around each of the best; and how often again around the most promising."""
    memory = 128
    """The model sees the best and the latest trials, so many of each at most: its time grows with the third power."""
    repeats = 10
    """Proposals that were tried before, in a row, after which a random one is taken."""

    def _propose(self, trial_id: int, attempt: int) -> Values:
        ended = {known: (values, score) for known, (values, score) in self.trials.items() if score != "running"}
        if attempt > self.repeats:
            return self._random(trial_id, attempt)
        if (trial_id <= self.startup and not attempt) or len(ended) < 2:
            return self._spread(trial_id + attempt)
        rng = np.random.default_rng((self.seed, trial_id, attempt))
        return self._most_promising(self._seen(ended), rng)

    def _spread(self, index: int) -> Values:
        """Evenly spread values, one for each index: the additive recurrence of Roberts 2018."""
        shift = np.random.default_rng((self.seed, 0)).random(len(self.parameters))
        root = 2.0
        for _ in range(60):  # the root of x^(d+1) = x + 1
            root = (1 + root) ** (1 / (len(self.parameters) + 1))
        steps = root ** -np.arange(1, len(self.parameters) + 1)
        positions = dict(zip(self.parameters, (shift + index * steps) % 1, strict=True))
        return choose(self.parameters, lambda name, parameter: parameter.at(float(positions[name])))

    def _seen(self, ended: Mapping[int, tuple[Values, float | None]]) -> list[tuple[Values, float | None]]:
        """What the model is fitted to, in the order of asking."""
        scores = {known: -math.inf if score is None else score for known, (_, score) in ended.items()}
        kept = {*sorted(ended, key=scores.__getitem__)[-self.memory :], *sorted(ended)[-self.memory :]}
        return [ended[known] for known in sorted(kept)]

    def _most_promising(self, seen: list[tuple[Values, float | None]], rng: np.random.Generator) -> Values:
        encoding = Encoding(self.parameters)
        targets = warp([score for _, score in seen])
        model = GaussianProcess(encoding, encoding.rows([values for values, _ in seen]), targets)
        running = [values for _, (values, score) in sorted(self.trials.items()) if score == RUNNING]
        if running:
            model.add(encoding.rows(running))
        best = float(targets.max())
        order = np.argsort(-targets, kind="stable")[:5]
        tried = {_key(values) for values, _ in self.trials.values()}
        pool = [self._drawn(rng) for _ in range(self.spread)]
        pool += [self._moved(seen[at][0], scale, rng) for at in order for scale in (0.2, 0.05) for _ in range(self.near // 2)]
        found: list[tuple[float, Values]] = []
        for round_ in range(self.rounds + 1):
            fresh = [values for values in pool if _key(values) not in tried]
            if fresh:
                gains = log_improvement(*model.predict(encoding.rows(fresh)), best)
                found = sorted([*found, *zip(gains.tolist(), fresh, strict=True)], key=lambda item: -item[0])[:5]
            pool = [self._moved(values, 0.1 / 3**round_, rng) for _, values in found for _ in range(self.near // 2)]
        return found[0][1] if found else self._drawn(rng)

    def _drawn(self, rng: np.random.Generator) -> Values:
        return choose(self.parameters, lambda name, parameter: parameter.at(rng.random()))

    def _moved(self, values: Values, scale: float, rng: np.random.Generator) -> Values:
        """Values near these: some parameters a step on their scale, or another of their words; at least one."""
        moved = rng.random(len(self.parameters)) < max(0.3, 2 / len(self.parameters))
        moved[rng.integers(len(moved))] = True
        moves = dict(zip(self.parameters, moved, strict=True))

        def near(name: str, parameter: Parameter) -> Value:
            if name not in values or (moves[name] and isinstance(parameter, Categorical)):
                return parameter.at(rng.random())
            if not moves[name]:
                return values[name]
            step = scale * rng.standard_normal()
            if isinstance(parameter, Discrete):
                step += math.copysign(0.7 / parameter.count, step)  # or it would stay where it is
            return parameter.at(min(max(parameter.position(values[name]) + step, 0.0), 1.0))

        return choose(self.parameters, near)


def log_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """The logarithm of the expected improvement over `best`, also where that is far below what a float can hold.

    Jones et al. 1998, eq. 15; its logarithm as in Ament et al. 2023.
    """
    from scipy.special import erfcx, log_ndtr

    z = (mean - best) / deviation
    density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log(np.exp(density) + z * np.exp(log_ndtr(z)))
        ratio = np.abs(z) * math.sqrt(math.pi / 2) * erfcx(-z / math.sqrt(2))
        far = density + np.log1p(-np.minimum(ratio, 1 - 1e-12))
    return np.log(deviation) + np.where(z > -1, near, far)


ALGORITHMS: Mapping[str, type[Algorithm]] = {"bayesian": Bayesian, "random": Random, "grid": Grid}


def get(name: str, parameters: Mapping[str, Parameter], seed: int = 0) -> Algorithm:
    """The algorithm of that name."""
    if name not in ALGORITHMS:
        raise UserError(f"{name!r} is not known", path="algorithm", received=name, expected=" or ".join(ALGORITHMS))
    return ALGORITHMS[name](parameters, seed)


def _key(values: Values) -> tuple:
    return tuple(values.items())
