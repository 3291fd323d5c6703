"""EfficientNet's space: its size, and B0 to B7."""

import pytest
from mobile_checks import build_smallest, keras_params, millions, trained_params

from search_spaces.efficientnet import SCALES, efficientnet, make_efficientnet

PUBLISHED = {  # (parameters in keras.applications, millions of parameters and billions of multiply-adds in the paper's table 2)
    "b0": (5_330_571, 5.3, 0.39),
    "b1": (7_856_239, 7.8, 0.70),
    "b2": (9_177_569, 9.2, 1.0),
    "b3": (12_320_535, 12, 1.8),
    "b4": (19_466_823, 19, 4.2),
    "b5": (30_562_527, 30, 9.9),
    "b6": (43_265_143, 43, 19),
    "b7": (66_658_687, 66, 37),
}


def test_size():
    # 7 widths, 8 depths, 8 resolutions; a kernel in each of 7 stages, an expansion in all but the first
    assert efficientnet.size == 7 * 8 * 8 * 2**7 * 2**6


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks(name):
    params, paper_params, paper_macs = PUBLISHED[name]
    network = efficientnet.baselines[f"efficientnet_{name}"]
    assert network.cost().params == params
    assert trained_params(network) / 1e6 == pytest.approx(paper_params, rel=0.03)
    assert network.cost().macs / 1e9 == pytest.approx(paper_macs, rel=0.05)


def test_b0_to_the_digit():
    b0 = efficientnet.baselines["efficientnet_b0"]
    assert b0.cost().params == keras_params("EfficientNetB0")
    assert trained_params(b0) == 5_288_548  # torchvision's efficientnet_b0
    assert millions(b0.cost().macs) == 385.8


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PUBLISHED)[1:])
def test_parameters_equal_keras_applications(name):
    assert PUBLISHED[name][0] == keras_params(f"EfficientNet{name.upper()}")


def test_what_is_scaled_is_decided_once():
    decided = efficientnet.baselines["efficientnet_b3"].decisions
    assert (decided["width"], decided["depth"], decided["resolution.height"]) == SCALES["b3"]


def test_random_networks_build_in_keras():
    build_smallest(efficientnet)


def test_other_images_classes_and_multipliers():
    space = make_efficientnet(input=(96, 96, 3), classes=5, widths=(1.0, 1.1), depths=(1.0,), resolutions=())
    assert list(space.baselines) == ["efficientnet_b0"]
    assert space.output_shape == (5,)
    assert space.size == 2 * 2**7 * 2**6
