"""What a study needs from outside: a controller that proposes, evaluators that judge."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nas.study.fidelity import AS_SET, Fidelity
from nas.study.objective import Constraint, Objective
from nas.study.trial import Measurement, Trial

if TYPE_CHECKING:
    import numpy as np

    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace
    from nas.study.watch import Watch


@dataclasses.dataclass(frozen=True)
class Proposal:
    """An architecture and how thoroughly it is to be judged: what a controller of several fidelities proposes.

    Attributes:
        architecture: as from a space.
        fidelity: on top of the study's own.
    """

    architecture: Architecture
    fidelity: Fidelity = AS_SET

    @property
    def fingerprint(self) -> str:
        return self.architecture.fingerprint

    @property
    def decisions(self) -> dict[str, Any]:
        return self.architecture.decisions

    @property
    def vector(self) -> np.ndarray:
        return self.architecture.vector

    @property
    def index(self) -> int:
        return self.architecture.index


class Controller(abc.ABC):
    """Who proposes architectures.

    A controller is made without a space (`RegularizedEvolution(seed=0)`); the study calls `setup` once before the first
    `ask`. Its whole memory, random generator included, is `state()`: plain JSON that `restore` takes after `setup`, so that
    the continuation is identical to the next random number. It never proposes a fingerprint twice at the same fidelity.

    Attributes:
        fidelities: those it proposes at, the lowest first; empty: it leaves them to the study. Only judgements at the highest
            one say which architecture is best.
    """

    space: SearchSpace
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint]
    fidelities: Sequence[Fidelity] = ()

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        """Says what to search and what for. Called once, before anything else."""
        self.space, self.objectives, self.constraints = space, tuple(objectives), tuple(constraints)

    @abc.abstractmethod
    def ask(self, n: int = 1) -> Sequence[Architecture | Proposal]:
        """Up to `n` different architectures, none proposed before; fewer (or none): the space is exhausted.

        A controller of several fidelities returns proposals. It can propose an architecture again at a higher fidelity, and
        it can have nothing to propose until more is told.
        """

    @abc.abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """Learns from finished trials: any order, any state, also trials it never asked for (warm start).

        Of trials that are not finished it learns that they need not be proposed.
        """

    def bars(self) -> Mapping[int, float]:
        """Epoch -> score (`Objective.score`, larger is better) that a training must have reached by then, or it is stopped."""
        return {}

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


class Evaluator(abc.ABC):
    """Who judges an architecture.

    Attributes:
        name: for people and the store.
        metrics: the names it measures.
        seconds: what one evaluation costs, roughly; a study runs cheap evaluators first, so that an architecture over
            budget is never trained.
        isolated: True where evaluation imports TensorFlow or could crash or leak: it then runs in a worker process.
        constant: True where what it measures depends on neither fidelity nor seed: a trial that continues another one keeps it.
    """

    name: str
    metrics: tuple[str, ...]
    seconds: float = 0.0
    isolated: ClassVar[bool] = False
    constant: ClassVar[bool] = False

    @abc.abstractmethod
    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Measures. Raises `nas.errors.Infeasible(reason)` where the architecture cannot be judged."""

    def describe(self) -> dict[str, Any]:
        """Settings that change what is measured, as plain JSON: stored with the study."""
        return {"name": self.name}


class GradualEvaluator(Evaluator):
    """An evaluator that trains epoch by epoch: it reports its curve, and can continue what an earlier trial trained."""

    @abc.abstractmethod
    def evaluate(
        self,
        architecture: Architecture,
        fidelity: Fidelity = Fidelity(),
        *,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> dict[str, Measurement]:
        """As `Evaluator.evaluate`.

        Args:
            architecture: what is judged.
            fidelity: how thoroughly.
            seed: of everything random in it.
            watch: `watch.report` is called after each epoch but the last, `watch.recall` for that one and for those trained
                before. Where `watch.checkpoint` names a directory, training goes on from what it finds there and keeps its
                state there.

        Raises:
            Stopped: from `watch.report`; passed on.
        """
