"""What a study needs from outside: a controller that proposes, evaluators that judge."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nas.study.objective import Constraint, Objective
from nas.study.trial import Measurement, Trial

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace


class Controller(abc.ABC):
    """Who proposes architectures.

    A controller is made without a space (`RegularizedEvolution(seed=0)`); the study calls `setup` once before the first
    `ask`. Its whole memory, random generator included, is `state()`: plain JSON that `restore` takes after `setup`, so that
    the continuation is identical to the next random number. It never proposes a fingerprint twice.
    """

    space: SearchSpace
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint]

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        """Says what to search and what for. Called once, before anything else."""
        self.space, self.objectives, self.constraints = space, tuple(objectives), tuple(constraints)

    @abc.abstractmethod
    def ask(self, n: int = 1) -> list[Architecture]:
        """Up to `n` different architectures, none proposed before; fewer (or none): the space is exhausted."""

    @abc.abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """Learns from finished trials: any order, any state, also trials it never asked for (warm start)."""

    def describe(self) -> dict[str, Any]:
        """Name, seed and settings, as plain JSON: stored with the study, which only a controller with equal ones continues.

        Asked for before the first `ask`; a controller that does not say it is known by the state it starts from.
        """
        return {"name": type(self).__name__, **self.state()}

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything it remembers, as plain JSON."""

    @abc.abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state()` was taken."""


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """How thoroughly an architecture is judged; None leaves the evaluator's own setting.

    Attributes:
        epochs: passes over the training data.
        data_share: share of the training data used, in (0, 1].
        resolution: factor on the input's height and width, in (0, 1].
        width: factor on channels, in (0, 1].
    """

    epochs: int | None = None
    data_share: float | None = None
    resolution: float | None = None
    width: float | None = None


class Evaluator(abc.ABC):
    """Who judges an architecture.

    Attributes:
        name: for people and the store.
        metrics: the names it measures.
        seconds: what one evaluation costs, roughly; a study runs cheap evaluators first, so that an architecture over
            budget is never trained.
        isolated: True where evaluation imports TensorFlow or could crash or leak: it then runs in a worker process.
    """

    name: str
    metrics: tuple[str, ...]
    seconds: float = 0.0
    isolated: ClassVar[bool] = False

    @abc.abstractmethod
    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Measures. Raises `nas.errors.Infeasible(reason)` where the architecture cannot be judged."""

    def describe(self) -> dict[str, Any]:
        """Settings that change what is measured, as plain JSON: stored with the study."""
        return {"name": self.name}
