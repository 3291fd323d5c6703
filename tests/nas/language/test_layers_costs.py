"""What layers cost, worked out by hand, and which of them leave no node behind."""

import pytest

from nas import layers as L
from nas.language.graph import Net
from nas.language.operation import OpCost


def emitted(operation, *shapes):
    """The nodes, inputs left out, that a concrete operation makes of inputs of these shapes."""
    net = Net()
    edges = [net.input(f"input{i}", shape) for i, shape in enumerate(shapes)]
    found = net.apply(operation, *edges)
    return [node for node in net.graph([found]).nodes.values() if node.call]


def cost(operation, *shapes):
    (node,) = emitted(operation, *shapes)
    return node.cost


@pytest.mark.parametrize(
    ("operation", "shape", "expected"),
    [
        # 4x4 positions x (3x3x2 taps x 5 filters); bias 80; weights 90 + 5
        (L.Conv2D.concrete(filters=5, kernel_size=3, strides=2), (8, 8, 2), OpCost(1440, 2 * 1440 + 80, 95)),
        (L.Conv2D.concrete(filters=5, kernel_size=3, strides=2, use_bias=False), (8, 8, 2), OpCost(1440, 2880, 90)),
        (L.Conv2D.concrete(filters=5, kernel_size=3, strides=2, activation="relu"), (8, 8, 2), OpCost(1440, 2880 + 160, 95)),
        (L.Conv2D.concrete(filters=5, kernel_size=3, strides=2, activation="linear"), (8, 8, 2), OpCost(1440, 2960, 95)),
        # each of 2 groups sees half of the 4 channels: 64 positions x 1x1x2 x 6
        (L.Conv2D.concrete(filters=6, kernel_size=1, groups=2, use_bias=False), (8, 8, 4), OpCost(768, 1536, 12)),
        # 16 INPUT positions x (3x3x2 x 5); bias on 8x8x5 outputs
        (L.Conv2DTranspose.concrete(filters=5, kernel_size=3, strides=2), (4, 4, 2), OpCost(1440, 2880 + 320, 95)),
        # 16 positions x 3x3 taps x 2 channels x 3
        (L.DepthwiseConv2D.concrete(kernel_size=3, strides=2, depth_multiplier=3), (8, 8, 2), OpCost(864, 1728 + 96, 60)),
        # 16 positions x (3x3x2 depthwise + 2x5 pointwise)
        (L.SeparableConv2D.concrete(filters=5, kernel_size=3, strides=2), (8, 8, 2), OpCost(448, 896 + 80, 33)),
        (L.Dense.concrete(units=5), (7,), OpCost(35, 75, 40)),
        (L.Dense.concrete(units=5), (2, 3, 7), OpCost(210, 450, 40)),
        (L.MaxPooling2D.concrete(pool_size=3, strides=2), (8, 8, 2), OpCost(0, 9 * 32, 0)),
        (L.GlobalAveragePooling2D.concrete(), (8, 8, 2), OpCost(0, 128, 0)),
        (L.BatchNormalization.concrete(), (8, 8, 2), OpCost(0, 256, 8)),
        (L.LayerNormalization.concrete(), (8, 8, 2), OpCost(0, 7 * 128, 4)),
        (L.GroupNormalization.concrete(groups=2), (8, 8, 2), OpCost(0, 7 * 128, 4)),
        (L.Activation.concrete(function="swish"), (8, 8, 2), OpCost(0, 128, 0)),
        (L.Activation.concrete(function="softmax"), (8, 8, 2), OpCost(0, 5 * 128, 0)),
        (L.Dropout.concrete(rate=0.5), (8, 8, 2), OpCost()),
        (L.Upsample.concrete(factor=2), (4, 4, 2), OpCost()),
        (L.Upsample.concrete(factor=2, mode="bilinear"), (4, 4, 2), OpCost(0, 9 * 128, 0)),
        (L.Upsample.concrete(factor=2, mode="transpose"), (4, 4, 2), OpCost(576, 1152 + 128, 38)),
        (L.Rescaling.concrete(scale=2.0), (4, 4, 2), OpCost(0, 32, 0)),
        (L.Rescaling.concrete(scale=2.0, offset=-1.0), (4, 4, 2), OpCost(0, 64, 0)),
        (L.Flatten.concrete(), (4, 4, 2), OpCost()),
    ],
    ids=repr,
)
def test_cost_by_hand(operation, shape, expected):
    assert cost(operation, shape) == expected


def test_merging_costs_one_operation_for_each_further_input():
    shape = (4, 4, 2)
    assert cost(L.Add.concrete(), shape, shape, shape) == OpCost(flops=64)
    assert cost(L.Average.concrete(), shape, shape) == OpCost(flops=64)
    assert cost(L.Merge.concrete(mode="concat"), shape, (4, 4, 7)) == OpCost()


