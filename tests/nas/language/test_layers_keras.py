"""Every layer against the stock Keras layer it stands for: output shape and number of weights, exactly."""

import pytest

from nas.language import layers as L
from nas.language.graph import Net

IMAGE, ODD, STEPS, VOLUME, FLAT = (12, 8, 6), (9, 7, 4), (11, 6), (6, 5, 7, 4), (10,)

ONE_INPUT = [
    (L.Conv1D, STEPS, {"filters": 5, "kernel_size": 3}),
    (L.Conv1D, STEPS, {"filters": 6, "kernel_size": 4, "strides": 3, "padding": "valid", "groups": 3}),
    (L.Conv1D, STEPS, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "valid"}),
    (L.Conv2D, IMAGE, {"filters": 5, "kernel_size": 3}),
    (L.Conv2D, ODD, {"filters": 5, "kernel_size": 3, "strides": 2}),
    (L.Conv2D, ODD, {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "valid"}),
    (L.Conv2D, ODD, {"filters": 5, "kernel_size": (5, 2), "strides": (1, 3), "use_bias": False}),
    (L.Conv2D, ODD, {"filters": 5, "kernel_size": [2, 4], "strides": [3, 2], "padding": "valid", "activation": "relu"}),
    (L.Conv2D, IMAGE, {"filters": 4, "kernel_size": 3, "groups": 2, "activation": "swish"}),
    (L.Conv2D, IMAGE, {"filters": 4, "kernel_size": 3, "dilation_rate": (3, 2), "padding": "valid"}),
    (L.Conv2D, (1, 1, 3), {"filters": 4, "kernel_size": 5, "strides": 4}),
    (L.Conv3D, VOLUME, {"filters": 3, "kernel_size": (1, 2, 3), "strides": 2}),
    (L.Conv3D, VOLUME, {"filters": 4, "kernel_size": 2, "padding": "valid", "groups": 2, "activation": "linear"}),
    (L.Conv1DTranspose, STEPS, {"filters": 5, "kernel_size": 2, "strides": 3, "padding": "valid"}),
    (L.Conv1DTranspose, STEPS, {"filters": 5, "kernel_size": 4, "strides": 2}),
    (L.Conv2DTranspose, ODD, {"filters": 5, "kernel_size": 3, "strides": 2}),
    (L.Conv2DTranspose, ODD, {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "valid", "use_bias": False}),
    (
        L.Conv2DTranspose,
        ODD,
        {"filters": 5, "kernel_size": (2, 5), "strides": (3, 1), "padding": "valid", "activation": "tanh"},
    ),
    (L.Conv2DTranspose, ODD, {"filters": 5, "kernel_size": (2, 5), "strides": (3, 1)}),
    (L.Conv2DTranspose, ODD, {"filters": 5, "kernel_size": 3, "dilation_rate": 2, "padding": "valid"}),
    (L.Conv3DTranspose, VOLUME, {"filters": 2, "kernel_size": 3, "strides": (1, 2, 2), "padding": "valid"}),
    (L.Conv3DTranspose, VOLUME, {"filters": 2, "kernel_size": 2, "strides": 3}),
    (L.DepthwiseConv1D, STEPS, {"kernel_size": 3, "strides": 2, "depth_multiplier": 2}),
    (L.DepthwiseConv2D, ODD, {"kernel_size": 3}),
    (L.DepthwiseConv2D, ODD, {"kernel_size": 5, "strides": 2, "padding": "valid", "use_bias": False}),
    (L.DepthwiseConv2D, ODD, {"kernel_size": 3, "depth_multiplier": 3, "dilation_rate": 2, "activation": "relu6"}),
    (L.SeparableConv1D, STEPS, {"filters": 7, "kernel_size": 3, "depth_multiplier": 2, "dilation_rate": 2}),
    (L.SeparableConv2D, ODD, {"filters": 7, "kernel_size": 3}),
    (L.SeparableConv2D, ODD, {"filters": 7, "kernel_size": (3, 1), "strides": 2, "padding": "valid", "use_bias": False}),
    (L.SeparableConv2D, ODD, {"filters": 7, "kernel_size": 3, "depth_multiplier": 2, "activation": "gelu"}),
    (L.Dense, FLAT, {"units": 7}),
    (L.Dense, IMAGE, {"units": 7, "use_bias": False, "activation": "softmax"}),
    (L.MaxPooling1D, STEPS, {}),
    (L.MaxPooling1D, STEPS, {"pool_size": 3, "strides": 1, "padding": "valid"}),
    (L.MaxPooling2D, ODD, {}),
    (L.MaxPooling2D, ODD, {"padding": "valid"}),
    (L.MaxPooling2D, ODD, {"pool_size": 3, "strides": 2}),
    (L.MaxPooling2D, ODD, {"pool_size": 3, "strides": 1}),
    (L.MaxPooling2D, ODD, {"pool_size": (3, 2), "strides": (1, 4), "padding": "valid"}),
    (L.MaxPooling2D, (2, 2, 3), {"pool_size": 5}),
    (L.MaxPooling3D, VOLUME, {"pool_size": (2, 1, 3)}),
    (L.AveragePooling1D, STEPS, {"pool_size": 4}),
    (L.AveragePooling2D, ODD, {"pool_size": 3, "strides": (2, 1)}),
    (L.AveragePooling2D, IMAGE, {"pool_size": (3, 3), "strides": 3, "padding": "valid"}),
    (L.AveragePooling3D, VOLUME, {"padding": "valid"}),
    *((getattr(L, f"Global{kind}Pooling1D"), STEPS, {}) for kind in ("Average", "Max")),
    *((getattr(L, f"Global{kind}Pooling2D"), ODD, {"keepdims": kept}) for kind in ("Average", "Max") for kept in (True, False)),
    *((getattr(L, f"Global{kind}Pooling3D"), VOLUME, {"keepdims": True}) for kind in ("Average", "Max")),
    (L.BatchNormalization, IMAGE, {}),
    (L.BatchNormalization, FLAT, {"momentum": 0.8, "epsilon": 1e-5}),
    (L.LayerNormalization, IMAGE, {}),
    (L.LayerNormalization, STEPS, {"epsilon": 1e-6}),
    (L.GroupNormalization, IMAGE, {"groups": 3}),
    (L.GroupNormalization, IMAGE, {"groups": 1}),
    (L.GroupNormalization, IMAGE, {"groups": -1, "epsilon": 1e-5}),
    *(
        (L.Activation, IMAGE, {"function": name})
        for name in ("relu", "relu6", "leaky_relu", "silu", "swish", "hard_swish", "elu")
    ),
    *(
        (L.Activation, IMAGE, {"function": name})
        for name in ("selu", "celu", "gelu", "mish", "tanh", "sigmoid", "hard_sigmoid")
    ),
    *((L.Activation, STEPS, {"function": name}) for name in ("softplus", "softsign", "exponential", "softmax", "log_softmax")),
    (L.LeakyReLU, IMAGE, {}),
    (L.LeakyReLU, IMAGE, {"negative_slope": 0.2}),
    (L.LeakyReLU, IMAGE, {"negative_slope": 0}),
    (L.ReLU, IMAGE, {}),
    (L.ReLU, IMAGE, {"max_value": 6}),
    (L.ReLU, IMAGE, {"max_value": 1.5}),
    (L.Dropout, IMAGE, {"rate": 0.5}),
    (L.SpatialDropout1D, STEPS, {"rate": 0.5}),
    (L.SpatialDropout2D, IMAGE, {"rate": 1}),
    (L.SpatialDropout3D, VOLUME, {"rate": 0.1}),
    (L.UpSampling2D, ODD, {}),
    (L.UpSampling2D, ODD, {"size": (1, 3), "interpolation": "bilinear"}),
    (L.UpSampling2D, ODD, {"interpolation": "bicubic"}),
    (L.UpSampling1D, STEPS, {"size": 3}),
    (L.UpSampling3D, VOLUME, {"size": (1, 2, 3)}),
    *((L.Downsample, shape, {"mode": "max"}) for shape in (STEPS, ODD, VOLUME)),
    *((L.Downsample, shape, {"mode": "average"}) for shape in (STEPS, ODD, VOLUME)),
    *((L.Downsample, shape, {"factor": 3, "mode": "strided", "filters": 5}) for shape in (STEPS, ODD, VOLUME)),
    *((L.Upsample, shape, {"factor": 3}) for shape in (STEPS, VOLUME)),
    *((L.Upsample, shape, {"mode": mode}) for shape in (STEPS, VOLUME) for mode in ("bilinear", "transpose", "subpixel")),
    (L.DepthToSpace, (3, 5, 12), {"factor": (2, 3)}),
    (L.SpaceToDepth, IMAGE, {"factor": (3, 2)}),
    (L.Upsample, ODD, {"factor": 3}),
    (L.Upsample, ODD, {"factor": (2, 4), "mode": "bilinear"}),
    (L.Upsample, ODD, {"mode": "transpose"}),
    (L.Upsample, ODD, {"factor": [1, 2], "mode": "transpose", "filters": 3, "kernel_size": [3, 4]}),
    (L.Flatten, IMAGE, {}),
    (L.Reshape, IMAGE, {"target_shape": (4, 6, 24)}),
    (L.Reshape, IMAGE, {"target_shape": [16, -1]}),
    (L.Permute, ODD, {"dims": (3, 1, 2)}),
    (L.ZeroPadding2D, ODD, {}),
    (L.ZeroPadding2D, ODD, {"padding": ((1, 0), (2, 3))}),
    (L.Cropping2D, ODD, {"cropping": (2, 1)}),
    (L.Cropping2D, ODD, {"cropping": [[0, 1], [1, 0]]}),
    (L.ZeroPadding1D, STEPS, {"padding": (2, 1)}),
    (L.Cropping1D, STEPS, {"cropping": 2}),
    (L.ZeroPadding3D, VOLUME, {"padding": (1, 0, 2)}),
    (L.Cropping3D, VOLUME, {"cropping": ((1, 0), (0, 2), (1, 1))}),
    (L.Rescaling, IMAGE, {"scale": 1 / 127.5, "offset": -1}),
    (L.Normalization, IMAGE, {}),
    (L.Normalization, (8, 8, 2), {"mean": (0.5, 0.4), "variance": [0.1, 0.2]}),
    (L.Resizing, IMAGE, {"height": 9}),
    (L.Resizing, IMAGE, {"height": 30, "width": 8, "interpolation": "nearest"}),
    (L.SqueezeExcite, STEPS, {"units": 4}),
    (L.SqueezeExcite, IMAGE, {}),
    (L.SqueezeExcite, VOLUME, {"ratio": 0.5, "divisor": 8, "activation": "swish", "gate": "hard_sigmoid"}),
    (L.SelfAttention, STEPS, {"heads": 2, "key_dim": 3}),
    (L.SelfAttention, IMAGE, {"heads": 3, "key_dim": 4, "use_bias": False}),
    (L.SelfAttention, IMAGE, {"heads": 1, "key_dim": 5, "attention_axes": (2,), "dropout": 0.1}),
    (L.SelfAttention, VOLUME, {"heads": 2, "key_dim": 2, "attention_axes": [1, 3]}),
]

