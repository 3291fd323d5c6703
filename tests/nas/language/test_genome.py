"""The genome against PyGlove itself: sizes, order, DNA and Vertex parameters."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyglove as pg
import pytest
from hypothesis import given, settings
from small_spaces import build, descriptions

from nas.errors import SpaceError, UserError
from nas.language.genome import Genome

RULES = [{"distinct": distinct, "sorted": ordered} for distinct in (True, False) for ordered in (True, False)]


def genome_of(value, **options):
    return Genome(pg.dna_spec(value), **options)


def every_kind():
    """Conditionals three deep, a manyof whose candidates hold choices, a permutation, floats."""
    return pg.Dict(
        block=pg.oneof(
            [
                pg.Dict(kernel=pg.oneof([3, 5]), act=pg.oneof(["relu", None, pg.Dict(slope=pg.floatv(0.1, 0.3))])),
                pg.oneof(["pool", "skip"]),
                7,
            ]
        ),
        ops=pg.manyof(2, [pg.Dict(width=pg.oneof([8, 16])), "none", pg.Dict(width=pg.oneof([8, 16]))], sorted=True),
        order=pg.permutate([1, 2, 3]),
        rate=pg.floatv(1e-4, 1e-2, "log"),
        only=pg.oneof([True]),
        single=pg.manyof(1, [1.5, "x"]),
    )


@settings(max_examples=25, deadline=None)
@given(descriptions())
def test_any_space_is_numbered_as_pyglove_enumerates_it(description):
    spec = pg.dna_spec(pg.Dict(root=build(description)))
    genome = Genome(spec)
    assert genome.size == spec.space_size
    for i, dna in zip(range(40), spec.iter_dna(), strict=False):
        vector = genome.unrank(i)
        genome.validate(vector)
        assert genome.rank(vector) == i
        assert genome.to_dna(vector) == dna
        assert np.array_equal(genome.from_dna(dna), vector)
        assert genome.to_vertex(vector) == dna.parameters(use_literal_values=True)
        assert np.array_equal(genome.from_vertex(genome.to_vertex(vector)), vector)
        assert np.array_equal(genome.encode(genome.decisions(vector)), vector)
    assert i == min(genome.size, 40) - 1


def test_slots_stand_in_pre_order_and_subtrees_are_contiguous():
    genome = genome_of(every_kind())
    ids = [slot.id for slot in genome.slots]
    assert ids == [
        "block",
        "block[=0/3].kernel",
        "block[=0/3].act",
        "block[=0/3].act[=2/3].slope",
        "block[=1/3]",
        "ops[0]",
        "ops[0][=0/3].width",
        "ops[0][=2/3].width",
        "ops[1]",
        "ops[1][=0/3].width",
        "ops[1][=2/3].width",
        "order[0]",
        "order[1]",
        "order[2]",
        "rate",
        "only",
        "single",
    ]
    assert ids == [point.id.path for point in genome.spec.decision_points]
    assert [slot.end for slot in genome.slots] == [5, 2, 4, 4, 5, 8, 7, 8, 11, 10, 11, 12, 13, 14, 15, 16, 17]
    block, kernel, first, slope = (genome.slots[i] for i in (0, 1, 5, 3))
    assert (kernel.parent, block.parent, slope.parent) == ((0, 0), None, (2, 2))
    assert (first.group, first.distinct, first.sorted, kernel.group) == ((5, 8), True, True, (1,))
    assert kernel.literals == (3, 5)
    assert (slope.kind, slope.low, slope.high, slope.scale, genome.slots[14].scale) == ("float", 0.1, 0.3, None, "log")


def test_points_with_floats_round_trip_through_dna_and_vertex():
    genome = genome_of(every_kind())
    assert genome.size is None
    for vector in genome.sample(np.random.default_rng(0), 20):
        dna = genome.to_dna(vector)
        assert genome.to_vertex(vector) == dna.parameters(use_literal_values=True)
        assert np.array_equal(genome.from_dna(dna), vector)
        assert np.array_equal(genome.from_dna(pg.DNA(dna.to_numbers(flatten=False))), vector), "without a spec"
        assert np.array_equal(genome.from_vertex(genome.to_vertex(vector)), vector)
        assert np.array_equal(genome.encode(genome.decisions(vector)), vector)


def test_vertex_parameters_materialize_to_the_same_value():
    value = every_kind()
    genome = genome_of(value)
    for vector in genome.sample(np.random.default_rng(1), 5):
        from_dna = pg.materialize(value, genome.to_dna(vector))
        assert pg.eq(pg.materialize(value, genome.to_vertex(vector)), from_dna)


@pytest.mark.parametrize(
    ("rules", "size"),
    [
        ({"distinct": True, "sorted": True}, math.comb(22, 8)),
        ({"distinct": True, "sorted": False}, math.perm(22, 8)),
        ({"distinct": False, "sorted": True}, math.comb(29, 8)),
        ({"distinct": False, "sorted": False}, 22**8),
    ],
)
def test_many_of_many_is_counted_at_once(rules, size):
    spec = pg.geno.manyof(8, [pg.geno.constant() for _ in range(22)], **rules)
    genome = Genome(spec)
    assert genome.size == size
    for index in (0, size // 3, size - 1):
        assert genome.rank(genome.unrank(index)) == index


@pytest.mark.parametrize("rules", RULES)
def test_candidates_of_different_sizes_in_a_group(rules):
    candidates = [1, pg.oneof([1, 2]), pg.oneof([1, 2, 3])]
    spec = pg.dna_spec(pg.manyof(3, candidates, **rules))
    genome = Genome(spec)
    points = [genome.from_dna(dna) for dna in spec.iter_dna()]
    assert genome.size == len(points) == spec.space_size
    assert all(np.array_equal(genome.unrank(i), point) for i, point in enumerate(points))


def test_huge_spaces_are_exact():
    genome = genome_of(pg.Dict({f"x{i}": pg.oneof([1, 2, 3]) for i in range(82)}))
    assert genome.size == 3**82  # 1.3e39, beyond the largest published Vertex space
    for index in (0, 3**81 + 12345, 3**82 - 1):
        vector = genome.unrank(index)
        assert genome.rank(vector) == index
        assert int("".join(str(digit) for digit in vector.tolist()), 3) == index


def test_a_spec_can_be_a_decision_point_or_constant():
    single = Genome(pg.geno.oneof([pg.geno.constant(), pg.geno.constant()]))
    assert (single.size, single.slots[0].literals) == (2, ())
    assert single.to_vertex(single.unrank(1)) == {"": "1/2"}
    assert single.to_dna(single.unrank(1)) == pg.DNA(1)
    constant = Genome(pg.geno.constant())
    assert (constant.size, constant.width) == (1, 0)
    assert constant.sample(np.random.default_rng(0), 3).shape == (3, 0)
    assert constant.rank(constant.unrank(0)) == 0
    assert constant.to_dna(constant.unrank(0)) == pg.DNA(None)


def test_threads_share_a_genome():
    genome = genome_of(every_kind())

    def work(seed):
        rng = np.random.default_rng(seed)
        return genome.mutate(genome.sample(rng, 100), rng)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(8)))
    assert all(np.array_equal(work(seed), one) for seed, one in enumerate(together))


def test_an_index_outside_is_refused():
    genome = genome_of(pg.oneof([1, 2, 3]))
    for index in (-1, 3):
        with pytest.raises(UserError) as caught:
            genome.unrank(index)
        assert str(caught.value) == f"index: {index} is not an architecture's index, expected 0 to 2."


def test_a_continuous_space_has_no_index():
    genome = genome_of(pg.Dict(kernel=pg.oneof([3, 5]), rate=pg.floatv(0.1, 1.0)))
    for number in (lambda: genome.unrank(0), lambda: genome.rank(genome.sample(np.random.default_rng(0), 1)[0])):
        with pytest.raises(UserError) as caught:
            number()
        assert str(caught.value) == (
            "rate: a continuous decision, so points have no index. Draw with `sample`, or choose among numbers: oneof([...])."
        )


def test_a_custom_decision_point_is_refused():
    with pytest.raises(SpaceError) as caught:
        Genome(pg.geno.space([pg.geno.custom("Wiring", location=pg.KeyPath.parse("net.wiring"))]))
    assert str(caught.value) == (
        "net.wiring: Wiring decides by its own code, which can be neither counted nor varied, "
        "expected oneof, manyof, permutate or floatv. Write the decision as a choice among its values."
    )
