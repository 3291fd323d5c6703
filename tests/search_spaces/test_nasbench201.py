"""NAS-Bench-201 against its published table: every parameter and every "FLOP" of 15,625 cells on three datasets."""

import csv
import functools
import gzip
from pathlib import Path

import numpy as np
import pytest

import nas
from nas.language.automaton.batch import Pricer
from nas.language.costing import find_metric
from nas.language.proof import prove
from search_spaces.benchmark_cells import EDGES, edge_name
from search_spaces.nasbench201 import (
    OPERATIONS,
    PUBLISHED,
    arch_string,
    from_arch_string,
    from_official_index,
    make_nasbench201,
    nasbench201,
    official_index,
)

TABLE = Path(__file__).resolve().parents[2] / "../shared/bench/nasbench201/nasbench201.csv.gz"
SPACES = {
    "c10": nasbench201,
    "c100": make_nasbench201(classes=100),
    "in16": make_nasbench201(input=(16, 16, 3), classes=120),
}
# What each operation adds in 15 cells. A 1x1 convolution has 5 * (16^2 + 32^2 + 64^2) weights, and 2 for a normalized channel;
# its multiply-adds are 5 * 3 * 16^2 * 32^2; and each of 5 * 28,672 elements is normalized (2) and rectified (1), or pooled (9).
PARAMS = {"nor_conv_1x1": 26_880 + 1_120, "nor_conv_3x3": 9 * 26_880 + 1_120}
FLOPS = {
    "nor_conv_1x1": 3_932_160 + 3 * 143_360,
    "nor_conv_3x3": 9 * 3_932_160 + 3 * 143_360,
    "avg_pool_3x3": 9 * 143_360,
}


@functools.cache
def table():
    if not TABLE.exists():
        pytest.skip("the published table is not here")
    with gzip.open(TABLE, "rt") as file:
        return list(csv.DictReader(file))


def test_size_and_proof():
    assert nasbench201.size == 15_625
    assert nasbench201.output_shape == (10,)
    assert prove(nasbench201).status == "proved"
    assert all(space.doubts == () for space in SPACES.values())


@pytest.mark.parametrize("dataset", SPACES)
def test_published_costs_of_every_cell_to_the_digit(dataset):
    """Ours, by the published rules, and what dead edges would add, are the table. Where nothing is dead ours alone are."""
    rows, space = table(), SPACES[dataset]
    cells = [dict(zip(EDGES, from_arch_string(row["arch"]).values(), strict=True)) for row in rows]
    # an operation's option is its place in OPERATIONS, and the six decisions stand in the order of EDGES
    vectors = np.array([[OPERATIONS.index(cell[edge]) for edge in EDGES] for cell in cells])
    assert np.array_equal(vectors[:50], [space.architecture(from_arch_string(row["arch"])).vector for row in rows[:50]])

    metrics = [find_metric(name, PUBLISHED) for name in ("published_params", "published_flops")]
    priced = Pricer(space, metrics).price(vectors)
    assert priced.builds.all()
    ours = priced.costs // metrics[0].grain
    published = np.array([[millions(row[f"{kind}_{dataset}"]) for kind in ("mparams", "mflops")] for row in rows])

    shrink = 4 if dataset == "in16" else 1  # a quarter of the positions
    skeleton = published[[row["arch"] for row in rows].index(written("none"))]
    missing = np.zeros_like(ours)
    for row, cell in enumerate(cells):
        live = live_edges(cell)
        if not live:  # no tensor gets through: the whole network is zero
            missing[row] += skeleton
        for edge in set(EDGES) - live:
            missing[row] += PARAMS.get(cell[edge], 0), FLOPS.get(cell[edge], 0) // shrink
    assert np.array_equal(ours + missing, published)
    assert int((missing == 0).all(axis=1).sum()) == 10_148


