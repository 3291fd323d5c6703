"""How `Merge` and `Upsample` wire themselves."""

from nas import layers as L
from nas.language.graph import Net


def merged(mode, *shapes, project=False):
    net = Net()
    edges = [net.input(f"in{i}", shape) for i, shape in enumerate(shapes)]
    found = net.apply(L.Merge.concrete(mode=mode, project=project), *edges, name="skip")
    return found, net.graph([found])


def test_none_is_the_main_path_alone():
    found, graph = merged("none", (8, 8, 4), (4, 4, 4))
    assert found.name == "in0"
    assert len(graph) == 2  # both inputs stay, they are the network's signature


def test_adding_projects_only_what_differs():
    found, graph = merged("add", (8, 8, 4), (8, 8, 6), (8, 8, 4), project=True)
    assert [node.name for node in graph.nodes.values()] == ["in0", "in1", "in2", "skip_project", "skip"]
    projection, add = graph.nodes["skip_project"], graph.nodes[found.name]
    assert repr(projection.call) == "Conv2D(filters=4, kernel_size=1, padding='same', use_bias=False)"
    assert (projection.inputs, projection.cost.params) == (("in1",), 24)
    assert add.call.layer == "Add"
    assert add.inputs == ("in0", "skip_project", "in2")
    assert add.commutative


def test_concatenation_keeps_channels_and_order():
    found, graph = merged("concat", (8, 8, 4), (8, 8, 6), project=True)
    assert found.shape == (8, 8, 10)
    node = graph.nodes[found.name]
    assert (node.call.layer, node.inputs, node.commutative) == ("Concatenate", ("in0", "in1"), False)


def test_a_tensor_merges_with_itself():
    net = Net()
    x = net.input("x", (4, 4, 2))
    found = net.apply(L.Merge.concrete(mode="multiply"), x, x)
    assert net.graph([found]).nodes[found.name].inputs == ("x", "x")


def test_upsampling_to_other_filters():
    net = Net()
    x = net.input("x", (5, 7, 4))
    assert net.apply(L.Upsample.concrete(factor=2, mode="transpose", filters=3), x).shape == (10, 14, 3)
    assert net.apply(L.Upsample.concrete(factor=2, mode="nearest", filters=3), x).shape == (10, 14, 4)
