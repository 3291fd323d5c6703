"""The fingerprint against a brute-force isomorphism test, and case by case."""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest
from graphs import Sketch, book_network, tower, unet

from nas.language.fingerprint import fingerprint
from nas.language.graph import Graph, Node
from nas.language.operation import KerasCall, OpCost

SHAPE = (8, 8, 4)
CONV = KerasCall("Conv2D", filters=4, kernel_size=3, padding="same")
RELU = KerasCall("Activation", activation="relu")
ADD = KerasCall("Add")
MULTIPLY = KerasCall("Multiply")
CONCAT = KerasCall("Concatenate", axis=-1)
DROPOUT = KerasCall("Dropout", rate=0.5)


# -- one case each -----------------------------------------------------------------------------------------------------------


def with_two(connect):
    """The fingerprint of the network that `connect(net, a, b)` makes of two inputs; it returns the outputs."""
    net = Sketch()
    outputs = connect(net, net.input(*SHAPE, name="a"), net.input(*SHAPE, name="b"))
    return fingerprint(net.graph(*([outputs] if isinstance(outputs, str) else outputs)))


def test_looks_like_128_bits_in_hexadecimal():
    assert len(fingerprint(book_network())) == 32
    assert int(fingerprint(book_network()), 16) > 0


def test_names_and_the_order_of_insertion_do_not_matter():
    rng = random.Random(0)
    for network in (book_network(), unet(), tower(30)):
        assert {fingerprint(shuffled(network, rng)) for _ in range(5)} == {fingerprint(network)}


def test_a_different_number_in_a_layer_matters():
    assert fingerprint(unet(bottleneck=128)) != fingerprint(unet(bottleneck=64))
    assert fingerprint(unet(size=64)) != fingerprint(unet(size=32))


def test_the_order_of_inputs_and_outputs_matters():
    def one_conv(net, a, b):
        return net.sum(net.conv(a, 4), b)

    assert with_two(one_conv) != with_two(lambda net, a, b: one_conv(net, b, a))
    assert with_two(lambda net, a, b: (net.conv(a, 4), b)) != with_two(lambda net, a, b: (b, net.conv(a, 4)))
    assert with_two(lambda net, a, b: (a, b)) != with_two(lambda net, a, b: (a, b, b))


def test_an_unused_input_is_part_of_the_signature():
    alone = Sketch()
    assert fingerprint(alone.graph(alone.conv(alone.input(*SHAPE), 4))) != with_two(lambda net, a, b: net.conv(a, 4))


def test_nodes_that_no_output_needs_do_not_matter():
    def with_dead_end(net, a, b):
        net.conv(net.sum(a, b), 7)
        return net.conv(a, 4)

    assert with_two(with_dead_end) == with_two(lambda net, a, b: net.conv(a, 4))


def test_sums_are_flat_and_count_how_often():
    flat = with_two(lambda net, a, b: net.sum(a, b, net.conv(a, 4)))
    assert with_two(lambda net, a, b: net.sum(net.sum(net.conv(a, 4), b), a)) == flat
    assert with_two(lambda net, a, b: net.sum(b, net.sum(a, net.conv(a, 4)))) == flat
    twice = with_two(lambda net, a, b: net.sum(a, a, b))
    assert twice not in (with_two(lambda net, a, b: net.sum(a, b)), with_two(lambda net, a, b: net.sum(a, b, b)))
    assert with_two(lambda net, a, b: net.sum(net.sum(a, b), a)) == twice


def test_an_inner_sum_that_is_read_elsewhere_stays():
    def inner_read(net, a, b):
        inner = net.sum(a, b)
        return net.sum(inner, net.conv(inner, 4))

    def inner_copied(net, a, b):
        return net.sum(a, b, net.conv(net.sum(b, a), 4))

    assert with_two(inner_read) == with_two(inner_copied)
    assert with_two(inner_read) != with_two(lambda net, a, b: net.sum(a, b, net.conv(a, 4)))


def test_doubling_a_hundred_times_is_no_trouble():
    def doubled(net, a, b, times):
        for _ in range(times):
            a = net.sum(a, a)
        return net.sum(a, b)

    assert with_two(lambda net, a, b: doubled(net, a, b, 100)) != with_two(lambda net, a, b: doubled(net, a, b, 99))


