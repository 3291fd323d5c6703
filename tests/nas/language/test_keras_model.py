"""Models against the graph they are built from, and against Keras itself."""

import numpy as np
import pytest
from graphs import Sketch, book_network, unet

from nas.errors import ShapeError, SpaceError
from nas.language.graph import Graph, Node
from nas.language.keras_model import build_model
from nas.language.operation import KerasCall, OpCost
from nas.language.pricing import price


def test_the_books_network():
    network = book_network()
    model = build_model(network, name="book")
    assert model.name == "book"
    assert [layer.name for layer in model.layers] == list(network.nodes)
    assert model.count_params() == price(network).params == 1_106_755
    assert model.input_shape == (None, 80, 80, 1)
    assert model.output_shape == (None, 80, 80, 3)
    assert model.get_layer("enc1").strides == (2, 2)


def test_parameters_and_shapes_of_each_layer_are_the_graphs():
    network = unet(widths=(4, 8), bottleneck=8, size=16)
    model = build_model(network)
    for node in network.nodes.values():
        layer = model.get_layer(node.name)
        assert layer.output.shape[1:] == node.shape
        assert layer.count_params() == node.cost.params


def test_the_seed_decides_the_weights():
    network = unet(widths=(4,), bottleneck=4, size=8)
    a, b, c = (build_model(network, seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(a, c, strict=True))


def test_several_inputs_and_outputs_keep_their_order_and_are_lists():
    net = Sketch()
    a, b = net.input(4, 4, 1, name="a"), net.input(4, 4, 2, name="b")
    late, early = net.conv(b, 3, name="late"), net.conv(a, 5, name="early")
    model = build_model(net.graph(late, early, a))
    assert [t.name for t in model.inputs] == ["a", "b"]
    assert [shape[-1] for shape in model.output_shape] == [3, 5, 1]
    outputs = model([np.ones((2, 4, 4, 1)), np.ones((2, 4, 4, 2))])
    assert [output.shape[-1] for output in outputs] == [3, 5, 1]


def test_one_node_read_twice_shares_weights_and_two_equal_nodes_do_not():
    net = Sketch()
    x = net.input(4, 4, 1)
    shared = net.conv(x, 2)
    assert build_model(net.graph(net.concat(shared, shared))).count_params() == 20
    assert build_model(net.graph(net.concat(shared, net.conv(x, 2)))).count_params() == 40


def test_concatenation_takes_its_inputs_in_order():
    net = Sketch()
    a, b = net.input(1, name="a"), net.input(1, name="b")
    model = build_model(net.graph(net.concat(b, a, b)))
    assert np.array(model([np.array([[1.0]]), np.array([[2.0]])])).tolist() == [[2.0, 1.0, 2.0]]


def test_lists_stand_for_tuples():
    net = Sketch()
    x = net.pool(net.input(8, 8, 2))  # pool_size=[2, 2]
    x = net.add(None, KerasCall("ZeroPadding2D", padding=[[1, 0], [0, 1]]), x, (5, 5, 2))
    x = net.add(None, KerasCall("Reshape", target_shape=[25, 2]), x, (25, 2))
    assert build_model(net.graph(x)).output_shape == (None, 25, 2)


def test_a_dead_node_is_not_built():
    net = Sketch()
    x = net.input(4, 4, 1)
    net.conv(x, 2, name="dead")
    assert [layer.name for layer in build_model(net.graph(net.conv(x, 2, name="live"))).layers] == ["image", "live"]


def one_node(call, shape=(4, 4, 2)):
    nodes = {"x": Node("x", "x", None, (), (4, 4, 2), OpCost()), "y": Node("y", "decoder.up", call, ("x",), shape, OpCost())}
    return Graph(nodes, ["x"], ["y"])


@pytest.mark.parametrize("layer", ["Conv2DD", "Input", "add", "__class__", "serialize"])
def test_an_unknown_layer_is_named_with_its_place(layer):
    with pytest.raises(SpaceError) as caught:
        build_model(one_node(KerasCall(layer)))
    assert str(caught.value).startswith(
        f"decoder.up: Keras has no layer {layer!r}, expected the name of a class in keras.layers"
    )
    assert ("Conv2D" in str(caught.value)) == (layer == "Conv2DD")


def test_arguments_that_keras_refuses_are_named_with_their_place():
    with pytest.raises(SpaceError, match=r"decoder\.up: Keras refuses Conv2D\(filters=2, kernel=3\) on \(4, 4, 2\)"):
        build_model(one_node(KerasCall("Conv2D", filters=2, kernel=3)))


def test_a_shape_rule_that_disagrees_with_keras_is_caught():
    call = KerasCall("Conv2D", filters=2, kernel_size=3)
    with pytest.raises(
        ShapeError, match=r"decoder\.up: Conv2D\(.*\) gives \(2, 2, 2\) in Keras, expected \(4, 4, 2\) by its shape rule"
    ):
        build_model(one_node(call))
