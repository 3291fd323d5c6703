"""Bayesian optimization: a model of what was told says which architecture is worth the next trial.

Use it where trials are expensive and few (up to some hundreds): it needs fewer of them than anything else here, and takes
longer to propose (tens of milliseconds). Told trials train a Gaussian process over decisions and exact costs (surrogate.py,
encoding.py); the next proposal is the candidate with the largest expected improvement (Mockus 1975; Jones et al. 1998, eq. 15),
computed as a logarithm (Ament et al. 2023) so that it tells candidates apart also where improvement is unlikely.

- Values enter by rank, as normal scores: an accuracy, a loss of 10^-6 and a metric with a heavy tail of networks that hardly
  learn are modelled alike.
- Candidates are all points where there are at most 20,000, else children of the best, crossings among them and random points,
  as in the search of BANANAS (White et al. 2021, section 4).
- A batch spreads by itself: what is asked and not yet told counts as measured at its expected value (Ginsbourger et al. 2010).
- A constraint on FLOPs, multiply-adds or parameters is known exactly, and only candidates within it are considered. Any other
  is modelled as the objective is: expected improvement is multiplied by the probability that all hold (Gardner et al. 2014),
  and by the probability that a trial does not fail, once one has. What is improbable is left out, however much it promises: an
  infeasible trial says nothing of the objective, so the promise would stay. From the third trial on, long before the objective
  has a model, that probability says which candidates are drawn: the random ones that such a model begins with are feasible.
- Several objectives are weighted anew at random for each proposal, by the augmented Chebyshev norm (ParEGO: Knowles 2006,
  eq. 2).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from controllers.acquisition import as_below, log_expected_improvement, log_probability_below, normal_scores
from controllers.candidates import Pool, around, encoding_of, everything
from controllers.checks import check_whole
from controllers.encoding import Features, joined
from controllers.evidence import Record, joint, ranked, read_record, record
from controllers.memory import Memory
from controllers.ranking import is_failed, merit
from controllers.surrogate import Surrogate, on_one_thread
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

KEPT = 200  # trials that the model sees: the latest half, and the best of those before
WAITING = 64  # proposals not yet told that it spreads around
FEW = 100  # told trials below which the model's own numbers are uncertain
SHARPNESS = 4.0  # a candidate is drawn with its probability of being feasible to this power
FEWEST = 3  # told trials before feasible candidates are sought
PATIENCE = 3  # times as many trials are drawn so, where few of them are judged
POSSIBLE = 0.25  # the least probability of being feasible, where half of the candidates' highest is not less
DRAWN = 4  # models that are then averaged
SHORTLIST = 256  # candidates whose uncertainty is computed, at least
WORK = 1e7  # and otherwise so many that it takes about as long in a large study as in a small one
OUT_OF_BOUNDS = -1e6  # below any logarithm that counts
SAME_PRICE = 0.01  # by which a told cost may differ from the exact one

Judge: TypeAlias = Callable[[Pool, "np.ndarray | None"], np.ndarray]
"""What candidates are worth in one respect, as a logarithm, by what is expected of them; given rows, by its uncertainty too."""


class Bayesian(Controller):
    """Expected improvement under a Gaussian process.

    Args:
        seed: the same seed and the same tells give the same proposals.
        drawn: how many trials are drawn at random before there is a model.
        candidates: how many architectures are compared for one proposal, in spaces too large to compare all.

    Raises:
        UserError: a setting out of range.
    """

    name = "bayesian"

    def __init__(self, seed: int = 0, drawn: int = 10, candidates: int = 512):
        self.seed = check_whole("Bayesian(seed)", seed, 0)
        self.drawn = check_whole("Bayesian(drawn)", drawn, 1)
        self.candidates = check_whole("Bayesian(candidates)", candidates, 8)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._encoding = encoding_of(space)
        self._records: list[Record] = []  # in the order of their tells
        self._told = 0
        self._waiting: list[np.ndarray] = []
        self._exact = sorted({c.metric for c in self.constraints} & set(self._encoding.metrics))
        self._surrogates: dict[str, Surrogate] = {}
        self._known: dict[bytes, Features] = {}  # of records and proposals; spares computing them again, no part of the state
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed, "drawn": self.drawn, "candidates": self.candidates}

    @property
    def told(self) -> int:
        """How many trials it has learned from."""
        return self._told

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            failed = is_failed(merit(trial, self.objectives, self.constraints))
            vector = self._memory.learn(trial, failed)
            if vector is not None:
                self._waiting = [point for point in self._waiting if not np.array_equal(point, vector)]
                self._records = [known for known in self._records if not np.array_equal(known.vector, vector)]
                self._records.append(record(trial, vector, failed, self.objectives, self.constraints))
                self._told += 1
                self._check_prices(self._records[-1])
                self._forget()

    def state(self) -> dict[str, Any]:
        learned = {
            "told": self._told,
            "records": [record.to_json() for record in self._records],
            "waiting": [vector.tolist() for vector in self._waiting],
            "exact": list(self._exact),
            "surrogates": {name: surrogate.state() for name, surrogate in self._surrogates.items()},
        }
        return self._memory.state() | learned

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        dtype = self.space.genome.program.dtype
        self._told = int(state["told"])
        self._records = [read_record(data, dtype) for data in state["records"]]
        self._waiting = [np.array(vector, dtype=dtype) for vector in state["waiting"]]
        self._exact = [str(metric) for metric in state["exact"]]
        self._surrogates = {}
        for name, numbers in state["surrogates"].items():
            self._surrogate(name).restore(numbers)

    # -- what is remembered ----------------------------------------------------------------------------------------------

    def _check_prices(self, told: Record) -> None:
        """A metric may be called `params` and count something else: then it is modelled like any other."""
        for constraint, value in zip(self.constraints, told.limits, strict=True):
            if value is not None and constraint.metric in self._exact:
                price = self._encoding.prices(told.vector[None])[0, self._encoding.metrics.index(constraint.metric)]
                if not math.isclose(price, value, rel_tol=SAME_PRICE):
                    self._exact.remove(constraint.metric)

    def _forget(self) -> None:
        """Drops the worst of the older half, where there are too many."""
        if len(self._records) > KEPT:
            older = self._records[: KEPT // 2 + 1]
            equal = np.full(len(self.objectives), 1 / len(self.objectives))
            dropped = self._records.pop(ranked(older, self.constraints, equal)[-1])
            self._known.pop(dropped.vector.tobytes(), None)

    def _features(self, vectors: Sequence[np.ndarray]) -> Features:
        missing = [vector for vector in vectors if vector.tobytes() not in self._known]
        if missing:
            found = self._encoding.features(np.array(missing))
            self._known |= {vector.tobytes(): found.take([i]) for i, vector in enumerate(missing)}
        return joined([self._known[vector.tobytes()] for vector in vectors])

    # -- proposals -------------------------------------------------------------------------------------------------------

    def _propose(self) -> Architecture | None:
        found = None
        limited = bool(self.constraints) or any(known.fate == "failed" for known in self._records)
        if self._can_mutate and (self._has_model or self._exact or (limited and len(self._records) >= FEWEST)):
            with on_one_thread():
                found = self._best_candidate()
        found = found or self._memory.draw()
        if found is not None:
            self._waiting = [*self._waiting, found.vector][-WAITING:]
        return found

    @property
    def _has_model(self) -> bool:
        """Whether enough is known of the objective to look for improvement."""
        scored = sum(known.scores is not None for known in self._records)
        return scored >= self.drawn or len(self._records) >= PATIENCE * self.drawn

    def _best_candidate(self) -> Architecture | None:
        """The most promising candidate that is new; before there is a model, one drawn of those likely to be feasible."""
        count, rng = len(self.objectives), self._memory.rng
        weights = rng.dirichlet(np.ones(count)) if count > 1 else np.ones(1)
        limits = self._limits()
        if not (self._has_model or limits or self._exact):
            return None
        pool = everything(self.space) or self._around(weights)
        over = self._excess(pool)
        if not self._has_model:
            worth = rng.gumbel(size=len(pool)) + SHARPNESS * _sum(limits, pool, np.arange(len(pool)))
            return self._first_new(pool, np.argsort(-np.where(over > 0, OUT_OF_BOUNDS * (1 + over), worth)))
        improvement = self._improvement(weights)
        rough = _sum(improvement, pool, None) + _sum(limits, pool, None)
        rough = np.where(over > 0, OUT_OF_BOUNDS * (1 + over), rough)
        order = np.argsort(-rough, kind="stable")
        rows = order[: max(SHORTLIST, int(WORK / (len(self._records) + len(self._waiting)) ** 2))]
        chances = _sum(limits, pool, rows)
        possible = chances >= min(math.log(POSSIBLE), chances.max() - math.log(2))
        fine = np.where(possible, _sum(improvement, pool, rows) + chances, OUT_OF_BOUNDS + chances)
        fine = np.where(over[rows] > 0, rough[rows], fine)
        order[: len(rows)] = rows[np.argsort(-fine, kind="stable")]
        return self._first_new(pool, order)

    def _first_new(self, pool: Pool, order: np.ndarray) -> Architecture | None:
        for row in order.tolist():
            architecture = self._memory.admit(pool.vectors[row])
            if architecture is not None:
                self._known[architecture.vector.tobytes()] = pool.features.take([row])
                return architecture
        return None

    def _around(self, weights: np.ndarray) -> Pool:
        best = [self._records[i].vector for i in ranked(self._records, self.constraints, weights)]
        return around(self.space, best, self.candidates, self._memory.rng)

    def _excess(self, pool: Pool) -> np.ndarray:
        """By how much each candidate violates constraints that are known exactly."""
        over = np.zeros(len(pool))
        for constraint in self.constraints:
            if constraint.metric in self._exact:
                prices = pool.prices[:, self._encoding.metrics.index(constraint.metric)]
                over += [constraint.violation(price) for price in prices.tolist()]
        return over

    # -- models ----------------------------------------------------------------------------------------------------------

    def _improvement(self, weights: np.ndarray) -> list[Judge]:
        """Of the objective, as far as anything feasible is known: with few data several models are likely and their
        expectations are averaged; with many one is."""
        scored = [known for known in self._records if known.scores is not None]
        feasible = np.array([known.fate == "feasible" for known in scored], dtype=bool)
        if not feasible.any():
            return []
        targets = normal_scores(joint(scored, weights))
        best, drawn = float(targets[feasible].max()), self._told < FEW
        models = [self._taught(f"objective {i}", scored, targets, drawn) for i in range(DRAWN if drawn else 1)]

        def judge(pool: Pool, rows: np.ndarray | None) -> np.ndarray:
            logs = [log_expected_improvement(*predict(pool, rows), best) for predict in models]
            return np.logaddexp.reduce(logs, axis=0)

        return [judge]

    def _limits(self) -> list[Judge]:
        """That each constraint holds, and that nothing fails: as far as anything is known of them."""
        judges: list[Judge] = []
        for i, constraint in enumerate(self.constraints):
            measured = [known for known in self._records if known.limits[i] is not None]
            if len(measured) > 1 and constraint.metric not in self._exact:
                targets, bound = as_below([known.limits[i] for known in measured], constraint)  # type: ignore[misc]
                judges.append(self._below(f"{i} {constraint.metric}", measured, targets, bound))
        failed = np.array([known.fate == "failed" for known in self._records])
        if failed.any():
            judges.append(self._below("failure", self._records, np.where(failed, 1.0, -1.0), 0.0))
        return judges

    def _below(self, name: str, known: Sequence[Record], targets: np.ndarray, bound: float) -> Judge:
        predict = self._taught(name, known, targets)
        return lambda pool, rows: log_probability_below(*predict(pool, rows), bound)

    def _taught(
        self, name: str, known: Sequence[Record], targets: np.ndarray, drawn: bool = False
    ) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        """A model of some records' values: (pool, rows) -> expected values and deviations; without rows the latter are 1."""
        surrogate = self._surrogate(name)
        vectors = [record.vector for record in known]
        waiting = self._features(self._waiting) if self._waiting else None
        surrogate.learn(self._features(vectors), targets, self._told, waiting, self._memory.rng if drawn else None)
        names = [vector.tobytes() for vector in (*vectors, *self._waiting)]

        @functools.lru_cache(maxsize=1)
        def covariance(pool: Pool) -> np.ndarray:
            return surrogate.keep(pool.features, names) if pool.lasts else surrogate.covariance(pool.features)

        def predict(pool: Pool, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            if rows is None:
                return surrogate.mean(covariance(pool)), np.ones(len(pool))
            part = covariance(pool)[:, rows]
            return surrogate.mean(part), surrogate.deviation(part, pool.features.take(rows))

        return predict

    def _surrogate(self, name: str) -> Surrogate:
        if name not in self._surrogates:
            self._surrogates[name] = Surrogate(self._encoding)
        return self._surrogates[name]


def _sum(judges: Sequence[Judge], pool: Pool, rows: np.ndarray | None) -> np.ndarray:
    """What the judges say together of candidates, as a logarithm."""
    return np.sum([np.zeros(len(pool) if rows is None else len(rows)), *(judge(pool, rows) for judge in judges)], axis=0)
