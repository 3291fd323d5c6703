"""The inverted bottleneck: its layers, widths, skips and costs, worked out by hand."""

import pytest

from nas.language.graph import Net
from search_spaces.mobile_blocks import MBConv, repetitions


def block(shape, **fields):
    """The nodes of a block on an input of that shape, by name."""
    net = Net()
    found = net.apply(MBConv.concrete(**fields), net.input("x", shape), name="b")
    graph = net.graph([found])
    return {name.removeprefix("b_"): node for name, node in graph.nodes.items() if node.call}


def convolutions(nodes):
    return {name: node.cost.macs for name, node in nodes.items() if node.cost.macs}


def test_it_widens_filters_each_channel_and_narrows():
    nodes = block((8, 8, 16), filters=24, kernel_size=3, strides=2)
    assert list(nodes) == [
        "expand",
        "expand_norm",
        "expand_act",
        "depthwise",
        "depthwise_norm",
        "depthwise_act",
        "project",
        "project_norm",
    ]
    # 64 positions x 16 x 96; 16 positions x 9 x 96; 16 positions x 96 x 24
    assert convolutions(nodes) == {"expand": 98_304, "depthwise": 13_824, "project": 36_864}
    assert nodes["project_norm"].shape == (4, 4, 24)
    assert sum(node.cost.params for node in nodes.values()) == 16 * 96 + 9 * 96 + 96 * 24 + 4 * (96 + 96 + 24)


def test_without_expansion_it_is_depthwise_separable():
    nodes = block((8, 8, 16), filters=8, expansion=1)
    assert list(nodes) == ["depthwise", "depthwise_norm", "depthwise_act", "project", "project_norm"]


def test_fused_it_widens_with_the_whole_kernel():
    nodes = block((8, 8, 16), filters=24, kernel_size=3, strides=2, expansion=4, fused=True)
    assert list(nodes) == ["expand", "expand_norm", "expand_act", "project", "project_norm"]
    # 16 positions x 9 x 16 x 64; 16 positions x 64 x 24
    assert convolutions(nodes) == {"expand": 147_456, "project": 24_576}


def test_fused_without_expansion_it_is_a_convolution():
    nodes = block((8, 8, 16), kernel_size=5, expansion=1, fused=True, skip="none")
    assert list(nodes) == ["conv", "conv_norm", "conv_act"]
    assert convolutions(nodes) == {"conv": 64 * 25 * 16 * 16}


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({}, "add"),
        ({"filters": 16}, "add"),
        ({"filters": 16, "skip": "pool"}, "add"),
        ({"filters": 16, "skip": "none"}, "project_norm"),
        ({"filters": 24}, "project_norm"),  # other channels
        ({"filters": 16, "strides": 2}, "project_norm"),  # another grid
    ],
)
def test_the_input_is_added_to_what_has_its_shape(fields, last):
    nodes = block((8, 8, 16), **fields)
    assert list(nodes)[-1] == last
    assert ("pool" in nodes) == (fields.get("skip") == "pool")


@pytest.mark.parametrize(
    ("fields", "units", "gate"),
    [
        ({"se_ratio": 0.25}, 6, "sigmoid"),  # a quarter of the block's 24 channels
        ({"se_ratio": 0.05}, 1, "sigmoid"),
        ({"se_ratio": 0.25, "se_of": "expanded"}, 40, "hard_sigmoid"),  # of 24 * 6 = 144: 36, rounded to a multiple of 8
        ({"se_ratio": 0.25, "se_of": "expanded", "expansion": 3}, 24, "hard_sigmoid"),  # of 72: 18, 16 being 10% below
    ],
)
def test_squeeze_and_excite_goes_by_the_input_or_by_what_is_in_between(fields, units, gate):
    nodes = block((8, 8, 24), activation="swish", **fields)
    assert nodes["se_reduce"].shape == (1, 1, units)
    assert nodes["se_reduce"].call.kwargs["activation"] == ("silu" if gate == "sigmoid" else "relu")
    assert nodes["se_expand"].call.kwargs["activation"] == gate


def test_fractions_of_channels_are_rounded_to_multiples_of_8():
    assert block((8, 8, 80), expansion=2.3)["expand"].shape[-1] == 184
    assert block((8, 8, 24), expansion=88 / 24)["expand"].shape[-1] == 88


def test_repetitions_are_written_as_decisions():
    assert repetitions("body", 2, 1, 4) == {"body[1]": True, "body[2]": False}
    assert repetitions("body", 0, 0, 3) == {"body": False}
    assert repetitions("body", 3, 0, 3) == {"body": True, "body[1]": True, "body[2]": True}
