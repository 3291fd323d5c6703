"""Which points are likely to meet the constraints, learned from told trials, so that few proposals are wasted on the others.

    feasibility = Feasibility(space, constraints)
    feasibility.learn(vector, trial)             # each told trial, with the vector that `Memory.learn` returned
    feasibility.admit(memory, vectors)           # of candidates one that is new, likely ones preferred
    feasibility.draw(memory)                     # the same of points drawn from the whole space
    feasibility.probability(vectors)             # for a method that makes its own choice

Any controller can use it between making candidates and proposing one. It knows three things:

- A limit on FLOPs, multiply-adds or parameters is a matter of arithmetic: the space itself says which points meet it
  (`space.within`), as long as what was measured agrees.
- Any other constrained metric is predicted by a regression on the decisions (linear_model.py) that also says how unsure it is:
  the probability of feasibility of Schonlau et al. 1998 and Gardner et al. 2014.
- Where trials fail, or an evaluator refuses to judge, the same regression says how likely that is.

Without constraints and refusals every point is as good as any other: nothing is computed and no random number is drawn.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from controllers.candidates import encoding_of
from controllers.linear_model import LinearModel, Views, joined
from controllers.memory import Memory
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.objective import Constraint
from nas.study.trial import Trial

ARITHMETIC = ("flops", "macs", "params")  # what `space.within` can limit
CHECKED = 10  # told trials on which arithmetic is compared with what was measured
WINDOW = 128  # trials that are remembered: the latest, because they are where the search is
FEWEST = 5  # of them, before anything is predicted
STEPS = 3  # changes made to candidates in turn, where none is both new and possibly feasible
POSSIBLE = 0.1  # the least probability that is called so: higher, and the best points, which are close to the bound, are missed
SHARPNESS = 4.0  # a candidate's weight is its probability to this power
NEGLIGIBLE = 0.05  # a candidate with less than this share of the best one's probability is left out
DRAWN = 64  # points drawn from the whole space to choose among
SMALLEST = 1e-300
REFUSAL = 0.5  # between 0, judged, and 1, refused


class Seen(NamedTuple):
    """What is remembered of a trial.

    Attributes:
        vector: its point.
        values: of the metric of each constraint; NaN where it was not measured.
        refused: 1 where it failed, or an evaluator refused to judge it; else 0.
    """

    vector: np.ndarray
    values: tuple[float, ...]
    refused: float


class Feasibility:
    """What is known about the constraints of a study.

    Args:
        space: that is searched.
        constraints: that must hold.
    """

    def __init__(self, space: SearchSpace, constraints: Sequence[Constraint]):
        self._space, self._constraints = space, tuple(constraints)
        self._seen: deque[Seen] = deque(maxlen=WINDOW)
        self._rows: deque[Views] = deque(maxlen=WINDOW)  # how the models see them: made when it is needed, no part of the state
        self._new = 0  # how many of the latest have no row yet
        self._told = 0
        self._models = [LinearModel() for _ in range(len(self._constraints) + 1)]  # the last one: of refusals
        self._is_fitted = False
        bounds = {c.metric: c.bound for c in constraints if c.kind == "at_most" and c.metric in ARITHMETIC}
        self._bounds = bounds if space.is_network else {}
        self._agreed = 0  # told trials on which arithmetic was right; -1 once it was not

    @property
    def is_active(self) -> bool:
        """Whether anything is known that makes one point better than another."""
        return bool(self._exact() or self._predicted())

    def learn(self, vector: np.ndarray, trial: Trial) -> None:
        """Takes note of a told trial."""
        values = tuple(trial.value(constraint.metric) for constraint in self._constraints)
        is_broken = any(c.violation(v) > 0 for c, v in zip(self._constraints, values, strict=True) if not math.isnan(v))
        refused = trial.state == "failed" or (trial.state == "infeasible" and not is_broken)
        if not (self._constraints or refused or any(seen.refused for seen in self._seen)):
            return  # nothing sets one trial apart from another so far
        self._seen.append(Seen(vector, values, float(refused)))
        self._told += 1
        self._new = min(self._new + 1, WINDOW)
        self._is_fitted = False
        self._compare_arithmetic(vector, trial)

    def probability(self, vectors: np.ndarray) -> np.ndarray:
        """How likely each point, (n, width), is to be judged and to meet every constraint, (n,); without exact limits."""
        found = np.ones(len(vectors))
        predicted = self._predicted()
        if predicted:
            views = self._views_of(vectors)
            self._fit(predicted)
            for k in predicted:
                mean, deviation = self._models[k].predict(views)
                kind, bound = ("at_most", REFUSAL) if k == len(self._constraints) else self._bound(k)
                found *= _normal((bound - mean if kind == "at_most" else mean - bound) / deviation)
        return found

    def admits(self, vector: np.ndarray) -> bool:
        """Whether a point, (width,), meets the limits that arithmetic knows."""
        exact = self._exact()
        return exact is None or bool(exact.genome.fits(vector[None])[0])

    def admit(
        self, memory: Memory, vectors: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> Architecture | None:
        """The architecture of one of the points that is new, known from now on; None: there is none worth a trial.

        Args:
            memory: says which are new.
            vectors: the candidates, (n, width).
            vary: makes other candidates of them, further away, where none is both new and possibly feasible.
        """
        known = {seen.vector.tobytes() for seen in self._seen} if self.is_active else set()
        tried = vectors[:0]
        for step in range(STEPS if vary else 0):
            vectors = vary(vectors) if vary and step else vectors
            new = vectors[[vector.tobytes() not in known for vector in vectors]]
            architecture = self._first(memory, new, POSSIBLE)
            if architecture is not None:
                return architecture
            tried = np.concatenate([tried, new])
        return self._first(memory, tried if vary else vectors, 0.0) if self.is_active or not vary else None

    def draw(self, memory: Memory) -> Architecture | None:
        """The same of points of the whole space; None: all of it is known."""
        if self.is_active:
            space = self._exact() or self._space
            architecture = self.admit(memory, space.genome.sample(memory.rng, DRAWN))
            if architecture is not None:
                return architecture
        return memory.draw()

    def state(self) -> dict[str, Any]:
        """Plain JSON; empty where there is nothing to remember."""
        if not self._seen:
            return {}
        seen = [[s.vector.tolist(), [None if math.isnan(v) else _finite(v) for v in s.values], s.refused] for s in self._seen]
        models = [[model.share, model.noise, model.fitted] for model in self._models]
        return {"seen": seen, "told": self._told, "models": models, "agreed": self._agreed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        dtype = self._space.genome.program.dtype
        self._seen.clear()
        self._rows.clear()
        self._is_fitted = False
        for vector, values, refused in state.get("seen", ()):
            numbers = tuple(math.nan if value is None else float(value) for value in values)
            self._seen.append(Seen(np.array(vector, dtype=dtype), numbers, float(refused)))
        self._new = len(self._seen)
        self._told, self._agreed = int(state.get("told", 0)), int(state.get("agreed", 0))
        for model, (share, noise, fitted) in zip(self._models, state.get("models", ()), strict=False):
            model.share, model.noise, model.fitted = float(share), float(noise), int(fitted)

    # -- arithmetic ------------------------------------------------------------------------------------------------------

    def _exact(self) -> SearchSpace | None:
        """The part of the space within the limits that arithmetic knows; None: nothing is limited, or it cannot be trusted."""
        return self._within if self._bounds and self._agreed >= 0 else None

    @functools.cached_property
    def _within(self) -> SearchSpace | None:
        try:
            return self._space.within(rules=None, **self._bounds)
        except UserError:  # too large to compile, an operation without a cost rule, or nothing within the limits
            return None

    def _compare_arithmetic(self, vector: np.ndarray, trial: Trial) -> None:
        """Gives arithmetic up where a measurement says otherwise: the metric may only share its name."""
        exact = self._exact() if self._agreed < CHECKED else None
        if exact is not None and all(metric in trial.measurements for metric in self._bounds):
            is_within = all(trial.value(metric) <= bound for metric, bound in self._bounds.items())
            self._agreed = self._agreed + 1 if bool(exact.genome.fits(vector[None])[0]) == is_within else -1

    # -- prediction ------------------------------------------------------------------------------------------------------

    def _first(self, memory: Memory, vectors: np.ndarray, least: float) -> Architecture | None:
        """The first point that is new and within exact limits, of those that are feasible with a probability of `least`.

        They are tried in an order drawn without replacement by their weights (Efraimidis & Spirakis 2006).
        """
        if not self.is_active:
            return next(filter(None, map(memory.admit, vectors)), None)
        if not len(vectors):
            return None
        chances = self.probability(vectors)
        highest = max(float(chances.max()), SMALLEST)
        keys = memory.rng.exponential(size=len(vectors)) / np.maximum((chances / highest) ** SHARPNESS, SMALLEST)
        exact = self._exact()
        fits = exact.genome.fits(vectors) if exact is not None else np.ones(len(vectors), dtype=bool)  # type: ignore[union-attr]
        for i in np.argsort(keys, kind="stable").tolist():
            if chances[i] >= max(least, NEGLIGIBLE * highest) and fits[i]:
                architecture = memory.admit(vectors[i])
                if architecture is not None:
                    return architecture
        return None

    def _predicted(self) -> list[int]:
        """The models that have something to learn from: not those of limits that arithmetic knows."""
        if len(self._seen) < FEWEST:
            return []
        exact = self._bounds if self._exact() is not None else {}
        measured = [sum(not math.isnan(seen.values[k]) for seen in self._seen) for k in range(len(self._constraints))]
        found = [k for k, count in enumerate(measured) if count >= FEWEST and self._constraints[k].metric not in exact]
        return found + [len(self._constraints)] * any(seen.refused for seen in self._seen)

    def _bound(self, k: int) -> tuple[str, float]:
        return self._constraints[k].kind, self._constraints[k].bound

    def _views_of(self, vectors: np.ndarray) -> Views:
        """How the models see points; in one go with remembered ones that they have not seen yet."""
        encoding, new = encoding_of(self._space), self._new
        points = np.concatenate([*(seen.vector[None] for seen in list(self._seen)[len(self._seen) - new :]), vectors])
        found = encoding.features(points, np.zeros((len(points), len(encoding.metrics))))
        views = Views(found.decisions, found.counts)
        self._rows.extend(views.take([i]) for i in range(new))
        self._new = 0
        return views.take(slice(new, None))

    def _fit(self, predicted: Sequence[int]) -> None:
        if self._is_fitted:
            return
        known = joined(self._rows)
        for k in predicted:
            values = np.array([(*seen.values, seen.refused)[k] for seen in self._seen])
            rows = np.flatnonzero(~np.isnan(values))
            bound = REFUSAL if k == len(self._constraints) else self._constraints[k].bound
            self._models[k].fit(known.take(rows), values[rows], bound, self._told)
        self._is_fitted = True


def _normal(deviations: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    from scipy.special import ndtr

    return ndtr(deviations)


def _finite(value: float) -> float:
    return min(max(value, -1e300), 1e300)