def test_sums_and_products_do_not_mix_but_products_are_flat_too():
    def product(net, *xs):
        return net.add(None, MULTIPLY, xs, SHAPE, commutative=True)

    assert with_two(lambda net, a, b: product(net, product(net, a, b), b)) == with_two(lambda net, a, b: product(net, b, a, b))
    assert with_two(lambda net, a, b: net.sum(product(net, a, b), a)) != with_two(
        lambda net, a, b: product(net, net.sum(a, b), a)
    )


def test_concatenation_keeps_its_order():
    assert with_two(lambda net, a, b: net.concat(a, b)) != with_two(lambda net, a, b: net.concat(b, a))
    assert with_two(lambda net, a, b: net.concat(a, b, a)) != with_two(lambda net, a, b: net.concat(a, a, b))


def test_equal_operations_with_weights_are_two_and_stateless_ones_are_one():
    def shared(net, a, b):
        x = net.conv(a, 4)
        return net.concat(x, x)

    assert with_two(shared) != with_two(lambda net, a, b: net.concat(net.conv(a, 4), net.conv(a, 4)))

    def shared_relu(net, a, b):
        x = net.activation(a)
        return net.concat(x, x)

    assert with_two(shared_relu) == with_two(lambda net, a, b: net.concat(net.activation(a), net.activation(a)))


def test_two_dropouts_are_two():
    def shared(net, a, b):
        x = net.dropout(a)
        return net.sum(x, x)

    assert with_two(shared) != with_two(lambda net, a, b: net.sum(net.dropout(a), net.dropout(a)))


@pytest.mark.parametrize("layer", ["SpatialDropout2D", "GaussianNoise", "RandomFlip", "Attention"])
def test_layers_with_random_numbers_are_not_merged(layer):
    call = KerasCall(layer, dropout=0.1) if layer == "Attention" else KerasCall(layer)

    def apart(net, a, b):
        return net.concat(net.add(None, call, (a, b), SHAPE), net.add(None, call, (a, b), SHAPE))

    def shared(net, a, b):
        x = net.add(None, call, (a, b), SHAPE)
        return net.concat(x, x)

    assert with_two(apart) != with_two(shared)


def test_every_stateless_random_layer_of_keras_is_known_as_random():
    import inspect

    import keras

    from nas.language.fingerprint import is_pure

    has_weights = {"GRU", "GRUCell", "LSTM", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
    has_weights |= {"MultiHeadAttention", "GroupQueryAttention", "StackedRNNCells"}
    names = [n for n in dir(keras.layers) if inspect.isclass(getattr(keras.layers, n)) and n not in has_weights]
    seeded = [n for n in names if "seed" in inspect.signature(getattr(keras.layers, n).__init__).parameters]
    assert "Dropout" in seeded
    for name in seeded:
        assert not is_pure(Node("n", "n", KerasCall(name, dropout=0.1), ("x",), SHAPE, OpCost())), name


def test_crossed_and_parallel_branches_differ():
    """Two equal convolutions followed by two equal ones each, summed within or across: the trees above are alike."""

    def pairs(net, a, b, order):
        left, right = net.conv(a, 4), net.conv(a, 4)
        leaves = [net.conv(left, 4), net.conv(left, 4), net.conv(right, 4), net.conv(right, 4)]
        i, j, k, m = (leaves[i] for i in order)
        return net.sum(net.conv(net.sum(i, j), 4), net.conv(net.sum(k, m), 4))

    within, across = (with_two(lambda net, a, b, o=order: pairs(net, a, b, o)) for order in ((0, 1, 2, 3), (0, 2, 1, 3)))
    assert within != across
    assert with_two(lambda net, a, b: pairs(net, a, b, (3, 2, 1, 0))) == within
    assert with_two(lambda net, a, b: pairs(net, a, b, (3, 0, 2, 1))) == across


def test_refinement_alone_would_not_tell_a_hexagon_from_two_triangles():
    hexagon = sums_of_pairs(6, [(i, (i + 1) % 6) for i in range(6)])
    triangles = sums_of_pairs(6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)])
    assert fingerprint(hexagon) != fingerprint(triangles)
    assert fingerprint(hexagon) == fingerprint(sums_of_pairs(6, [(5, 2), (3, 0), (2, 4), (0, 5), (1, 3), (4, 1)]))


