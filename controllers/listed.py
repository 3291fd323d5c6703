"""A given list of architectures, in its order: to judge baselines, or to repeat what another study found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.study.interfaces import Controller
from nas.study.trial import Trial

if TYPE_CHECKING:
    from nas.language.architecture import Architecture


class Listed(Controller):
    """Proposes `architectures`, those with equal fingerprints once, and then nothing."""

    name = "listed"

    def __init__(self, architectures: Sequence[Architecture]):
        self._architectures = list({a.fingerprint: a for a in architectures}.values())
        self._asked = 0

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "fingerprints": [a.fingerprint for a in self._architectures]}

    def ask(self, n: int = 1) -> list[Architecture]:
        asked = self._architectures[self._asked : self._asked + n]
        self._asked += len(asked)
        return asked

    def tell(self, trials: Sequence[Trial]) -> None:
        """Nothing to learn."""

    def state(self) -> dict[str, Any]:
        return {"asked": self._asked}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._asked = int(state["asked"])
