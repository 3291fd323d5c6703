"""Any `pg.DNAGenerator` as a controller: PyGlove's evolution, NEAT, hill climbing, or one of your own.

    controllers.Generator(pg.evolution.regularized_evolution(population_size=20, tournament_size=10), seed=0)

Use it to go on with an algorithm that exists for PyGlove, or to compare with it. Only the public interface is used: `setup`,
`propose`, `feedback`, `recover`.

What is added: no fingerprint is proposed twice (a proposal that is known gets the known reward as feedback, and the generator
is asked again), and the search can be resumed. A generator cannot say what it remembers, so its state here is what it was asked
and told, and `restore` makes it live through that again. To arrive at the same place it must draw its random numbers from its
own seed or from the global generators of `random` and `numpy`, which are seeded before each call and left as they were found;
another one is refused at `restore`. Stock PyGlove evolution proposes 10 to 40 architectures a second; restoring takes as long.

What PyGlove has no word for: infeasible and failed trials get the lowest reward of any completed one.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyglove as pg

from controllers.checks import check_whole
from controllers.memory import Memory
from controllers.ranking import is_failed, is_feasible, merit
from nas.errors import StudyError, UserError
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

TRIES = 100  # known proposals in a row, before a point is drawn from the whole space
PROPOSE = "propose"


class Generator(Controller):
    """A `pg.DNAGenerator`.

    Args:
        generator: is not changed; a copy is used.
        seed: of the random numbers that it takes from global generators.

    Raises:
        UserError: not a `pg.DNAGenerator`; at `setup`: several objectives for a generator of one.
    """

    name = "generator"
    _waiting: dict[str, list[int]]  # fingerprint -> places of proposals that wait for its reward
    _rewards: dict[str, list[float] | None]  # None: infeasible or failed
    _lowest: list[float] | None

    def __init__(self, generator: pg.DNAGenerator, seed: int = 0):
        self.seed = check_whole("Generator(seed)", seed, 0)
        if not isinstance(generator, pg.DNAGenerator):
            hint = "Such as pg.evolution.regularized_evolution()"
            raise UserError(f"{generator!r} does not do", path="Generator", expected="a pg.DNAGenerator", hint=hint)
        self._given = generator

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        if len(self.objectives) > 1 and not self._given.multi_objective:
            problem = f"{type(self._given).__name__} takes one objective, here are {len(self.objectives)}"
            raise UserError(problem, path="Generator", hint="Use a generator for several, such as pg.evolution.nsga2()")
        self._memory = Memory(self.name, space, self.seed)
        self._begin(self.seed)

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        settings = re.sub(r" at 0x[0-9a-f]+", "", self._given.format(compact=True))  # of functions; differs each time
        return {"name": self.name, "seed": self.seed, "generator": settings}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is not None:
                reward = [score for _, score in found] if is_feasible(found) else None
                self._rewards[trial.fingerprint] = reward
                if reward is not None:
                    lowest = self._lowest or reward
                    self._lowest = list(map(min, lowest, reward))
                self._feed(trial.fingerprint, vector)

    def state(self) -> dict[str, Any]:
        learned = {
            "stream": self._stream,
            "log": list(self._log),
            "rewards": dict(self._rewards),
            "lowest": self._lowest,
            "waiting": dict(self._waiting),
        }
        return self._memory.state() | learned

    def restore(self, state: Mapping[str, Any]) -> None:
        """As `Controller.restore`.

        Raises:
            StudyError: the generator does not propose again what it proposed.
        """
        self._memory.restore(state)
        self._begin(int(state["stream"]))
        for entry in state["log"]:
            self._live_again(entry)
        self._rewards = dict(state["rewards"])
        self._lowest = state["lowest"]
        self._waiting = {key: list(places) for key, places in state["waiting"].items()}

    def _begin(self, stream: int) -> None:
        self._generator: pg.DNAGenerator = self._given.clone(deep=True)
        self._stream, self._calls = stream, 0  # of the seeds of calls: which, and how far it is read
        # What it was asked and told, as JSON: ["propose", numbers], [place of the proposal, reward], [numbers, reward].
        self._log: list[list[Any]] = []
        self._proposed: dict[int, pg.DNA] = {}  # by place in the log, until its reward is known; carries the generator's notes
        self._waiting, self._rewards, self._lowest = {}, {}, None
        with self._seeded():
            self._generator.setup(self.space.genome.spec)

    # -- what it is asked ------------------------------------------------------------------------------------------------

    def _propose(self) -> Architecture | None:
        genome = self.space.genome
        for _ in range(TRIES):
            try:
                place, dna = self._next()
            except StopIteration:
                return None
            vector = genome.from_dna(dna)
            if isinstance(genome, FeasibleGenome) and not genome.fits(vector[None])[0]:
                self._give(place, None)
                continue
            architecture = self._memory.admit(vector)
            fingerprint = self.space.architecture(vector).fingerprint
            self._waiting.setdefault(fingerprint, []).append(place)
            if architecture is not None:
                return architecture
            if fingerprint in self._rewards:
                self._feed(fingerprint, vector)
        return self._memory.draw()

    def _next(self) -> tuple[int, pg.DNA]:
        with self._seeded():
            dna = self._generator.propose()
        place = len(self._log)
        self._log.append([PROPOSE, dna.to_numbers()])
        self._proposed[place] = dna
        return place, dna

    # -- what it is told -------------------------------------------------------------------------------------------------

    def _feed(self, fingerprint: str, vector: np.ndarray) -> None:
        """Passes a reward on to each proposal that waits for it; one that nobody waits for only before the first proposal."""
        reward = self._rewards[fingerprint]
        places = self._waiting.pop(fingerprint, [])
        for place in places:
            self._give(place, reward)
        if not places and not any(entry[0] == PROPOSE for entry in self._log):
            self._recover(self.space.genome.to_dna(vector), reward or self._lowest)

    def _give(self, place: int, reward: Sequence[float] | None) -> None:
        given = list(reward or self._lowest or [])
        self._log.append([place, given])
        dna = self._proposed.pop(place)
        if given:  # else nothing is known yet of what a reward is like
            with self._seeded():
                self._generator.feedback(dna, self._as_reward(given))

    def _recover(self, dna: pg.DNA, reward: Sequence[float] | None) -> None:
        given = list(reward or [])
        self._log.append([dna.to_numbers(), given])
        if given:
            with self._seeded():
                self._generator.recover([(dna, self._as_reward(given))])

    def _as_reward(self, given: Sequence[float]) -> float | tuple[float, ...]:
        return tuple(given) if self._generator.multi_objective else given[0]

    # -- again -----------------------------------------------------------------------------------------------------------

    def _live_again(self, entry: Sequence[Any]) -> None:
        what, value = entry
        if what == PROPOSE:
            _, dna = self._next()
            if dna.to_numbers() != value:
                raise StudyError(
                    f"{type(self._given).__name__} does not propose again what it proposed",
                    path="Generator.restore",
                    received=dna.to_numbers(),
                    expected=value,
                    hint="It draws random numbers of its own without a seed: give it one, or start a new study",
                )
        elif isinstance(what, int):
            self._give(what, value)
        else:
            self._recover(self.space.genome.to_dna(self._vector(what)), value)

    def _vector(self, numbers: Sequence[Any]) -> np.ndarray:
        return self.space.genome.from_dna(pg.DNA.from_numbers(list(numbers), self.space.genome.spec))

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        """Global random generators in a state that follows from seed and number of the call; afterwards as before."""
        before, before_numpy = random.getstate(), np.random.get_state()
        call = np.random.SeedSequence([self._stream, self._calls]).generate_state(1)[0]
        self._calls += 1
        random.seed(int(call))
        np.random.seed(int(call))
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(before_numpy)
