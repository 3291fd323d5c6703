"""A portfolio that needs no choosing: how much is known decides who proposes, never a clock.

Use it unless you know better. Its members are controllers that stand here by themselves too; each learns from every trial,
whoever proposed it, so that none begins blind when its turn comes:

- one objective: a Gaussian process (`Bayesian`) for the first `MODELLED` trials, where it needs a half or a third of the trials
  of anything else. After that its tens of milliseconds a proposal would be most of a search whose trials are that cheap, so
  regularized evolution takes over from what was found, and the model has one turn in `TURN`.
- several objectives: `NSGA2` from the start.

To go from the method that needs the fewest trials to the one that costs the least is what portfolios of black-box optimizers do
(Meunier et al. 2022, "Black-Box Optimization Revisited", the chaining of algorithms in NGOpt).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.bayesian import Bayesian
from controllers.checks import check_owner, check_whole
from controllers.evolution import RegularizedEvolution
from controllers.nsga2 import NSGA2
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

MODELLED = 400  # trials for which each proposal comes from a model
TURN = 32  # from then on, one proposal in so many: its 50 ms are then 1.5 a trial


class Auto(Controller):
    """Bayesian optimization, then evolution; NSGA-II where there are several objectives.

    Args:
        seed: of its members. The same seed and the same tells give the same proposals.

    Raises:
        UserError: a seed below 0.
    """

    name = "auto"

    def __init__(self, seed: int = 0):
        self.seed = check_whole("Auto(seed)", seed, 0)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._model = Bayesian(self.seed) if len(self.objectives) == 1 else None
        self._cheap = RegularizedEvolution(self.seed) if self._model else NSGA2(self.seed)
        self._members: list[Controller] = [self._model, self._cheap] if self._model else [self._cheap]
        for member in self._members:
            member.setup(space, objectives, constraints)
        self._asked = 0

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed}

    def ask(self, n: int = 1) -> list[Architecture]:
        found: list[Architecture] = []
        while len(found) < n and (asked := self._ask_one()):
            found += asked
        return found

    def tell(self, trials: Sequence[Trial]) -> None:
        for member in self._members:
            member.tell(trials)

    def state(self) -> dict[str, Any]:
        states = [member.state() for member in self._members]
        known = [state.pop("known") for state in states]  # the same for each
        return {"controller": self.name, "asked": self._asked, "known": known[0], "members": states}

    def restore(self, state: Mapping[str, Any]) -> None:
        check_owner(state, self.name)
        self._asked = int(state["asked"])
        for member, its in zip(self._members, state["members"], strict=True):
            member.restore({**its, "known": state["known"]})

    def _ask_one(self) -> list[Architecture]:
        """A proposal, which the other members are told of: it need not come again. Empty: all of the space is known."""
        turn = self._turn()
        asked = turn.ask(1)
        self._asked += len(asked)
        for member in self._members:
            if member is not turn:
                member.tell([Trial(0, one.decisions, one.fingerprint) for one in asked])
        return asked

    def _turn(self) -> Bayesian | RegularizedEvolution | NSGA2:
        if self._model is None:
            return self._cheap
        trials = max(self._asked, self._model.told)
        return self._model if trials < MODELLED or trials % TURN == 0 else self._cheap