def test_plain_costs_differ_from_the_published_ones_by_named_terms():
    """For CIFAR-10's best cell, which has five convolutions: no edge is dead, so the conventions alone make the difference."""
    best = nasbench201.baselines["best_cifar10"]
    cost = best.cost()
    normalized = 5 * 5 * (16 + 32 + 64) + 16 + 2 * 32 + 2 * 64 + 64  # channels of cells, stem, reductions and the end
    assert cost.params - 2 * normalized == 1_073_466
    sums = 5 * 3 * (16 * 1024 + 32 * 256 + 64 * 64) + 32 * 256 + 64 * 64  # n - 1 for each element: 1 + 2 in a cell
    pooled = 9 * 9 * 64 - 8 * 8 * 64  # (n + 1)^2 there, n^2 here
    assert cost.flops - cost.macs - sums - 10 + pooled == 155_584_192


def test_cells_with_dead_edges():
    cells = [dict(zip(EDGES, nasbench201.architecture(i).decisions.values(), strict=True)) for i in range(0, 15_625, 5)]
    dead = [cell for cell in cells if {e for e in EDGES if cell[e] != "none"} - live_edges(cell)]
    assert dead
    plain = nasbench201.architecture(from_arch_string("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"))
    unread = nasbench201.architecture(from_arch_string("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"))
    unfed = nasbench201.architecture(from_arch_string("|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|none~2|"))
    assert unread.cost() == unfed.cost() == plain.cost()
    assert unread.fingerprint == unfed.fingerprint == plain.fingerprint


def test_names_and_numbers_of_the_benchmark():
    rows = table()
    for row in rows[::101]:
        decisions = from_arch_string(row["arch"])
        assert arch_string(decisions) == row["arch"]
        assert official_index(decisions) == int(row["idx"])
        assert from_official_index(int(row["idx"])) == decisions
    assert nasbench201.architecture(from_official_index(6_111)) == nasbench201.baselines["best_cifar10"]
    assert set(from_official_index(0)) == {edge_name(edge) for edge in EDGES}


@pytest.mark.parametrize("text", ["", "|none~0|", "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "|max~0|"])
def test_other_names_are_refused(text):
    with pytest.raises(nas.errors.DecisionError, match="is no cell"):
        from_arch_string(text)


def test_other_numbers_are_refused():
    with pytest.raises(nas.errors.DecisionError, match="0 to 15624"):
        from_official_index(15_625)


def test_winners_are_the_tables():
    rows = table()
    best = {"best_cifar10": "test_c10", "best_cifar100": "test_c100", "best_imagenet16": "test_in16"}
    for name, column in best.items():
        winner = max(rows, key=lambda row: float(row[column]))
        assert arch_string(nasbench201.baselines[name].decisions) == winner["arch"]


def test_a_network_that_nothing_gets_through_is_zero():
    nothing = nasbench201.architecture(from_arch_string(written("none")))
    assert (nothing.cost().params, nothing.cost().flops) == (0, 0)
    assert nothing.network.nodes[nothing.network.outputs[0]].shape == (10,)


def test_random_networks_lower_and_price():
    sample = nasbench201.sample(seed=0, n=200)
    assert all(architecture.cost().params >= 0 for architecture in sample)


def test_networks_build_in_keras_with_equal_parameters():
    for name in ("best_cifar10", "resnet"):
        architecture = nasbench201.baselines[name]
        assert architecture.build().count_params() == architecture.cost().params


@pytest.mark.slow
def test_whole_networks_fall_into_the_classes_of_their_cells():
    """Fingerprints of all networks: 5,260 cells up to isomorphism (tests/nas/language/test_canonical_form.py)."""
    assert len({architecture.fingerprint for architecture in nasbench201}) == 5_260


def millions(text):
    """A count that is written in millions."""
    return round(float(text) * 10**6)


def written(operation):
    return arch_string({edge_name(edge): operation for edge in EDGES})


def live_edges(cell):
    """Edges on a way from the input to the output that no missing edge interrupts."""
    ways = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    return {edge for way in ways if all(cell[edge] != "none" for edge in way) for edge in way}
