"""SpineNet: the size of the space, the published networks and their costs, what unread blocks become; Keras."""

import math

import pytest
from encdec_checks import build_and_compare, trainable

from nas.errors import UserError
from search_spaces.spinenet import FILTERS, SIZES, SPINENET, make_spinenet, spinenet


@pytest.fixture(scope="module")
def small():
    """Narrow blocks on the smallest image, with five outputs."""
    return make_spinenet(input=(128, 160, 3), classes=None, scale=0.125, endpoints=8)


def test_size():
    pairs = math.prod(math.comb(number, 2) for number in range(2, 17))
    assert spinenet.size == pairs * 2**15 * 6**10 * math.factorial(5) == math.factorial(16) * math.factorial(15) * 6**10 * 120


def test_every_architecture_builds(small):
    assert spinenet.doubts == small.doubts == ()
    assert spinenet.output_shape == (1000,)


def test_spinenet_49_has_its_costs():
    """The paper's table for ImageNet: 22.1 M parameters, 3.5 G multiply-adds."""
    network = spinenet.baselines["spinenet"]
    assert trainable(network) == 22_088_488
    assert round(network.cost().macs / 1e9, 1) == 3.5


@pytest.mark.parametrize(
    ("size", "params", "macs"), [("143", 60.5, 9.1), pytest.param("96", 36.5, 5.7, marks=pytest.mark.slow)]
)
def test_larger_ones_have_their_costs(size, params, macs):
    """The same table: millions of parameters, billions of multiply-adds."""
    network = make_spinenet(**SIZES[size]).baselines["spinenet"]
    assert round(trainable(network) / 1e6, 1) == params
    assert round(network.cost().macs / 1e9, 1) == macs


def test_in_spinenet_block_11_is_added_to_the_output_of_its_level():
    nodes = spinenet.baselines["spinenet"].network.nodes
    assert [name for name in nodes if name.startswith("leftover")] == ["leftover14_11"]
    assert nodes["leftover14_11"].inputs == ("sum14", "block11_block0_act")


def leftovers(decisions):
    """(output block, unread block) by the paper's rule, written out."""
    blocks = {n: (decisions[f"level{n}"], decisions[f"kind{n}"]) for n in range(2, 17)}
    read, found = set(), []
    for number in range(2, 17):
        read |= {decisions[f"first{number}"], decisions[f"second{number}"]}
        if number >= 12:
            found += [(number, j) for j in range(2, 12) if j not in read and blocks[j] == blocks[number]]
    return found


def test_unread_blocks_are_added_by_the_rule(small):
    some = 0
    for architecture in small.sample(seed=3, n=100):
        expected = leftovers(architecture.decisions)
        nodes = architecture.network.nodes
        assert [name for name in nodes if name.startswith("leftover")] == [f"leftover{o}_{j}" for o, j in expected]
        some += bool(expected)
    assert some > 20


def test_outputs_come_by_level(small):
    for architecture in small.sample(seed=4, n=20):
        graph = architecture.network
        shapes = [graph.nodes[name].shape for name in graph.outputs]
        assert shapes == [(16, 20, 8), (8, 10, 8), (4, 5, 8), (2, 3, 8), (1, 2, 8)]


def test_levels_and_connections_are_those_of_the_decisions():
    nodes = spinenet.baselines["spinenet"].network.nodes
    for number, (level, kind, _) in enumerate(SPINENET, start=2):
        filters = FILTERS[level] * (4 if kind == "bottleneck" else 1)
        grid = math.ceil(224 / 2**level)
        assert nodes[f"sum{number}"].shape == (grid, grid, filters)


def test_images_too_small_for_seven_levels_are_refused():
    with pytest.raises(UserError, match="at least 128 x 128"):
        make_spinenet(input=(96, 96, 3))


def test_random_architectures_build_in_keras(small):
    for architecture in small.sample(seed=2, n=2):
        build_and_compare(architecture)


@pytest.mark.slow
def test_spinenet_49_builds_in_keras():
    build_and_compare(spinenet.baselines["spinenet"])
