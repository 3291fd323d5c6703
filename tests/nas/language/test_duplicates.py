"""Distinct shares, dead decisions and options that are the same: exactly, estimated, and one against the other."""

import numpy as np
import pyglove as pg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import build, networks
from vertex_spaces import mnasnet, read_mnasnet

import nas
from nas import layers as L
from nas import oneof
from nas.language import drawn_copies, duplicates
from nas.language.copies import DeadDecision, SameOptions
from nas.language.duplicates import find_duplicates
from nas.language.intervals import clopper_pearson, wilson


@pytest.fixture
def drawn(monkeypatch):
    """Small spaces are drawn from, as large ones are."""
    monkeypatch.setattr(duplicates, "LISTED", 0)


def test_intervals():
    assert clopper_pearson(3, 10) == pytest.approx((0.0667, 0.6525), abs=1e-4)  # tables of Clopper & Pearson 1934
    assert clopper_pearson(10, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)
    assert wilson(0.3, 10) == pytest.approx((0.1078, 0.6032), abs=1e-4)


@nas.space(input=(8, 8, 3))
def copies(x):
    """24 points, 2 of 3 activations equal, a skip that is dead where the merge drops it, and a forgotten layer."""
    L.Conv2D(oneof([4, 8]), 3, name="forgotten")(x)
    skip = nas.choose(L.ReLU(), L.Activation("tanh"), name="skip")(x)
    y = nas.choose(L.Identity(), None, L.Activation("softplus"), name="act")(x)
    return L.Merge(oneof(["none", "add"]), name="merge")(L.Conv2D(3, 1, name="conv")(y), skip)


def test_a_small_space_is_listed():
    found = find_duplicates(copies)
    assert (found.points, found.distinct, found.drawn) == (24, 2 * (1 + 2), 0)
    assert found.share == (0.25, 0.25)
    assert found.dead == (DeadDecision("forgotten.filters", 12),)
    assert found.same == (SameOptions("act", ("identity", "none"), 8),)
    assert len({a.fingerprint for a in copies}) == 6


def test_a_space_that_is_drawn_from_tells_the_same(drawn):
    found = find_duplicates(copies)
    assert found.distinct is None
    assert found.share[0] < 0.25 < found.share[1]
    assert found.share[1] - found.share[0] < 0.1
    assert [each.name for each in found.dead] == ["forgotten.filters"]
    assert [(each.name, each.options) for each in found.same] == [("act", ("identity", "none"))]
    assert min(each.compared for each in (*found.dead, *found.same)) >= 5


def test_a_decision_below_a_dead_one_is_not_told_again():
    def net(x):
        nas.choose(L.Conv2D(oneof([1, 2]), 1, name="a"), nas.chain(L.Conv2D(oneof([1, 2]), 3), name="b"), name="unused")(x)
        return L.Conv2D(oneof([1, 2]), 1, name="out")(x)

    space = nas.space(input=(4, 4, 1))(net)
    found = find_duplicates(space)
    assert [each.name for each in found.dead] == ["unused"]
    assert found.same == ()
    assert found.distinct == 2


def test_options_that_open_decisions_are_the_same_where_they_lead_to_the_same_networks():
    def net(x):
        conv = lambda: L.Conv2D(oneof([1, 2]), 3, name="c")  # noqa: E731
        return nas.choose(nas.chain(conv(), name="one"), nas.chain(conv(), None, name="two"), L.ReLU(), name="op")(x)

    space = nas.space(input=(4, 4, 1))(net)
    found = find_duplicates(space)
    assert found.distinct == 3
    assert [(each.name, each.options) for each in found.same] == [("op", ("one", "two"))]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_listing_agrees_with_fingerprints(description):
    space = build(description)
    assume(space is not None and 1 < space.size <= 100 and space.automaton.count == space.size)
    found = find_duplicates(space)
    prints = [a.fingerprint for a in space]
    assert found.distinct == len(set(prints))
    for dead in found.dead:  # every other way to decide it is the same network
        for a in space:
            i = next(i for i in range(space.genome.width) if space.genome.name(i).removesuffix("[0]") == dead.name)
            end = space.genome.slots[space.genome.slots[i].group[-1]].end
            alike = [b for b in space if (np.delete(b.vector, range(i, end)) == np.delete(a.vector, range(i, end))).all()]
            assert {b.fingerprint for b in alike} == {a.fingerprint}


