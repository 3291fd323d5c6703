"""DARTS: the size of the space, the published cells and their parameters, small networks in Keras."""

import pytest
from encdec_checks import build_and_compare, layers, trainable

from nas.errors import UserError
from search_spaces.darts import GENOTYPES, NODES, OPERATIONS, darts, from_genotype, make_darts


def test_size():
    pairs = 1 * 3 * 6 * 10  # two of 2, 3, 4, 5 tensors
    assert len(OPERATIONS) == 7
    assert darts.size == (pairs * 7 ** (2 * NODES)) ** 2 == 1_076_746_950_455_072_400


def test_every_architecture_builds():
    assert darts.doubts == ()
    assert darts.output_shape == (10,)


@pytest.mark.parametrize(
    ("name", "params", "published"),
    [("darts_v2", 3_349_342, 3.3), ("darts_v1", 3_169_414, 3.2), ("pdarts", 3_433_798, 3.4), ("pc_darts", 3_634_678, 3.6)],
)
def test_published_cells_have_their_parameters(name, params, published):
    # 3.349342 is what the official code prints for its second-order cells; the others are published to a tenth of a million
    found = trainable(darts.baselines[name])
    assert found == params
    assert abs(found / 1e6 - published) <= 0.05


def test_the_imagenet_network_has_its_parameters():
    imagenet = make_darts(input=(224, 224, 3), classes=1000, cells=14, channels=48, stem="imagenet")
    assert imagenet.size == darts.size
    assert trainable(imagenet.baselines["darts_v2"]) == 4_718_752  # published: 4.7 M


def test_cells_of_a_kind_decide_alike():
    network = darts.baselines["darts_v2"]
    # 18 normal cells with 5 separable convolutions applied twice and one dilated; the reduction cells pool
    assert layers(network).count("SeparableConv2D") == 18 * (5 * 2 + 1)
    assert layers(network).count("MaxPooling2D") == 2 * 5
    widths = [node.shape for node in network.network.nodes.values() if node.call and node.call.layer == "Concatenate"]
    assert widths.count((32, 32, 4 * 36)) == 6
    assert widths[-1] == (8, 8, 4 * 144)


def test_a_genotype_is_decided_as_it_is_written():
    decided = darts.baselines["darts_v1"].decisions
    assert decided["normal.node3"] == ["input0", "input2"]
    assert decided["normal.node3[0].input0.edge.kind"] == "sep_conv_3x3"
    assert decided["normal.node3[1].input2.edge.kind"] == "identity"
    assert len(decided) == 2 * (4 + 8)


def test_a_node_reads_two_different_earlier_tensors():
    normal, reduction = GENOTYPES["darts_v2"]
    with pytest.raises(UserError, match=r"normal\.node0: node 0 reads \[1, 1\]"):
        from_genotype([("identity", 1), ("identity", 1), *normal[2:]], reduction)
    with pytest.raises(UserError, match="no such stem"):
        make_darts(stem="cifar10")


def test_random_architectures_build_in_keras():
    small = make_darts(input=(9, 9, 3), cells=3, channels=2)
    imagenet = make_darts(input=(16, 16, 3), cells=3, channels=2, stem="imagenet")
    for architecture in (small.sample(seed=2), imagenet.sample(seed=2)):
        build_and_compare(architecture)


@pytest.mark.slow
def test_the_published_network_builds_in_keras():
    build_and_compare(darts.baselines["darts_v2"])
