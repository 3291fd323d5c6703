"""Shape inference over a whole space: proofs, definite mistakes, doubts and witnesses."""

import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.errors import ShapeError


def define(function, shape=(8, 8, 1)):
    return nas.space(input=shape)(function)


def test_no_doubt_is_a_proof():
    space = define(lambda x: L.Conv2D(oneof([4, 8]), oneof([3, 5]), strides=oneof([1, 2]))(x))
    assert space.doubts == ()
    assert space.output_shape is None  # four shapes are possible
    for architecture in space:
        assert architecture.network.nodes


def test_a_mistake_in_every_architecture_is_reported_at_definition():
    with pytest.raises(ShapeError) as caught:
        define(lambda x: L.Add(name="skip")(L.MaxPooling2D(2, name="pool")(x), x))
    assert caught.value.path == "skip"


def test_a_mistake_in_some_architectures_comes_with_a_witness():
    def net(x):
        y = L.Conv2D(oneof([1, 4]), 3, name="conv")(x)
        return L.Add(name="skip")(y, x)

    with pytest.raises(ShapeError) as caught:
        define(net)
    assert caught.value.path == "skip"
    assert '"conv.filters": 4' in str(caught.value)


def test_an_option_that_never_fits_is_named_although_the_others_fit():
    with pytest.raises(ShapeError):
        define(lambda x: nas.choose(L.Conv2D(4, 3), L.Reshape((3, 3)), name="op")(x))


def test_a_doubt_about_correlated_choices_is_settled_by_a_proof():
    def net(x):
        both = nas.choose(lambda a: L.Conv2D(4, 3)(a), lambda a: L.Conv2D(8, 3)(a), name="width")(x)
        return L.Add()(both, L.ReLU()(both))  # always equal; as independent sets they would not be

    space = define(net)
    assert space.doubts == ()
    assert space.proof.status == "proved"
    assert all(architecture.network for architecture in space)
