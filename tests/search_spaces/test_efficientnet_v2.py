"""EfficientNetV2's space: sizes, and the published networks."""

import math

import pytest
from mobile_checks import build_smallest, keras_params, trained_params

from nas.errors import SpaceError
from search_spaces.efficientnet_v2 import efficientnet_v2, efficientnet_v2_s, make_efficientnet_v2

PUBLISHED = {  # parameters in keras.applications
    "b0": 7_200_312,
    "b1": 8_212_124,
    "b2": 10_178_374,
    "b3": 14_467_622,
    "s": 21_612_360,
    "m": 54_431_388,
    "l": 119_027_848,
}
TORCHVISION = {  # (trained parameters, billions of multiply-adds)
    "s": (21_458_488, 8.37),
    "m": (54_139_356, 24.58),
    "l": (118_515_272, 56.08),
}


def space_of(name):
    return {"s": efficientnet_v2_s}.get(name) or (make_efficientnet_v2(base=name) if name in "ml" else efficientnet_v2)


def test_sizes():
    # two kinds, two kernels, three expansions and the number of blocks: 1 less to 1.4 times as many as in the base
    blocks = [(1, 2), (1, 3), (1, 3), (2, 5), (4, 7), (7, 12)]
    assert efficientnet_v2.size == 3 * 4 * math.prod(2 * 2 * 3 * (high - low + 1) for low, high in blocks)
    blocks = [(1, 3), (3, 6), (3, 6), (5, 9), (8, 13), (14, 21)]
    assert efficientnet_v2_s.size == 2 * math.prod(2 * 2 * 3 * (high - low + 1) for low, high in blocks)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks(name):
    network = space_of(name).baselines[f"efficientnet_v2_{name}"]
    assert network.cost().params == PUBLISHED[name]
    if name in TORCHVISION:
        trained, macs = TORCHVISION[name]
        assert trained_params(network) == trained
        assert round(network.cost().macs / 1e9, 2) == macs


def test_b0_equals_keras_applications():
    assert PUBLISHED["b0"] == keras_params("EfficientNetV2B0")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PUBLISHED)[1:])
def test_parameters_equal_keras_applications(name):
    assert PUBLISHED[name] == keras_params(f"EfficientNetV2{name.upper()}")


def test_squeeze_and_excite_goes_with_unfused_blocks():
    network = efficientnet_v2.architecture({"stage1_kind": "mbconv", "stage1_expansion": 4} | _first_options())
    paths = [node.path for node in network.network.nodes.values()]
    assert any(path.startswith("stage1.se") for path in paths)
    assert not any(path.startswith("stage2.se") for path in paths)


def _first_options():
    decided = efficientnet_v2.baselines["efficientnet_v2_b0"].decisions
    return {name: value for name, value in decided.items() if name not in ("stage1_kind", "stage1_expansion")}


def test_random_networks_build_in_keras():
    build_smallest(efficientnet_v2)


def test_a_base_that_was_not_published_is_refused():
    with pytest.raises(SpaceError, match="base: no such network, expected b0, s, m, l"):
        make_efficientnet_v2(base="xl")


def test_other_images_and_classes():
    space = make_efficientnet_v2(input=(64, 64, 1), classes=4, resolutions=())
    assert (space.input_shape, space.output_shape) == ((64, 64, 1), (4,))
    assert list(space.baselines) == [f"efficientnet_v2_b{i}" for i in range(4)]
