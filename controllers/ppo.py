"""PPO: proximal policy optimization (Schulman et al. 2017), as MnasNet searched with it (Tan et al. 2019).

Use it like REINFORCE, in large spaces and for long searches, where trials come in batches or the signal is noisy: it learns
from `batch` told trials at once, goes over them `epochs` times, and lets no batch move the probability of a decision by more
than about `clip` times what it was. With the ratio r = p / p_old of a decision since the batch began, each epoch ascends

    sum of min(r * A, clip(r, 1 - clip, 1 + clip) * A) + entropy * H        (Schulman et al. 2017, eq. 7 and 9)

over the active decisions of the batch; A is the reward less the value of the start, learned as a moving average. A point is
one step of many decisions with one reward at its end, so that is the whole of the value function and of the return.

What differs from the papers: the old policy is that at the start of the batch's epochs, not at the time of asking, so tells
may come late, in any order, and of trials that were never asked for (Hilton et al. 2022 show that the two can be parted); the
policy is a table or a small autoregressive network, and the reward is a rank (policy_search.py). And the clip is wide: 0.2,
made for thousands of samples, is reached at once in a batch of eight. On NAS-Bench-201, NAS-Bench-Macro and random functions
it needs about 100 trials for what 0.5 or 1 reach in 70; after 500 it makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from controllers.checks import check_number, check_whole
from controllers.policy_search import PolicyName, PolicySearch
from nas.language.space import SearchSpace
from nas.study.objective import Constraint, Objective

VALUE_DECAY = 0.9


class PPO(PolicySearch):
    """Clipped policy gradient, several epochs over each batch of told trials.

    Args:
        seed: the same seed and the same tells give the same proposals.
        policy: "factorized", or "autoregressive" where options are good only together.
        learning_rate: step of the policy's logits, over all epochs of a batch, for a reward one standard deviation above.
        clip: how far the probability of a decision may move in a batch, relative to what it was.
        batch: how many told trials are learned from at once.
        epochs: how often.
        entropy: weight of the policy's entropy beside a reward of standard deviation 1. More means longer exploration.
        window: among how many trials a reward is ranked, at least 2.

    Raises:
        UserError: a setting out of range.
    """

    name = "ppo"

    def __init__(
        self,
        seed: int = 0,
        policy: PolicyName = "factorized",
        learning_rate: float = 0.4,
        clip: float = 1.0,
        batch: int = 8,
        epochs: int = 4,
        entropy: float = 0.03,
        window: int = 100,
    ):
        super().__init__(seed, policy, learning_rate, entropy, window)
        self.clip = check_number("PPO(clip)", clip, 0)
        self.batch = check_whole("PPO(batch)", batch, 1)
        self.epochs = check_whole("PPO(epochs)", epochs, 1)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._value = 0.0
        self._waiting: list[tuple[np.ndarray, float]] = []

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return super().describe() | {"clip": self.clip, "batch": self.batch, "epochs": self.epochs}

    def state(self) -> dict[str, Any]:
        waiting = [[vector.tolist(), reward] for vector, reward in self._waiting]
        return super().state() | {"value": self._value, "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        dtype = self.space.genome.program.dtype
        self._value = float(state["value"])
        self._waiting = [(np.array(vector, dtype=dtype), float(reward)) for vector, reward in state["waiting"]]

    def _learn(self, vector: np.ndarray, reward: float) -> None:
        self._waiting.append((vector, reward))
        if len(self._waiting) < self.batch:
            return
        vectors = np.array([vector for vector, _ in self._waiting])
        rewards = np.array([reward for _, reward in self._waiting])
        self._waiting = []
        self._improve(vectors, rewards[:, None] - self._value)
        for reward in rewards.tolist():
            self._value += (1 - VALUE_DECAY) * (reward - self._value)

    def _improve(self, vectors: np.ndarray, advantages: np.ndarray) -> None:
        """All epochs over points, (n, width), and their advantages, (n, 1)."""
        old = self._policy.log_probabilities(vectors)
        for _ in range(self.epochs):
            weights = clipped_weights(self._policy.log_probabilities(vectors) - old, advantages, self.clip)
            gradient = self._policy.gradient(vectors, weights, self.entropy)
            self._policy.ascend(gradient, self.learning_rate / self.epochs)


def clipped_weights(moved: np.ndarray, advantages: np.ndarray, clip: float) -> np.ndarray:
    """What `grad log p` is multiplied by in the gradient of the clipped surrogate, min(r A, clip(r, 1 - c, 1 + c) A).

    That is r A, but 0 where the ratio has moved beyond the clip in the direction that the advantage wants.

    Args:
        moved: log r of each decision, (n, width).
        advantages: A of each point, (n, 1).
        clip: c.
    """
    ratio = np.exp(np.minimum(moved, np.log1p(clip) + 1.0))  # beyond that it is clipped, or its weight stays bounded
    beyond = np.where(advantages > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(beyond, 0.0, ratio * advantages)
