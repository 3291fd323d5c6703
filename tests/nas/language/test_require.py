"""Rules between decisions: what they forbid is never counted, drawn, varied to or named."""

import collections
import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

import nas
from nas import layers as L
from nas import oneof

WIDE, NARROW, KERNELS = (16, 32), (8, 16, 32), (1, 3)


@nas.space(input=(16, 16, 3))
def funnel(x):
    wide, narrow = nas.tied(WIDE, name="wide"), nas.tied(NARROW, name="narrow")
    nas.require(lambda a, b: a > b, wide, narrow)
    x = L.Conv2D(wide, oneof(KERNELS), name="first")(x)
    x = nas.optional(L.Conv2D(wide, oneof(KERNELS)), name="more")(x)
    return L.Conv2D(narrow, 3, name="second")(x)


ALLOWED = {(a, b) for a in WIDE for b in NARROW if a > b}
SIZE = len(ALLOWED) * len(KERNELS) * (1 + len(KERNELS))


def _pair(architecture):
    return architecture.decisions["wide"], architecture.decisions["narrow"]


def test_only_what_is_allowed_is_counted_and_listed():
    assert funnel.size == SIZE
    listed = [funnel.architecture(i) for i in range(funnel.size)]
    assert {_pair(a) for a in listed} == ALLOWED
    assert len({a.vector.tobytes() for a in listed}) == SIZE
    assert [a.index for a in listed] == list(range(SIZE))


def test_samples_are_uniform_among_the_allowed():
    found = collections.Counter(a.vector.tobytes() for a in funnel.sample(seed=0, n=40 * SIZE))
    assert len(found) == SIZE
    assert chisquare(list(found.values())).pvalue > 0.001


def test_mutations_and_children_obey_the_rule():
    genome, rng = funnel.genome, np.random.default_rng(0)
    parents = genome.sample(rng, 200)
    others = genome.sample(rng, 200)
    for children in (genome.mutate(parents, rng), genome.crossover(parents, others, rng)):
        assert {_pair(funnel.architecture(child)) for child in children} <= ALLOWED


def test_what_is_forbidden_is_refused_by_name():
    with pytest.raises(nas.errors.DecisionError, match="wide"):
        funnel.architecture({"wide": 16, "narrow": 32, "first.kernel_size": 1, "more": False})


def test_a_budget_counts_only_what_is_allowed():
    costs = sorted(a.cost().params for a in funnel)
    middle = costs[SIZE // 2]
    assert funnel.within(params=middle).size == sum(cost <= middle for cost in costs)


def test_a_rule_can_make_a_space_build():
    def define(with_rule):
        @nas.space(input=(8, 8, 4))
        def grouped(x):
            width, groups = nas.tied([4, 6], name="width"), nas.tied([1, 2, 4], name="groups")
            if with_rule:
                nas.require(lambda w, g: w % g == 0, width, groups)
            return L.Conv2D(width, 3, groups=groups, name="conv")(x)

        return grouped

    assert define(with_rule=True).size == 2 * 3 - 1
    assert define(with_rule=True).proof.status == "proved"
    with pytest.raises(nas.UserError, match="does not divide") as caught:
        define(with_rule=False)
    assert caught.value.received == {"width": 6, "groups": 4}


def test_several_rules_hold_together():
    @nas.space(input=(8, 8, 3))
    def rising(x):
        widths = [nas.tied([4, 8, 16], name=f"width{i}") for i in range(4)]
        for smaller, larger in itertools.pairwise(widths):
            nas.require(lambda a, b: a <= b, smaller, larger)
        for width in widths:
            x = L.Conv2D(width, 1)(x)
        return x

    assert rising.size == 15  # multisets of 4 out of 3
    assert all(list(a.decisions.values()) == sorted(a.decisions.values()) for a in rising)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda a, b: nas.require(lambda x, y: False, a, b), "no combination of options obeys the rule"),
        (lambda a, b: nas.require(lambda x, y: True, a, a), "a decision appears twice"),
        (lambda a, b: nas.require(lambda x: True, oneof([1, 2])), "a rule about a choice, expected tied decisions"),
        (lambda a, b: nas.require(lambda x: True, nas.tied([1, 2], name="unread")), "nothing reads unread"),
    ],
)
def test_mistakes_are_named(mistake, message):
    with pytest.raises(nas.UserError, match=message):

        @nas.space(input=(8, 8, 3))
        def wrong(x):
            a, b = nas.tied([4, 8], name="a"), nas.tied([4, 8], name="b")
            mistake(a, b)
            return L.Conv2D(b, 1)(L.Conv2D(a, 1)(x))


def test_rules_that_exclude_each_other():
    with pytest.raises(nas.UserError, match=r"require\(a, b\): no combination is allowed\. Relax the rule"):

        @nas.space(input=(8, 8, 3))
        def wrong(x):
            a, b = nas.tied([4, 8], name="a"), nas.tied([4, 8], name="b")
            nas.require(lambda x, y: x < y, a, b)
            nas.require(lambda x, y: x > y, a, b)
            return L.Conv2D(b, 1)(L.Conv2D(a, 1)(x))


def test_rules_belong_in_a_space_function():
    with pytest.raises(nas.UserError, match="called outside a space function"):
        nas.require(lambda a: True, nas.tied([1, 2], name="a"))
