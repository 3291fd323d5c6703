import json
import math

import numpy as np
import pytest
from controller_fakes import CONDITIONAL, CONTINUOUS, LARGE, MANY, TWENTY_FOUR, loss, mixed_trial, play, restricted, trial

import nas
from controllers.policy import Factorized
from controllers.ppo import PPO, clipped_weights
from controllers.reinforce import Reinforce
from nas.errors import UserError


def make(space, kind=PPO, constraints=(), **settings):
    controller = kind(**settings)
    controller.setup(space, [nas.minimize("loss")], constraints)
    return controller


def test_clipped_weights_by_hand():
    """The gradient of min(r A, clip(r, .5, 1.5) A) is r A * grad log p, or nothing."""
    ratios = np.array([[1.0, 1.4, 1.6, 0.6, 0.4]])
    moved = np.log(ratios)
    assert clipped_weights(moved, np.array([[2.0]]), 0.5) == pytest.approx(np.array([[2.0, 2.8, 0.0, 1.2, 0.8]]))
    assert clipped_weights(moved, np.array([[-2.0]]), 0.5) == pytest.approx(np.array([[-2.0, -2.8, -3.2, -1.2, 0.0]]))


def test_the_first_epoch_is_the_policy_gradient():
    """r = 1 there: with one epoch a batch moves the policy as far as REINFORCE would with that baseline."""
    controller = make(TWENTY_FOUR, batch=2, epochs=1, entropy=0.0, learning_rate=0.3)
    for index, reward in ((3, 1.5), (20, -0.5)):
        controller._learn(TWENTY_FOUR.genome.unrank(index), reward)
    expected = Factorized(TWENTY_FOUR.genome)
    vectors = np.array([TWENTY_FOUR.genome.unrank(i) for i in (3, 20)])
    expected.ascend(expected.gradient(vectors, np.array([[1.5], [-0.5]]), 0.0), 0.3)
    assert controller._policy.parameters["logits"] == pytest.approx(expected.parameters["logits"])
    assert controller.state()["value"] == pytest.approx(0.1 * -0.5 + 0.9 * 0.1 * 1.5)


@pytest.mark.parametrize(("reward", "low", "high"), [(50.0, 1.25, 1.6), (-50.0, 0.5, 0.75)])
def test_a_batch_moves_a_decision_by_about_the_clip(reward, low, high):
    """Small steps stop soon after the ratio has left [0.75, 1.25], however good or bad the trial was."""
    controller = make(LARGE, batch=1, epochs=400, learning_rate=4.0, clip=0.25, entropy=0.0)
    vector = LARGE.genome.unrank(0)
    controller._learn(vector, reward)
    ratio = np.exp(controller._policy.log_probabilities(vector[None])) / 0.1
    assert (low <= ratio).all()
    assert (ratio <= high).all()


def test_it_learns_only_from_full_batches():
    controller = make(CONDITIONAL, batch=5)
    asked = controller.ask(5)
    before = controller.state()["policy"]
    for i, a in enumerate(asked[:4]):
        controller.tell([trial(a, i)])
    state = controller.state()
    assert state["policy"] == before
    assert len(state["waiting"]) == 4
    controller.tell([trial(asked[4], 5)])
    assert controller.state()["policy"] != before
    assert controller.state()["waiting"] == []


@pytest.mark.parametrize("policy", ["factorized", "autoregressive"])
@pytest.mark.parametrize("kind", [PPO, Reinforce])
def test_the_policy_learns_what_is_good(kind, policy):
    controller = make(LARGE, kind, policy=policy)
    losses = []
    for i in range(400):
        (a,) = controller.ask(1)
        controller.tell([trial(a, i)])
        losses.append(loss(a))
    assert np.mean(losses[-50:]) < 0.4 * np.mean(losses[:50])


def test_infeasible_regions_are_left():
    controller = make(LARGE, constraints=[nas.at_most("latency_ms", 60)])
    feasible = []
    for i in range(240):
        (a,) = controller.ask(1)
        ms = float(a.vector.sum())
        feasible.append(ms <= 60)
        controller.tell([trial(a, i, loss=-ms, latency_ms=ms) if feasible[-1] else trial(a, i, "infeasible", latency_ms=ms)])
    assert sum(feasible[:5]) < 2
    assert sum(feasible[-50:]) > 20


@pytest.mark.parametrize("space", [TWENTY_FOUR, CONDITIONAL, MANY, CONTINUOUS], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", [PPO, Reinforce])
def test_with_an_autoregressive_policy_a_restored_state_continues_identically(space, kind):
    controller = make(space, kind, policy="autoregressive", seed=3)
    assert play(controller, 21, batch=3) == play(make(space, kind, policy="autoregressive", seed=3), 21, batch=3)
    waiting = controller.ask(3)
    saved = json.dumps(controller.state(), allow_nan=False)
    restored = make(space, kind, policy="autoregressive", seed=99)
    restored.restore(json.loads(saved))
    for one in (controller, restored):
        one.tell([mixed_trial(a, i) for i, a in enumerate(waiting)])
    assert play(controller, 20) == play(restored, 20)
    assert json.dumps(restored.state()) == json.dumps(controller.state())


@pytest.mark.parametrize("kind", [PPO, Reinforce])
def test_with_an_autoregressive_policy_a_small_space_is_listed_completely(kind):
    controller = make(MANY, kind, policy="autoregressive")
    proposed = play(controller, 1000, batch=7)
    assert len({json.dumps(d) for d in proposed}) == 162
    assert controller.ask(1) == []


def test_with_an_autoregressive_policy_nothing_outside_a_restricted_space_is_proposed():
    space = restricted("many")
    controller = make(space, policy="autoregressive")
    for i in range(6):
        asked = controller.ask(10)
        assert space.genome.fits(np.array([a.vector for a in asked])).all()
        controller.tell([trial(a, 10 * i + j) for j, a in enumerate(asked)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, r"PPO\(batch\): 0 does not fit, expected a whole number of at least 1\."),
        ({"epochs": 1.5}, r"PPO\(epochs\): 1.5 does not fit, expected a whole number of at least 1\."),
        ({"clip": -1}, r"PPO\(clip\): -1 does not fit, expected a finite number of at least 0\."),
        ({"clip": math.nan}, r"PPO\(clip\): nan does not fit"),
        ({"policy": "rnn"}, r"PPO\(policy\): no policy 'rnn', expected factorized or autoregressive\."),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        PPO(**settings)
