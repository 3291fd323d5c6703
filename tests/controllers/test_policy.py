import json
import math

import numpy as np
import pyglove as pg
import pytest
from controller_fakes import CONDITIONAL, CONTINUOUS, MANY, TWENTY_FOUR

import nas
from controllers.autoregressive import Autoregressive
from controllers.policy import PARTS, Factorized

RULES = [(True, True), (True, False), (False, True), (False, False)]


POLICIES = [Factorized, Autoregressive]


def policy_of(space, seed=0, spread=1.0, kind=Factorized):
    """A policy with parameters drawn at random."""
    policy = kind(space.genome)
    rng = np.random.default_rng(seed)
    for values in policy.parameters.values():
        values[...] = spread * rng.standard_normal(values.shape)
    return policy


def logits_of(policy, space, vector):
    """By the definition, decision by decision: (slots, options)."""
    if isinstance(policy, Factorized):
        return policy.parameters["logits"]
    b, v, e = (policy.parameters[name] for name in "bVE")
    past, rows = np.zeros(e.shape[-1]), []
    for i in range(space.genome.width):
        rows.append(b[i] + v[i] @ np.tanh(past))
        if vector[i] >= 0:
            past = past + e[i, vector[i]]
    return np.array(rows)


def log_probability_of(slot, i, option, logits, vector):
    """By the definition: the decision's softmax over the options that its manyof still allows; -inf beside those."""
    place = slot.group.index(i)
    before = [vector[j] for j in slot.group[:place]]
    left = len(slot.group) - place - 1
    options = [
        option
        for option in range(slot.options)
        if not (slot.distinct and option in before)
        and not (slot.sorted and before and option < before[-1])
        and not (slot.sorted and slot.distinct and option + left >= slot.options)
    ]
    if option not in options:
        return -math.inf
    return logits[i][option] - math.log(sum(math.exp(logits[i][o]) for o in options))


def log_probability(space, logits, vector):
    """Summed over the active decisions."""
    slots = enumerate(space.genome.slots)
    return sum(log_probability_of(slot, i, vector[i], logits, vector) for i, slot in slots if vector[i] >= 0)


def many_of(distinct, in_order):
    candidates = [pg.Dict(k=pg.oneof([1, 2])), "b", "c", "d"]
    picked = pg.manyof(3, candidates, distinct=distinct, sorted=in_order)
    return nas.as_space(pg.Dict(m=picked, x=pg.oneof([1, 2])), name="rules")


def spaces():
    return [TWENTY_FOUR, CONDITIONAL, MANY, *(many_of(*rules) for rules in RULES)]


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("space", spaces(), ids=lambda s: f"{s.name}{s.size}")
def test_points_are_drawn_as_often_as_their_probability_says(space, kind):
    """Chi-square over all points, pooled where rare; allowed to be 5 standard deviations above its mean."""
    policy = policy_of(space, kind=kind)
    logs = [log_probability(space, logits_of(policy, space, a.vector), a.vector) for a in space]
    given = policy.log_probabilities(np.array([a.vector for a in space]))
    assert given.sum(axis=1) == pytest.approx(logs)
    assert (given[np.array([a.vector for a in space]) < 0] == 0).all()
    probabilities = np.exp(logs)
    assert probabilities.sum() == pytest.approx(1)

    n = 20_000
    drawn = [space.genome.rank(v) for v in policy.sample(np.random.default_rng(0), n)]
    counts, expected = np.bincount(drawn, minlength=space.size), n * probabilities
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    assert ((counts - expected) ** 2 / expected)[expected > 1].sum() < len(expected) + 5 * math.sqrt(2 * len(expected))


