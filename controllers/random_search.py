"""Random search without replacement: every point of the space is equally likely, none comes twice.

Use it as the yardstick that any other controller must beat, where nothing is known about the objective, or to list a small
space completely: asked often enough, it proposes every distinct architecture. Its order does not depend on results, so any
number of workers can ask ahead. Bergstra & Bengio 2012; Li & Talwalkar 2020 on why it is the yardstick of architecture search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.checks import check_whole
from controllers.memory import Memory
from controllers.ranking import is_failed, merit
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial


class Random(Controller):
    """Random search without replacement.

    Args:
        seed: the same seed gives the same order.
    """

    name = "random"

    def __init__(self, seed: int = 0):
        self.seed = check_whole("Random(seed)", seed, 0)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._memory.draw)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._memory.learn(trial, is_failed(merit(trial, self.objectives, self.constraints)))

    def state(self) -> dict[str, Any]:
        return self._memory.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
