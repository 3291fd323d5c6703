"""REINFORCE: reinforcement learning of which options are good (Williams 1992; Zoph & Le 2017).

Use it in large spaces and for long searches: its memory and time do not grow with the number of trials. A policy gives each
option of each decision a probability; architectures are drawn from it, and each told trial moves it along `advantage * grad
log p` (Zoph & Le 2017, eq. 2), over the decisions that are active in that trial. A moving average of rewards is subtracted as
the baseline, and the policy's entropy is rewarded, as in the paper.

What differs from the paper: the policy is a table (policy.py) or a small autoregressive network (autoregressive.py), since a
few hundred trials are too few to train an LSTM, and the reward is a rank, no architecture comes twice (policy_search.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from controllers.policy_search import PolicyName, PolicySearch
from nas.language.space import SearchSpace
from nas.study.objective import Constraint, Objective

BASELINE_DECAY = 0.9


class Reinforce(PolicySearch):
    """Policy gradient over the active decisions, a step for each told trial.

    Args:
        seed: the same seed and the same tells give the same proposals.
        policy: "factorized", or "autoregressive" where options are good only together.
        learning_rate: step of the policy's logits for a reward one standard deviation above the baseline.
        entropy: weight of the policy's entropy beside a reward of standard deviation 1. More means longer exploration.
        window: among how many trials a reward is ranked, at least 2.

    Raises:
        UserError: a setting out of range.
    """

    name = "reinforce"

    def __init__(
        self,
        seed: int = 0,
        policy: PolicyName = "factorized",
        learning_rate: float = 0.4,
        entropy: float = 0.03,
        window: int = 100,
    ):
        super().__init__(seed, policy, learning_rate, entropy, window)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._baseline = 0.0

    def state(self) -> dict[str, Any]:
        return super().state() | {"baseline": self._baseline}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._baseline = float(state["baseline"])

    def _learn(self, vector: np.ndarray, reward: float) -> None:
        advantage = np.array([[reward - self._baseline]])
        self._policy.ascend(self._policy.gradient(vector[None], advantage, self.entropy), self.learning_rate)
        self._baseline += (1 - BASELINE_DECAY) * (reward - self._baseline)
