"""MobileNetV2's space: its size, and the published networks of each width and resolution."""

import pytest
from mobile_checks import build_smallest, keras_params, millions, trained_params

from search_spaces.mobilenet_v2 import WIDTHS, make_mobilenet_v2, mobilenet_v2

PUBLISHED = {  # resolution -> width -> millions of multiply-adds, rounded down: the reference implementation's checkpoints
    224: {1.4: 582, 1.3: 509, 1.0: 300, 0.75: 209, 0.5: 97, 0.35: 59},
    192: {1.0: 221, 0.75: 153, 0.5: 71, 0.35: 43},
    160: {1.0: 154, 0.75: 107, 0.5: 50, 0.35: 30},
    128: {1.0: 99, 0.75: 69, 0.5: 32, 0.35: 20},
    96: {1.0: 56, 0.75: 39, 0.5: 18, 0.35: 11},
}


def name_of(width):
    return "mobilenet_v2" if width == 1 else f"width_{width}"


def test_size():
    # 6 options a block; in five stages a first block and up to three more, in the last stage one; 6 widths, 5 resolutions
    assert mobilenet_v2.size == 6 * 5 * (6 * (1 + 6 + 6**2 + 6**3)) ** 5 * 6


@pytest.mark.parametrize("width", [pytest.param(w, marks=[] if w in (1.0, 1.4) else pytest.mark.slow) for w in WIDTHS])
def test_parameters_equal_keras_applications(width):
    assert mobilenet_v2.baselines[name_of(width)].cost().params == keras_params("MobileNetV2", alpha=width)


@pytest.mark.parametrize("resolution", PUBLISHED)
def test_multiply_adds_are_the_published_ones(resolution):
    for width, published in PUBLISHED[resolution].items():
        named = mobilenet_v2.baselines[name_of(width)]
        network = mobilenet_v2.architecture(named.decisions | {"resolution.height": resolution})
        assert int(network.cost().macs / 1e6) == published, (resolution, width)


def test_trained_parameters_are_the_paper_s():
    # torchvision's mobilenet_v2 has 3,504,872; the paper says 3.4 M
    assert trained_params(mobilenet_v2.baselines["mobilenet_v2"]) == 3_504_872
    assert millions(3_504_872) == 3.5


def test_random_networks_build_in_keras():
    build_smallest(mobilenet_v2)


def test_other_images_classes_and_multipliers():
    space = make_mobilenet_v2(input=(64, 64, 1), classes=10, widths=(0.5,), resolutions=())
    assert list(space.baselines) == ["width_0.5"]
    assert (space.input_shape, space.output_shape) == ((64, 64, 1), (10,))
    assert space.size == mobilenet_v2.size // 30
