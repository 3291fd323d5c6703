"""What every controller remembers: the architectures that are known, how far the list of all is read, and its random generator.

Two kinds of sameness meet here. Points of a space differ in some decision; fingerprints differ where the networks do. Many
points can share a fingerprint (2.3% of the published mnasnet space is distinct), and none is worth a second trial. So what is
proposed is unique by fingerprint, and a space is exhausted by points: once every point was read from the list of all.

Everything here is a function of the state alone (no clock, no global random numbers, no order of sets), so that a study that
replays the same asks and tells gets the same proposals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from controllers.checks import check_owner
from controllers.permutation import Permutation
from nas.errors import DecisionError
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.trial import Trial

DRAWS = 20_000  # known points read in a row before a space counts as exhausted: exact for spaces up to this size
POINTS_KEPT = 20_000  # known points looked up by vector; 2 KB each in a space of 250 decisions

ASKED, FAILED, JUDGED = 0, 1, 2
"""How much is known of a fingerprint. It only grows: an architecture that failed may still be judged later, and one that was
judged at some epochs counts as `JUDGED` plus those, so that more of them say more."""


class Memory:
    """The part of a controller's state that does not depend on its method.

    Args:
        owner: the controller's name, written into its state.
        space: the space that is searched.
        seed: decides the order of `draw` and the random numbers of `rng`.

    Attributes:
        rng: the one source of randomness.
    """

    def __init__(self, owner: str, space: SearchSpace, seed: int):
        self.owner, self.space = owner, space
        self.rng = np.random.default_rng(seed)
        self._set_order(seed)
        self._position = 0
        self._known: dict[str, int] = {}
        # Vectors whose fingerprint is known: spares the milliseconds of computing it again. It changes no answer, so it is
        # no part of the state.
        self._points: set[bytes] = set()

    def propose(self, n: int, propose_one: Callable[[], Architecture | None]) -> list[Architecture]:
        """Up to `n` proposals, ending at the first None."""
        found: list[Architecture] = []
        while len(found) < n and (architecture := propose_one()) is not None:
            found.append(architecture)
        return found

    def admit(self, vector: np.ndarray) -> Architecture | None:
        """The architecture at `vector`, known from now on; None where its fingerprint is known already."""
        point = vector.tobytes()
        if point in self._points:
            return None
        architecture = self.space.architecture(vector)
        is_new = architecture.fingerprint not in self._known
        self._known.setdefault(architecture.fingerprint, ASKED)
        if len(self._points) >= POINTS_KEPT:
            self._points.clear()
        self._points.add(point)
        return architecture if is_new else None

    def draw(self) -> Architecture | None:
        """An architecture drawn uniformly from the points that were not read yet; None: there is none left.

        It also gives up after `DRAWS` known points in a row, at about 0.02 ms each where the point itself is known and the
        cost of a fingerprint where it is only equal to a known one.
        """
        genome = self.space.genome
        for _ in range(DRAWS):
            if self._order is None:
                vector = genome.sample(self.rng, 1)[0]
            elif self._position < self._order.size:
                vector = genome.unrank(self._order[self._position])
                self._position += 1
            else:
                return None
            architecture = self.admit(vector)
            if architecture is not None:
                return architecture
        return None

    def learn(self, trial: Trial, failed: bool) -> np.ndarray | None:
        """Takes note of a told trial; its vector where the tell says more than was known, else None.

        Told twice, told again as failed, not finished, or of another space (its decisions do not fit): nothing to learn, but
        its fingerprint is never proposed. An architecture that was judged is learned again once it is judged with more epochs.
        """
        judged = JUDGED + (trial.fidelity.epochs or 0)
        level = (FAILED if failed else judged) if trial.is_finished else ASKED
        known = self._known.setdefault(trial.fingerprint, ASKED)
        if level <= known:
            return None
        self._known[trial.fingerprint] = level
        try:
            return self.space.genome.encode(trial.decisions)
        except DecisionError:
            return None

    def state(self) -> dict[str, Any]:
        """Plain JSON. About 40 bytes for each known fingerprint, all else is constant."""
        return {
            "controller": self.owner,
            "rng": self.rng.bit_generator.state,
            "order": self._order_seed,
            "position": self._position,
            "known": dict(self._known),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`.

        Raises:
            StudyError: the state of another kind of controller.
        """
        check_owner(state, self.owner)
        self.rng.bit_generator.state = state["rng"]
        self._set_order(int(state["order"]))
        self._position = int(state["position"])
        self._known = {str(fingerprint): int(level) for fingerprint, level in state["known"].items()}
        self._points.clear()

    def _set_order(self, seed: int) -> None:
        self._order_seed = seed
        numbered = self.space.genome.size  # None: continuous, or too many points within limits to be numbered
        self._order = None if numbered is None else Permutation(numbered, seed)
