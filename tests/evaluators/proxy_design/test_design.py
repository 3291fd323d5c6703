import json
import math

import numpy as np
import pytest
from design_fakes import FULL, FakeJudge, numbered, trainings

from evaluators.proxy_design import Proxy, Rules, design, seed_noise
from nas.errors import UserError

CHEAP, DEAR = trainings(1, 4)


def truth_like(noise, seed=0):
    """Full training orders by number, a proxy by number and so much noise."""
    rng = np.random.default_rng(seed)
    drawn = {}

    def value(name, number, repeat):
        if name == FULL.name:
            return number + 0.1 * repeat
        if (name, number, repeat) not in drawn:
            drawn[name, number, repeat] = number + noise.get(name, 0.0) * rng.standard_normal()
        return drawn[name, number, repeat]

    return value


def test_the_cheapest_that_passes_is_chosen():
    judge = FakeJudge(truth_like({}), {CHEAP.name: 2.0, DEAR.name: 9.0, FULL.name: 20.0}.get)
    found = design(numbered(12), FULL, [DEAR, CHEAP], judge, Rules(references=(12,)))
    assert found.chosen.proxy == CHEAP
    assert found.chosen.agreement.tau == 1
    assert found.message.startswith("1 epoch: tau 1.00, at least 0.")
    assert "10.0 times cheaper" in found.message


def test_a_cheap_bad_one_leaves_it_to_the_good_one():
    judge = FakeJudge(truth_like({CHEAP.name: 100.0}), {CHEAP.name: 2.0, DEAR.name: 9.0, FULL.name: 20.0}.get)
    found = design(numbered(16), FULL, [CHEAP, DEAR], judge, Rules(references=(16,)))
    assert found.chosen.proxy == DEAR


def test_what_costs_as_much_as_full_training_is_no_proxy():
    judge = FakeJudge(truth_like({}), {CHEAP.name: 20.0, FULL.name: 20.0}.get)
    found = design(numbered(12), FULL, [CHEAP], judge, Rules(references=(12,)))
    assert (found.chosen, found.findings[0].verdict) == (None, "no cheaper")
    assert found.message.startswith("No proxy passed: 1 epoch agrees (tau at least 0.")


def test_each_look_pays_for_all():
    found = design(numbered(20), FULL, [CHEAP, DEAR], FakeJudge(truth_like({})), Rules(references=(10, 20), alpha=0.04))
    assert found.looks == 4
    assert found.chosen.agreement.alpha == pytest.approx(0.01)


def test_it_stops_at_the_first_round_that_shows_something_and_judges_nothing_twice():
    judge = FakeJudge(truth_like({CHEAP.name: 6.0, DEAR.name: 6.0}, seed=3))
    found = design(numbered(30), FULL, [CHEAP, DEAR], judge, Rules(references=(8, 30), at_least=0.2))
    assert found.rounds == 2
    assert [ask for ask in judge.asked if ask[0].startswith("full")] == [
        ("full-from-1", 8, 0), ("full-again", 3, 1), ("full-from-9", 22, 0)
    ]  # fmt: skip
    early = design(numbered(30), FULL, [CHEAP], FakeJudge(truth_like({})), Rules(references=(8, 30), at_least=0.2))
    assert (early.rounds, len(early.references)) == (1, 8)


def test_a_candidate_that_disagrees_is_out_and_costs_no_more():
    judge = FakeJudge(lambda name, number, repeat: -number if name == CHEAP.name else number if name == FULL.name else 0.0)
    found = design(numbered(24), FULL, [CHEAP, DEAR], judge, Rules(references=(12, 24)))
    verdicts = {finding.proxy.name: finding.verdict for finding in found.findings}
    assert verdicts == {CHEAP.name: "out", DEAR.name: "not shown"}
    assert ("candidate-1-from-13", 12, 0) not in judge.asked
    assert found.chosen is None
    assert found.message.startswith("No proxy passed: the best lower bound of tau is -0.")


