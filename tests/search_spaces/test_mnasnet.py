"""MnasNet's space: its size, its published networks, and that it holds no two names for one network."""

from mobile_checks import build_smallest, millions, trained_params

from search_spaces.mnasnet import FILTERS, mnasnet


def test_size():
    assert [len(filters) for filters in FILTERS] == [2, 2, 3, 3, 4, 4, 3]
    # 4 convolutions, 2 kernels, 2 ratios, the widths; one layer without a skip, or more with one of 3 skips
    by_depth = [1 + 1 * 3, 1 + 2 * 3, 3 * 3, 3 * 3, 3 * 3, 3 * 3, 1 + 1 * 3]
    expected = 1
    for filters, depths in zip(FILTERS, by_depth, strict=True):
        expected *= 4 * 2 * 2 * len(filters) * depths
    assert mnasnet.size == expected


def test_a1_has_3_9_million_parameters_and_312_million_multiply_adds():
    a1 = mnasnet.baselines["mnasnet_a1"]
    assert trained_params(a1) == 3_887_038
    assert a1.cost().params == 3_920_526
    assert millions(trained_params(a1)) == millions(a1.cost().params) == 3.9
    assert round(a1.cost().macs / 1e6) == 312


def test_b1_has_the_parameters_of_torchvision():
    assert trained_params(mnasnet.baselines["mnasnet_b1"]) == 4_383_312  # mnasnet1_0


def test_layers_of_a_block_decide_alike():
    decided = mnasnet.baselines["mnasnet_a1"].decisions
    assert {k: v for k, v in decided.items() if k.startswith("block3")} == {
        "block3_convolution": "mbconv3",
        "block3_kernel": 5,
        "block3_se": 0.25,
        "block3.filters": 40,
        "block3_rest.skip": "identity",
        "block3_rest.times": 2,
    }
    network = mnasnet.baselines["mnasnet_a1"].network
    kernels = [n.call.kwargs["kernel_size"] for n in network.nodes.values() if n.call and n.call.layer == "DepthwiseConv2D"]
    assert kernels == [3] * 3 + [5] * 3 + [3] * 6 + [5] * 3 + [3]


def test_no_network_has_two_names():
    networks = mnasnet.sample(seed=0, n=200)
    neighbours = [each for one in networks[:10] for each in _neighbours(one)]
    prints = {}
    for network in [*networks, *neighbours]:
        assert prints.setdefault(network.fingerprint, network.index) == network.index


def _neighbours(network):
    """The network with one skip, or one squeeze and excite, decided otherwise."""
    for name, value in network.decisions.items():
        options = ("identity", "pool", "none") if name.endswith(".skip") else (0.0, 0.25) if name.endswith("_se") else ()
        for other in options:
            if other != value:
                yield mnasnet.architecture(network.decisions | {name: other})


def test_random_networks_build_in_keras():
    build_smallest(mnasnet)
