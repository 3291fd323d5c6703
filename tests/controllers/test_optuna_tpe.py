"""Optuna's TPE as a controller; the contract suite tests what all controllers promise."""

import json

import controller_fakes as fakes
import numpy as np
import optuna
import pytest
from controller_fakes import CONDITIONAL, LARGE, MANY, trial

import nas
from controllers import optuna_tpe
from controllers.optuna_tpe import OptunaTPE
from nas.errors import UserError


def set_up(space, seed=0, objectives=None, constraints=(), **settings):
    controller = OptunaTPE(seed=seed, **settings)
    controller.setup(space, objectives or [nas.minimize("loss")], constraints)
    return controller


def search(controller, n, told=trial):
    asked = []
    for i in range(n):
        asked += controller.ask(1)
        controller.tell([told(asked[-1], i)])
    return asked


def test_it_finds_better_ones_than_random_search():
    losses = [fakes.loss(a) for a in search(set_up(LARGE), 120)]
    drawn = [fakes.loss(a) for a in LARGE.sample(seed=0, n=1000)]
    assert np.mean(losses[-20:]) < np.quantile(drawn, 0.01)


def test_large_and_small_values_are_searched_alike():
    """Only order counts for it; a loss of 1e-9 is no smaller an aim."""
    plain = search(set_up(CONDITIONAL), 30)
    scaled = search(set_up(CONDITIONAL), 30, lambda a, i: trial(a, i, loss=1e-9 * fakes.loss(a)))
    assert [a.index for a in plain] == [a.index for a in scaled]


def test_infeasible_ones_rank_by_violation_and_below_feasible_ones():
    controller = set_up(LARGE, constraints=[nas.at_most("latency_ms", 5)])
    a, b, c, d = controller.ask(4)
    controller.tell([trial(a, 1, loss=1e9, latency_ms=1), trial(b, 2, "infeasible", latency_ms=6)])
    controller.tell([trial(c, 3, "infeasible", latency_ms=50), trial(d, 4, "failed")])
    states = [(t.state.name, t.values) for t in controller._study.get_trials(deepcopy=False) if t.state.name != "FAIL"]
    (_, (feasible,)), (_, (little,)), (_, (much,)), failed = states
    assert feasible < optuna_tpe.FEASIBLE_MOST < little < much
    assert failed == ("PRUNED", None)


def test_a_constraint_is_learned():
    controller = set_up(LARGE, constraints=[nas.at_most("latency_ms", 8)])

    def told(architecture, number):
        latency = float(architecture.vector[:4].sum())
        if latency > 8:
            return trial(architecture, number, "infeasible", latency_ms=latency)
        return trial(architecture, number, latency_ms=latency, loss=fakes.loss(architecture))

    asked = search(controller, 150, told)
    assert sum(a.vector[:4].sum() <= 8 for a in asked[-50:]) > 15  # 495 of 10,000 points meet it


def test_several_objectives():
    controller = set_up(LARGE, objectives=[nas.minimize("loss"), nas.maximize("first")])
    told = search(controller, 60, lambda a, i: trial(a, i, loss=fakes.loss(a), first=float(a.vector[0])))
    assert len({a.fingerprint for a in told}) == 60


def test_rules_of_a_manyof_are_kept_and_its_elements_take_part():
    asked = search(set_up(MANY), 100)
    assert all(MANY.architecture(a.decisions).index == a.index for a in asked)
    assert len({a.fingerprint for a in asked}) == 100


@pytest.mark.parametrize(
    ("wanted", "before", "distinct", "in_order", "taken"),
    [(2, [2], True, False, 1), (0, [1], False, True, 1), (3, [], True, True, 2), (0, [1], True, True, 2)],
)
def test_the_nearest_option_that_the_rules_allow(wanted, before, distinct, in_order, taken):
    slot = nas.language.program.Slot("ops", "choice", 4, group=(0, 1), distinct=distinct, sorted=in_order)
    assert optuna_tpe._nearest_allowed(wanted, slot, before) == taken


def test_the_study_is_thinned_out_and_still_resumes(monkeypatch):
    monkeypatch.setattr(optuna_tpe, "KEPT_MOST", 40)
    monkeypatch.setattr(optuna_tpe, "KEPT_LEAST", 25)
    monkeypatch.setattr(optuna_tpe, "KEPT_BEST", 5)
    controller = set_up(LARGE)
    asked = search(controller, 90)
    kept = controller.state()["trials"]
    assert len(kept) <= 40
    best = min(asked, key=fakes.loss)
    assert best.vector.tolist() in [row["vector"] for row in kept]
    restored = set_up(LARGE, seed=5)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert [a.index for a in search(restored, 30)] == [a.index for a in search(controller, 30)]


def test_optuna_is_left_as_it_was():
    before = optuna.logging.get_verbosity()
    search(set_up(CONDITIONAL), 12)
    assert optuna.logging.get_verbosity() == before


def test_what_does_not_fit_is_said():
    with pytest.raises(UserError, match=r"OptunaTPE\(startup\): 0 does not fit"):
        OptunaTPE(startup=0)
