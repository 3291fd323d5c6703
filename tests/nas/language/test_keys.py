"""Keys of many networks at once: they part a space exactly as fingerprints do."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import build, networks

import nas
from nas import layers as L
from nas import oneof
from nas.language.automaton.keys import Keys


def same_parts(space, vectors=None):
    """Whether points have equal keys exactly where they have equal fingerprints; how many different ones there are."""
    vectors = np.array([a.vector for a in space]) if vectors is None else vectors
    keys = Keys(space).of(vectors).tolist()
    prints = [space.architecture(vector).fingerprint for vector in vectors]
    pairs = set(zip(keys, prints, strict=True))
    assert len(pairs) == len(set(keys)) == len(set(prints))
    return len(pairs)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_spaces(description):
    space = build(description)
    assume(space is not None and space.size <= 150)
    assume(space.automaton.count == space.size)
    same_parts(space)


def cell(x):
    """A NAS-Bench-201 cell with three nodes: equal operations side by side, sums of sums."""

    def operation(name):
        return nas.choose(L.Conv2D(2, 1), L.Conv2D(2, 3), L.AveragePooling2D(3, strides=1, padding="same"), None, name=name)

    a = operation("a")(x)
    b = L.Add(name="b")(operation("xb")(x), operation("ab")(a))
    return L.Add(name="c")(operation("xc")(x), L.Add()(operation("ac")(a), operation("bc")(b)))


def test_a_cell_with_tied_operations():
    space = nas.space(input=(4, 4, 2))(cell)
    rng = np.random.default_rng(0)
    assert space.size == 4**6
    assert 300 < same_parts(space, space.genome.sample(rng, 700)) < 700


def twins(x):  # which of two equal convolutions is read twice, and by what
    a, b = L.Conv2D(2, 3, name="a")(x), L.Conv2D(2, 3, name="b")(x)
    first = nas.choose(lambda p, q: L.ReLU()(p), lambda p, q: L.ReLU()(q), name="first")(a, b)
    second = nas.choose(lambda p, q: L.Activation("tanh")(p), lambda p, q: L.Activation("tanh")(q), name="second")(a, b)
    third = nas.choose(lambda p, q: L.Conv2D(2, 1)(p), lambda p, q: L.Conv2D(2, 1)(q), name="third")(a, b)
    return L.Concatenate()(first, second, third)


def test_operations_with_weights_are_told_apart_by_who_reads_them():
    assert same_parts(nas.space(input=(4, 4, 1))(twins)) == 4  # as which of the three read the same one


def shared_or_not(x):
    y = nas.choose(lambda p, q: L.Add()(p, p), lambda p, q: L.Add()(p, L.Conv2D(2, 3, name="other")(q)), name="sum")(
        L.Conv2D(2, 3, name="one")(x), x
    )
    return L.Merge(oneof(["add", "none"]), name="skip")(L.ReLU()(y), x)


def test_one_convolution_read_twice_is_not_two():
    assert same_parts(nas.space(input=(4, 4, 2))(shared_or_not)) == 4


def equal_without_weights(x):
    y = nas.choose(
        lambda p: L.Add()(L.ReLU(name="r")(p), L.ReLU(name="s")(p)),
        lambda p: (lambda r: L.Add()(r, r))(L.ReLU(name="r")(p)),
        name="sum",
    )(L.Conv2D(2, 1)(x))
    z = nas.choose(
        lambda p, q: L.Add()(L.Add()(p, q), p),
        lambda p, q: L.Add()(p, L.Add()(q, p)),
        lambda p, q: L.Add()(p, p, q),
        name="nest",
    )(y, x)
    return nas.choose(L.Maximum(), lambda p, q: L.Maximum()(q, p), L.Concatenate(), name="order")(z, x)


def test_sums_order_and_equal_operations_without_weights():
    assert same_parts(nas.space(input=(4, 4, 2))(equal_without_weights)) == 2


def test_tied_decisions_and_zeros():
    def net(x):
        width = nas.tied([2, 4], name="width")
        a = nas.choose(L.Conv2D(width, 3), L.Zero(), name="left")(x)
        b = nas.choose(L.Conv2D(width, 3), L.Conv2D(width, 1), name="right")(x)
        return L.Concatenate()(a, L.Conv2D(2, oneof([1, 3]), name="out")(b))

    space = nas.space(input=(4, 4, 2))(net)
    assert same_parts(space) == 16


def test_a_point_that_does_not_build_has_no_key():
    from nas.language.space import SearchSpace
    from nas.language.tracing import trace_network

    def net(x):
        return L.Add(name="sum")(L.Conv2D(oneof([1, 2]), 1)(x), x)

    block, _ = trace_network(net, {"x": (4, 4, 1)}, "net")
    keys = Keys(SearchSpace("net", block, inputs={"x": (4, 4, 1)})).of(np.array([[0], [1]]))
    assert keys[0] != 0
    assert keys[1] == 0


@pytest.mark.slow
def test_colorizer():
    from search_spaces.colorizer import colorizer

    rng = np.random.default_rng(0)
    vectors = colorizer.genome.sample(rng, 500)
    same_parts(colorizer, np.concatenate([vectors, colorizer.genome.mutate(vectors, rng)]))
