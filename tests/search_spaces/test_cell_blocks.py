"""The operations of cells: shapes, parameters by hand, and the dilated convolution that Keras cannot stride."""

import numpy as np
import pytest
from encdec_checks import build_and_compare, layers

import nas
from nas import layers as L
from search_spaces.cell_blocks import CellOperation, FactorizedReduction, Projection

KINDS = [str(kind) for kind in CellOperation.__schema__.get_field("kind").value.values]


def network(operation, input=(9, 8, 4)):
    """The architecture of a single operation."""

    @nas.space(input=input)
    def single(x):
        return operation(L.Dropout(nas.oneof([0.1]), name="dropout")(x))

    return single.sample(seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_operations_keep_channels_and_round_grids_up(kind):
    shapes = [network(CellOperation(kind, strides=s)).network for s in (1, 2)]
    found = [graph.nodes[graph.outputs[0]].shape for graph in shapes]
    assert found == [(9, 8, 4), (5, 4, 4)]


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("identity", 0),
        ("max_pool_5x5", 0),
        ("conv_3x3", 9 * 4 * 4 + 16),
        ("conv_1x7_7x1", 2 * (7 * 4 * 4 + 16)),
        ("sep_conv_5x5", 2 * (25 * 4 + 4 * 4 + 16)),
        ("dil_conv_5x5", 25 * 4 + 4 * 4 + 16),
        ("dil_full_conv_3x3", 9 * 4 * 4 + 16),
    ],
)
def test_parameters(kind, weights):
    assert network(CellOperation(kind)).cost().params == weights


def test_a_strided_identity_is_a_factorized_reduction():
    reduced = network(CellOperation("identity", strides=2))
    assert reduced.cost().params == 4 * 2 + 4 * 2 + 16
    assert layers(reduced, "Conv2D", "Concatenate") == ["Conv2D", "Conv2D", "Concatenate"]
    assert network(FactorizedReduction(5)).cost().params == 4 * 3 + 4 * 2 + 20
    assert network(Projection(6)).cost().params == 4 * 6 + 24


def test_channels_and_grid_follow_the_second_input():
    @nas.space(input=(8, 8, 4))
    def two(x):
        wide = L.Conv2D(6, 1, name="wide")(x)
        small = L.MaxPooling2D(2, name="small")(x)
        pooled = CellOperation("avg_pool_3x3", strides=2, name="pooled")(x, wide)
        kept = CellOperation(nas.oneof(["max_pool_3x3", "identity"]), strides=2, name="kept")(small, wide)
        return L.Add(name="sum")(pooled, kept)

    assert two.doubts == ()
    assert two.output_shape == (4, 4, 6)


def test_strided_and_dilated_is_the_dilated_convolution_at_even_positions():
    import keras

    model = build_and_compare(network(CellOperation("dil_conv_3x3", strides=2), input=(9, 8, 4)))
    separable = next(layer for layer in model.layers if isinstance(layer, keras.layers.SeparableConv2D))
    dilated = keras.layers.SeparableConv2D(4, 3, padding="same", dilation_rate=2, use_bias=False)
    image = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype("float32")
    dilated.build(image.shape)
    dilated.set_weights(separable.get_weights())
    everywhere = np.asarray(dilated(keras.ops.relu(image)))
    normalized = everywhere[:, ::2, ::2] / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(np.asarray(model(image)), normalized, atol=1e-5)