def surrogate(policy, space, vectors, weights, entropy):
    """sum of weight * log p + entropy * H over active decisions, by the definition."""
    total = 0.0
    for vector, row in zip(vectors, weights, strict=True):
        logits = logits_of(policy, space, vector)
        for i, slot in enumerate(space.genome.slots):
            if vector[i] < 0:
                continue
            one = [log_probability_of(slot, i, option, logits, vector) for option in range(slot.options)]
            total += row[i] * one[vector[i]] - entropy * sum(math.exp(x) * x for x in one if x > -math.inf)
    return total


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("space", spaces(), ids=lambda s: f"{s.name}{s.size}")
def test_the_gradient_is_exact(space, kind):
    """Against central differences, for three points at once, with weights of each decision and entropy."""
    rng = np.random.default_rng(0)
    policy = policy_of(space, seed=1, spread=0.5, kind=kind)
    vectors = np.array([space.genome.unrank(index) for index in (0, space.size // 3, space.size - 1)])
    weights = rng.standard_normal(vectors.shape)
    found = policy.gradient(vectors, weights, entropy=0.3)
    assert set(found) == set(policy.parameters)
    for name, values in policy.parameters.items():
        places = list(np.ndindex(values.shape))
        for place in [places[i] for i in rng.choice(len(places), min(60, len(places)), replace=False)]:
            before, slopes = values[place], []
            for step in (1e-5, -1e-5):
                values[place] = before + step
                slopes.append(surrogate(policy, space, vectors, weights, 0.3))
            values[place] = before
            assert found[name][place] == pytest.approx((slopes[0] - slopes[1]) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("kind", POLICIES)
def test_a_gradient_of_many_points_is_the_sum_of_each(kind):
    policy = policy_of(MANY, kind=kind)
    vectors, weights = MANY.genome.sample(np.random.default_rng(0), 5), np.arange(5.0)[:, None]
    together = policy.gradient(vectors, weights, 0.1)
    apart = [policy.gradient(vectors[i : i + 1], weights[i : i + 1], 0.1) for i in range(5)]
    for name, values in together.items():
        assert values == pytest.approx(sum(one[name] for one in apart))


@pytest.mark.parametrize("kind", POLICIES)
def test_a_state_comes_back(kind):
    policy, other = policy_of(CONDITIONAL, kind=kind), kind(CONDITIONAL.genome)
    other.restore(json.loads(json.dumps(policy.state())))
    assert other.state() == policy.state()
    drawn = [p.sample(np.random.default_rng(3), 20).tolist() for p in (policy, other)]
    assert drawn[0] == drawn[1]


def ascend(policy, vector, advantage, learning_rate, entropy):
    policy.ascend(policy.gradient(vector[None], np.array([[advantage]]), entropy), learning_rate)


def test_inactive_decisions_learn_nothing():
    policy = policy_of(CONDITIONAL)
    vector = CONDITIONAL.genome.encode({"kind": "2/3 ('none')", "width": 16})
    before = policy.parameters["logits"].copy()
    ascend(policy, vector, advantage=1.0, learning_rate=0.4, entropy=0.1)
    changed = (before != policy.parameters["logits"]).any(axis=1).tolist()
    assert changed == [slot.id in ("kind", "width") for slot in CONDITIONAL.genome.slots]


def test_entropy_alone_evens_the_policy_out():
    policy = policy_of(TWENTY_FOUR, spread=2.0)

    def entropies():
        return [-(p * np.log(p)).sum() for p in policy.probabilities()]

    before = entropies()
    for _ in range(300):
        ascend(policy, TWENTY_FOUR.genome.unrank(0), advantage=0.0, learning_rate=0.5, entropy=1.0)
    assert all(b < a for b, a in zip(before, entropies(), strict=True))
    assert entropies() == pytest.approx([math.log(2), math.log(3), math.log(4)], abs=1e-3)


def test_first_step_by_hand():
    """Uniform over 2 options, advantage 1, rate 0.4: the chosen logit moves by 0.4 (1 - 1/2), the other by -0.4 / 2."""
    policy = Factorized(TWENTY_FOUR.genome)
    ascend(policy, TWENTY_FOUR.genome.unrank(0), advantage=1.0, learning_rate=0.4, entropy=0.0)
    assert policy.state()["logits"] == pytest.approx([0.2, -0.2, 0.8 / 3, -0.4 / 3, -0.4 / 3, 0.3, -0.1, -0.1, -0.1])


def test_numbers_are_decided_by_parts_of_their_scale():
    policy = Factorized(CONTINUOUS.genome)
    vector = CONTINUOUS.genome.encode({"rate": 1e-4 * 1000**0.9, "kind": "none"})  # position 0.9: the last of 8 parts
    for _ in range(40):
        ascend(policy, vector, advantage=1.0, learning_rate=1.0, entropy=0.0)
    drawn = [CONTINUOUS.architecture(v).decisions for v in policy.sample(np.random.default_rng(0), 200)]
    assert sum(d["rate"] >= 1e-4 * 1000 ** (1 - 1 / PARTS) for d in drawn) > 180
    shares = [p for p, slot in zip(policy.probabilities(), CONTINUOUS.genome.slots, strict=True) if slot.id.endswith("share")]
    assert shares[0] == pytest.approx([1 / PARTS] * PARTS)


@pytest.mark.parametrize("kind", POLICIES)
def test_a_certain_policy_still_draws_valid_points(kind):
    policy = policy_of(MANY, spread=1e4, kind=kind)
    for vector in policy.sample(np.random.default_rng(0), 50):
        MANY.genome.validate(vector)
    ascend(policy, MANY.genome.unrank(3), advantage=4.0, learning_rate=10.0, entropy=0.1)
    assert all(np.isfinite(values).all() for values in policy.parameters.values())
    assert np.isfinite(policy.log_probabilities(MANY.genome.sample(np.random.default_rng(1), 20))).all()


def test_options_that_are_good_only_together_are_learned():
    """Two decisions should be equal: no factorized policy can say so without fixing both, this one can."""
    space = nas.as_space(pg.Dict(a=pg.oneof([0, 1]), b=pg.oneof([0, 1])), name="equal")
    policy, rng = Autoregressive(space.genome, seed=0), np.random.default_rng(0)
    for _ in range(300):
        vectors = policy.sample(rng, 4)
        rewards = np.where(vectors[:, :1] == vectors[:, 1:], 1.0, -1.0)
        policy.ascend(policy.gradient(vectors, rewards, entropy=1.0), 0.05)
    drawn = policy.sample(rng, 500)
    assert (drawn[:, 0] == drawn[:, 1]).mean() > 0.7
    assert 0.3 < drawn[:, 0].mean() < 0.7
