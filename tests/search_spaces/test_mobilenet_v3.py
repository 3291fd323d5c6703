"""MobileNetV3 and Once-for-all: sizes, and the published networks."""

import pytest
from mobile_checks import build_smallest, keras_params, millions, trained_params

from nas.errors import SpaceError
from search_spaces.mobilenet_v3 import make_mobilenet_v3, mobilenet_v3, mobilenet_v3_small
from search_spaces.once_for_all import once_for_all


def stage(options):
    """Networks of 2 to 4 blocks with so many options each."""
    return options**2 + options**3 + options**4


def test_once_for_all_has_the_published_size_at_each_of_25_resolutions():
    assert once_for_all.size == 25 * stage(9) ** 5
    assert f"{stage(9) ** 5:.0e}" == "2e+19"  # Cai et al. 2020, section 3.2


def test_sizes_around_the_published_networks():
    # three kernels; expansions 3, 4 and 6, and where the published blocks have others, those too
    assert mobilenet_v3.size == stage(9) ** 4 * stage(15)
    assert mobilenet_v3_small.size == stage(15) * stage(9) ** 3


@pytest.mark.parametrize(
    ("space", "name", "trained", "macs"),
    [  # trained parameters: torchvision's. Millions of multiply-adds: 219 and 56 in the paper, 217 in its code
        (mobilenet_v3, "MobileNetV3Large", 5_483_032, 216.6),
        (mobilenet_v3_small, "MobileNetV3Small", 2_542_856, 56.5),
    ],
)
def test_the_published_networks(space, name, trained, macs):
    network = space.baselines[space.name]
    assert network.cost().params == keras_params(name)
    assert trained_params(network) == trained
    assert millions(network.cost().macs) == macs


def test_the_largest_of_once_for_all():
    largest = once_for_all.baselines["largest"]
    assert millions(trained_params(largest)) == 7.7
    depthwise = [n.call for n in largest.network.nodes.values() if n.call and n.call.layer == "DepthwiseConv2D"]
    assert [call.kwargs["kernel_size"] for call in depthwise] == [3] + [7] * 20


def test_random_networks_build_in_keras():
    build_smallest(mobilenet_v3_small)


def test_a_size_that_was_not_published_is_refused():
    with pytest.raises(SpaceError, match="size: no such network, expected large or small"):
        make_mobilenet_v3(size="medium")
