import math

import numpy as np
import pyglove as pg
import pytest
from controller_fakes import CONDITIONAL, CONTINUOUS, MANY, TWENTY_FOUR

import nas
from controllers.policy import PARTS, Policy

RULES = [(True, True), (True, False), (False, True), (False, False)]


def policy_of(space, seed=0, spread=1.0):
    """A policy with logits drawn at random."""
    policy = Policy(space.genome)
    rng = np.random.default_rng(seed)
    policy.restore([spread * rng.standard_normal(len(row)) for row in policy.state()])
    return policy


def log_probability(space, logits, vector):
    """By the definition: each active decision's softmax over the options that its manyof still allows."""
    total = 0.0
    for i, slot in enumerate(space.genome.slots):
        if vector[i] < 0:
            continue
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
        total += logits[i][vector[i]] - math.log(sum(math.exp(logits[i][option]) for option in options))
    return total


def many_of(distinct, in_order):
    candidates = [pg.Dict(k=pg.oneof([1, 2])), "b", "c", "d"]
    picked = pg.manyof(3, candidates, distinct=distinct, sorted=in_order)
    return nas.as_space(pg.Dict(m=picked, x=pg.oneof([1, 2])), name="rules")


def spaces():
    return [TWENTY_FOUR, CONDITIONAL, MANY, *(many_of(*rules) for rules in RULES)]


@pytest.mark.parametrize("space", spaces(), ids=lambda s: f"{s.name}{s.size}")
def test_points_are_drawn_as_often_as_their_probability_says(space):
    """Chi-square over all points, pooled where rare; allowed to be 5 standard deviations above its mean."""
    policy = policy_of(space)
    probabilities = np.array([math.exp(log_probability(space, policy.logits, a.vector)) for a in space])
    assert probabilities.sum() == pytest.approx(1)

    n = 20_000
    drawn = [space.genome.rank(v) for v in policy.sample(np.random.default_rng(0), n)]
    counts, expected = np.bincount(drawn, minlength=space.size), n * probabilities
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    assert ((counts - expected) ** 2 / expected)[expected > 1].sum() < len(expected) + 5 * math.sqrt(2 * len(expected))


@pytest.mark.parametrize("space", spaces(), ids=lambda s: f"{s.name}{s.size}")
def test_a_step_follows_the_gradient_of_log_probability(space):
    """Against central differences, for a few points."""
    for index in (0, space.size // 3, space.size - 1):
        policy = policy_of(space, seed=index)
        vector, logits = space.genome.unrank(index), policy.logits.copy()
        policy.ascend(vector, advantage=2.0, learning_rate=0.5, entropy=0.0)
        step = policy.logits - logits
        for i, slot in enumerate(space.genome.slots):
            for option in range(slot.options):
                up, down = logits.copy(), logits.copy()
                up[i, option] += 1e-5
                down[i, option] -= 1e-5
                slope = (log_probability(space, up, vector) - log_probability(space, down, vector)) / 2e-5
                assert step[i, option] == pytest.approx(2.0 * 0.5 * slope, abs=1e-8)


def test_inactive_decisions_learn_nothing():
    policy = policy_of(CONDITIONAL)
    vector = CONDITIONAL.genome.encode({"kind": "2/3 ('none')", "width": 16})
    before = policy.state()
    policy.ascend(vector, advantage=1.0, learning_rate=0.4, entropy=0.1)
    changed = [a != b for a, b in zip(before, policy.state(), strict=True)]
    assert changed == [slot.id in ("kind", "width") for slot in CONDITIONAL.genome.slots]


def test_entropy_alone_evens_the_policy_out():
    policy = policy_of(TWENTY_FOUR, spread=2.0)

    def entropies():
        return [-(p * np.log(p)).sum() for p in policy.probabilities()]

    before = entropies()
    for _ in range(300):
        policy.ascend(TWENTY_FOUR.genome.unrank(0), advantage=0.0, learning_rate=0.5, entropy=1.0)
    assert all(b < a for b, a in zip(before, entropies(), strict=True))
    assert entropies() == pytest.approx([math.log(2), math.log(3), math.log(4)], abs=1e-3)


def test_first_step_by_hand():
    """Uniform over 2 options, advantage 1, rate 0.4: the chosen logit moves by 0.4 (1 - 1/2), the other by -0.4 / 2."""
    policy = Policy(TWENTY_FOUR.genome)
    policy.ascend(TWENTY_FOUR.genome.unrank(0), advantage=1.0, learning_rate=0.4, entropy=0.0)
    assert policy.state()[0] == pytest.approx([0.2, -0.2])
    assert policy.state()[2] == pytest.approx([0.3, -0.1, -0.1, -0.1])


def test_numbers_are_decided_by_parts_of_their_scale():
    policy = Policy(CONTINUOUS.genome)
    vector = CONTINUOUS.genome.encode({"rate": 1e-4 * 1000**0.9, "kind": "none"})  # position 0.9: the last of 8 parts
    for _ in range(40):
        policy.ascend(vector, advantage=1.0, learning_rate=1.0, entropy=0.0)
    drawn = [CONTINUOUS.architecture(v).decisions for v in policy.sample(np.random.default_rng(0), 200)]
    assert sum(d["rate"] >= 1e-4 * 1000 ** (1 - 1 / PARTS) for d in drawn) > 180
    shares = [p for p, slot in zip(policy.probabilities(), CONTINUOUS.genome.slots, strict=True) if slot.id.endswith("share")]
    assert shares[0] == pytest.approx([1 / PARTS] * PARTS)


def test_a_certain_policy_still_draws_valid_points():
    policy = policy_of(MANY, spread=1e4)
    for vector in policy.sample(np.random.default_rng(0), 50):
        MANY.genome.validate(vector)
    policy.ascend(MANY.genome.unrank(3), advantage=4.0, learning_rate=10.0, entropy=0.1)
    assert np.isfinite(policy.logits).all()
