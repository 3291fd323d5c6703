"""Who proposes a trial's values: grid, random or Bayesian search, behind one ask and tell.

    algorithm = get("bayesian", parameters, seed=0)
    values = algorithm.ask(trial_id=1)            # {"learning_rate": 0.0004, ...}; None: everything was tried
    algorithm.tell(1, score=-0.031)               # larger is better; None: the trial gave no result

A proposal depends on the seed, the trial's id and the trials before it, and on nothing else: no generator runs along.
So replaying what was recorded (`adopt`, then `tell` where the trial ended) puts an algorithm exactly where it was, and a
resumed tuning goes on with the proposals it would have made. No algorithm proposes the same values twice.

Choose grid for a few listed values, random for a first look or many parallel trials, bayesian otherwise. The Bayesian one
is the tree-structured Parzen estimator (Bergstra et al. 2011; multivariate, Falkner et al. 2018) of Optuna, after a start-up
that covers the space evenly (the additive recurrence of Roberts 2018, which generalizes the golden ratio).
"""

from __future__ import annotations

import abc
import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from nas.errors import UserError
from trainer.tuning.parameters import Categorical, Discrete, Double, Integer, Parameter, Value, space_size

if TYPE_CHECKING:
    import optuna

Values = Mapping[str, Value]
Score = float | Literal["running"] | None

GRID_LEVELS = 5
"""Into how many values grid search cuts a Double, and an Integer with more values than that."""

RUNNING: Final = "running"


class Algorithm(abc.ABC):
    """Proposes values for trials, and remembers which were tried and how good they were.

    Args:
        parameters: name -> parameter, in the order of the flags.
        seed: of everything random.
    """

    def __init__(self, parameters: Mapping[str, Parameter], seed: int = 0):
        self.parameters, self.seed = dict(parameters), seed
        self.trials: dict[int, tuple[Values, Score]] = {}
        """id -> values and score: RUNNING, a number (larger is better), or None where the trial gave no result."""

    def ask(self, trial_id: int) -> Values | None:
        """New values for a trial, from then on running; None: the space holds no values that were not tried."""
        tried = {_key(values) for values, _ in self.trials.values()}
        size = self.size
        if size is not None and len(tried) >= size:
            return None
        attempt = 0
        while _key(values := self._propose(trial_id, attempt)) in tried:
            attempt += 1
        self.adopt(trial_id, values)
        return values

    def adopt(self, trial_id: int, values: Values) -> None:
        """Takes a trial as running with these values: one that was asked for before a restart, or by someone else."""
        self.trials[trial_id] = values, RUNNING

    def tell(self, trial_id: int, score: float | None) -> None:
        """How a trial ended: its score, larger is better, or None where it gave none."""
        self.trials[trial_id] = self.trials[trial_id][0], score

    @property
    def size(self) -> int | None:
        """How many different trials there are; None: no end of them."""
        return space_size(self.parameters)

    @abc.abstractmethod
    def _propose(self, trial_id: int, attempt: int) -> Values:
        """Values for a trial; `attempt` counts the earlier proposals for it that had been tried already."""

    def _random(self, *key: int) -> Values:
        rng = np.random.default_rng((self.seed, *key))
        return {name: parameter.at(rng.random()) for name, parameter in self.parameters.items()}


class Random(Algorithm):
    """Independent draws, spread as each parameter's scale says (Bergstra and Bengio 2012)."""

    def _propose(self, trial_id: int, attempt: int) -> Values:
        return self._random(trial_id, attempt)


class Grid(Algorithm):
    """Every combination in order, the last parameter changing fastest.

    Lists are taken whole; a Double is cut into `GRID_LEVELS` values, evenly on its scale and both bounds among them, and so
    is an Integer with more values than that.
    """

    def __init__(self, parameters: Mapping[str, Parameter], seed: int = 0):
        super().__init__(parameters, seed)
        self.columns = {name: parameter.grid(GRID_LEVELS) for name, parameter in self.parameters.items()}

    @property
    def size(self) -> int:
        return math.prod(len(column) for column in self.columns.values())

    def _propose(self, trial_id: int, attempt: int) -> Values:
        index = (trial_id - 1 + attempt) % self.size
        values = {}
        for name, column in reversed(self.columns.items()):
            index, digit = divmod(index, len(column))
            values[name] = column[digit]
        return {name: values[name] for name in self.columns}