# -- estimates against exact numbers -----------------------------------------------------------------------------------------


def branches(x):
    """Three branches that are added: their order does not matter. Two of four options are the same."""
    options = [nas.choose(L.Conv2D(2, 3), L.Conv2D(2, 1), None, L.Identity(), L.ReLU(), name=f"branch{i}")(x) for i in range(3)]
    return L.Add(name="sum")(*options)


def test_the_estimate_covers_the_exact_share(drawn, monkeypatch):
    space = nas.space(input=(4, 4, 2))(branches)
    exact = len({a.fingerprint for a in space}) / space.size
    assert exact == 20 / 125  # multisets of 3 of the 4 that differ
    monkeypatch.setattr(drawn_copies, "COMPARED", 8_000)
    covered = []
    for seed in range(5):
        low, high = find_duplicates(space, seed).share
        covered.append(low <= exact <= high)
        assert high - low < 0.15
    assert sum(covered) >= 4


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_estimate_for_plain_values_covers_the_exact_share(drawn, blocks):
    exact = (2 / 3 + 1 / 3 / 6) ** blocks  # a plain convolution has 1 network for 3 * 2 points
    low, high = find_duplicates(nas.as_space(mnasnet(blocks), canonical=read_mnasnet)).share
    assert low <= exact <= high
    assert high - low < 0.16


# -- spaces as people have them ----------------------------------------------------------------------------------------------


def test_a_plain_space_is_listed_by_its_values():
    space = nas.as_space(pg.Dict(a=pg.oneof([1, 2, 1]), b=pg.oneof([pg.Dict(c=pg.oneof(["x", "y"])), pg.Dict(c="x")])))
    found = find_duplicates(space)
    assert (found.points, found.distinct) == (9, 4)
    assert [(each.name, each.options) for each in found.same] == [("a", (1, "1#2"))]
    assert len({a.fingerprint for a in space}) == 4


def test_mnasnet_one_block_is_exact():
    found = find_duplicates(nas.as_space(mnasnet(1), canonical=read_mnasnet))
    assert (found.points, found.distinct) == (864, 624)


def test_mnasnet_of_seven_blocks():
    space = nas.as_space(mnasnet, canonical=read_mnasnet)
    assert space.size == 864**7
    low, high = find_duplicates(space).share
    assert low <= (624 / 864) ** 7 <= high  # .1025
    assert high < 0.2


def test_a_decision_that_matters_in_one_point_of_a_million_is_not_dead(drawn):
    def net(x):
        width = nas.tied([2, 4], name="width")

        def large(y):
            for i in range(14):
                y = nas.choose(L.Conv2D(3, 1), L.Conv2D(3, 3), L.DepthwiseConv2D(3), name=f"op{i}")(y)
            return y

        return nas.choose(nas.block(large, "large"), L.Conv2D(width, 1, name="small"), name="kind")(x)

    space = nas.space(input=(4, 4, 3))(net)
    assert space.size == 2 * (3**14 + 1)
    assert find_duplicates(space).dead == ()


def test_a_space_too_entangled_to_compile_is_drawn_from_all_the_same(monkeypatch):
    from nas.language.automaton import elimination

    monkeypatch.setattr(elimination, "ROWS", 0)
    found = find_duplicates(nas.space(input=(8, 8, 3))(lambda x: nas.choose(L.Identity(), None, L.ReLU())(x)))
    assert found.distinct == 2
