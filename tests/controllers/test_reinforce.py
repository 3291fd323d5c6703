import numpy as np
import pytest
from controller_fakes import CONDITIONAL, LARGE, TWENTY_FOUR, loss, make, trial

import nas
from controllers import Reinforce
from controllers.policy_search import savage_score
from nas.errors import UserError


def merits(*scores):
    return [((2, float(score)),) for score in scores]


def test_savage_scores_by_hand():
    among = merits(1, 2, 3, 4)  # best of 4: 1/1 + 1/2 + 1/3 + 1/4 - 1, and so on
    assert savage_score(among[3], among) == pytest.approx(13 / 12)
    assert savage_score(among[2], among) == pytest.approx(1 / 12)
    assert savage_score(among[1], among) == pytest.approx(1 / 3 + 1 / 4 - 1)
    assert savage_score(among[0], among) == pytest.approx(1 / 4 - 1)
    assert savage_score(among[0], among[:1]) == 0


def test_equals_share_the_average():
    among = merits(5, 5, 1)  # 11/6 and 5/6 for the two best
    assert savage_score(among[0], among) == pytest.approx((11 / 6 + 5 / 6) / 2 - 1)
    assert savage_score(among[0], merits(5, 5, 5)) == pytest.approx(0)


def test_the_scale_of_the_metric_does_not_matter():
    proposed = []
    for scale in (1e-9, 1.0, 1e9):
        controller = make("reinforce", CONDITIONAL)
        found = []
        for i in range(30):
            found += controller.ask(1)
            controller.tell([trial(found[-1], i, loss=scale * (loss(found[-1]) + 1))])
        proposed.append([a.index for a in found])
    assert proposed[0] == proposed[1] == proposed[2]


def test_the_policy_learns_what_is_good():
    controller = make("reinforce", LARGE)
    losses = []
    for i in range(400):
        (a,) = controller.ask(1)
        controller.tell([trial(a, i)])
        losses.append(loss(a))
    assert np.mean(losses[-50:]) < 0.25 * np.mean(losses[:50])
    first, *_, last = np.array(controller.state()["policy"]["logits"]).reshape(20, 10)
    assert last.argmax() <= 1  # the heaviest decision: the best or the next
    assert last.max() - last.min() > first.max() - first.min()


def test_infeasible_regions_are_left():
    controller = make("reinforce", LARGE, constraints=[nas.at_most("latency_ms", 60)])
    feasible = []
    for i in range(200):
        (a,) = controller.ask(1)
        ms = float(a.vector.sum())
        feasible.append(ms <= 60)
        controller.tell([trial(a, i, loss=-ms, latency_ms=ms) if feasible[-1] else trial(a, i, "infeasible", latency_ms=ms)])
    assert sum(feasible[:5]) < 2
    assert sum(feasible[-50:]) > 20


def test_a_sure_policy_does_not_stall():
    controller = make("reinforce", LARGE)
    state = controller.state()
    state["policy"]["logits"] = ([50.0] + [0.0] * 9) * 20
    controller.restore(state)
    asked = controller.ask(60)
    assert asked[0].vector.tolist() == [0] * 20
    assert len({a.fingerprint for a in asked}) == 60
    assert all((a.vector != 0).sum() <= 2 for a in asked)  # the neighbourhood of what it is sure of


def test_the_baseline_follows_the_rewards():
    controller = make("reinforce", TWENTY_FOUR)
    for i, value in enumerate((3.0, 2.0)):
        controller.tell([trial(controller.ask(1)[0], i, loss=value)])
    assert controller.state()["baseline"] == pytest.approx(0.1 * 0.5)  # rewards 0 and 1 + 1/2 - 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 1}, r"Reinforce\(window\): 1 does not fit, expected a whole number of at least 2\."),
        ({"learning_rate": -1}, r"Reinforce\(learning_rate\): -1 does not fit, expected a finite number of at least 0\."),
        ({"policy": "lstm"}, r"Reinforce\(policy\): no policy 'lstm', expected factorized or autoregressive\."),
        ({"entropy": "much"}, r"Reinforce\(entropy\): 'much' does not fit, expected a finite number of at least 0\."),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        Reinforce(**settings)
