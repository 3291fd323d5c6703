"""Architectures to begin with, whatever the controller inside would propose first.

Use it to start a search from networks that are known to be good: a space's published baselines, the best of an earlier study,
a design of one's own. The controller inside learns from them as from its own proposals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.layer import Layer
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.study.interfaces import Controller, Proposal
from nas.study.trial import Trial

BASELINES = "baselines"


class StartFrom(Layer):
    """Proposes given architectures first.

    Args:
        over: the controller inside; None: regularized evolution.
        initial: architectures or their decisions (those left out take the first option), in the order in which they are
            proposed; "baselines": those of the space.
        seed: of the controller that is made where none is given.

    Raises:
        UserError: neither architectures nor decisions; at `setup`: the space has no baselines, or decisions do not fit.
    """

    name = "start-from"

    def __init__(
        self,
        over: Controller | None = None,
        initial: str | Sequence[Architecture | Mapping[str, Any]] = BASELINES,
        seed: int = 0,
    ):
        super().__init__(over, seed)
        if self.over.fidelities:
            hint = f"Put it inside: {type(self.over).__name__}(StartFrom(...))"
            raise UserError("its proposals would have no fidelity", path="StartFrom(over)", received=over, hint=hint)
        self.initial: str | list[dict[str, Any]] = BASELINES
        if initial != BASELINES:
            if isinstance(initial, str) or not all(isinstance(one, Architecture | Mapping) for one in initial):
                expected = 'architectures, decisions, or "baselines"'
                raise UserError(f"{initial!r} does not fit", path="StartFrom(initial)", received=initial, expected=expected)
            self.initial = [dict(one.decisions if isinstance(one, Architecture) else one) for one in initial]

    def begin(self) -> None:
        found = list(self.space.baselines.values()) if isinstance(self.initial, str) else [self._point(d) for d in self.initial]
        if not found:
            where = f"{self.space.name} has no baselines" if self.initial == BASELINES else "there is none"
            raise UserError(where, path="StartFrom(initial)", received=self.initial, expected="at least one architecture")
        self._waiting = list({a.fingerprint: a for a in found}.values())

    def settings(self) -> dict[str, Any]:
        return {"initial": self.initial}

    def ask(self, n: int = 1) -> Sequence[Architecture | Proposal]:
        first, self._waiting = self._waiting[:n], self._waiting[n:]
        # The controller inside must not propose them once more; what came of them it is told like anything else.
        self.over.tell([Trial(0, a.decisions, a.fingerprint) for a in first])
        return [*first, *self.over.ask(n - len(first))]

    def tell(self, trials: Sequence[Trial]) -> None:
        known = {trial.fingerprint for trial in trials}
        self._waiting = [a for a in self._waiting if a.fingerprint not in known]
        self.over.tell(trials)

    def memory(self) -> dict[str, Any]:
        return {"waiting": [a.fingerprint for a in self._waiting]}

    def recall(self, memory: Mapping[str, Any]) -> None:
        self.begin()
        self._waiting = [a for a in self._waiting if a.fingerprint in set(memory["waiting"])]

    def _point(self, decisions: Mapping[str, Any]) -> Architecture:
        return self.space.architecture(self.space.genome.encode(decisions, first_by_default=True))
