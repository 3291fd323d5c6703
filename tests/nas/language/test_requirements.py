"""Rules between decisions: exact counts, numbers, draws and variation of what they allow."""

import itertools
import json
import pickle

import numpy as np
import pyglove as pg
import pytest

import controllers
import nas
from nas import layers as L
from nas import oneof
from nas.errors import DecisionError, SpaceError
from nas.language.genome import Genome
from nas.language.requirements import Requirement

SPEC = pg.dna_spec(
    pg.Dict(
        a=pg.oneof([1, 2, 3]),
        shared=pg.Dict(x=pg.oneof([1, 2, 3]), y=pg.oneof([1, 2, 3, 4]), z=pg.oneof([1, 2]), alone=pg.oneof([1, 2])),
        deep=pg.oneof([pg.Dict(k=pg.oneof([1, 2])), None]),
    )
)
RULES = [
    Requirement(("shared.x", "shared.y"), frozenset((x, y) for x in range(3) for y in range(4) if x <= y), "require(x, y)"),
    Requirement(
        ("shared.z", "shared.y"), frozenset((z, y) for z in range(2) for y in range(4) if (z + y) % 2), "require(z, y)"
    ),
]


def allowed(vector):
    _, x, y, z, *_ = vector
    return x <= y and (z + y) % 2 == 1


def test_counts_numbers_and_draws_by_brute_force():
    genome, free = Genome(SPEC, requirements=RULES), Genome(SPEC)
    expected = {tuple(free.unrank(i).tolist()) for i in range(free.size) if allowed(free.unrank(i).tolist())}
    assert genome.size == len(expected)
    assert {tuple(genome.unrank(i).tolist()) for i in range(genome.size)} == expected
    assert [genome.rank(genome.unrank(i)) for i in range(genome.size)] == list(range(genome.size))
    for n in (20, 20 * len(expected)):  # written by index, and drawn slot by slot
        drawn = [tuple(v) for v in genome.sample(np.random.default_rng(n), n).tolist()]
        assert set(drawn) <= expected
    counts = np.unique([str(v) for v in drawn], return_counts=True)[1]
    assert len(counts) == len(expected)
    assert abs(((counts - 20) ** 2 / 20).sum() - len(expected)) < 3.3 * (2 * len(expected)) ** 0.5
    everything = np.array([free.unrank(i) for i in range(free.size)])
    assert genome.program.rules.meets(everything).tolist() == [allowed(v) for v in everything.tolist()]


def test_a_point_that_breaks_a_rule_is_no_point():
    genome = Genome(SPEC, requirements=RULES)
    vector = np.array([0, 2, 1, 0, 0, 1, -1])
    for call in (genome.validate, genome.rank, genome.decisions, genome.to_dna):
        with pytest.raises(DecisionError) as caught:
            call(vector)
        assert str(caught.value) == (
            "require(x, y): shared.x 3 with shared.y 2 is not allowed. Choose a combination that the rule allows."
        )


def test_no_combination_is_allowed():
    with pytest.raises(SpaceError, match="no combination is allowed. Relax the rule"):
        Genome(SPEC, requirements=[RULES[0], Requirement(("shared.x", "shared.y"), frozenset([(2, 0)]), "other")])


# -- nas.require ---------------------------------------------------------------------------------------------------------------


@nas.space(input=(8, 8, 1), baselines={"first": {}})
def ruled(x):
    width, depth = nas.tied([4, 8, 16], name="width"), nas.tied([1, 2, 3], name="depth")
    nas.require(lambda w, d: w * d <= 16, width, depth)
    y = L.Conv2D(width, oneof([1, 3]), name="stem")(x)
    y = L.Conv2D(width.map(lambda w: 2 * w), 3, dilation_rate=depth, name="body")(y)
    return L.Merge(oneof(["add", "none"]), project=True, name="skip")(y, x)


PAIRS = {(w, d) for w, d in itertools.product([4, 8, 16], [1, 2, 3]) if w * d <= 16}


def test_a_space_with_rules_has_allowed_points_only():
    assert ruled.size == ruled.automaton.count == len(PAIRS) * 2 * 2 == len(list(ruled))
    assert {(a.decisions["width"], a.decisions["depth"]) for a in ruled} == PAIRS
    assert ruled.proof.status == "proved"
    assert ruled.baselines["first"].decisions["width"] == 4
    assert [ruled.architecture(i).index for i in range(ruled.size)] == list(range(ruled.size))
    with pytest.raises(DecisionError, match=r"require\(width, depth\): width 16 with depth 3 is not allowed"):
        ruled.architecture({"width": 16, "depth": 3, "stem.kernel_size": 1, "skip.mode": "add"})
    rng = np.random.default_rng(0)
    parents = ruled.genome.sample(rng, 100)
    for children in (ruled.genome.mutate(parents, rng), ruled.genome.crossover(parents, parents[::-1], rng)):
        assert ruled.genome.fits(children).all()
    assert ruled.genome.fits(ruled.genome.neighbours(parents[0])).all()


def test_limits_on_a_space_with_rules():
    costs = sorted(a.cost().flops for a in ruled)
    small = ruled.within(flops=costs[len(costs) // 2])
    assert small.size == sum(cost <= costs[len(costs) // 2] for cost in costs)
    assert all(a in small and (a.decisions["width"], a.decisions["depth"]) in PAIRS for a in small)
    assert ruled.dearest("flops").value == costs[-1]
    assert pickle.loads(pickle.dumps(small)).digest == small.digest  # noqa: S301
    assert small.digest != ruled.digest
    assert json.dumps(nas.study.identity.describe_space(small)["limits"])


@pytest.mark.parametrize("name", controllers.NAMES)
def test_controllers_list_it_completely(name):
    controller = controllers.get(name, seed=0)
    controller.setup(ruled, [nas.minimize("loss")])
    assert len({tuple(a.vector.tolist()) for a in controller.ask(100)}) == ruled.size
