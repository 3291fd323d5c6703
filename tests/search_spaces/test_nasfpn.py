"""NAS-FPN: the size of the space, the published pyramid and its parameters, what unread features become; Keras."""

import math

import pytest
from encdec_checks import build_and_compare, trainable

from nas.errors import UserError
from search_spaces.nasfpn import NASFPN, make_nasfpn, nasfpn


@pytest.fixture(scope="module")
def small():
    """One narrow stack on the smallest image; the features at level 3 need no projection."""
    return make_nasfpn(image=(136, 200), channels=(4, 6, 8), filters=4, repeats=1)


@pytest.fixture(scope="module")
def once():
    """The nodes of the published pyramid, stacked once."""
    return make_nasfpn(repeats=1).baselines["nasfpn"].network.nodes


def test_size():
    pairs = math.prod(math.comb(number, 2) for number in range(5, 12))
    assert nasfpn.size == pairs * 2**7 * 5**2 * math.factorial(5) == 3_017_710_080_000_000


def test_without_level_3_in_the_first_cells_it_has_the_size_of_the_form_for_vertex_ai():
    assert make_nasfpn(repeats=1, levels=(4, 5, 6, 7)).size == 1_931_334_451_200_000


def test_every_architecture_builds(small):
    assert nasfpn.doubts == small.doubts == ()


def test_the_published_pyramid_has_its_parameters():
    published = nasfpn.baselines["nasfpn"]
    normalized = 2 * 256
    inputs = sum(channels * 256 + 256 + normalized for channels in (512, 1024, 2048))
    cells = 7 * 7 * (9 * 256 * 256 + 256 + normalized)  # seven stacks of seven cells
    assert trainable(published) == inputs + cells == 29_858_816
    graph = published.network
    assert [graph.nodes[name].shape for name in graph.outputs] == [(n, n, 256) for n in (80, 40, 20, 10, 5)]


def test_the_coarser_feature_gates_the_finer_one(once):
    assert NASFPN[0] == (4, "attention", (1, 3))  # levels 4 and 6
    assert once["stack0_merged5_copy"].inputs == ("level6",)
    assert once["stack0_merged5_max"].inputs == ("stack0_merged5_copy",)
    assert once["stack0_merged5_gated"].inputs == ("in1_norm", "stack0_merged5_gate")
    assert once["stack0_merged5_sum"].inputs == ("stack0_merged5_copy", "stack0_merged5_gated")


def test_in_the_published_pyramid_two_levels_are_added_to_their_outputs(once):
    assert once["stack0_leftover9_2"].inputs == ("stack0_merged9_sum", "in2_norm")
    assert once["stack0_leftover10_4"].inputs == ("stack0_merged10_sum", "level7")
    assert sum("leftover" in name for name in once) == 2


def leftovers(decisions):
    """(output cell, unread feature) by the paper's rule, written out."""
    levels = dict(enumerate((3, 4, 5, 6, 7))) | {n: decisions[f"level{n}"] for n in range(5, 12)}
    read, found = set(), []
    for number in range(5, 12):
        read |= {decisions[f"first{number}"], decisions[f"second{number}"]}
        if number >= 7:
            found += [(number, j) for j in range(7) if j not in read and levels[j] == levels[number]]
    return found


def test_unread_features_are_added_by_the_rule(small):
    for architecture in small.sample(seed=3, n=100):
        nodes = architecture.network.nodes
        expected = [f"stack0_leftover{output}_{j}" for output, j in leftovers(architecture.decisions)]
        assert [name for name in nodes if "leftover" in name] == expected


def test_outputs_come_by_level_and_grids_are_rounded_up(small):
    for architecture in small.sample(seed=4, n=20):
        graph = architecture.network
        shapes = [graph.nodes[name].shape for name in graph.outputs]
        assert shapes == [(17, 25, 4), (9, 13, 4), (5, 7, 4), (3, 4, 4), (2, 2, 4)]


def test_images_too_small_for_seven_levels_are_refused():
    with pytest.raises(UserError, match="at least 128 x 128"):
        make_nasfpn(image=(64, 64))


def test_random_architectures_build_in_keras(small):
    for architecture in small.sample(seed=2, n=2):
        build_and_compare(architecture)


@pytest.mark.slow
def test_the_published_pyramid_builds_in_keras():
    build_and_compare(nasfpn.baselines["nasfpn"])
