"""What REINFORCE and PPO share: proposals drawn from a policy, and what a told trial is worth to it.

The reward is not the metric but the rank among the last `window` trials: its Savage score (Savage 1956), which is the sum of
1/j for j = i..n, minus 1, for the i-th best of n. Its mean is 0 and its deviation 1 whatever the metric, and the good end
counts more: the best of 100 gets +4.2, the median -0.3, the worst -1, so a policy seeks the best it can find rather than a
good average (as Petersen et al. 2021 argue). On the tables it reaches in 100 trials what ranks spread evenly reach in 200.
Infeasible trials rank below feasible ones by how much they violate, failed ones last.

No architecture is proposed twice. When all of a batch of draws are known, because the policy has become sure, the search goes
on around them: their decisions are changed one by one, then points are drawn from the whole space. So it never stalls.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from controllers.autoregressive import Autoregressive
from controllers.checks import check_number, check_whole
from controllers.feasibility import Feasibility
from controllers.memory import Memory
from controllers.policy import Factorized, Policy
from controllers.ranking import Merit, dominates, is_failed, merit, read_merit
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

DRAWN = (1, 15)  # points drawn from the policy for one proposal: the second batch where the first is known
STEPS = 8  # one-decision changes made to them in turn where all are known

PolicyName = Literal["factorized", "autoregressive"]


class PolicySearch(Controller):
    """A controller that draws from a policy and learns from ranks; how it learns is the method's.

    Args:
        seed: the same seed and the same tells give the same proposals.
        policy: "factorized" or "autoregressive".
        learning_rate: step along the gradient.
        entropy: weight of the policy's entropy beside a reward of standard deviation 1. More means longer exploration.
        window: among how many trials a reward is ranked, at least 2.

    Raises:
        UserError: a setting out of range.
    """

    name: str

    def __init__(self, seed: int, policy: PolicyName, learning_rate: float, entropy: float, window: int):
        path = type(self).__name__
        if policy not in ("factorized", "autoregressive"):
            expected = "factorized or autoregressive"
            raise UserError(f"no policy {policy!r}", path=f"{path}(policy)", received=policy, expected=expected)
        self.seed = check_whole(f"{path}(seed)", seed, 0)
        self.policy = policy
        self.learning_rate = check_number(f"{path}(learning_rate)", learning_rate, 0)
        self.entropy = check_number(f"{path}(entropy)", entropy, 0)
        self.window = check_whole(f"{path}(window)", window, 2)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._feasibility = Feasibility(space, constraints)
        self._recent: deque[Merit] = deque(maxlen=self.window)
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)
        self._policy: Policy = (
            Factorized(space.genome) if self.policy == "factorized" else Autoregressive(space.genome, self.seed)
        )

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        rates = {"learning_rate": self.learning_rate, "entropy": self.entropy, "window": self.window}
        return {"name": self.name, "seed": self.seed, "policy": self.policy, **rates}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is not None:
                self._feasibility.learn(vector, trial)
                self._recent.append(found)
                self._learn(vector, savage_score(found, self._recent))

    @abc.abstractmethod
    def _learn(self, vector: np.ndarray, reward: float) -> None:
        """Takes note of the reward of a point."""

    def state(self) -> dict[str, Any]:
        learned = {"policy": self._policy.state(), "recent": list(self._recent), "feasibility": self._feasibility.state()}
        return self._memory.state() | learned

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._policy.restore(state["policy"])
        self._feasibility.restore(state["feasibility"])
        self._recent = deque(map(read_merit, state["recent"]), maxlen=self.window)

    def _propose(self) -> Architecture | None:
        drawn = []
        for n in (sum(DRAWN),) if self._feasibility.is_active else DRAWN:
            drawn.append(self._policy.sample(self._memory.rng, n))
            found = self._admit_one(drawn[-1])
            if found is not None:
                return found
        vectors = np.concatenate(drawn)
        for _ in range(STEPS if self._can_mutate else 0):
            vectors = self.space.genome.mutate(vectors, self._memory.rng)
            found = self._admit_one(vectors)
            if found is not None:
                return found
        return self._feasibility.draw(self._memory)

    def _admit_one(self, vectors: np.ndarray) -> Architecture | None:
        """One that is new, likely to be feasible, and within the space: a policy knows no rules between decisions or limits."""
        genome = self.space.genome
        if isinstance(genome, FeasibleGenome):
            vectors = vectors[genome.fits(vectors)]
        return self._feasibility.admit(self._memory, vectors) if len(vectors) else None


def savage_score(found: Merit, among: Iterable[Merit]) -> float:
    """`sum(1/j for j in i..n) - 1` for the i-th best of n merits, of which `found` is one; equals share their average."""
    among = list(among)
    scores = np.cumsum(1.0 / np.arange(len(among), 0, -1))[::-1]  # scores[i - 1] for the i-th best
    better = sum(dominates(other, found) for other in among)
    equal = among.count(found)
    return float(scores[better : better + equal].mean()) - 1.0
