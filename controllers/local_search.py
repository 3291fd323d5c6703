"""Local search: climb from neighbour to better neighbour, begin anew where none is better (White et al. 2020).

White, Nolen & Savani 2020, "Exploring the Loss Landscape in Neural Architecture Search": on the tables of the field this beats
many an elaborate method. Use it in spaces of up to a few dozen decisions and measurements with little noise; it has no
population and no model. A climb begins at the best of `starts` random points. Neighbours of its centre, all that differ in one
decision, are proposed in random order:

- `move="first"`: the first better one is the new centre (their "query until lower");
- `move="best"`: all are judged, the best better one is the new centre (their algorithm 1).

When all neighbours of a centre are known and none is better, it is a local optimum, and a new climb begins.

It does not wait: with many workers, new starts are proposed while the last neighbours are still running, and a late neighbour
that is better takes the climb up again. Trials that were never asked for move the centre where they are the best so far, so a
warm start is climbed from. With several objectives, better means dominating. Neighbours that are likely to break a constraint
are left out (feasibility.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from controllers.checks import check_whole
from controllers.feasibility import Feasibility
from controllers.memory import Memory
from controllers.ranking import Merit, dominates, is_failed, is_feasible, merit, read_merit
from nas.errors import UserError
from nas.language.architecture import Architecture
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

MOVES = ("first", "best")
LIKELY = 0.5  # a neighbour at least so likely to be feasible is proposed in its turn
UNLIKELY = 0.1  # one less likely is not, while the centre is feasible


class Place(NamedTuple):
    """A told point: its decisions as a vector of the genome, and how good it is."""

    vector: np.ndarray
    merit: Merit


class LocalSearch(Controller):
    """Hill climbing with restarts.

    Args:
        seed: the same seed and the same tells give the same proposals.
        move: to the "first" better neighbour, or to the "best".
        starts: random points at the beginning of a climb, of which the best is its first centre.

    Raises:
        UserError: a setting out of range.
    """

    name = "local-search"

    def __init__(self, seed: int = 0, move: Literal["first", "best"] = "first", starts: int = 10):
        self.seed = check_whole("LocalSearch(seed)", seed, 0)
        self.starts = check_whole("LocalSearch(starts)", starts, 1)
        if move not in MOVES:
            raise UserError(f"no way to move {move!r}", path="LocalSearch(move)", received=move, expected=" or ".join(MOVES))
        self.move = move

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._feasibility = Feasibility(space, constraints)
        self._centre: Place | None = None
        self._better: Place | None = None  # where the climb goes next
        self._left: list[int] | None = []  # which neighbours of the centre were not proposed yet; None: all
        self._around: np.ndarray | None = None  # the neighbours; follows from the centre, so it is no part of the state
        self._climbing: list[str] = []  # fingerprints of this climb that are still running
        self._starting: list[str] = []  # those of random points that are still running
        self._start: Place | None = None  # the best random point of the next climb
        self._started = 0  # how many of them were told
        self._peak: Merit | None = None  # the best so far

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed, "move": self.move, "starts": self.starts}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is None:
                continue
            self._feasibility.learn(vector, trial)
            self._take(trial.fingerprint, None if is_failed(found) else Place(vector, found))

    def _take(self, fingerprint: str, place: Place | None) -> None:
        """What a told trial changes; `place` is None where it failed."""
        is_start = fingerprint in self._starting
        is_neighbour = fingerprint in self._climbing
        for waiting in (self._starting, self._climbing):
            if fingerprint in waiting:
                waiting.remove(fingerprint)
        self._started += is_start
        if place is not None:
            if is_start and (self._start is None or dominates(place.merit, self._start.merit)):
                self._start = place
            is_best = self._peak is None or dominates(place.merit, self._peak)
            if is_best:
                self._peak = place.merit
            rival = self._better or self._centre
            if (is_neighbour or (is_best and not is_start)) and (rival is None or dominates(place.merit, rival.merit)):
                self._better = place

    def _propose(self) -> Architecture | None:
        while True:
            self._go_on()
            neighbour = self._neighbour() if self._centre is not None else None
            if neighbour is not None:
                self._climbing.append(neighbour.fingerprint)
                return neighbour
            if not self._better:
                break
        drawn = self._feasibility.draw(self._memory)
        if drawn is not None:
            self._starting.append(drawn.fingerprint)
        return drawn

    def _go_on(self) -> None:
        """Moves the centre where it is time to."""
        at_end = self._left == []
        if self._better is not None and (self.move == "first" or at_end):
            self._centre, self._better, self._left, self._around = self._better, None, None, None
        elif at_end and self._start is not None and self._started >= self.starts:
            self._centre, self._left, self._around = self._start, None, None
            self._start, self._started, self._climbing = None, 0, []

    def _neighbour(self) -> Architecture | None:
        """The next neighbour of the centre that is new and not unlikely to be feasible; None: there is none left."""
        assert self._centre is not None
        if self._around is None:
            self._around = self.space.genome.neighbours(self._centre.vector)
        if self._left is None:
            self._left = self._memory.rng.permutation(len(self._around)).tolist()
        while self._left:
            chosen = self._choose(self._around[self._left])
            if chosen is None:
                self._left = []
                break
            vector = self._around[self._left.pop(chosen)]
            neighbour = self._memory.admit(vector) if self._feasibility.admits(vector) else None
            if neighbour is not None:
                return neighbour
        return None

    def _choose(self, vectors: np.ndarray) -> int | None:
        """Which neighbour comes next: the first that is likely to be feasible, else the likeliest; None: none is."""
        assert self._centre is not None
        if not self._feasibility.is_active:
            return 0
        chances = self._feasibility.probability(vectors)
        if chances.max() >= LIKELY:
            return int((chances >= LIKELY).argmax())
        if chances.max() >= UNLIKELY or not is_feasible(self._centre.merit):
            return int(chances.argmax())
        return None

    def state(self) -> dict[str, Any]:
        places = {"centre": self._centre, "better": self._better, "start": self._start}
        return self._memory.state() | {
            **{name: place and {"vector": place.vector.tolist(), "merit": place.merit} for name, place in places.items()},
            "left": None if self._left is None else list(self._left),
            "climbing": list(self._climbing),
            "starting": list(self._starting),
            "started": self._started,
            "peak": self._peak,
            "feasibility": self._feasibility.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._feasibility.restore(state["feasibility"])
        self._centre, self._better, self._start = (self._place(state[name]) for name in ("centre", "better", "start"))
        self._left = None if state["left"] is None else [int(i) for i in state["left"]]
        self._climbing, self._starting = list(state["climbing"]), list(state["starting"])
        self._started = int(state["started"])
        self._peak = None if state["peak"] is None else read_merit(state["peak"])
        self._around = None

    def _place(self, data: Mapping[str, Any] | None) -> Place | None:
        if data is None:
            return None
        return Place(np.array(data["vector"], dtype=self.space.genome.program.dtype), read_merit(data["merit"]))
