"""Layers that change the grid, against NumPy and TensorFlow: values, not only shapes."""

import numpy as np
import pytest

from nas import layers as L
from nas.errors import ShapeError
from nas.language.graph import Net
from nas.language.keras_model import build_model
from nas.language.operation import OpCost


def wired(operation, *shapes):
    net = Net()
    edges = [net.input(f"in{i}", shape) for i, shape in enumerate(shapes)]
    return net.graph([net.apply(operation, *edges, name="op")])


def output_shape(operation, *shapes):
    graph = wired(operation, *shapes)
    return graph.nodes[graph.outputs[0]].shape


def values(operation, *arrays):
    graph = wired(operation, *(array.shape for array in arrays))
    model = build_model(graph)
    batches = [array[None].astype("float32") for array in arrays]
    return np.array(model(batches[0] if len(batches) == 1 else batches))[0]


def counted(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


# -- up ----------------------------------------------------------------------------------------------------------------------


def test_linear_interpolation_is_that_of_images_along_every_axis():
    steps = np.array([[0.0], [4.0], [8.0]])
    assert values(L.Upsample.concrete(factor=2, mode="bilinear"), steps)[:, 0].tolist() == [0, 1, 3, 5, 7, 8]
    ramps = np.stack(np.meshgrid(*(np.arange(n, dtype="float32") for n in (3, 4, 5)), indexing="ij"), axis=-1)
    volume = values(L.Upsample.concrete(factor=(2, 1, 3), mode="bilinear"), ramps)
    assert volume.shape == (6, 4, 15, 3)
    along_depth, along_height, along_width = (volume[:, 1, 4, 0], volume[3, :, 4, 1], volume[3, 1, :, 2])
    assert along_depth.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2]
    assert along_height.tolist() == [0, 1, 2, 3]
    thirds = [0, 0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 7 / 3, 8 / 3, 3, 10 / 3, 11 / 3, 4, 4]
    assert along_width == pytest.approx(thirds, abs=1e-6)


@pytest.mark.parametrize(
    ("shape", "layer"), [((4, 2), "UpSampling1D"), ((4, 4, 2), "UpSampling2D"), ((4, 4, 4, 2), "UpSampling3D")]
)
def test_nearest_is_one_stock_layer(shape, layer):
    graph = wired(L.Upsample.concrete(factor=2), shape)
    (node,) = [node for node in graph.nodes.values() if node.call]
    assert node.call.layer == layer
    assert node.cost == OpCost()
    assert node.shape == (*(2 * n for n in shape[:-1]), 2)


@pytest.mark.parametrize(("mode", "weights"), [("transpose", 9 * 2 * 5 + 5), ("subpixel", 9 * 2 * 20 + 20)])
def test_learned_up_sampling_makes_the_filters(mode, weights):
    graph = wired(L.Upsample.concrete(factor=2, mode=mode, filters=5), (3, 4, 2))
    assert graph.nodes[graph.outputs[0]].shape == (6, 8, 5)
    assert sum(node.cost.params for node in graph.nodes.values()) == weights
    assert output_shape(L.Upsample.concrete(factor=2, mode=mode, filters=5), (3, 2)) == (6, 5)
    assert output_shape(L.Upsample.concrete(factor=2, mode=mode, filters=5), (3, 2, 4, 1)) == (6, 4, 8, 5)


def test_costs_of_interpolation():
    costs = {}
    for mode, size in [("bilinear", 2), ("bilinear", (1, 2)), ("bicubic", 2), ("nearest", 2)]:
        graph = wired(L.UpSampling2D.concrete(size=size, interpolation=mode), (4, 4, 1))
        costs[mode, size] = next(node.cost.flops for node in graph.nodes.values() if node.call)
    # an element between 2 neighbours takes 3, between 4 it takes 7; bilinear: 3 of these, bicubic: 5
    assert costs == {("bilinear", 2): 64 * 9, ("bilinear", (1, 2)): 32 * 3, ("bicubic", 2): 64 * 35, ("nearest", 2): 0}