class Bayesian(Algorithm):
    """Values where good trials were dense and bad ones rare, after `startup` evenly spread ones.

    Trials without a result count as the worst; running ones as bad (constant liar), so that parallel trials spread out.
    """

    startup = 10
    """Trials before the model is asked. Of 4, 5, 6, 8 and 10, ten was best or near it after 10, 15 and 30 trials of Branin's,
    Hartmann's and a bowl function (30 seeds)."""
    repeats = 10
    """Proposals that were tried before, in a row, after which a random one is taken: the model insists on a point it knows."""

    def __init__(self, parameters: Mapping[str, Parameter], seed: int = 0):
        super().__init__(parameters, seed)
        self._study: _OptunaStudy | None = None  # made when first needed: Optuna takes a while to import

    def _propose(self, trial_id: int, attempt: int) -> Values:
        if attempt > self.repeats:
            return self._random(trial_id, attempt)
        if trial_id <= self.startup and not attempt:
            return self._spread(trial_id)
        if self._study is None:
            self._study = _OptunaStudy(self.parameters)
        self._study.catch_up(self.trials)
        seed = np.random.SeedSequence((self.seed, trial_id, attempt)).generate_state(1)
        return self._study.propose(int(seed[0]))

    def _spread(self, trial_id: int) -> Values:
        shift = np.random.default_rng((self.seed, 0)).random(len(self.parameters))
        root = 2.0
        for _ in range(60):  # the root of x^(d+1) = x + 1
            root = (1 + root) ** (1 / (len(self.parameters) + 1))
        steps = root ** -np.arange(1, len(self.parameters) + 1)
        positions = (shift + trial_id * steps) % 1
        return {name: parameter.at(float(at)) for (name, parameter), at in zip(self.parameters.items(), positions, strict=True)}


class _OptunaStudy:
    """An Optuna study in memory that is told all that happened, in the order of asking.

    Its own trials, made by asking it, are given up at once ("failed" trials are ignored): a proposal is entered like any other
    past trial, so that a replayed history cannot differ from a lived one by a rounding.
    """

    def __init__(self, parameters: Mapping[str, Parameter]):
        import optuna

        self.parameters = parameters
        self.axes = {name: _axis(parameter) for name, parameter in parameters.items()}
        self.numbers: dict[int, int] = {}
        self.told: set[int] = set()
        self.study = _quietly(lambda: optuna.create_study(direction="maximize"))

    def catch_up(self, trials: Mapping[int, tuple[Values, Score]]) -> None:
        from optuna.trial import TrialState, create_trial

        for trial_id, (values, score) in trials.items():
            if trial_id not in self.numbers:
                params = {name: _to_axis(parameter, values[name]) for name, parameter in self.parameters.items()}
                self.numbers[trial_id] = len(self.study.get_trials(deepcopy=False))
                self.study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=self.axes))
            if score != RUNNING and trial_id not in self.told:
                # TPE ranks a pruned trial below all others; a failed one it would ignore.
                state = TrialState.PRUNED if score is None else TrialState.COMPLETE
                self.study.tell(self.numbers[trial_id], score, state=state)
                self.told.add(trial_id)

    def propose(self, seed: int) -> Values:
        import optuna

        make = optuna.samplers.TPESampler
        self.study.sampler = _quietly(lambda: make(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=1))
        asked = self.study.ask(self.axes)
        self.study.tell(asked, state=optuna.trial.TrialState.FAIL)
        return {name: _from_axis(parameter, asked.params[name]) for name, parameter in self.parameters.items()}


ALGORITHMS: Mapping[str, type[Algorithm]] = {"bayesian": Bayesian, "random": Random, "grid": Grid}


def get(name: str, parameters: Mapping[str, Parameter], seed: int = 0) -> Algorithm:
    """The algorithm of that name."""
    if name not in ALGORITHMS:
        raise UserError(f"{name!r} is not known", path="algorithm", received=name, expected=" or ".join(ALGORITHMS))
    return ALGORITHMS[name](parameters, seed)


def _key(values: Values) -> tuple:
    return tuple(values.items())


def _axis(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """A parameter as Optuna models it: reverse_log as the log of the mirrored value, a Discrete by its rank."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter:
        case Double():
            return FloatDistribution(parameter.min, parameter.max, log=parameter.scale != "linear")
        case Integer():
            return IntDistribution(parameter.min, parameter.max, log=parameter.scale != "linear")
        case Discrete():
            return IntDistribution(0, parameter.count - 1)
        case Categorical():
            return CategoricalDistribution(parameter.values)


def _to_axis(parameter: Parameter, value: Any) -> Any:
    match parameter:
        case Double() | Integer():
            return _mirror(parameter, value)
        case Discrete():
            return parameter.values.index(value)
        case Categorical():
            return value


def _from_axis(parameter: Parameter, found: Any) -> Any:
    match parameter:
        case Double() | Integer():
            return _mirror(parameter, found)
        case Discrete():
            return parameter.values[found]
        case Categorical():
            return found


def _mirror(parameter: Double | Integer, value: Any) -> Any:
    if parameter.scale != "reverse_log":
        return value
    return min(max(parameter.min + parameter.max - value, parameter.min), parameter.max)  # rounding must not leave the range


def _quietly(make: Callable[[], Any]) -> Any:
    """Makes something of Optuna's without its log lines and its notices that an option is experimental."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return make()
    finally:
        optuna.logging.set_verbosity(level)