SEVERAL_INPUTS = [
    (L.Add, [IMAGE, IMAGE], {}),
    (L.Add, [IMAGE, IMAGE, IMAGE], {}),
    (L.Multiply, [IMAGE, (1, 1, 6)], {}),
    (L.Multiply, [(12, 8, 1), IMAGE], {}),
    (L.Average, [IMAGE, IMAGE], {}),
    (L.Maximum, [STEPS, STEPS], {}),
    (L.Concatenate, [IMAGE, (12, 8, 2), (12, 8, 1)], {}),
    (L.Concatenate, [FLAT, (3,)], {}),
    (L.Merge, [IMAGE, IMAGE], {}),
    (L.Merge, [IMAGE, (12, 8, 3)], {"mode": "concat"}),
    (L.Merge, [IMAGE, (12, 8, 3), IMAGE], {"mode": "add", "project": True}),
    (L.Merge, [STEPS, (11, 3)], {"mode": "multiply", "project": True}),
    (L.Merge, [VOLUME, (6, 5, 7, 1)], {"mode": "average", "project": True}),
    (L.Merge, [FLAT, (4,)], {"mode": "maximum", "project": True}),
    (L.MatchGrid, [ODD, IMAGE], {}),
    (L.MatchGrid, [IMAGE, ODD], {"how": "crop"}),
    (L.MatchGrid, [STEPS, (14, 3)], {"how": "pad"}),
]


