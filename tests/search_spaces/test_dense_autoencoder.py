"""The dense autoencoders around Hinton & Salakhutdinov 2006."""

import itertools

from encdec_checks import check_space, layers

from search_spaces.dense_autoencoder import dense_autoencoder


def dense(*units):
    return sum(a * b + b for a, b in itertools.pairwise(units))


def test_space():
    check_space(dense_autoencoder, size=73_728)
    assert dense_autoencoder.output_shape == (784,)


def test_published_networks_have_their_parameters():
    networks = dense_autoencoder.baselines
    assert networks["hinton2006"].cost().params == dense(784, 1000, 500, 250, 30, 250, 500, 1000, 784) == 2_837_314
    assert networks["keras_blog"].cost().params == dense(784, 32, 784) == 50_992
    assert networks["keras_blog_deep"].cost().params == dense(784, 128, 64, 32, 64, 128, 784) == 222_384
    assert layers(networks["hinton2006"], "Dense") == ["Dense"] * 8


def test_a_layer_has_one_width_for_both_directions():
    for architecture in dense_autoencoder.sample(seed=0, n=50):
        units = [node.shape[0] for node in architecture.network.nodes.values() if node.call and node.call.layer == "Dense"]
        assert units[:-1] == units[:-1][::-1]
