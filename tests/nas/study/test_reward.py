"""Weighted rewards: the formulas by hand, and a study that searches with one."""

import json
import math

import pytest

import controllers
import nas
from nas.cli import main
from nas.errors import StudyError, UserError
from nas.study.objective import Objective
from nas.study.report import write_report
from nas.study.trial import Measurement, Trial
from search_spaces.nasbench201 import nasbench201 as space


def value(objective, **metrics):
    return objective.value_of(Trial(1, {}, "f", "completed", {name: Measurement(v) for name, v in metrics.items()}))


@pytest.mark.parametrize(
    ("form", "latency_ms", "expected"),
    [
        ("mnasnet-soft", 5, 0.8),
        ("mnasnet-soft", 10, 0.8 * 0.952638),  # 2^-0.07: a doubled latency is worth 5% of accuracy, as the paper wants
        ("mnasnet-soft", 2.5, 0.8 / 0.952638),
        ("mnasnet-hard", 2.5, 0.8),
        ("mnasnet-hard", 5, 0.8),
        ("mnasnet-hard", 20, 0.2),
        ("vertex", 10, 0.4),
        ("vertex", 2.5, 1.6),
        ("vertex-hard", 10, 0.4),
        ("vertex-hard", 2.5, 0.8),
        ("tunas", 5, 0.8),
        ("tunas", 10, 0.73),
        ("tunas", 2.5, 0.765),  # faster than the target is no merit there
    ],
)
def test_an_accuracy_of_80_percent_and_a_target_of_5_ms(form, latency_ms, expected):
    reward = nas.reward(form, accuracy="acc", latency_ms=5)
    assert value(reward, acc=0.8, latency_ms=latency_ms) == pytest.approx(expected, rel=1e-6)
    assert reward.goal == "maximize"


@pytest.mark.parametrize(
    ("form", "latency_ms", "expected"),
    [("mnasnet-soft", 10, 0.2 / 0.952638), ("mnasnet-hard", 10, 0.4), ("vertex", 2.5, 0.1), ("tunas", 10, 0.27)],
)
def test_a_loss_of_a_fifth_grows_with_latency(form, latency_ms, expected):
    reward = nas.reward(form, loss="mse", latency_ms=5)
    assert value(reward, mse=0.2, latency_ms=latency_ms) == pytest.approx(expected, rel=1e-6)
    assert reward.goal == "minimize"
    assert reward.score(0.2) == -0.2


def test_a_quality_below_zero_is_worse_when_slower():
    reward = nas.reward("mnasnet-hard", accuracy="r2", latency_ms=5)
    assert value(reward, r2=-0.5, latency_ms=10) == -1.0
    reward = nas.reward("mnasnet-hard", loss="nll", latency_ms=5)
    assert value(reward, nll=-0.5, latency_ms=10) == -0.25


def test_several_costs():
    costs = {"acc": 0.8, "latency_ms": 2.5, "memory_bytes": 400}
    assert value(nas.reward("vertex", accuracy="acc", latency_ms=5, memory_bytes=200), **costs) == pytest.approx(0.8)
    assert value(nas.reward("vertex-hard", accuracy="acc", latency_ms=5, memory_bytes=200), **costs) == pytest.approx(0.4)
    tunas = nas.reward("tunas", accuracy="acc", latency_ms=5, memory_bytes=200, weight=-0.1)
    assert value(tunas, **costs) == pytest.approx(0.8 - 0.1 * 0.5 - 0.1 * 1.0)


def test_a_weight_of_ones_own():
    assert value(nas.reward("mnasnet-soft", accuracy="acc", weight=-0.5, latency_ms=4), acc=0.8, latency_ms=16) == 0.4
    assert value(nas.reward("vertex", accuracy="acc", weight=2, latency_ms=4), acc=0.8, latency_ms=8) == pytest.approx(0.2)
    per_cent = nas.reward("tunas", accuracy="acc", weight=-7, latency_ms=5)
    assert value(per_cent, acc=80, latency_ms=10) == pytest.approx(73)


def test_what_cannot_be_computed():
    reward = nas.reward("mnasnet-soft", accuracy="acc", latency_ms=5)
    for metrics in ({"acc": 0.8}, {"latency_ms": 5}, {"acc": math.nan, "latency_ms": 5}, {"acc": 0.8, "latency_ms": math.nan}):
        assert math.isnan(value(reward, **metrics))
    assert math.isnan(value(reward, acc=0.8, latency_ms=-1))
    assert value(reward, acc=0.8, latency_ms=0) == math.inf  # the formula has no value there
    assert value(reward, acc=-0.8, latency_ms=math.inf) == -math.inf
    assert value(nas.reward("mnasnet-hard", accuracy="acc", latency_ms=5), acc=0.8, latency_ms=0) == 0.8
    assert value(nas.reward("vertex-hard", accuracy="acc", latency_ms=5), acc=0.8, latency_ms=0) == 0.8