# -- against brute force -----------------------------------------------------------------------------------------------------


def test_equal_exactly_when_isomorphic_on_random_networks():
    rng = random.Random(1)
    equal = check_against_brute_force([random_network(rng, 1 + rng.randrange(6)) for _ in range(300)])
    assert equal > 100


def test_equal_exactly_when_isomorphic_on_networks_full_of_ties():
    rng = random.Random(2)
    networks = []
    for _ in range(60):
        width = rng.choice([4, 5, 6])
        pairs = rng.sample(list(itertools.combinations(range(width), 2)), rng.randrange(2, 7))
        networks.append(sums_of_pairs(width, pairs))
    equal = check_against_brute_force(networks)
    assert equal > 30  # the sample has isomorphic pairs that were built differently


def test_rewritten_copies_are_equal():
    rng = random.Random(3)
    for _ in range(200):
        network = random_network(rng, 2 + rng.randrange(8))
        assert fingerprint(disguised(network, rng)) == fingerprint(network)


@pytest.mark.slow
def test_equal_exactly_when_isomorphic_on_thousands_of_networks():
    rng = random.Random(4)
    for _ in range(5):
        check_against_brute_force([random_network(rng, 3 + rng.randrange(5)) for _ in range(400)])


def check_against_brute_force(networks):
    """Compares all pairs, returns how many are equal."""
    prints = [fingerprint(network) for network in networks]
    normal = [normal_form(network) for network in networks]
    equal = 0
    for (p, a), (q, b) in itertools.combinations(zip(prints, normal, strict=True), 2):
        isomorphic = len(a) == len(b) and nx.is_isomorphic(a, b, dict.__eq__, dict.__eq__)
        assert (p == q) == isomorphic
        equal += isomorphic
    return equal


def normal_form(network):
    """The rewriting rules applied one by one until none applies, as a labelled networkx graph."""
    nodes = {name: (node.call, node.inputs) for name, node in network.nodes.items()}
    outputs = list(network.outputs)

    def arguments(name):
        inputs = nodes[name][1]
        return sorted(inputs) if network.nodes[name].commutative else list(inputs)

    def rewrite_once():
        needed = set(outputs) | set(network.inputs) | {source for _, inputs in nodes.values() for source in inputs}
        for name, (call, inputs) in nodes.items():
            if name not in needed:
                del nodes[name]
                return True
            for k, source in enumerate(inputs):
                if call == ADD and nodes[source][0] == ADD:
                    nodes[name] = (call, (*inputs[:k], *nodes[source][1], *inputs[k + 1 :]))
                    return True
        for a, b in itertools.combinations(nodes, 2):
            stateless = nodes[a][0] in (RELU, ADD, CONCAT)
            if stateless and nodes[a][0] == nodes[b][0] and arguments(a) == arguments(b):
                outputs[:] = [a if name == b else name for name in outputs]
                del nodes[b]
                for name, (call, inputs) in nodes.items():
                    nodes[name] = (call, tuple(a if source == b else source for source in inputs))
                return True
        return False

    while rewrite_once():
        pass
    graph = nx.DiGraph()
    for name, (call, inputs) in nodes.items():
        label = call.key if call else f"input {network.inputs.index(name)}"
        graph.add_node(name, label=label, outputs=[k for k, output in enumerate(outputs) if output == name])
        ordered = not network.nodes[name].commutative
        for source, count in Counter(inputs).items():
            ports = [k for k, other in enumerate(inputs) if other == source] if ordered else count
            graph.add_edge(source, name, ports=ports)
    return graph


def make_node(name, call, inputs):
    params = 10 if call == CONV else 0
    return Node(name, name, call, tuple(inputs), SHAPE, OpCost(0, 0, params), call == ADD)


def random_network(rng, operations):
    """A network of few kinds of operations, so that ties, sums of sums and equal stateless nodes are common."""
    inputs = ["i0", "i1"][: rng.choice([1, 1, 2])]
    nodes = {name: make_node(name, None, ()) for name in inputs}
    for k in range(operations):
        call = rng.choice([CONV, CONV, RELU, ADD, ADD, CONCAT, DROPOUT])
        sources = rng.choices(list(nodes), k=1 if call in (CONV, RELU, DROPOUT) else rng.choice([2, 2, 3]))
        nodes[f"n{k}"] = make_node(f"n{k}", call, sources)
    outputs = [list(nodes)[-1], *rng.sample(list(nodes), rng.choice([0, 0, 1]))]
    return Graph(nodes, inputs, outputs)


