"""NASNet: the size of the space, NASNet-A with the parameters of `keras.applications`, small networks in Keras."""

import math
from collections import Counter

import pytest
from encdec_checks import build_and_compare, trainable

from nas.errors import UserError
from search_spaces.nasnet import NASNET_A, OPERATIONS, cell_decisions, make_nasnet, nasnet


def test_size():
    picks = math.prod(tensors**2 for tensors in range(2, 7))  # two of 2 to 6 tensors, in order, for five blocks
    assert len(OPERATIONS) == 13
    assert nasnet.size == (picks * 13**10 * 2**5 * 2**6) ** 2


def test_every_architecture_builds():
    assert nasnet.doubts == ()
    assert nasnet.output_shape == (1000,)


def test_nasnet_a_mobile_has_the_parameters_of_keras_applications():
    cost = nasnet.baselines["nasnet_a"].cost()
    assert cost.params == 5_326_716
    assert round(cost.macs / 1e6) == 564  # Zoph et al. 2018: 5.3 M parameters, 564 M multiply-adds


def test_nasnet_a_large_has_the_parameters_of_keras_applications():
    large = make_nasnet(input=(331, 331, 3), repeats=6, channels=168, stem_channels=96, skip_reduction=True)
    cost = large.baselines["nasnet_a"].cost()
    assert cost.params == 88_949_818
    assert round(cost.macs / 1e8) == 238  # Zoph et al. 2018: 88.9 M parameters, 23.8 G multiply-adds


@pytest.mark.slow
def test_nasnet_a_for_cifar_has_its_parameters():
    cifar = make_nasnet(input=(32, 32, 3), classes=10, repeats=6, channels=32, stem="cifar", stem_channels=96)
    assert round(trainable(cifar.baselines["nasnet_a"]) / 1e6, 1) == 3.3  # Zoph et al. 2018: NASNet-A (6 @ 768), 3.3 M


def test_joined_is_what_nothing_reads_unless_said_otherwise():
    blocks, published = NASNET_A["normal"]
    by_rule = cell_decisions("normal", blocks)
    assert [by_rule[f"normal.output.joined[{i}]"] for i in range(6)] == [False, False, True, True, True, True]
    as_published = cell_decisions("normal", blocks, published)
    assert [i for i in range(6) if by_rule[f"normal.output.joined[{i}]"] != as_published[f"normal.output.joined[{i}]"]] == [0]


def test_a_cell_that_joins_less_is_narrower():
    decisions = dict(nasnet.baselines["nasnet_a"].decisions)
    narrow = nasnet.architecture(decisions | {f"normal.output.joined[{i}]": False for i in range(6)})
    nodes = narrow.network.nodes
    assert nodes[narrow.network.outputs[0]].cost.params == 176 * 1000 + 1000  # the last block alone leaves the cell
    with pytest.raises(UserError, match="no such stem"):
        make_nasnet(stem="none")


def test_random_architectures_build_in_keras():
    small = make_nasnet(input=(16, 16, 3), classes=4, repeats=1, channels=4, stem="cifar", stem_channels=5)
    for architecture in small.sample(seed=2, n=2):
        build_and_compare(architecture)


@pytest.mark.slow
def test_nasnet_a_mobile_has_the_weights_of_keras_applications():
    import keras

    ours = build_and_compare(nasnet.baselines["nasnet_a"])
    theirs = keras.applications.NASNetMobile(weights=None)
    assert ours.count_params() == theirs.count_params()
    shapes = [Counter(tuple(weight.shape) for weight in model.weights) for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
