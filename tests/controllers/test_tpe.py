"""The tree-structured Parzen estimator; the contract suite tests what all controllers promise."""

import json

import controller_fakes as fakes
import numpy as np
import pyglove as pg
import pytest
from controller_fakes import CONDITIONAL, LARGE, MANY, trial

import nas
from controllers import tpe
from controllers.tpe import TPE, Densities
from nas.errors import UserError


def set_up(space, seed=0, objectives=None, constraints=(), **settings):
    controller = TPE(seed=seed, **settings)
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
    assert tpe.nearest_allowed(wanted, slot, before) == taken


def test_numbers_are_searched_on_their_scale():
    space = nas.as_space(pg.Dict(rate=pg.floatv(1e-5, 1e-1, scale="log"), other=pg.oneof([1, 2])), name="numbers")
    controller = set_up(space)
    off = [abs(np.log10(a.decisions["rate"]) + 3) for a in search(controller, 60, _near_a_thousandth)]
    assert all(1e-5 <= a.decisions["rate"] <= 1e-1 for a in controller.ask(20))
    assert np.mean(off[-20:]) < 0.5 * np.mean(off[:10])  # in powers of ten


def _near_a_thousandth(architecture, number):
    return trial(architecture, number, loss=abs(np.log10(architecture.decisions["rate"]) + 3))


def test_a_density_by_hand():
    """Of three points in a space of 3 options and, under option 2, of 2 more: counts and a prior of one."""
    space = nas.as_space(pg.Dict(a=pg.oneof([0, 1, pg.Dict(b=pg.oneof([0, 1]))])), name="small")
    densities = Densities(space.genome.slots)
    vectors = np.array([[0, -1], [2, 1], [2, 1]])
    found = densities.estimate(densities.cells(vectors))
    assert found[0] == pytest.approx(np.array([1 + 1 / 3, 1 / 3, 2 + 1 / 3]) / 4)
    assert found[1] == pytest.approx([0.5 / 3, 2.5 / 3, 1])  # of two options
    score = densities.score(np.array([[2, 0], [1, -1]]), np.log(found))
    assert score == pytest.approx([np.log(7 / 12) + np.log(0.5 / 3), np.log(1 / 12)])
    drawn = densities.draw(found, 4000, np.random.default_rng(0))
    assert np.bincount(drawn[:, 0]) / 4000 == pytest.approx(found[0], abs=0.03)
    assert np.bincount(drawn[:, 1]) / 4000 == pytest.approx(found[1, :2], abs=0.03)


def test_what_is_known_is_thinned_out_and_still_resumes(monkeypatch):
    monkeypatch.setattr(tpe, "KEPT_MOST", 40)
    monkeypatch.setattr(tpe, "KEPT_LEAST", 25)
    monkeypatch.setattr(tpe, "KEPT_BEST", 5)
    controller = set_up(LARGE)
    asked = search(controller, 90)
    kept = controller.state()["trials"]
    assert len(kept) <= 40
    best = min(asked, key=fakes.loss)
    assert best.vector.tolist() in [row["vector"] for row in kept]
    restored = set_up(LARGE, seed=5)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert [a.index for a in search(restored, 30)] == [a.index for a in search(controller, 30)]


def test_what_does_not_fit_is_said():
    with pytest.raises(UserError, match=r"TPE\(startup\): 0 does not fit"):
        TPE(startup=0)
