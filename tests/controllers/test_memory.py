import controller_fakes as fakes
import numpy as np
import pytest
from controller_fakes import CONTINUOUS, LARGE, TWENTY_FOUR, trial

from controllers import memory
from controllers.memory import Memory


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(memory, "DRAWS", 5)
    monkeypatch.setattr(memory, "POINTS_KEPT", 3)


def test_drawing_is_uniform_over_points():
    """The first of 24 points over 2,400 seeds; chi-square with 23 degrees of freedom, above 49.7 once in a thousand times."""
    first = [Memory("m", TWENTY_FOUR, seed).draw().index for seed in range(2400)]
    counts = np.bincount(first, minlength=24)
    assert ((counts - 100) ** 2 / 100).sum() < 49.7


def test_it_gives_up_after_many_known_points_and_goes_on_when_asked_again(few):
    space = fakes.copies()
    one = Memory("m", space, 0)
    found = [one.draw() for _ in range(24)]
    assert None in found[:-1]
    assert len({a.fingerprint for a in found if a}) == 4


def test_forgetting_points_changes_no_answer(few):
    one = Memory("m", LARGE, 0)
    vectors = LARGE.genome.sample(np.random.default_rng(0), 50)
    assert all(one.admit(v) is not None for v in vectors)
    assert all(one.admit(v) is None for v in vectors)


def test_a_continuous_space_draws_from_the_generator():
    one = Memory("m", CONTINUOUS, 0)
    before = one.state()["rng"]
    assert one.draw() is not None
    assert one.state()["rng"] != before
    assert one.state()["position"] == 0


def test_what_a_tell_teaches():
    one = Memory("m", TWENTY_FOUR, 0)
    architecture = TWENTY_FOUR.architecture(5)
    assert one.learn(trial(architecture, state="running"), failed=False) is None
    assert one.learn(trial(architecture, state="failed"), failed=True).tolist() == architecture.vector.tolist()
    assert one.learn(trial(architecture, state="failed"), failed=True) is None
    assert one.learn(trial(architecture), failed=False).tolist() == architecture.vector.tolist()
    assert one.learn(trial(architecture), failed=False) is None
    assert one.admit(architecture.vector) is None


def test_its_state_can_be_read():
    one = Memory("m", TWENTY_FOUR, seed=3)
    architecture = one.draw()
    state = one.state()
    assert state.pop("rng")["bit_generator"] == "PCG64"
    assert state == {"controller": "m", "order": 3, "position": 1, "known": {architecture.fingerprint: 0}}
