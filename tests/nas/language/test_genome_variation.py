"""How points are drawn, mutated, crossed over and listed: uniform, valid, and changed in one decision only."""

import functools
from collections import Counter

import numpy as np
import pyglove as pg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_spaces import build, descriptions

from nas.errors import UserError
from nas.language.genome import Genome

RULES = [{"distinct": distinct, "sorted": ordered} for distinct in (True, False) for ordered in (True, False)]


def genome_of(value):
    return Genome(pg.dna_spec(value))


@functools.cache
def groups_and_conditions(distinct=True, ordered=False):
    """A conditional three deep beside a manyof whose candidates hold choices."""
    value = pg.Dict(
        block=pg.oneof(
            [
                pg.Dict(kernel=pg.oneof([3, 5, 7]), width=pg.oneof([8, 16]), act=pg.oneof(["a", pg.oneof(["b", "c"])])),
                pg.Dict(kernel=pg.oneof([3, 5, 7]), width=pg.oneof([8, 32])),
                "skip",
            ]
        ),
        ops=pg.manyof(
            2,
            [1, pg.Dict(n=pg.oneof([1, 2])), pg.Dict(n=pg.oneof([1, 2]), m=pg.oneof([1, 2]))],
            distinct=distinct,
            sorted=ordered,
        ),
    )
    return genome_of(value)


def is_uniform(counts):
    """Pearson's chi-square within four standard deviations of its mean."""
    counts = np.asarray(counts)
    expected, freedom = counts.mean(), counts.size - 1
    return ((counts - expected) ** 2 / expected).sum() < freedom + 4 * (2 * freedom) ** 0.5


@settings(max_examples=25, deadline=None)
@given(descriptions(), st.integers(0, 2**32))
def test_in_any_space_whatever_is_made_is_a_point(description, seed):
    genome = genome_of(pg.Dict(root=build(description)))
    rng = np.random.default_rng(seed)
    few, many = genome.sample(rng, 4), genome.sample(rng, 60)
    made = [few, many, genome.crossover(few, many[:4], rng)]
    if genome.size > 1:
        children = genome.mutate(many, rng)
        assert (children != many).any(axis=1).all(), "never a no-op"
        around = genome.neighbours(many[0])
        assert len(np.unique(around, axis=0)) == len(around)
        made += [children, around]
    for vector in np.concatenate(made):
        genome.validate(vector)