@pytest.mark.parametrize(
    "operation",
    [
        L.Identity.concrete(),
        L.Dropout.concrete(rate=0),
        L.SpatialDropout2D.concrete(rate=0.0),
        L.Activation.concrete(function="linear"),
        L.Upsample.concrete(factor=1),
        L.UpSampling2D.concrete(size=[1, 1], interpolation="bilinear"),
        L.Merge.concrete(),
        L.Reshape.concrete(target_shape=[4, 4, 2]),
        L.Permute.concrete(dims=[1, 2, 3]),
        L.ZeroPadding2D.concrete(padding=0),
        L.Cropping2D.concrete(cropping=((0, 0), (0, 0))),
        L.Rescaling.concrete(scale=1, offset=0),
    ],
    ids=repr,
)
def test_what_does_nothing_leaves_no_node(operation):
    assert emitted(operation, (4, 4, 2)) == []


def test_flattening_a_vector_leaves_no_node():
    assert emitted(L.Flatten.concrete(), (7,)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (L.Conv2D.concrete(filters=4, kernel_size=3), L.Conv2D.concrete(filters=4, kernel_size=[3, 3], strides=(1, 1))),
        (L.Conv2D.concrete(filters=4, kernel_size=3), L.Conv2D.concrete(filters=4, kernel_size=(3, 3), activation="linear")),
        (L.Activation.concrete(function="swish"), L.Activation.concrete(function="silu")),
        (L.Activation.concrete(function="relu"), L.ReLU.concrete()),
        (L.Activation.concrete(function="relu"), L.LeakyReLU.concrete(negative_slope=0)),
        (L.Activation.concrete(function="relu6"), L.ReLU.concrete(max_value=6)),
        (L.Activation.concrete(function="leaky_relu"), L.LeakyReLU.concrete(negative_slope=0.2)),
        (L.MaxPooling2D.concrete(pool_size=2), L.MaxPooling2D.concrete(pool_size=(2, 2), strides=[2, 2])),
        (L.Dropout.concrete(rate=1), L.Dropout.concrete(rate=1.0)),
        (L.GroupNormalization.concrete(groups=-1), L.GroupNormalization.concrete(groups=2)),
        (L.Upsample.concrete(mode="transpose"), L.Conv2DTranspose.concrete(filters=2, kernel_size=3, strides=2)),
        (L.Reshape.concrete(target_shape=[-1, 2]), L.Reshape.concrete(target_shape=[64, 2])),
        (L.ZeroPadding2D.concrete(padding=1), L.ZeroPadding2D.concrete(padding=[[1, 1], [1, 1]])),
    ],
    ids=repr,
)
def test_equal_layers_are_the_same_call(one, other):
    (first,), (second,) = emitted(one, (8, 8, 2)), emitted(other, (8, 8, 2))
    assert first.call == second.call


def test_calls_leave_out_what_keras_does_anyway():
    (node,) = emitted(L.Conv2D.concrete(filters=4, kernel_size=(3, 5), strides=2), (8, 8, 2))
    assert repr(node.call) == "Conv2D(filters=4, kernel_size=(3, 5), strides=2, padding='same')"
    (node,) = emitted(L.MaxPooling2D.concrete(pool_size=3, strides=1, padding="valid"), (8, 8, 2))
    assert repr(node.call) == "MaxPooling2D(pool_size=3, strides=1)"
    (node,) = emitted(L.GroupNormalization.concrete(groups=1), (8, 8, 2))
    assert repr(node.call) == "GroupNormalization(groups=1)"


def test_a_whole_colorizer_costs_what_keras_and_the_profiler_say():
    """An encoder-decoder from gray to colour: `model.count_params()` 1,106,755; TensorFlow's profiler 250,999,424 FLOPs."""
    down = [(32, 3), (64, 3), (128, 3), (256, 1)]
    net = Net()
    x = net.input("gray", (80, 80, 1))
    for i, (filters, kernel) in enumerate(down):
        x = net.apply(L.Conv2D.concrete(filters=filters, kernel_size=kernel, strides=2), x, name=f"down{i}")
        x = net.apply(L.LeakyReLU.concrete(negative_slope=0.2), x)
        x = net.apply(L.BatchNormalization.concrete(momentum=0.8) if i < 3 else L.Dropout.concrete(rate=0.5), x)
    for i, filters in enumerate((256, 128, 64, 32)):
        x = net.apply(
            L.Conv2DTranspose.concrete(filters=filters, kernel_size=3, strides=2, activation="relu"), x, name=f"up{i}"
        )
        x = net.apply(L.BatchNormalization.concrete(), x)
    x = net.apply(L.Conv2D.concrete(filters=3, kernel_size=3, activation="tanh"), x, name="rgb")
    nodes = net.graph([x]).nodes.values()
    assert x.shape == (80, 80, 3)
    assert sum(node.cost.params for node in nodes) == 1_106_755
    assert sum(node.cost.flops for node in nodes) == pytest.approx(250_999_424, rel=0.005)
