"""Beginning with what is known: given architectures, and earlier studies of this space or another."""

import gradual_fakes
import pyglove as pg
from gradual_fakes import SPACE, Gradual
from study_fakes import comparable

import nas
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import ASHA, SuccessiveHalving
from controllers.random_search import Random
from nas.study.study import Study
from nas.study.transfer import fit, transfer
from nas.study.trial import Measurement, Trial


def other_space():
    """As `five`, but d4 and d5 have other options, d6 is new and there is no d0."""
    options = {f"d{i}": pg.oneof(list(range(5))) for i in range(1, 4)}
    return nas.as_space(pg.Dict(**options, d4=pg.oneof([4, 5]), d5=pg.oneof([0, 1, 9]), d6=pg.oneof(["new", "old"])))


def make(controller=None, directory=None, space=SPACE, evaluator=None):
    controller = controller or RegularizedEvolution(seed=1, population=8, sample=4)
    return Study(space, controller, evaluator or Gradual(), nas.minimize("loss"), directory=directory)


# -- given architectures -------------------------------------------------------------------------------------------------


def test_given_architectures_are_tried_first_and_once(tmp_path):
    given = SPACE.sample(seed=3, n=4)

    def warm():
        return make(directory=tmp_path / "s").warm_start([*given, given[0]])

    warm().run(2)
    study = warm()
    study.run(12)
    assert [t.fingerprint for t in study.trials[:4]] == [a.fingerprint for a in given]
    assert len({t.fingerprint for t in study.trials}) == 12
    at_once = make().warm_start(given)
    at_once.run(12)
    assert comparable(study.trials) == comparable(at_once.trials)


def test_the_controller_learns_from_them_and_does_not_propose_them():
    small = nas.as_space(pg.Dict(a=pg.oneof([0, 1, 2]), b=pg.oneof([0, 1])), name="six")
    study = make(Random(seed=0), space=small).warm_start([small.architecture(i) for i in (5, 3)])
    outcome = study.run(100)
    assert (outcome.finished, outcome.repeats, outcome.status) == (6, 0, "exhausted")
    assert [t.decisions for t in study.trials[:2]] == [small.architecture(i).decisions for i in (5, 3)]


def test_with_several_fidelities_they_begin_at_the_lowest():
    given = SPACE.sample(seed=3, n=4)
    study = make(ASHA(Random(seed=0), epochs=(1, 2, 4), reduction=2)).warm_start(given)
    study.run(8)
    assert [t.fidelity.epochs for t in study.trials[:4]] == [1] * 4
    best = min(study.trials[:4], key=lambda t: t.value("loss"))
    assert best.id in {t.parent for t in study.trials}
    rounds = make(SuccessiveHalving(Random(seed=0), epochs=(1, 2), reduction=2)).warm_start(given)
    rounds.run(10)  # they are in no round, but hold none up
    assert {t.fidelity.epochs for t in rounds.trials} == {1, 2}


# -- an earlier study ----------------------------------------------------------------------------------------------------


def test_results_of_the_same_space_are_told(tmp_path):
    make(directory=tmp_path / "old").run(20)
    study = make(RegularizedEvolution(seed=2, population=8, sample=4), tmp_path / "new").warm_start(tmp_path / "old")
    (found,) = study.transfers
    assert (len(found.told), found.given, found.dropped, found.lost) == (20, [], {}, 0)
    assert str(found) == "20 results taken over; 0 architectures to try first"
    study.run(5)
    assert len(study.controller.state()["members"]) == 8
    assert not {t.fingerprint for t in study.trials} & {t.fingerprint for t in found.told}


def test_under_other_evaluators_the_best_are_tried_again(tmp_path):
    old = make(directory=tmp_path / "old")
    old.run(20)
    study = make(evaluator=Gradual(epochs=9)).warm_start(tmp_path / "old", best=3)
    best = sorted(old.trials, key=lambda t: t.value("loss"))[:3]
    assert study.transfers[0].told == []
    assert [a.fingerprint for a in study.transfers[0].given] == [t.fingerprint for t in best]
    study.run(4)
    assert [t.fingerprint for t in study.trials[:3]] == [t.fingerprint for t in best]


def test_decisions_are_matched_by_name_and_what_does_not_fit_is_counted(tmp_path):
    old = make(directory=tmp_path / "old")
    old.run(20)
    study = make(space=other_space()).warm_start(tmp_path / "old", best=5)
    (found,) = study.transfers
    assert found.told == []
    assert found.dropped["d0"] == 20
    assert found.dropped["d4"] == sum(t.decisions["d4"] != 4 for t in old.trials)
    assert found.dropped["d5"] == sum(t.decisions["d5"] > 1 for t in old.trials)
    best = min(old.trials, key=lambda t: t.value("loss")).decisions
    first = found.given[0].decisions
    assert [first[f"d{i}"] for i in (1, 2, 3)] == [best[f"d{i}"] for i in (1, 2, 3)]
    assert (first["d4"], first["d6"]) == (4, "new")  # the first options
    assert f"{sum(found.dropped.values())} decisions did not fit: d0 (20), d" in str(found)
    assert 1 <= len(found.given) <= 5


def test_an_earlier_search_of_several_fidelities_fills_the_rungs(tmp_path):
    def asha(seed):
        return ASHA(Random(seed=seed), epochs=(1, 2, 4), reduction=2)

    make(asha(0), tmp_path / "old").run(20)
    study = make(asha(1)).warm_start(tmp_path / "old")
    assert len(study.transfers[0].told) == 20
    study.run(1)
    assert study.trials[0].fidelity.epochs > 1  # somebody of the earlier study is next
    assert study.trials[0].parent is None  # its training is not here, so it begins anew
    plain = make().warm_start(tmp_path / "old")
    assert plain.transfers[0].told == []  # a full training is something else


def test_conditional_decisions_and_rules():
    space = nas.as_space(
        pg.Dict(kind=pg.oneof([pg.Dict(conv=pg.oneof([1, 3])), "none"]), ops=pg.manyof(2, ["a", "b", "c"], sorted=True))
    )
    assert fit(space, {"kind": "none", "ops": ["a", "c"]})[1] == []
    conv = next(a for a in space if "none" not in a.decisions.values()).decisions
    inactive = next(name for name in conv if name not in ("kind", "ops"))
    vector, misfits = fit(space, {"kind": "none", inactive: 3, "ops": ["a", "z"]})
    assert misfits == [inactive, "ops"]
    assert space.architecture(vector).decisions["kind"] == "none"


def test_trials_that_fit_no_rule_are_lost():
    @nas.space(input=(4, 4, 1))
    def network(x):
        width, kernel = nas.tied([1, 2, 4], name="width"), nas.tied([1, 3], name="kernel")
        nas.require(lambda w, k: w * k <= 4, width, kernel)
        return nas.layers.Conv2D(width, kernel)(x)

    trials = [
        Trial(i, {"width": w, "kernel": k}, str(i), "completed", {"loss": Measurement(float(i))})
        for i, (w, k) in enumerate([(4, 3), (4, 1), (2, 1), (8, 3)])
    ]
    found = transfer(trials, network, nas.minimize("loss"))
    points = [(a.decisions["width"], a.decisions["kernel"]) for a in found.given]
    assert points == [(4, 1), (2, 1), (1, 3)]
    assert (found.lost, found.dropped) == (1, {"width": 1})
    assert str(found).endswith("1 decisions did not fit: width (1); 1 trials did not fit at all")


def test_the_space_of_the_fakes_is_importable():
    assert nas.load_space("gradual_fakes:five").size == gradual_fakes.SPACE.size
