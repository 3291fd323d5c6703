"""The chain of evaluators: what is cheap comes first, and a broken constraint ends it.

An architecture over its budget is thus never trained: `Cost` (milliseconds) is asked before `Latency` (seconds), that before
`ProxyTraining` (minutes), and after each answer the constraints on the metrics known so far are checked. A plain function
`architecture -> {"metric": value}` is an evaluator too.
"""

from __future__ import annotations

import dataclasses
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nas.errors import Infeasible, StudyError, UserError
from nas.study.interfaces import Evaluator, Fidelity, GradualEvaluator
from nas.study.objective import Constraint, Objective
from nas.study.trial import Measurement, StageVerdict, State
from nas.study.watch import Assignment, Stopped, Watch

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

REASON_CHARS = 10_000  # a TensorFlow traceback can be a hundred times longer; its end is what tells


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a trial: `completed`, `infeasible`, `failed` or `stopped`, with what was measured on the way and why, and
    what each evaluator said."""

    state: State
    measurements: Mapping[str, Measurement]
    reason: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    stages: tuple[StageVerdict, ...] = ()


@dataclasses.dataclass(frozen=True)
class Reply:
    """What one evaluator said: `passed` with measurements, or why not, with those it had."""

    verdict: Literal["passed", "infeasible", "failed", "stopped"]
    found: Mapping[str, Measurement] = dataclasses.field(default_factory=dict)
    reason: str = ""


class FunctionEvaluator(Evaluator):
    """A function `architecture -> {"metric": number or Measurement}` as an evaluator; what it measures shows at trial 1."""

    metrics = ()

    def __init__(self, function: Callable[[Architecture], Mapping[str, Any]]):
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        return as_measurements(self.function(architecture), self.name)


def as_evaluator(evaluator: Evaluator | Callable[[Architecture], Mapping[str, Any]]) -> Evaluator:
    """An evaluator as it is, a function wrapped.

    Raises:
        StudyError: it is neither.
    """
    if isinstance(evaluator, Evaluator):
        return evaluator
    if isinstance(evaluator, type):
        name = evaluator.__name__
        raise StudyError(f"{name} is a class", path="evaluators", expected="an evaluator", hint=f"Write {name}()")
    if callable(evaluator):
        return FunctionEvaluator(evaluator)
    raise StudyError(
        f"{evaluator!r} cannot judge architectures",
        path="evaluators",
        received=evaluator,
        expected='an evaluator, or a function of an architecture that returns {"metric": number}',
    )


def as_measurements(found: Any, name: str) -> dict[str, Measurement]:
    """What an evaluator returned, with plain floats (also of numpy and TensorFlow scalars), so that it is the same once stored.

    Raises:
        StudyError: it is not a mapping from metric to number or Measurement.
    """
    if not isinstance(found, Mapping):
        raise StudyError(f"it returned {found!r}", path=name, received=found, expected='{"metric": number}')
    measurements = {}
    for metric, value in found.items():
        given = value if isinstance(value, Measurement) else None
        try:
            if isinstance(value, str | bytes):
                raise TypeError
            number = float(given.value if given else value)
            spread = float(given.spread) if given and given.spread is not None else None
        except (TypeError, ValueError):
            problem = f"it returned {value!r} for {metric!r}"
            raise StudyError(problem, path=name, received=value, expected="a number or a Measurement") from None
        measurements[str(metric)] = dataclasses.replace(given or Measurement(number), value=number, spread=spread)
    return measurements


class EvaluatorChain:
    """Evaluators in the order of their cost (stable), with the constraints that end the chain early.

    Raises:
        StudyError: a metric that an objective or constraint names is measured by none, or one is measured by two.
    """

    def __init__(
        self, evaluators: Sequence[Evaluator], objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()
    ):
        self.evaluators = tuple(sorted(evaluators, key=lambda e: e.seconds))
        self.objectives, self.constraints = tuple(objectives), tuple(constraints)
        self._seen_s: dict[str, float] = {}
        self._check_metrics()

    def _check_metrics(self) -> None:
        owner: dict[str, str] = {}
        for evaluator in self.evaluators:
            for metric in evaluator.metrics:
                if metric in owner:
                    both = f"{owner[metric]} and {evaluator.name} both measure {metric!r}"
                    raise StudyError(both, path="evaluators", hint="Keep one of them")
                owner[metric] = evaluator.name
        if all(e.metrics for e in self.evaluators):
            self._require(owner)

    def _require(self, known: Mapping[str, Any]) -> None:
        wishes = [(str(objective), metric) for objective in self.objectives for metric in objective.metrics]
        wishes += [(str(constraint), constraint.metric) for constraint in self.constraints]
        for wish, metric in wishes:
            if metric not in known:
                raise StudyError(
                    f"no evaluator measures {metric!r}",
                    path=wish,
                    received=metric,
                    expected=f"one of {', '.join(sorted(known)) or 'nothing'}",
                    hint="Add the evaluator that measures it, or name another metric",
                )

    @property
    def isolated(self) -> bool:
        """Whether one of them must run in a worker process."""
        return any(e.isolated for e in self.evaluators)

    @property
    def is_gradual(self) -> bool:
        """Whether one of them trains epoch by epoch."""
        return any(isinstance(e, GradualEvaluator) for e in self.evaluators)

    def expected_s(self, evaluator: Evaluator) -> float:
        """Seconds the evaluator will take, as a running mean of what it took before; infinite before its first answer."""
        return self._seen_s.get(evaluator.name, math.inf)

    def evaluate(
        self,
        architecture: Architecture,
        assignment: Assignment = Assignment(),
        before: Callable[[Evaluator], None] | None = None,
    ) -> Verdict:
        """Asks one evaluator after the other.

        Args:
            architecture: what is judged.
            assignment: how.
            before: called ahead of each evaluator.

        Raises:
            UserError: a mistake of configuration, which every trial would repeat: the study stops.
        """
        found: dict[str, Measurement] = {}
        curve: tuple[tuple[int, float], ...] = ()
        stages: list[StageVerdict] = []
        for evaluator in self.evaluators:
            if before is not None:
                before(evaluator)
            watch = Watch(self.objectives[0], assignment, found)
            started = time.perf_counter()
            answer = self._judge(evaluator, architecture, assignment, watch)
            took = time.perf_counter() - started
            self._seen_s[evaluator.name] = 0.8 * self._seen_s.get(evaluator.name, took) + 0.2 * took
            found |= answer.found
            if answer.verdict in ("passed", "stopped"):
                curve = watch.curve or curve
            stages.append(StageVerdict(evaluator.name, answer.verdict, took, answer.reason))
            if answer.verdict != "passed":
                return Verdict(answer.verdict, found, answer.reason, curve, tuple(stages))
        self._require(found)
        for objective in self.objectives:
            value = objective.value_in(found)
            if not math.isfinite(value):
                return Verdict("infeasible", found, f"{objective.metric} is {value}", curve, tuple(stages))
        return Verdict("completed", found, curve=curve, stages=tuple(stages))

    def _judge(self, evaluator: Evaluator, architecture: Architecture, assignment: Assignment, watch: Watch) -> Reply:
        """Asks one evaluator and holds the constraints against what it measured."""
        try:
            found = as_measurements(_ask(evaluator, architecture, assignment, watch), evaluator.name)
        except UserError:
            raise
        except Stopped as stop:
            return Reply("stopped", watch.last, str(stop))
        except Infeasible as refusal:
            return Reply("infeasible", {}, str(refusal) or f"{evaluator.name} refused it")
        except (Exception, SystemExit) as error:  # the search goes on; the trial keeps the traceback
            frames = error.__traceback__.tb_next if error.__traceback__ else None
            return Reply("failed", {}, "".join(traceback.format_exception(type(error), error, frames))[-REASON_CHARS:])
        known = [(c, found[c.metric].value) for c in self.constraints if c.metric in found]
        broken = [_broken(constraint, value) for constraint, value in known if constraint.violation(value)]
        return Reply("infeasible" if broken else "passed", found, "; ".join(broken))


def _ask(evaluator: Evaluator, architecture: Architecture, assignment: Assignment, watch: Watch) -> Any:
    if evaluator.constant and evaluator.metrics and set(evaluator.metrics) <= assignment.found.keys():
        return {metric: assignment.found[metric] for metric in evaluator.metrics}
    if isinstance(evaluator, GradualEvaluator):
        return evaluator.evaluate(architecture, assignment.fidelity, seed=assignment.seed, watch=watch)
    return evaluator.evaluate(architecture, assignment.fidelity, seed=assignment.seed)


def _broken(constraint: Constraint, value: float) -> str:
    """`latency_ms 7.1 > 5`."""
    if math.isnan(value):
        return f"{constraint.metric} is nan, not {constraint.kind.replace('_', ' ')} {constraint.bound:g}"
    sign, left, right = ">" if constraint.kind == "at_most" else "<", f"{value:g}", f"{constraint.bound:g}"
    if left == right:  # so close that six digits do not tell them apart
        left, right = repr(value), repr(constraint.bound)
    return f"{constraint.metric} {left} {sign} {right}"
