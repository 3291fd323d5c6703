"""Different values counted without listing them, against listing them."""

import pyglove as pg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from vertex_spaces import mnasnet, spinenet

import nas
from nas.language.duplicates import find_duplicates
from nas.language.varieties import Varieties

LEAVES = st.sampled_from([1, 2, True, "a", None])


def _choice(options):
    return pg.one_of(list(options))


def _subset(arguments):
    options, k, distinct, in_order = arguments
    return pg.sublist_of(min(k, len(options)), list(options), choices_distinct=distinct, choices_sorted=in_order)


def _nested(inner):
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(_choice),
        st.dictionaries(st.sampled_from("xy"), inner, min_size=1, max_size=2).map(pg.Dict),
        st.lists(inner, min_size=1, max_size=2).map(pg.List),
        st.tuples(st.lists(inner, min_size=1, max_size=3), st.integers(1, 2), st.booleans(), st.booleans()).map(_subset),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(LEAVES, _nested, max_leaves=8))
def test_random_values(hyper):
    assume(isinstance(hyper, pg.Symbolic) and len(pg.dna_spec(hyper)) > 0)
    space = nas.as_space(hyper)
    assume(space.size <= 300)
    counted = Varieties(space.values.root).count()
    assert counted in (None, len({a.fingerprint for a in space}))


@pytest.mark.parametrize(
    ("hyper", "count"),
    [
        (pg.Dict(a=pg.one_of([1, 1, 2]), b=pg.one_of(["x", "y"])), 4),
        (pg.one_of([pg.Dict(a=pg.one_of([1, 2])), pg.Dict(a=pg.one_of([1, 2])), pg.Dict(a=3)]), 3),
        (pg.one_of([pg.Dict(a=pg.one_of([1, 2]), b=1), pg.Dict(a=pg.one_of([1, 2]), b=2)]), 4),
        (pg.one_of([pg.Dict(a=pg.one_of([1, 2])), pg.Dict(a=1)]), None),  # some in common
        (pg.sublist_of(2, [1, 2, pg.one_of([3, 4])], choices_sorted=True), 1 + 2 + 2),
        (pg.sublist_of(2, [1, 2, pg.one_of([3, 4])]), 2 * (1 + 2 + 2)),
        (pg.sublist_of(2, [1, 2, 2], choices_distinct=False), 4),
        (pg.sublist_of(2, [1, 2, 2]), None),
        (pg.Dict(rate=pg.floatv(0.0, 1.0), a=pg.one_of([1, 2])), None),
    ],
)
def test_by_hand(hyper, count):
    assert Varieties(nas.as_space(hyper).values.root).count() == count


def test_large_spaces():
    assert Varieties(nas.as_space(mnasnet).values.root).count() == 864**7
    space = nas.as_space(spinenet)
    assert space.size > 10**38
    found = find_duplicates(space)
    assert found.distinct == space.size
    assert found.dead == found.same == ()


def test_dead_and_equal_options_of_large_spaces():
    layer = lambda: pg.Dict(  # noqa: E731
        op=pg.one_of(["conv", pg.Dict(pool=pg.one_of([2, 2])), pg.Dict(pool=pg.one_of([2, 2])), "conv"]),
        width=pg.one_of([8, 16]),
    )
    space = nas.as_space(pg.List([layer() for _ in range(40)]))
    assert space.size == (6 * 2) ** 40
    found = find_duplicates(space)
    assert found.distinct == (2 * 2) ** 40
    assert found.exact
    names = {each.name for each in found.dead}
    assert len(names) == 80
    assert "[0].op[=1/4].pool" in names
    assert [(each.name, len(each.options)) for each in found.same][:2] == [("[0].op", 2), ("[0].op", 2)]