def test_how_it_is_written():
    assert (
        str(nas.reward("vertex", accuracy="acc", latency_ms=5, flops=1e6)) == "maximize vertex(acc, latency_ms=5, flops=1e+06)"
    )
    assert str(nas.reward("tunas", loss="mse", weight=-0.5, flops=2)) == "minimize tunas(mse, flops=2, weight=-0.5)"


def test_it_comes_back_from_json():
    for objective in (nas.minimize("loss"), nas.reward("tunas", loss="mse", weight=-0.5, latency_ms=5, flops=2)):
        assert Objective.from_json(json.loads(json.dumps(objective.to_json()))) == objective
    assert nas.minimize("loss").to_json() == {"metric": "loss", "goal": "minimize"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnasnet",), "reward: no form 'mnasnet', expected one of mnasnet-soft, mnasnet-hard, vertex, vertex-hard, tunas. "),
        (("tunas", "acc", "mse"), "expected the name of either an accuracy or a loss."),
        (("tunas",), "expected the name of either an accuracy or a loss."),
        (("tunas", "acc"), r"reward('tunas'): no costs, expected a target for each, such as latency_ms=5."),
        (("tunas", "acc", None, 0.07), "weight=0.07 does not fit, expected a number below 0, -0.07 as published."),
        (("vertex", "acc", None, -1), "weight=-1 does not fit, expected a number above 0, 1 as published."),
        (("vertex", "acc", None, "1"), "weight='1' does not fit"),
    ],
)
def test_mistakes(arguments, message):
    targets = {} if "no costs" in message else {"latency_ms": 5}
    with pytest.raises(UserError) as caught:
        nas.reward(*arguments, **targets)
    assert message in str(caught.value)


@pytest.mark.parametrize("target", [0, -1, math.nan, "5", True])
def test_targets_that_do_not_fit(target):
    with pytest.raises(UserError, match=r"latency_ms=.* does not fit, expected a number above 0, for a metric beside acc"):
        nas.reward("vertex", accuracy="acc", latency_ms=target)


def test_a_metric_against_itself():
    with pytest.raises(UserError, match="mse=1 does not fit"):
        nas.reward("vertex", loss="mse", mse=1)


# -- in a study ----------------------------------------------------------------------------------------------------------


def judge(architecture):
    """Accuracy and latency both grow with the options' numbers; the reward weighs them."""
    options = architecture.vector.sum()
    return {"acc": 0.5 + 0.02 * float(options), "latency_ms": 1.0 + float(options)}


REWARD = nas.reward("mnasnet-hard", accuracy="acc", latency_ms=9)  # best at 8 of 24: 0.66


@pytest.mark.parametrize("name", ["random", "evolution", "reinforce"])
def test_any_controller_searches_with_it(name):
    study = nas.Study(space, controllers.get(name, 1), judge, REWARD)
    study.run(trials=60)
    expected = max(study.trials, key=lambda t: t.value("acc") * min(1, 9 / t.value("latency_ms")))
    assert study.best() == expected
    assert study.best().value("acc") == pytest.approx(0.66)


def test_it_is_stored_resumed_and_shown(tmp_path, capsys):
    nas.Study(space, controllers.Random(0), judge, REWARD, directory=tmp_path / "s").run(trials=10)
    again = nas.Study(space, controllers.Random(0), judge, REWARD, directory=tmp_path / "s")
    again.run(trials=20)

    view = nas.Study.open(tmp_path / "s")
    assert view.objectives == (REWARD,)
    assert view.best() == again.best()
    best = REWARD.value_of(view.best())

    other = nas.reward("mnasnet-hard", accuracy="acc", latency_ms=8)
    with pytest.raises(StudyError, match=r"another objective: .*latency_ms=9.*latency_ms=8"):
        nas.Study(space, controllers.Random(0), judge, other, directory=tmp_path / "s")

    page = write_report(view).read_text()
    for text in ("maximize mnasnet-hard(acc, latency_ms=9)", f"{best:.4g}", "acc against latency_ms", '<th class="n">acc</th>'):
        assert text in page
    for command, shown in (("top", f"{best:.5g}"), ("status", f"mnasnet-hard(acc, latency_ms=9) {best:.5g}")):
        with pytest.raises(SystemExit):
            main([command, str(tmp_path / "s")])
        assert shown in capsys.readouterr().out


def test_a_cost_that_nothing_measures_is_refused():
    class Accuracy(nas.Evaluator):
        name, metrics = "accuracy", ("acc",)

        def evaluate(self, architecture, fidelity=nas.Fidelity(), *, seed=0):
            return {"acc": Measurement(1.0)}

    with pytest.raises(StudyError, match=r"maximize mnasnet-hard.*: no evaluator measures 'latency_ms'"):
        nas.Study(space, controllers.Random(0), Accuracy(), REWARD)


def test_a_reward_that_is_no_number_is_infeasible():
    reward = nas.reward("vertex", accuracy="acc", latency_ms=5)
    study = nas.Study(space, controllers.Random(0), lambda architecture: {"acc": 0.5, "latency_ms": 0.0}, reward)
    study.run(trials=1)
    assert study.trials[0].state == "infeasible"
    assert study.trials[0].reason == "vertex(acc, latency_ms=5) is inf"