# -- down --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 2), (5, 4, 2), (5, 4, 6, 2)])
@pytest.mark.parametrize(("mode", "filters"), [("max", 2), ("average", 2), ("strided", 7)])
def test_downsampling_rounds_up(shape, mode, filters):
    down = L.Downsample.concrete(factor=2, mode=mode, filters=7)
    assert output_shape(down, shape) == (*(-(-n // 2) for n in shape[:-1]), filters)


def test_a_factor_of_one_is_no_layer_but_a_convolution_stays_one():
    for layer in (
        L.Downsample.concrete(factor=1),
        L.Upsample.concrete(factor=1),
        L.Upsample.concrete(factor=1, mode="bilinear"),
    ):
        assert not [node for node in wired(layer, (4, 4, 2)).nodes.values() if node.call]
    assert len(wired(L.Downsample.concrete(factor=(1, 1), mode="strided"), (4, 4, 2)).nodes) == 2


# -- sub-pixels --------------------------------------------------------------------------------------------------------------


def test_subpixels_are_in_tensorflows_order():
    import tensorflow as tf

    image = counted(3, 2, 8)
    assert np.array_equal(values(L.DepthToSpace.concrete(factor=2), image), tf.nn.depth_to_space(image[None], 2)[0])
    larger = counted(4, 6, 3)
    assert np.array_equal(values(L.SpaceToDepth.concrete(factor=2), larger), tf.nn.space_to_depth(larger[None], 2)[0])


@pytest.mark.parametrize(("shape", "factor"), [((6, 3), 3), ((4, 6, 2), (2, 3)), ((2, 4, 4, 3), (1, 2, 2))])
def test_subpixels_and_back(shape, factor):
    there = values(L.SpaceToDepth.concrete(factor=factor), counted(*shape))
    assert np.array_equal(values(L.DepthToSpace.concrete(factor=factor), there), counted(*shape))


@pytest.mark.parametrize(
    ("operation", "shape", "text"),
    [
        (
            L.DepthToSpace.concrete(factor=2),
            (4, 4, 6),
            "op: 4 positions cannot be made of 6 channels, expected a multiple of 4 channels. "
            "Put a convolution with that many filters before it.",
        ),
        (
            L.SpaceToDepth.concrete(factor=2),
            (4, 5, 6),
            "op: blocks of (2, 2) do not tile (4, 5, 6), expected multiples of (2, 2). "
            "Pad the grid, or down-sample with a stride.",
        ),
        (
            L.Downsample.concrete(),
            (10,),
            "op: in0 is (10,), expected a grid of 1 to 3 axes with channels. Reshape it to a grid first.",
        ),
        (
            L.Cropping1D.concrete(cropping=(2, 3)),
            (5, 1),
            "op: Cropping1D takes (2, 3) steps from (5, 1), expected fewer than 5 steps. Crop less, or crop earlier.",
        ),
    ],
)
def test_what_does_not_fit(operation, shape, text):
    with pytest.raises(ShapeError) as caught:
        wired(operation, shape)
    assert str(caught.value) == text


# -- borders -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "border", "grid"),
    [
        (L.ZeroPadding1D, (5, 2), 1, (7,)),
        (L.ZeroPadding1D, (5, 2), (0, 3), (8,)),
        (L.ZeroPadding3D, (2, 3, 4, 1), (1, 0, 2), (4, 3, 8)),
        (L.Cropping1D, (5, 2), (1, 2), (2,)),
        (L.Cropping3D, (4, 5, 6, 1), ((1, 0), (2, 2), (0, 1)), (3, 1, 5)),
    ],
)
def test_borders_in_one_and_three_dimensions(layer, shape, border, grid):
    field = "padding" if "Padding" in layer.__name__ else "cropping"
    assert values(layer.concrete(**{field: border}), counted(*shape)).shape == (*grid, shape[-1])


def test_a_grid_is_matched_in_the_middle_the_odd_one_at_the_far_end():
    first, second = counted(6, 1), counted(3, 1)
    assert values(L.MatchGrid.concrete(how="crop"), first, second)[:, 0].tolist() == [1, 2, 3]
    assert values(L.MatchGrid.concrete(how="pad"), second, first)[:, 0].tolist() == [0, 0, 1, 2, 0, 0]
    assert output_shape(L.MatchGrid.concrete(how="both"), (8, 3, 2), (5, 6, 9)) == (5, 6, 2)
    assert output_shape(L.MatchGrid.concrete(how="crop"), (8, 3, 2), (5, 6, 9)) == (5, 3, 2)
    assert output_shape(L.MatchGrid.concrete(how="pad"), (8, 3, 2), (5, 6, 9)) == (8, 6, 2)


def test_a_grid_that_is_only_measured_is_not_part_of_the_network():
    graph = wired(L.MatchGrid.concrete(), (4, 4, 2), (4, 4, 7))
    assert graph.outputs == ("in0",)
    with pytest.raises(ShapeError, match="expected two grids of equally many axes, 1 to 3, with channels"):
        wired(L.MatchGrid.concrete(), (4, 4, 2), (4, 7))
