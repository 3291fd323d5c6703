"""Zeros: no connection, and what becomes of the operations around it."""

import numpy as np
import pytest

import nas
from nas import layers as L
from nas.language.automaton.batch import Pricer
from nas.language.budget import within
from nas.language.costing import find_metric
from nas.language.fingerprint import fingerprint
from nas.language.graph import Net
from nas.language.proof import prove

SHAPE = (8, 8, 4)


def network(function, **inputs):
    """The graph of a function that has nothing to decide."""
    return nas.space(inputs=inputs or {"x": SHAPE})(function).architecture({}).network


def layers(graph):
    return [node.call.layer for node in graph.nodes.values() if node.call]


def test_sums_leave_zeros_out():
    assert layers(network(lambda x: L.Add()(x, L.Zero()(x)))) == []
    assert layers(network(lambda x: L.Add()(x, L.Zero()(x), L.ReLU()(x)))) == ["Activation", "Add"]
    assert layers(network(lambda x: L.Merge("add", project=True)(x, L.Zero(filters=7)(x)))) == []


def test_a_product_with_zeros_is_zero_and_its_other_factor_is_dead():
    graph = network(lambda x: L.Add()(x, L.Multiply()(L.Conv2D(4, 3)(x), L.Zero()(x))))
    assert layers(graph) == []


def test_what_is_computed_from_zeros_alone_is_not_part_of_the_network():
    def dead_branch(x):
        y = L.BatchNormalization()(L.Conv2D(4, 3)(L.Zero()(x)))
        return L.Add()(L.ReLU()(x), L.Activation("sigmoid")(y))

    assert layers(network(dead_branch)) == ["Activation"]


@pytest.mark.parametrize("layer", [L.Concatenate, L.Average, L.Maximum])
def test_other_merges_read_the_number_zero(layer):
    graph = network(lambda x: layer()(x, L.Zero()(x)))
    assert layers(graph) == ["Rescaling", layer.__name__]
    assert graph.nodes[graph.outputs[0]].inputs[0] == "x"
    free = {node.cost.flops for node in graph.nodes.values() if node.call and node.call.layer == "Rescaling"}
    assert free == {0}


def test_strides_and_filters():
    net = Net()
    x = net.input("x", (9, 8, 4))
    zeros = net.apply(L.Zero.concrete(strides=2, filters=6), x)
    assert (zeros.shape, zeros.is_zero) == ((5, 4, 6), True)
    assert net.apply(L.Zero.concrete(strides=[2, 1]), x).shape == (5, 8, 4)
    with pytest.raises(nas.errors.ShapeError, match="strides"):
        net.apply(L.Zero.concrete(strides=[2, 1, 1]), x)


def test_shapes_are_checked_all_the_same():
    with pytest.raises(nas.errors.ShapeError, match="Add got"):
        network(lambda x: L.Add()(x, L.Zero(strides=2)(x)))


@pytest.mark.parametrize("zero", [L.Zero(), L.Zero(filters=9), L.Zero(strides=2), L.Zero(strides=4, filters=1)])
def test_a_zero_that_reaches_an_output_builds_in_keras(zero):
    space = nas.space(input=SHAPE)(lambda x: [L.Conv2D(3, 3)(zero(x)), x])
    architecture = space.architecture({})
    assert architecture.cost().params == architecture.cost().flops == 0
    zeros, same = architecture.build()(np.ones((2, *SHAPE), "float32"))
    assert tuple(zeros.shape[1:]) == architecture.network.nodes[architecture.network.outputs[0]].shape
    assert not np.any(zeros)
    assert np.all(same == 1)


def test_zeros_are_the_same_whatever_they_are_made_from():
    a = network(lambda x, y: L.Concatenate()(x, y, L.Zero()(x)), x=SHAPE, y=SHAPE)
    b = network(lambda x, y: L.Concatenate()(x, y, L.ReLU()(L.Zero()(y))), x=SHAPE, y=SHAPE)
    c = network(lambda x, y: L.Concatenate()(x, y, L.ReLU()(y)), x=SHAPE, y=SHAPE)
    assert fingerprint(a) == fingerprint(b) != fingerprint(c)

    wide, deep = {"x": (4, 4, 8)}, {"x": (2, 2, 32)}
    assert fingerprint(network(lambda x: [x, L.Zero(filters=2)(x)], **wide)) == fingerprint(
        network(lambda x: [x, L.Zero(filters=2)(L.ReLU()(x))], **wide)
    )
    assert fingerprint(network(lambda x: L.Zero(filters=2)(x), **wide)) != fingerprint(
        network(lambda x: L.Zero(filters=2)(x), **deep)
    )


@nas.space(input=SHAPE)
def mixed(x):
    """Every way of meeting zeros, as decisions."""
    a = nas.choose(L.Zero(), L.Conv2D(4, 3), None, name="a")(x)
    b = nas.choose(L.BatchNormalization(), L.Activation("sigmoid"), name="b")(a)
    c = nas.choose(L.Zero(), L.Conv2D(4, 1), name="c")(x)
    d = L.Merge(nas.oneof(["add", "concat", "multiply", "average", "none"]), name="d")(b, c)
    return L.Concatenate()(nas.choose(L.Conv2D(2, 3), L.Zero(filters=2), name="e")(d), c)


def test_whole_spaces_are_proved_and_priced_alike():
    assert prove(mixed).status == "proved"
    metrics = ("flops", "macs", "params")
    pricer = Pricer(mixed, [find_metric(name) for name in metrics])
    every = list(mixed)
    priced = pricer.price(np.stack([architecture.vector for architecture in every]))
    assert priced.builds.all()
    assert priced.costs.tolist() == [[getattr(architecture.cost(), m) for m in metrics] for architecture in every]
    dear = max(architecture.cost().params for architecture in every)
    assert within(mixed, params=dear - 1).size == sum(architecture.cost().params < dear for architecture in every)


def test_tied_cells_with_missing_edges_are_counted_and_priced():
    """Where the first cell lets nothing through, the later ones are applied to zeros: other shapes for the automaton."""

    @nas.space(input=SHAPE)
    def stacked(x):
        def edges(y):
            options = (L.Conv2D(4, 3, name="conv"), None, L.ReLU(name="relu"), L.Zero(name="none"))
            return L.Add()(nas.choose(*options, name="left")(y), nas.choose(*options, name="right")(y))

        cell = nas.tied(edges, name="cell")
        return cell(cell(cell(x)))

    assert stacked.size == 16
    assert prove(stacked).status == "proved"
    costs = sorted(architecture.cost().flops for architecture in stacked)
    for limit in costs:
        assert within(stacked, flops=limit).size == sum(cost <= limit for cost in costs)
