"""Squeeze and excite, self-attention, and the layers at a network's input: structure, costs by hand, errors, Keras."""

import numpy as np
import pytest

import nas
from nas import layers as L
from nas.errors import ShapeError
from nas.language.graph import Net
from nas.language.operation import OpCost
from nas.language.proof import prove
from nas.language.rules import divisible


def emitted(operation, *shapes):
    """The nodes, inputs left out, that a concrete operation makes of inputs of these shapes."""
    net = Net()
    edges = [net.input(f"input{i}", shape) for i, shape in enumerate(shapes)]
    found = net.apply(operation, *edges)
    return [node for node in net.graph([found]).nodes.values() if node.call]


# -- squeeze and excite ------------------------------------------------------------------------------------------------------


def test_squeeze_and_excite_weighs_channels_by_two_convolutions_of_the_mean():
    squeeze, reduce, expand, excite = emitted(L.SqueezeExcite.concrete(), (4, 4, 8))
    assert [n.shape for n in (squeeze, reduce, expand, excite)] == [(1, 1, 8), (1, 1, 2), (1, 1, 8), (4, 4, 8)]
    assert squeeze.cost == OpCost(flops=128)  # each of 4 * 4 * 8 elements is added once
    assert reduce.cost == OpCost(16, 2 * 16 + 2 + 2, 18)  # 8 * 2 weights and 2 biases; bias and relu on 2 elements
    assert expand.cost == OpCost(16, 2 * 16 + 8 + 8, 24)
    assert excite.cost == OpCost(flops=128)
    assert excite.inputs == ("input0", expand.name)
    assert (reduce.call.kwargs["activation"], expand.call.kwargs["activation"]) == ("relu", "sigmoid")


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, 18),  # a quarter of 72
        ({"ratio": 0.26}, 18),  # 18.72, rounded down
        ({"ratio": 0.001}, 1),
        ({"divisor": 8}, 24),  # 16 is more than 10% below 18
        ({"units": 5, "divisor": 8}, 5),
    ],
)
def test_the_units_are_a_share_of_the_channels_or_a_number(fields, units):
    _, reduce, *_ = emitted(L.SqueezeExcite.concrete(**fields), (7, 7, 72))
    assert reduce.shape == (1, 1, units)


@pytest.mark.parametrize("shape", [(9, 8), (4, 4, 8), (2, 3, 4, 8)])
def test_squeeze_and_excite_takes_steps_images_and_volumes(shape):
    *_, excite = emitted(L.SqueezeExcite.concrete(gate="hard_sigmoid"), shape)
    assert excite.shape == shape


def test_squeeze_and_excite_of_a_vector_is_refused():
    with pytest.raises(ShapeError) as caught:
        emitted(L.SqueezeExcite.concrete(), (8,))
    assert str(caught.value) == (
        "SqueezeExcite got (8,), expected (steps, channels) or (height, width, channels) or (depth, height, width, channels). "
        "Use it where there is a grid to look at."
    )


@pytest.mark.parametrize(
    ("channels", "divisor", "expected"),
    [(184.0, 8, 184), (33.6, 8, 32), (11.2, 8, 16), (8.4, 8, 8), (3, 8, 8), (18, 8, 24), (20, 8, 24), (50, 4, 52)],
)
def test_channels_are_rounded_to_the_nearest_multiple_but_never_10_percent_below(channels, divisor, expected):
    assert divisible(channels, divisor) == expected


# -- self-attention ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shape", "expected"),
    [
        # 6 positions that read 6; 2 heads of 3. Weights 4 * 4 * 6 = 96, biases 3 * 6 + 4 = 22.
        # Multiply-adds 6 * (96 + 2 * 6 * 6) = 1008; then biases, scaled queries and 12 softmax weights of 5 a position.
        ({"heads": 2, "key_dim": 3}, (6, 4), OpCost(1008, 2016 + 6 * (22 + 6 + 5 * 12), 118)),
        ({"heads": 2, "key_dim": 3, "use_bias": False}, (6, 4), OpCost(1008, 2016 + 6 * (6 + 5 * 12), 96)),
        # The same positions in a grid cost the same.
        ({"heads": 2, "key_dim": 3}, (2, 3, 4), OpCost(1008, 2016 + 6 * (22 + 6 + 5 * 12), 118)),
        # 24 positions that read the 6 of their row; 1 head of 2. Weights 4 * 5 * 2 = 40, biases 3 * 2 + 5 = 11.
        ({"heads": 1, "key_dim": 2, "attention_axes": (2,)}, (4, 6, 5), OpCost(1536, 3072 + 24 * (11 + 2 + 5 * 6), 51)),
    ],
)
def test_self_attention_costs_by_hand(fields, shape, expected):
    (node,) = emitted(L.SelfAttention.concrete(**fields), shape)
    assert node.cost == expected
    assert node.shape == shape
    assert node.inputs == ("input0", "input0")


