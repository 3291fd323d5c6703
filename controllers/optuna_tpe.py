"""The tree-structured Parzen estimator of Optuna as a controller (Bergstra et al. 2011; Akiba et al. 2019).

Use it to compare with what many people tune with, or where each trial is expensive and decisions are few. It splits told trials
into the best tenth and the rest, models each side's decisions by densities l and g, and proposes the point with the largest
l(x) / g(x) among 24 drawn from l. Decisions that are active together are modelled together (Optuna's multivariate, grouped
TPE, Falkner et al. 2018); that also takes a third of the time of modelling each alone.

How a search becomes Optuna's: each slot of the genome is a parameter that exists where the slot is active. Proposals that are
not told yet count as poor (its constant liar), so that a batch spreads. Only the order of values matters to it: infeasible
trials get values beyond all feasible ones, by how much they violate. A failed trial counts as pruned, which is below both. With
several objectives infeasible trials are pruned too, since hypervolumes are computed from values.

Its state is a list of trials, not a pickle: a study in memory is made of it again, and each proposal draws from a sampler of
its own, seeded by seed and number. At `KEPT_MOST` trials the study is thinned out to the best and the newest, since the time of
a proposal grows with it: 4 ms for 100 trials of 20 decisions, 9 ms for 300.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from controllers.checks import check_whole
from controllers.memory import Memory
from controllers.ranking import Merit, best, is_failed, is_feasible, merit, read_merit
from nas.language.architecture import Architecture
from nas.language.feasible_genome import FeasibleGenome
from nas.language.program import INACTIVE, Slot
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller
from nas.study.objective import Constraint, Objective
from nas.study.trial import Trial

if TYPE_CHECKING:
    import optuna

TRIES = 3  # points that are all known, before those around the last are tried
STEPS = 60
KEPT_MOST, KEPT_LEAST, KEPT_BEST = 400, 250, 50  # trials; Optuna's better side holds at most 25
FEASIBLE_MOST = 1e300  # larger values are infeasible


class Told(NamedTuple):
    """A trial of the study in memory: its point, and how it did; None: not told yet."""

    vector: np.ndarray
    merit: Merit | None


class OptunaTPE(Controller):
    """Optuna's TPE sampler.

    Args:
        seed: the same seed and the same tells give the same proposals (with one version of Optuna).
        startup: trials drawn at random before anything is modelled.
        candidates: points that compete for each proposal.

    Raises:
        UserError: a setting out of range.
    """

    name = "optuna-tpe"

    def __init__(self, seed: int = 0, startup: int = 10, candidates: int = 24):
        self.seed = check_whole("OptunaTPE(seed)", seed, 0)
        self.startup = check_whole("OptunaTPE(startup)", startup, 1)
        self.candidates = check_whole("OptunaTPE(candidates)", candidates, 1)

    def setup(self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> None:
        super().setup(space, objectives, constraints)
        self._memory = Memory(self.name, space, self.seed)
        self._stream, self._drawn = self.seed, 0  # of the seeds of samplers: which, and how far it is read
        self._can_mutate = any(slot.alternatives for slot in space.genome.slots)
        self._fill([])

    def describe(self) -> dict[str, Any]:
        """Its settings, as plain JSON."""
        return {"name": self.name, "seed": self.seed, "startup": self.startup, "candidates": self.candidates}

    def ask(self, n: int = 1) -> list[Architecture]:
        return self._memory.propose(n, self._propose)

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            found = merit(trial, self.objectives, self.constraints)
            vector = self._memory.learn(trial, is_failed(found))
            if vector is not None:
                self._learn(Told(vector, found))

    def state(self) -> dict[str, Any]:
        trials = [{"vector": told.vector.tolist(), "merit": told.merit} for told in self._told]
        return self._memory.state() | {"stream": self._stream, "drawn": self._drawn, "trials": trials}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state)
        self._stream, self._drawn = int(state["stream"]), int(state["drawn"])
        dtype = self.space.genome.program.dtype
        rows = [(np.array(row["vector"], dtype=dtype), row["merit"]) for row in state["trials"]]
        self._fill([Told(vector, None if found is None else read_merit(found)) for vector, found in rows])

    # -- the study in memory ---------------------------------------------------------------------------------------------

    def _fill(self, told: Sequence[Told]) -> None:
        """Makes the study anew."""
        import optuna

        with _quiet():
            self._study = optuna.create_study(directions=["minimize"] * len(self.objectives))
        self._told: list[Told] = []
        self._numbers: dict[bytes, int] = {}  # point -> its place in `_told`
        self._ids: list[int] = []  # Optuna's number of each
        for one in told:
            self._add(one)

    def _learn(self, told: Told) -> None:
        place = self._numbers.get(told.vector.tobytes())
        if place is None:
            self._add(told)
        elif self._told[place].merit is None:
            self._told[place] = told
            with _quiet():
                state, values = self._outcome(told.merit)
                self._study.tell(self._ids[place], values, state)
        else:  # told before, as failed or with fewer epochs: what is finished cannot be changed in a study
            self._fill([*self._told[:place], *self._told[place + 1 :], told])
        if len(self._told) > KEPT_MOST:
            self._fill(self._thinned())

    def _add(self, told: Told) -> None:
        import optuna

        state, values = self._outcome(told.merit)
        with _quiet():
            trial = optuna.trial.create_trial(
                state=state,
                values=values,
                params=self._parameters(told.vector),
                distributions=self._distributions(told.vector),
            )
            self._study.add_trial(trial)
        self._numbers[told.vector.tobytes()] = len(self._told)
        self._ids.append(len(self._study.get_trials(deepcopy=False)) - 1)
        self._told.append(told)

    def _thinned(self) -> list[Told]:
        """The best, the newest and all that wait for their result, in their order."""
        finished = [i for i, told in enumerate(self._told) if told.merit is not None]
        left = list(finished)
        kept = {i for i, told in enumerate(self._told) if told.merit is None}
        for _ in range(min(KEPT_BEST, len(left))):
            merits = [self._told[i].merit for i in left]
            kept.add(left.pop(best([found for found in merits if found is not None])))
        kept |= set(finished[-(KEPT_LEAST - KEPT_BEST) :])
        return [told for i, told in enumerate(self._told) if i in kept]

    def _outcome(self, found: Merit | None) -> tuple[optuna.trial.TrialState, list[float] | None]:
        """State and values (smaller is better) of a trial."""
        from optuna.trial import TrialState

        if found is None:
            return TrialState.RUNNING, None
        if is_failed(found) or (len(found) > 1 and not is_feasible(found)):
            return TrialState.PRUNED, None
        if is_feasible(found):
            return TrialState.COMPLETE, [-min(max(score, -FEASIBLE_MOST), FEASIBLE_MOST) for _, score in found]
        violation = -found[0][1]
        return TrialState.COMPLETE, [FEASIBLE_MOST * (2 + violation / (1 + violation))]

    # -- points as parameters --------------------------------------------------------------------------------------------

    def _distributions(self, vector: np.ndarray) -> dict[str, optuna.distributions.BaseDistribution]:
        """Of the active slots, by id."""
        slots = self.space.genome.slots
        return {slots[i].id: self._distribution(slots[i]) for i in self._active(vector)}

    def _distribution(self, slot: Slot) -> optuna.distributions.BaseDistribution:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        if slot.kind == "choice":
            return CategoricalDistribution(tuple(range(slot.options)))
        return FloatDistribution(slot.low, slot.high, log=slot.scale == "log")

    def _parameters(self, vector: np.ndarray) -> dict[str, Any]:
        slots, values = self.space.genome.slots, vector.tolist()
        return {slots[i].id: int(values[i]) if slots[i].kind == "choice" else float(values[i]) for i in self._active(vector)}

    def _active(self, vector: np.ndarray) -> list[int]:
        return np.flatnonzero(self.space.genome.program.active(vector[None])[0]).tolist()

    # -- proposals -------------------------------------------------------------------------------------------------------

    def _propose(self) -> Architecture | None:
        genome = self.space.genome
        architecture = None
        for _ in range(TRIES):
            vector = self._suggest()
            if not isinstance(genome, FeasibleGenome) or genome.fits(vector[None])[0]:
                architecture = self._memory.admit(vector)
                if architecture is not None:
                    break
        for _ in range(STEPS if architecture is None and self._can_mutate else 0):
            vector = genome.mutate(vector, self._memory.rng)
            if not isinstance(genome, FeasibleGenome) or genome.fits(vector[None])[0]:
                architecture = self._memory.admit(vector)
                if architecture is not None:
                    break
        architecture = architecture or self._memory.draw()
        if architecture is not None:
            self._add(Told(np.array(architecture.vector), None))
        return architecture

    def _suggest(self) -> np.ndarray:
        """A point from Optuna's sampler, with the rules of manyofs kept."""
        import optuna

        seed = int(np.random.SeedSequence([self._stream, self._drawn]).generate_state(1)[0])
        self._drawn += 1
        program = self.space.genome.program
        values: list[Any] = [INACTIVE] * program.width
        with _quiet():
            self._study.sampler = optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=self.startup,
                n_ei_candidates=self.candidates,
                multivariate=True,
                group=True,
                constant_liar=True,
            )
            trial = self._study.ask()
            for i, slot in enumerate(program.slots):
                if program.is_active(i, values):
                    if slot.kind == "float":
                        values[i] = trial.suggest_float(slot.id, slot.low, slot.high, log=slot.scale == "log")
                    else:
                        wanted = trial.suggest_categorical(slot.id, tuple(range(slot.options)))
                        before = [values[j] for j in slot.group if j < i]
                        values[i] = _nearest_allowed(wanted, slot, before)
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # what is proposed is added as it is after all rules
        return np.array(values, dtype=program.dtype)


def _nearest_allowed(wanted: int, slot: Slot, before: Sequence[int]) -> int:
    """The option of an element of a manyof that is closest to the wanted one and keeps the rules after those before it."""
    low, high = 0, slot.options - 1
    if slot.sorted:
        low = max(before, default=0) + (1 if slot.distinct and before else 0)
        if slot.distinct:
            high -= len(slot.group) - len(before) - 1  # room for those that follow
    allowed = [o for o in range(low, high + 1) if not (slot.distinct and o in before)]
    return min(allowed, key=lambda option: (abs(option - wanted), option))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's log lines and its warnings about experimental settings."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