def test_a_flat_proxy_fails():
    flat = FakeJudge(lambda name, number, repeat: number if name == FULL.name else 0.25)
    assert design(numbered(30), FULL, [CHEAP], flat, Rules(references=(30,), at_least=0)).chosen is None


def test_a_thousand_designs_with_random_proxies_accept_at_most_five_in_a_hundred():
    """Eight candidates in three rounds, the easiest threshold there is: 24 looks a design, 24,000 in all."""
    candidates = [*trainings(1, 2, 3, 4, 5, 6), Proxy("zero_cost", {"names": ["a"]}, "a", "maximize")]
    candidates.append(Proxy("zero_cost", {"names": ["b"]}, "b", "maximize"))
    rules = Rules(at_least=0, references=(10, 16, 24), repeats=0)
    accepted = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        drawn = {proxy.name: rng.standard_normal(24) for proxy in [FULL, *candidates]}
        drawn["b"] = rng.integers(4, size=24).astype(float)  # many ties
        judge = FakeJudge(lambda name, number, repeat, drawn=drawn: drawn[name][number])
        accepted += design(numbered(24), FULL, candidates, judge, rules).chosen is not None
    assert accepted <= 50


def test_references_that_cannot_be_trained_are_told_and_left_out():
    judge = FakeJudge(lambda name, number, repeat: math.nan if name == FULL.name and number == 3 else float(number))
    found = design(numbered(12), FULL, [CHEAP], judge, Rules(references=(12,)))
    assert found.lost == ("00000000: failed, boom",)
    assert found.chosen.agreement.n == 11
    failing = FakeJudge(lambda name, number, repeat: math.nan)
    with pytest.raises(UserError, match="0 of 12 references could be trained.*boom"):
        design(numbered(12), FULL, [CHEAP], failing, Rules(references=(12,)))


def test_what_a_proxy_cannot_judge_ranks_last():
    judge = FakeJudge(lambda name, number, repeat: math.nan if name == CHEAP.name and number > 9 else float(number))
    found = design(numbered(12), FULL, [CHEAP], judge, Rules(references=(12,)))
    assert found.findings[0].agreement.tau == pytest.approx(1 - 1 / 66)  # only the pair that it could not tell apart


def test_noise_that_drowns_the_references_is_said():
    def value(name, number, repeat):
        return number % 3 + (1.5 if repeat else 0.0)

    found = design(numbered(12), FULL, [CHEAP], FakeJudge(value), Rules(references=(12,)))
    assert found.noise.reliability < 0.5
    assert "the rest is the seed's" in found.message


def test_seed_noise_by_hand():
    noise = seed_noise([1.0, 3.0, 5.0], [(1.0, 2.0), (3.0, 3.0)])
    assert noise.spread == 2.0
    assert noise.seed_deviation == pytest.approx(0.5)  # squares .25 + .25 over two degrees of freedom
    assert noise.reliability == pytest.approx(1 - 0.25**2)
    assert math.isnan(seed_noise([1.0, 2.0], []).seed_deviation)


def test_it_is_plain_json():
    judge = FakeJudge(lambda name, number, repeat: math.nan if name == CHEAP.name else float(number))
    found = design(numbered(12), FULL, [CHEAP], judge, Rules(references=(12,), repeats=0)).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"at_least": -0.1}, "at_least: -0.1 does not do, expected from 0 to below 1"),
        ({"alpha": 0.5}, "alpha: 0.5"),
        ({"references": (4,)}, "references: .*rising numbers, 5 or more"),
        ({"references": (12, 12)}, "references"),
        ({"repeats": 13}, "repeats: 13"),
    ],
)
def test_rules_that_do_not_do(wrong, message):
    with pytest.raises(UserError, match=message):
        Rules(**wrong)


def test_candidates_and_architectures_have_to_suffice():
    judge = FakeJudge(truth_like({}))
    with pytest.raises(UserError, match="none, or two of one name"):
        design(numbered(24), FULL, [CHEAP, CHEAP], judge)
    with pytest.raises(UserError, match="5 architectures for 24 references"):
        design(numbered(5), FULL, [CHEAP], judge)
