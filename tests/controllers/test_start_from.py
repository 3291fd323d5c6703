"""Given architectures first, and then whatever the controller inside proposes."""

import json

import controller_fakes as fakes
import pytest
from controller_fakes import TWENTY_FOUR, trial

import nas
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import ASHA
from controllers.random_search import Random
from controllers.start_from import StartFrom
from nas.errors import DecisionError, UserError
from search_spaces.colorizer import colorizer


def set_up(controller, space=TWENTY_FOUR):
    controller.setup(space, [nas.minimize("loss")])
    return controller


def test_given_ones_come_first_once_and_never_again():
    given = [TWENTY_FOUR.architecture(5), {"a": "q", "b": 3, "c": 40}, TWENTY_FOUR.architecture(5), {"b": 2}]
    controller = set_up(StartFrom(Random(seed=0), given))
    asked = controller.ask(30)
    assert [a.index for a in asked[:3]] == [5, 23, 4]
    assert sorted(a.index for a in asked) == list(range(24))
    assert controller.ask(1) == []


def test_what_is_known_already_is_left_out():
    controller = set_up(StartFrom(Random(seed=0), [TWENTY_FOUR.architecture(i) for i in (5, 6)]))
    controller.tell([trial(TWENTY_FOUR.architecture(5))])
    assert controller.ask(1)[0].index == 6
    assert 5 not in [a.index for a in controller.ask(30)]


def test_the_controller_inside_learns_from_them():
    inside = RegularizedEvolution(seed=0, population=4, sample=2)
    controller = set_up(StartFrom(inside, [TWENTY_FOUR.architecture(5)]))
    controller.tell([trial(controller.ask(1)[0])])
    assert len(inside.state()["members"]) == 1


def test_the_state_says_which_are_left():
    given = [TWENTY_FOUR.architecture(i) for i in (5, 6, 7)]
    controller, restored = (set_up(StartFrom(Random(seed=s), given)) for s in (0, 8))
    controller.ask(2)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert [a.index for a in restored.ask(9)] == [a.index for a in controller.ask(9)]


def test_baselines_of_a_space():
    controller = set_up(StartFrom(Random(seed=0)), colorizer)
    first = controller.ask(len(colorizer.baselines))
    assert [a.fingerprint for a in first] == [a.fingerprint for a in colorizer.baselines.values()]
    assert controller.describe()["initial"] == "baselines"


def test_what_does_not_fit_is_said():
    with pytest.raises(UserError, match=r"StartFrom\(initial\): twenty_four has no baselines"):
        set_up(StartFrom(Random(seed=0)))
    with pytest.raises(UserError, match=r"StartFrom\(initial\): 'book' does not fit"):
        StartFrom(Random(seed=0), "book")
    with pytest.raises(DecisionError, match="no such decision"):
        set_up(StartFrom(Random(seed=0), [{"z": 1}]))
    with pytest.raises(UserError, match=r"Put it inside: ASHA\(StartFrom"):
        StartFrom(ASHA())
    with pytest.raises(UserError, match="there is none"):
        set_up(StartFrom(Random(seed=0), []))


def test_its_settings_are_decisions():
    described = StartFrom(Random(seed=0), [fakes.TWENTY_FOUR.architecture(5)]).describe()
    assert described["initial"] == [dict(fakes.TWENTY_FOUR.architecture(5).decisions)]