def test_attention_axes_that_are_all_axes_are_not_written():
    (every,) = emitted(L.SelfAttention.concrete(heads=2, key_dim=3), (4, 6, 5))
    (listed,) = emitted(L.SelfAttention.concrete(heads=2, key_dim=3, attention_axes=[2, 1]), (4, 6, 5))
    (rows,) = emitted(L.SelfAttention.concrete(heads=2, key_dim=3, attention_axes=[2]), (4, 6, 5))
    assert every.call == listed.call
    assert rows.call.kwargs["attention_axes"] == (2,)


@pytest.mark.parametrize(
    ("fields", "shape", "text"),
    [
        (
            {},
            (5,),
            "SelfAttention got (5,), expected (steps, channels), or a grid with channels. "
            "Use Dense where there is one position only.",
        ),
        (
            {"attention_axes": (1, 3)},
            (4, 6, 5),
            "attention_axes (1, 3) on (4, 6, 5), expected axes from 1 to 2, each once. The last axis holds the channels.",
        ),
        (
            {"attention_axes": (1, 1)},
            (4, 6, 5),
            "attention_axes (1, 1) on (4, 6, 5), expected axes from 1 to 2, each once. The last axis holds the channels.",
        ),
    ],
)
def test_self_attention_says_what_does_not_fit(fields, shape, text):
    with pytest.raises(ShapeError) as caught:
        emitted(L.SelfAttention.concrete(heads=1, key_dim=2, **fields), shape)
    assert str(caught.value) == text


# -- the input of a network --------------------------------------------------------------------------------------------------


def test_images_are_resized_only_where_their_size_differs():
    assert emitted(L.Resizing.concrete(height=8), (8, 8, 3)) == []
    (node,) = emitted(L.Resizing.concrete(height=8, width=4), (8, 8, 3))
    assert (node.shape, node.cost) == ((8, 4, 3), OpCost(flops=9 * 8 * 4 * 3))
    (node,) = emitted(L.Resizing.concrete(height=6, interpolation="nearest"), (8, 8, 3))
    assert node.cost == OpCost()


def test_normalization_by_constants_has_no_weights():
    (adapted,) = emitted(L.Normalization.concrete(), (4, 4, 3))
    (constant,) = emitted(L.Normalization.concrete(mean=(0.5, 0.4, 0.3), variance=(1, 1, 2)), (4, 4, 3))
    assert adapted.cost == OpCost(flops=2 * 48, params=7)
    assert constant.cost == OpCost(flops=2 * 48)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"mean": [0.5], "variance": [1.0]},
            "Normalization has statistics of 1 channel, its input (4, 4, 3) has 3, expected one number for each channel.",
        ),
        ({"mean": [0.5, 0.5, 0.5]}, "Normalization has a mean or a variance alone, expected both, or neither."),
    ],
)
def test_normalization_says_what_does_not_fit(fields, text):
    with pytest.raises(ShapeError) as caught:
        emitted(L.Normalization.concrete(**fields), (4, 4, 3))
    assert str(caught.value) == text


# -- in a space --------------------------------------------------------------------------------------------------------------


@nas.space(input=(12, 12, 3))
def attentive(image):
    x = L.Resizing(nas.oneof([12, 8]), name="resolution")(image)
    x = L.Normalization([0.5, 0.5, 0.5], [0.1, 0.1, 0.1])(x)
    x = L.Conv2D(8, 3, strides=2, name="conv")(x)
    x = nas.optional(L.SqueezeExcite(nas.oneof([0.25, 0.5]), name="se"), name="gated")(x)
    y = L.SelfAttention(nas.oneof([1, 2]), 4, attention_axes=nas.oneof([None, (1,)]), name="attention")(x)
    return L.Dense(2, name="classes")(L.GlobalAveragePooling2D()(L.Add(name="sum")(x, y)))


def test_they_are_layers_like_all_others():
    assert attentive.size == 2 * 3 * 2 * 2
    assert prove(attentive).status == "proved"
    assert len({architecture.fingerprint for architecture in attentive}) == attentive.size


def test_the_model_and_its_source_have_the_counted_weights_and_predict_alike(tmp_path):
    import keras

    architecture = attentive.architecture(attentive.size - 1)
    model = architecture.build(seed=0)
    assert model.count_params() == architecture.cost().params
    source = architecture.source()
    written: dict = {}
    exec(source, written)
    twin = written["build_model"]()
    twin.set_weights(model.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(twin.predict(images, verbose=0), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), expected, rtol=1e-5)
