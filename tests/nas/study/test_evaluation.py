"""The chain of evaluators: order, gates, reasons, and what functions may return."""

import math

import numpy as np
import pytest
from study_fakes import Blocks, Loss, Params, loss_of

from nas.errors import Infeasible, StudyError
from nas.study.evaluation import EvaluatorChain, FunctionEvaluator, as_evaluator
from nas.study.objective import at_least, at_most, maximize, minimize
from nas.study.trial import Measurement


def judge(evaluators, objectives=(minimize("loss"),), constraints=(), index=0, **more):
    chain = EvaluatorChain([as_evaluator(e) for e in evaluators], objectives, constraints)
    return chain.evaluate(Blocks().architecture(index), **more)


def test_cheap_evaluators_come_first_and_equal_ones_keep_their_order():
    asked = []
    first, second = FunctionEvaluator(loss_of), FunctionEvaluator(lambda a: {"size": 1})
    chain = EvaluatorChain([Loss(), Params(), first, second], [minimize("loss")])
    assert chain.evaluators[:2] == (first, second)  # a function says nothing: 0 seconds
    assert [type(e).__name__ for e in chain.evaluators[2:]] == ["Params", "Loss"]
    chain.evaluate(Blocks().architecture(0), before=lambda e: asked.append(e.name))
    assert asked == ["loss_of", "<lambda>", "params", "loss"]


def test_a_broken_constraint_ends_the_chain_with_its_figures():
    asked = []
    constraints = [at_most("params", 100), at_least("loss", 0)]
    verdict = judge([Loss(), Params()], constraints=constraints, index=23, before=lambda e: asked.append(e.name))
    assert (verdict.state, verdict.reason, asked) == ("infeasible", "params 196 > 100", ["params"])
    assert verdict.measurements == {"params": Measurement(196.0)}


@pytest.mark.parametrize(
    ("constraint", "value", "reason"),
    [
        (at_most("m", 5), 7.1, "m 7.1 > 5"),
        (at_least("m", 0.5), 0.25, "m 0.25 < 0.5"),
        (at_most("m", 5), 5.0000001, "m 5.0000001 > 5.0"),
        (at_most("m", 5), math.nan, "m is nan, not at most 5"),
        (at_most("m", 5), math.inf, "m inf > 5"),
    ],
)
def test_reasons_of_broken_constraints(constraint, value, reason):
    verdict = judge([lambda a: {"m": value, "loss": 1}], constraints=[constraint])
    assert (verdict.state, verdict.reason) == ("infeasible", reason)


def test_all_broken_constraints_are_named():
    verdict = judge([lambda a: {"a": 2, "b": 3, "loss": 1}], constraints=[at_most("a", 1), at_most("b", 1)])
    assert verdict.reason == "a 2 > 1; b 3 > 1"


@pytest.mark.parametrize(("value", "said"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_an_objective_that_is_no_number_is_infeasible(value, said):
    verdict = judge([lambda a: {"loss": value}])
    assert (verdict.state, verdict.reason) == ("infeasible", f"loss is {said}")
    verdict = judge([lambda a: {"loss": 1, "gain": value}], [minimize("loss"), maximize("gain")])
    assert (verdict.state, verdict.reason) == ("infeasible", f"gain is {said}")


def test_refusals_and_errors_keep_what_was_measured():
    def refuse(architecture):
        raise Infeasible("does not converge")

    def fail(architecture):
        return 1 / 0

    refused, failed = judge([Params(), refuse]), judge([fail, Params()])
    assert (refused.state, refused.reason) == ("infeasible", "does not converge")
    assert failed.state == "failed"
    assert failed.reason.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "in fail" in failed.reason
    assert "evaluation.py" not in failed.reason.split("in fail")[1]


def test_the_end_of_a_long_traceback_is_kept():
    def fail(architecture):
        raise ValueError("x" * 50_000 + " the end")

    assert len(judge([fail]).reason) == 10_000
    assert judge([fail]).reason.rstrip().endswith("the end")


def test_numbers_of_all_kinds_become_plain_floats():
    given = Measurement(np.float64(3), "ms", spread=np.float32(0.25), n=4)
    measured = judge([lambda a: {"loss": np.float32(0.5), "a": np.array(2), "b": True, "c": given}]).measurements
    numbers = {"loss": Measurement(0.5), "a": Measurement(2.0), "b": Measurement(1.0)}
    assert measured == {**numbers, "c": Measurement(3.0, "ms", spread=0.25, n=4)}
    assert all(type(m.value) is float for m in measured.values())
    assert type(measured["c"].spread) is float


@pytest.mark.parametrize("returned", [None, 3.0, [("loss", 1)], {"loss": "0.5"}, {"loss": None}, {"loss": np.zeros(2)}])
def test_an_evaluator_that_returns_something_else_stops_the_study(returned):
    with pytest.raises(StudyError, match="it returned"):
        judge([lambda a: returned])


def test_metrics_that_nobody_measures():
    with pytest.raises(StudyError, match=r"minimize val_mse: no evaluator measures 'val_mse', expected one of loss, params"):
        EvaluatorChain([Loss(), Params()], [minimize("val_mse")])
    with pytest.raises(StudyError, match="latency_ms <= 5: no evaluator measures 'latency_ms'"):
        EvaluatorChain([Loss()], [minimize("loss")], [at_most("latency_ms", 5)])
    with pytest.raises(StudyError, match="minimize val_mse: no evaluator measures.*expected one of loss"):
        judge([loss_of], [minimize("val_mse")])  # known only once the function has answered
    with pytest.raises(StudyError, match="loss and loss both measure 'loss'"):
        EvaluatorChain([Loss(), Loss()], [minimize("loss")])


def test_what_is_no_evaluator():
    with pytest.raises(StudyError, match=r"evaluators: Loss is a class.*Write Loss\(\)"):
        as_evaluator(Loss)
    with pytest.raises(StudyError, match="evaluators: 5 cannot judge architectures"):
        as_evaluator(5)


def test_each_stage_leaves_its_verdict():
    passed = judge([Loss(), Params()])
    assert [(s.stage, s.verdict, s.reason) for s in passed.stages] == [("params", "passed", ""), ("loss", "passed", "")]
    assert all(0 <= s.seconds < 5 for s in passed.stages)
    gated = judge([Loss(), Params()], constraints=[at_most("params", 100)], index=23)
    assert [(s.stage, s.verdict, s.reason) for s in gated.stages] == [("params", "infeasible", "params 196 > 100")]


def test_a_stage_that_fails_or_refuses_says_so():
    def refuse(architecture):
        raise Infeasible("too odd")

    def fail(architecture):
        raise ZeroDivisionError("one over nothing")

    assert [(s.stage, s.verdict, s.reason) for s in judge([refuse]).stages] == [("refuse", "infeasible", "too odd")]
    (failed,) = judge([fail]).stages
    assert (failed.verdict, failed.reason.splitlines()[-1]) == ("failed", "ZeroDivisionError: one over nothing")