# -- sample ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("batch", [40, 8000])
def test_every_point_is_equally_likely(rules, batch):
    genome = genome_of(pg.manyof(2, [1, pg.oneof([1, pg.oneof([2, 3])]), pg.oneof([1, 2]), 4], **rules))
    rng = np.random.default_rng(5)
    points = np.concatenate([genome.sample(rng, batch) for _ in range(8000 // batch)])
    counts = Counter(map(genome.rank, points))
    assert is_uniform([counts[i] for i in range(genome.size)])


def test_points_not_options_are_uniform():
    genome = genome_of(pg.oneof([1, pg.oneof(list(range(9)))]))
    first = genome.sample(np.random.default_rng(0), 20_000)[:, 0]
    assert abs(first.mean() - 0.9) < 0.01


def test_weights_beyond_machine_integers():
    def bits(n):
        return pg.geno.space([pg.geno.oneof([pg.geno.constant()] * 2, location=pg.KeyPath(i)) for i in range(n)])

    genome = Genome(pg.geno.space([pg.geno.oneof([pg.geno.constant(), bits(70), bits(71)])]))
    assert genome.size == 1 + 2**70 + 2**71
    rng = np.random.default_rng(0)
    for points in (genome.sample(rng, 12_000), np.concatenate([genome.sample(rng, 40) for _ in range(75)])):
        shares = np.bincount(points[:, 0], minlength=3) / len(points)
        assert shares[0] == 0
        assert abs(shares[1] - 1 / 3) < 0.03


def test_floats_are_uniform_along_their_scale():
    genome = genome_of(pg.Dict(a=pg.floatv(-3.0, 1.0), b=pg.floatv(1e-4, 1e-2, "log"), c=pg.floatv(1e-4, 1e-2, "rlog")))
    rng = np.random.default_rng(0)
    for points in (genome.sample(rng, 8000), np.concatenate([genome.sample(rng, 40) for _ in range(200)])):
        # Medians: the middle of the range; the geometric mean; and its mirror image, low + high - 1e-3.
        assert np.allclose(np.median(points, axis=0), [-1.0, 1e-3, 9.1e-3], rtol=0.1)
        assert (points >= [-3.0, 1e-4, 1e-4]).all()
        assert (points <= [1.0, 1e-2, 1e-2]).all()


def test_the_same_generator_gives_the_same_points():
    genome = groups_and_conditions()

    def stream(seed):
        rng = np.random.default_rng(seed)
        a, b = genome.sample(rng, 60), genome.sample(rng, 60)
        return np.concatenate([a, b, genome.mutate(a, rng), genome.crossover(a, b, rng), genome.sample(rng, 3)])

    assert np.array_equal(stream(3), stream(3))
    assert not np.array_equal(stream(3), stream(4))


# -- mutate ----------------------------------------------------------------------------------------------------------------


def expected_twins(genome, i, before, after):
    """Pairs (slot below the new option of slot i, slot that was active below its old one) of equal place and literals, worked
    out from ids alone."""
    slots, n = genome.slots, genome.slots[i].options
    old, new = (f"{slots[i].id}[={vector[i]}/{n}]" for vector in (before, after))
    was = {slots[j].id.removeprefix(old): j for j in active(genome, before) if slots[j].id.startswith(old)}
    for j in active(genome, after):
        if slots[j].id.startswith(new):
            k = was.get(slots[j].id.removeprefix(new))
            if k is not None and slots[k].literals == slots[j].literals and len(slots[k].group) == len(slots[j].group) == 1:
                yield j, k


def active(genome, vector):
    return [i for i, s in enumerate(genome.slots) if s.parent is None or vector[s.parent[0]] == s.parent[1]]


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.booleans(), st.booleans()), st.integers(0, 2**32))
def test_a_mutation_changes_one_decision_and_keeps_the_rest(rules, seed):
    genome = groups_and_conditions(*rules)
    rng = np.random.default_rng(seed)
    parents = genome.sample(rng, 30)
    for before, after in zip(parents, genome.mutate(parents, rng), strict=True):
        genome.validate(after)
        i = int(np.flatnonzero(before != after)[0])
        if genome.slots[i].id.startswith("block"):  # in pre-order the changed decision comes first
            end = genome.slots[i].end
            assert np.array_equal(before[end:], after[end:]), "outside the changed subtree nothing moves"
            for new, old in expected_twins(genome, i, before, after):
                assert after[new] == before[old]
        else:  # an element of the manyof is replaced, or a decision below one; the other element keeps all that is its own
            first, second = next(slot.group for slot in genome.slots if slot.id == "ops[0]")
            was, now = (Counter([tuple(row[first:second]), tuple(row[second:])]) for row in (before, after))
            assert ((was - now).total(), (now - was).total()) == (1, 1)
            assert np.array_equal(before[:first], after[:first])


def test_a_new_candidate_takes_over_what_the_old_one_decided():
    genome = genome_of(
        pg.oneof(
            [
                pg.Dict(kernel=pg.oneof([3, 5, 7]), width=pg.oneof([8, 16]), act=pg.oneof(["relu", "tanh"])),
                pg.Dict(kernel=pg.oneof([3, 5, 7]), width=pg.oneof([8, 32]), act=pg.oneof(["relu", "tanh"])),
            ]
        )
    )
    parent = genome.encode({"": "0/2", "[=0/2].kernel": 7, "[=0/2].width": 16, "[=0/2].act": "tanh"})
    children = genome.mutate(np.repeat(parent[None], 400, axis=0), np.random.default_rng(0))
    moved = children[children[:, 0] == 1]
    assert len(moved) > 50
    assert (moved[:, [4, 6]] == [2, 1]).all(), "kernel 7 and tanh are taken over"
    assert set(moved[:, 5]) == {0, 1}, "16 is not among the new widths: drawn"
    assert (moved[:, 1:4] == -1).all()


def test_twins_are_found_below_a_decision_without_one():
    """The gate has other options, so it is drawn; what both of its candidates open keeps its value where it was active."""
    first = pg.Dict(gate=pg.oneof([pg.Dict(n=pg.oneof([1, 2, 3, 4, 5])), "off"]))
    second = pg.Dict(gate=pg.oneof([pg.Dict(n=pg.oneof([1, 2, 3, 4, 5])), "closed"]))
    genome = genome_of(pg.oneof([first, second]))
    parent = np.array([0, 0, 3, -1, -1])
    children = genome.mutate(np.repeat(parent[None], 300, axis=0), np.random.default_rng(0))
    moved = children[children[:, 0] == 1]
    assert {tuple(row) for row in moved} == {(1, -1, -1, 0, 3), (1, -1, -1, 1, -1)}


def test_decision_and_option_are_uniform():
    genome = genome_of(pg.Dict(a=pg.oneof([1]), b=pg.oneof([1, 2]), c=pg.oneof([1, 2, 3, pg.oneof([1, 2])])))
    children = genome.mutate(np.repeat([[0, 0, 0, -1]], 12_000, axis=0), np.random.default_rng(1))
    counts = Counter(map(tuple, children.tolist()))
    assert is_uniform([counts[0, 1, 0, -1], sum(n for row, n in counts.items() if row[2])])
    assert is_uniform([counts[0, 0, 1, -1], counts[0, 0, 2, -1], counts[0, 0, 3, 0] + counts[0, 0, 3, 1]])
    assert is_uniform([counts[0, 0, 3, 0], counts[0, 0, 3, 1]])


def test_a_full_permutation_changes_two_places_with_what_hangs_below_them():
    genome = genome_of(pg.permutate([pg.oneof([1, 2]), pg.oneof([3, 4]), "c"]))
    parent = genome.unrank(genome.size - 1)

    def inner(vector):
        return {vector[s.parent[0]]: vector[i] for i, s in enumerate(genome.slots) if s.parent and vector[i] >= 0}

    places = list(genome.slots[0].group)
    for child in genome.mutate(np.repeat(parent[None], 100, axis=0), np.random.default_rng(0)):
        genome.validate(child)
        if (child[places] != parent[places]).any():
            assert (child[places] != parent[places]).sum() == 2
            assert inner(child) == inner(parent)


def test_sorting_moves_what_hangs_below_an_element_along():
    genome = genome_of(pg.manyof(2, ["a", pg.oneof([1, 2, 3]), "c"], sorted=True))
    parent = genome.encode({"": ["OneOf(candidates=[0: 1, 1: 2, 2: 3])", "c"], "[0][=1/3]": 3})
    assert parent.tolist() == [1, 2, 2, -1]
    children = genome.mutate(np.repeat(parent[None], 200, axis=0), np.random.default_rng(0))
    replaced = {tuple(child) for child in children.tolist() if child[0] == 0}
    assert replaced == {(0, -1, 1, 2), (0, -1, 2, -1)}, "3 stays with its element, which is second now"


def test_floats_take_a_step_within_their_range():
    genome = genome_of(pg.Dict(a=pg.floatv(-1.0, 1.0), b=pg.floatv(1e-4, 1e-2, "log"), c=pg.floatv(2.0, 2.0)))
    parent = np.array([1.0, 1e-3, 2.0])
    children = genome.mutate(np.repeat(parent[None], 2000, axis=0), np.random.default_rng(0))
    moved = children != parent
    assert (moved.sum(axis=1) == 1).all()
    assert not moved[:, 2].any(), "a range of one number has no alternative"
    a, b = children[moved[:, 0], 0], children[moved[:, 1], 1]
    assert ((a >= -1.0) & (a < 1.0)).all(), "at its end a float can only move inwards"
    assert abs(np.log(b / 1e-3).std() - 0.1 * np.log(100)) < 0.03, "a tenth of the range on a log scale"


def test_one_point_can_be_given_as_a_single_vector():
    genome = genome_of(pg.Dict(a=pg.oneof([1, 2]), b=pg.oneof([1, 2])))
    rng = np.random.default_rng(0)
    child = genome.mutate(genome.unrank(0), rng)
    assert child.sum() == 1
    assert genome.crossover(genome.unrank(0), child, rng).shape == (2,)


def test_a_single_point_cannot_be_mutated():
    genome = genome_of(pg.Dict(a=pg.oneof([1]), b=pg.manyof(2, [1, 2], sorted=True)))
    with pytest.raises(UserError) as caught:
        genome.mutate(genome.unrank(0), np.random.default_rng(0))
    assert str(caught.value) == ("nothing to mutate: the space has a single point. Give it a choice with two options or more.")


# -- crossover -------------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.booleans(), st.booleans()), st.integers(0, 2**32))
def test_a_child_is_made_of_its_parents(rules, seed):
    genome = groups_and_conditions(*rules)
    rng = np.random.default_rng(seed)
    a, b = genome.sample(rng, 10), genome.sample(rng, 10)
    for one, other, child in zip(a, b, genome.crossover(a, b, rng), strict=True):
        genome.validate(child)
        alive = [(parent, set(active(genome, parent))) for parent in (one, other)]
        for i in active(genome, child):
            assert child[i] in {parent[i] for parent, slots in alive if i in slots}
            group = list(genome.slots[i].group)
            assert child[group].tolist() in (one[group].tolist(), other[group].tolist())


def test_crossover_mixes_evenly():
    genome = genome_of(pg.Dict({f"x{i}": pg.oneof([1, 2]) for i in range(6)}))
    a, b = np.zeros((8000, 6), dtype=int), np.ones((8000, 6), dtype=int)
    children = genome.crossover(a, b, np.random.default_rng(0))
    assert is_uniform(np.bincount(children @ (2 ** np.arange(6)), minlength=64))


# -- neighbours ------------------------------------------------------------------------------------------------------------


def test_neighbours_are_all_points_one_decision_away():
    genome = genome_of(pg.Dict(a=pg.oneof([1, 2, 3]), b=pg.oneof([1, pg.Dict(n=pg.oneof([1, 2]))]), c=pg.oneof([1])))
    assert genome.neighbours(np.array([1, 1, 1, 0])).tolist() == [
        [0, 1, 1, 0],
        [2, 1, 1, 0],
        [1, 0, -1, 0],
        [1, 1, 0, 0],
    ]
    assert genome.neighbours(np.array([1, 0, -1, 0])).tolist()[2] == [1, 1, 0, 0], "left open: the first option"


def test_neighbours_of_groups_stay_valid_and_come_once():
    ordered = genome_of(pg.manyof(2, list("abcd"), sorted=True))
    assert ordered.neighbours(np.array([0, 2])).tolist() == [[1, 2], [2, 3], [0, 1], [0, 3]]
    repeating = genome_of(pg.manyof(2, list("abc"), distinct=False, sorted=True))
    assert repeating.neighbours(np.array([1, 1])).tolist() == [[0, 1], [1, 2]]
    permutation = genome_of(pg.permutate(list("abc")))
    assert permutation.neighbours(np.array([0, 1, 2])).tolist() == [[1, 0, 2], [2, 1, 0], [0, 2, 1]]


def test_neighbours_of_a_float_are_a_step_down_and_up():
    genome = genome_of(pg.Dict(a=pg.floatv(0.0, 2.0), b=pg.floatv(1.0, 1024.0, "log")))
    steps = genome.neighbours(np.array([1.95, 32.0]))
    assert np.allclose(steps, [[1.75, 32.0], [2.0, 32.0], [1.95, 16.0], [1.95, 64.0]])


@pytest.mark.parametrize("rules", RULES)
def test_a_mutation_of_a_group_is_one_of_its_neighbours(rules):
    genome = genome_of(pg.manyof(3, list("abcd"), **rules))
    rng = np.random.default_rng(0)
    for parent in genome.sample(rng, 5):
        children = genome.mutate(np.repeat(parent[None], 200, axis=0), rng)
        assert {tuple(c) for c in children.tolist()} == {tuple(n) for n in genome.neighbours(parent).tolist()}