def cases():
    for layer, shape, fields in ONE_INPUT:
        yield pytest.param(layer, [shape], fields, id=f"{layer.__name__}-{fields}")
    for layer, shapes, fields in SEVERAL_INPUTS:
        yield pytest.param(layer, shapes, fields, id=f"{layer.__name__}-{len(shapes)}-{fields}")


def build(graph):
    """The Keras model of a graph, in the plainest way."""
    import keras

    tensors = {name: keras.Input(graph.nodes[name].shape) for name in graph.inputs}
    inputs = list(tensors.values())
    for node in graph.nodes.values():
        if node.call:
            sources = [tensors[name] for name in node.inputs]
            layer = getattr(keras.layers, node.call.layer)(**node.call.kwargs)
            tensors[node.name] = layer(*sources) if node.call.separate or len(sources) == 1 else layer(sources)
            assert layer.count_params() == node.cost.params, node
            assert tensors[node.name].shape == (None, *node.shape), node
    return keras.Model(inputs, [tensors[name] for name in graph.outputs])


@pytest.mark.parametrize(("layer", "shapes", "fields"), cases())
def test_shape_and_weights_are_those_of_keras(layer, shapes, fields):
    net = Net()
    edges = [net.input(f"input{i}", shape) for i, shape in enumerate(shapes)]
    found = net.apply(layer.concrete(**fields), *edges)
    graph = net.graph([found])
    model = build(graph)
    assert model.outputs[0].shape == (None, *found.shape)
    assert model.count_params() == sum(node.cost.params for node in graph.nodes.values())


