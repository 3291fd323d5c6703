"""Who proposes the architectures of a job: the interface, and any controller behind it.

    space = decode_search_space(job.search_space_spec)
    proposer = ControllerProposer(controllers.get("ppo", seed=1), space, job.metric_id, job.goal)
    proposer.ask()          # {"enc0": "1/3 (2)", ...}; None: the space is exhausted

A proposal is in the words of `--nas_params_str`; `trainer.vertex.search_space` reads and writes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from nas.study.interfaces import Controller
from nas.study.objective import Objective
from nas.study.trial import Measurement, Trial
from trainer.vertex.job_ledger import NasTrial
from trainer.vertex.job_spec import Goal
from trainer.vertex.layout import Params

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


class Proposer(Protocol):
    """What the engine asks and tells. Equal asks and tells must give equal answers: a job that goes on is replayed."""

    def ask(self) -> Params | None:
        """The next architecture; None: none (the search ends once nothing runs any more)."""

    def tell(self, trial: NasTrial) -> None:
        """A search trial has ended."""

    def state(self) -> Mapping[str, Any]:
        """All it remembers, as plain JSON."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state` was taken."""


class ControllerProposer:
    """A controller as a proposer.

    Args:
        controller: not set up yet.
        space: what to search.
        metric, goal: what trials report.
    """

    def __init__(self, controller: Controller, space: SearchSpace, metric: str, goal: Goal):
        self._controller, self._space, self._metric = controller, space, metric
        controller.setup(space, [Objective(metric, goal)])

    def ask(self) -> Params | None:
        proposed = self._controller.ask(1)
        return self._space.genome.to_vertex(proposed[0].vector) if proposed else None

    def tell(self, trial: NasTrial) -> None:
        architecture = self._space.architecture(self._space.genome.from_vertex(trial.params))
        told = Trial(trial.id, architecture.decisions, architecture.fingerprint, reason=trial.reason)
        if trial.measurement is not None:
            found = {self._metric: Measurement(trial.value)}
            told = dataclasses.replace(told, state="completed", measurements=found)
        else:
            told = dataclasses.replace(told, state="infeasible" if trial.ending == "infeasible" else "failed")
        self._controller.tell([told])

    def state(self) -> Mapping[str, Any]:
        return self._controller.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self._controller.restore(state)
