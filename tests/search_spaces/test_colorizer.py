"""The colorizer space around the published network."""

import pytest

from search_spaces.colorizer import colorizer


def test_it_is_proved_to_build():
    assert colorizer.doubts == ()
    assert colorizer.output_shape == (80, 80, 3)
    assert colorizer.size > 10**20


def test_the_book_network_is_a_point_of_it():
    book = colorizer.baselines["book"]
    cost = book.cost()
    assert cost.params == 1_106_755
    assert cost.flops == pytest.approx(251.0e6, rel=0.005)
    assert cost.peak_activation_bytes / 2**20 == pytest.approx(1.5625)
    layers = [node.call.layer for node in book.network.nodes.values() if node.call]
    assert layers == (
        ["Conv2D", "LeakyReLU", "BatchNormalization"] * 3
        + ["Conv2D", "LeakyReLU", "Dropout"]
        + ["Conv2DTranspose", "Activation", "BatchNormalization"] * 4
        + ["Conv2D", "Activation"]
    )


def test_random_architectures_build_in_keras_with_equal_parameters_and_shapes():
    _build_and_compare(colorizer.sample(seed=1, n=15))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_thousand_random_architectures_build_in_keras_with_equal_parameters_and_shapes():
    _build_and_compare(colorizer.sample(seed=2, n=1000))


def _build_and_compare(architectures):
    import keras

    for architecture in architectures:
        model = architecture.build()
        assert model.count_params() == architecture.cost().params
        for layer in model.layers:
            assert tuple(layer.output.shape[1:]) == architecture.network.nodes[layer.name].shape
        keras.backend.clear_session()