def test_every_layer_is_compared_with_keras():
    compared = {layer for layer, *_ in ONE_INPUT + SEVERAL_INPUTS}
    compared |= {L.Identity, L.Pick, L.Zero}  # these leave no layer to compare
    assert {getattr(L, name) for name in L.__all__} == compared


def test_flops_agree_with_the_tensorflow_profiler_where_convolutions_dominate():
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    net = Net()
    x = image = net.input("image", (32, 32, 3))
    for layer in (
        L.Conv2D.concrete(filters=16, kernel_size=3, strides=2, activation="relu"),
        L.BatchNormalization.concrete(),
        L.Conv2D.concrete(filters=32, kernel_size=(1, 5), use_bias=False),
        L.SeparableConv2D.concrete(filters=24, kernel_size=3, strides=2),
        L.MaxPooling2D.concrete(),
        L.Conv2DTranspose.concrete(filters=16, kernel_size=3, strides=2),
        L.Upsample.concrete(factor=4, mode="transpose", filters=8, kernel_size=4),
        L.Conv2D.concrete(filters=8, kernel_size=3, padding="valid", activation="relu"),
        L.GlobalAveragePooling2D.concrete(),
        L.Dense.concrete(units=10),
    ):
        x = net.apply(layer, x)
    graph = net.graph([x])
    model = build(graph)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec((1, *image.shape)))
    frozen, _ = convert_variables_to_constants_v2_as_graph(function)
    with tf.Graph().as_default() as tf_graph:
        tf.graph_util.import_graph_def(frozen.graph.as_graph_def(), name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
        profiled = tf.compat.v1.profiler.profile(tf_graph, cmd="op", options=options.with_empty_output().build())
    counted = sum(node.cost.flops for node in graph.nodes.values())
    assert counted == pytest.approx(profiled.total_float_ops, rel=0.01)
