"""A layer: a controller around another one, which it asks and tells.

    controllers.ASHA(controllers.RegularizedEvolution(seed=0), epochs=(1, 3, 9))

The controller inside decides which architectures are worth a trial; a layer decides something else: how thoroughly they are
judged, when a training is stopped, what comes first. Any controller can be inside, also another layer.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.checks import check_owner, check_whole
from controllers.evolution import RegularizedEvolution
from nas.errors import UserError
from nas.language.space import SearchSpace
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective


class Layer(Controller):
    """What layers have in common: settings, set-up and state of the controller inside.

    Args:
        over: the controller inside; None: regularized evolution.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: `over` is not a controller, or has a layer of the same kind already.
    """

    name: str

    def __init__(self, over: Controller | None, seed: int):
        path = type(self).__name__
        self.seed = check_whole(f"{path}(seed)", seed, 0)
        self.over = RegularizedEvolution(seed=self.seed) if over is None else over
        if not isinstance(self.over, Controller):
            hint = "Write controllers.RegularizedEvolution(seed=0), or another one"
            raise UserError(f"{over!r} is not a controller", path=f"{path}(over)", received=over, hint=hint)
        inside: Any = self.over
        while isinstance(inside, Layer):
            if inside.name == self.name:
                raise UserError(
                    f"a {self.name} is inside already", path=f"{path}(over)", received=over, expected="one of a kind"
                )
            inside = inside.over

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self.over.setup(space, objectives, constraints)
        self.begin()

    @abc.abstractmethod
    def begin(self) -> None:
        """Forgets everything: a search begins."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """What was set, as plain JSON."""

    @abc.abstractmethod
    def memory(self) -> dict[str, Any]:
        """What the layer itself remembers, as plain JSON."""

    @abc.abstractmethod
    def recall(self, memory: Mapping[str, Any]) -> None:
        """The inverse of `memory`."""

    @property
    def fidelities(self) -> Sequence[Fidelity]:  # type: ignore[override]  # read only: those of the controller inside
        return self.over.fidelities

    def bars(self) -> Mapping[int, float]:
        return self.over.bars()

    def describe(self) -> dict[str, Any]:
        """Its settings and those of the controller inside, as plain JSON."""
        return {"name": self.name, "seed": self.seed, **self.settings(), "over": self.over.describe()}

    def state(self) -> dict[str, Any]:
        """The state of the controller inside; what the layer adds stands under its name."""
        inside = self.over.state()
        return inside | {"controller": self.name, self.name: {"inside": inside.get("controller"), **self.memory()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        check_owner(state, self.name)
        own = state[self.name]
        inside = {key: value for key, value in state.items() if key not in ("controller", self.name)}
        self.over.restore(inside | ({"controller": own["inside"]} if own["inside"] is not None else {}))
        self.recall(own)
