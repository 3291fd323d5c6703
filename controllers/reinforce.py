"""REINFORCE: reinforcement learning of which options are good (Zoph & Le 2017, with a factorized policy).

Use it where decisions matter mostly one by one, in large spaces, and for long searches: its memory and time do not grow with
the number of trials. A policy gives each option of each decision a probability (policy.py); architectures are drawn from it,
and each told trial moves it along `advantage * grad log p`, over the decisions that are active in that trial.

What differs from the paper, and why:

- The policy is a table, not a recurrent network: a few hundred trials are too few to train one.
- The reward is the rank among the last `window` trials, not the metric: its Savage score (Savage 1956), which is sum of 1/j
  for j = i..n minus 1 for the i-th best of n. Its mean is 0 and its deviation 1 whatever the metric, and the good end counts
  more: the best of 100 gets +4.2, the median -0.3, the worst -1, so the policy seeks the best it can find rather than a good
  average (as Petersen et al. 2021 argue). On the tables it reaches in 100 trials what ranks spread evenly reach in 200.
  Infeasible trials rank below feasible ones by how much they violate, failed ones last.
- A moving average of rewards is subtracted as the baseline, and the policy's entropy is rewarded, as in the paper.
- No architecture is proposed twice. When all of a batch of draws are known, because the policy has become sure, the search
  goes on around them: their decisions are changed one by one, then points are drawn from the whole space. So it never stalls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from controllers.checks import check_number, check_whole
from controllers.memory import Memory
from controllers.policy import Policy
from controllers.ranking import Merit, dominates, is_failed, merit, read_merit
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

DRAWN = 16  # points drawn from the policy for one proposal
STEPS = 8  # one-decision changes made to them in turn where all are known
BASELINE_DECAY = 0.9


class Reinforce(Controller):
    """Policy gradient over the active decisions.

    Args:
        seed: the same seed and the same tells give the same proposals.
        learning_rate: step of the policy's logits for a reward one standard deviation above the baseline.
        entropy: weight of the policy's entropy beside a reward of standard deviation 1. More means longer exploration.
        window: among how many trials a reward is ranked, at least 2.

    Raises:
        UserError: a setting out of range.
    """

    name = "reinforce"

    def __init__(self, seed: int = 0, learning_rate: float = 0.4, entropy: float = 0.03, window: int = 100):
        self.seed = check_whole("Reinforce(seed)", seed, 0)
        self.learning_rate = check_number("Reinforce(learning_rate)", learning_rate, 0)
        self.entropy = check_number("Reinforce(entropy)", entropy, 0)
        self.window = check_whole("Reinforce(window)", window, 2)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._policy = Policy(space.genome)
        self._recent: deque[Merit] = deque(maxlen=self.window)
        self._baseline = 0.0
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        settings = {"learning_rate": self.learning_rate, "entropy": self.entropy, "window": self.window}
        return {"name": self.name, "seed": self.seed, **settings}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is not None:
                self._recent.append(found)
                reward = savage_score(found, self._recent)
                self._policy.ascend(vector, reward - self._baseline, self.learning_rate, self.entropy)
                self._baseline += (1 - BASELINE_DECAY) * (reward - self._baseline)

    def state(self) -> dict[str, Any]:
        learned = {"logits": self._policy.state(), "recent": list(self._recent), "baseline": self._baseline}
        return self._memory.state() | learned

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._policy.restore(state["logits"])
        self._recent = deque(map(read_merit, state["recent"]), maxlen=self.window)
        self._baseline = float(state["baseline"])

    def _propose(self) -> Architecture | None:
        vectors = self._policy.sample(self._memory.rng, DRAWN)
        for step in range(STEPS + 1):
            if step and self._can_mutate:
                vectors = self.space.genome.mutate(vectors, self._memory.rng)
            for vector in self._fitting(vectors):
                architecture = self._memory.admit(vector)
                if architecture is not None:
                    return architecture
        return self._memory.draw()

    def _fitting(self, vectors: np.ndarray) -> np.ndarray:
        """Those within the space: the policy knows neither rules between decisions nor limits on costs."""
        genome = self.space.genome
        return vectors[genome.fits(vectors)] if isinstance(genome, FeasibleGenome) else vectors


def savage_score(found: Merit, among: Iterable[Merit]) -> float:
    """`sum(1/j for j in i..n) - 1` for the i-th best of n merits, of which `found` is one; equals share their average."""
    among = list(among)
    scores = np.cumsum(1.0 / np.arange(len(among), 0, -1))[::-1]  # scores[i - 1] for the i-th best
    better = sum(dominates(other, found) for other in among)
    equal = among.count(found)
    return float(scores[better : better + equal].mean()) - 1.0