def sums_of_pairs(width, pairs):
    """`width` equal convolutions of one input; each pair is summed and convolved; the sum of all is the output."""
    net = Sketch()
    x = net.input(*SHAPE)
    leaves = [net.add(None, CONV, x, SHAPE, OpCost(0, 0, 10)) for _ in range(width)]
    read = [net.add(None, ADD, (leaves[i], leaves[j]), SHAPE, commutative=True) for i, j in pairs]
    tops = [net.add(None, CONV, y, SHAPE, OpCost(0, 0, 10)) for y in read]
    return net.graph(net.add(None, ADD, tops, SHAPE, commutative=True))


def shuffled(network, rng):
    """The same network with other names, in another topological order, inputs of sums in another order."""
    order = []
    waiting = list(network.nodes)
    while waiting:
        ready = [name for name in waiting if set(network.nodes[name].inputs) <= set(order)]
        order.append(rng.choice(ready))
        waiting.remove(order[-1])
    names = {name: f"x{k}" for k, name in enumerate(rng.sample(order, len(order)))}
    nodes = {}
    for name in order:
        node = network.nodes[name]
        sources = [names[source] for source in node.inputs]
        if node.commutative:
            rng.shuffle(sources)
        nodes[names[name]] = Node(names[name], "", node.call, tuple(sources), node.shape, node.cost, node.commutative)
    return Graph(nodes, [names[name] for name in network.inputs], [names[name] for name in network.outputs])


def disguised(network, rng):
    """`shuffled`, with sums nested at random, stateless nodes doubled and dead nodes added."""
    nodes = {}
    copies = {}  # name -> names of nodes that compute the same
    for name, node in network.nodes.items():
        nodes[name] = node if node.call is None else make_node(name, node.call, [rng.choice(copies[s]) for s in node.inputs])
        copies[name] = [name]
        if node.call == ADD and len(node.inputs) == 3:
            nodes[f"{name}_part"] = make_node(f"{name}_part", ADD, nodes[name].inputs[:2])
            nodes[name] = make_node(name, ADD, (nodes[name].inputs[2], f"{name}_part"))
            nodes[name] = nodes.pop(name)  # after its part
        if node.call in (RELU, ADD, CONCAT) and rng.random() < 0.5:
            twin = make_node(f"{name}_twin", node.call, nodes[name].inputs)
            nodes[twin.name] = twin
            copies[name].append(twin.name)
        if rng.random() < 0.3:
            nodes[f"{name}_dead"] = make_node(f"{name}_dead", CONV, [name])
    outputs = [rng.choice(copies[name]) for name in network.outputs]
    return shuffled(Graph(nodes, network.inputs, outputs), rng)


# -- stable and fast ---------------------------------------------------------------------------------------------------------


def test_is_the_same_in_every_process():
    here = Path(__file__).parent
    code = (
        "import json; from graphs import *; from nas.language.fingerprint import fingerprint; from test_fingerprint import *; "
        "print(json.dumps([fingerprint(g) for g in (book_network(), unet(), sums_of_pairs(4, [(0, 1), (1, 2)]))]))"
    )
    path = os.pathsep.join([str(here), str(here.parents[2])])
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here_and_now = [fingerprint(g) for g in (book_network(), unet(), sums_of_pairs(4, [(0, 1), (1, 2)]))]
    assert json.loads(run.stdout) == here_and_now


def test_does_not_change_between_releases():
    """Stores on disk hold fingerprints: changing one means migrating them."""
    assert fingerprint(book_network()) == "c0fd50c2aba23cc9b6693e6b23ce234e"


def test_is_fast():
    network = tower(100)
    assert len(network) == 100
    assert best_of(20, lambda: fingerprint(network)) < 1.5e-3


def test_equal_branches_side_by_side_stay_cheap():
    net = Sketch()
    x = net.input(*SHAPE)
    network = net.graph(net.sum(*(net.activation(net.norm(net.conv(x, 4))) for _ in range(32))))
    assert best_of(5, lambda: fingerprint(network)) < 20e-3


def best_of(n, function):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
