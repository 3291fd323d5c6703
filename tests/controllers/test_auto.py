import json

import controller_fakes as fakes
import pytest
from controller_fakes import LARGE, TWENTY_FOUR, make, play, trial

import controllers
import nas
from controllers import auto
from nas.errors import UserError


def fingerprints(architectures):
    return [a.fingerprint for a in architectures]


def test_the_first_trials_are_those_of_the_model():
    assert play(make("auto", LARGE), 25, batch=2) == play(make("bayesian", LARGE), 25, batch=2)


def test_several_objectives_are_left_to_nsga2():
    both = [nas.minimize("loss"), nas.maximize("accuracy")]
    assert play(make("auto", LARGE, objectives=both), 30) == play(make("nsga2", LARGE, objectives=both), 30)


def test_evolution_goes_on_from_what_was_found_and_the_model_has_a_turn(monkeypatch):
    monkeypatch.setattr(auto, "MODELLED", 20)
    monkeypatch.setattr(auto, "TURN", 5)
    controller = make("auto", LARGE)
    asked = {"Bayesian": [], "RegularizedEvolution": []}
    for member in controller._members:
        ask = member.ask
        member.ask = lambda n, ask=ask, name=type(member).__name__: asked[name].append(controller._asked) or ask(n)
    play(controller, 36)
    assert asked["Bayesian"] == [*range(21), 25, 30, 35]
    assert asked["RegularizedEvolution"] == [21, 22, 23, 24, 26, 27, 28, 29, 31, 32, 33, 34]


def test_what_one_member_proposed_no_other_proposes(monkeypatch):
    monkeypatch.setattr(auto, "MODELLED", 12)
    controller = make("auto", TWENTY_FOUR)
    proposed = controller.ask(30)
    assert len(set(fingerprints(proposed))) == len(proposed) == 24


def test_many_told_trials_count_as_well(monkeypatch):
    monkeypatch.setattr(auto, "MODELLED", 20)
    warm = [trial(LARGE.sample(seed=i), i) for i in range(21)]
    controller, evolution = make("auto", LARGE), make("evolution", LARGE)
    for one in (controller, evolution):
        one.tell(warm)
    assert fingerprints(controller.ask(3)) == fingerprints(evolution.ask(3))


@pytest.mark.parametrize("told", [19, 20, 27])
def test_a_state_taken_about_the_change_continues_identically(monkeypatch, told):
    monkeypatch.setattr(auto, "MODELLED", 20)
    controller = make("auto", fakes.CONDITIONAL)
    play(controller, told)
    saved = json.dumps(controller.state())
    restored = make("auto", fakes.CONDITIONAL, seed=7)
    restored.restore(json.loads(saved))
    assert json.dumps(restored.state()) == saved
    assert play(controller, 12, batch=2) == play(restored, 12, batch=2)


def test_known_fingerprints_are_written_once():
    controller = make("auto", LARGE)
    asked = controller.ask(30)
    text = json.dumps(controller.state())
    assert all(text.count(a.fingerprint) == 1 for a in asked)


def test_a_seed_below_0():
    with pytest.raises(UserError, match=r"Auto\(seed\)"):
        controllers.Auto(-1)
