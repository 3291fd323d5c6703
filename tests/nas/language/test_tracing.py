"""A function of tensors becomes a space; its mistakes are reported where they are made."""

import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.errors import ShapeError, SpaceError


def define(function, shape=(8, 8, 1)):
    return nas.space(input=shape)(function)


def test_the_design_example():
    def conv_block(width):
        return nas.chain(L.Conv2D(width, oneof([3, 5])), L.BatchNormalization(), L.ReLU())

    @nas.space(input=(80, 80, 1))
    def colorizer(gray):
        x, skips = gray, []
        for i, width in enumerate((32, 64, 128)):
            x = nas.repeat(conv_block(width), 1, 3, name=f"enc{i}")(x)
            skips.append(x)
            x = nas.choose(L.Conv2D(width, 3, strides=2), L.MaxPooling2D(2), name=f"down{i}")(x)
        for i, skip in reversed(list(enumerate(skips))):
            x = L.Upsample(2, oneof(["nearest", "bilinear", "transpose"]), name=f"up{i}")(x)
            x = L.Merge(oneof(["add", "concat", "none"]), project=True, name=f"skip{i}")(x, skip)
            x = nas.repeat(conv_block(oneof([16 << i, 32 << i])), 1, 2, name=f"dec{i}")(x)
        return L.Conv2D(3, 3, activation="tanh", name="rgb")(x)

    level = (2 + 4 + 8) * 2 * 3 * 3 * (4 + 16)
    assert colorizer.size == level**3
    assert pg.dna_spec(colorizer.hyper).space_size == colorizer.size
    assert colorizer.doubts == ()
    assert colorizer.output_shape == (80, 80, 3)
    architecture = colorizer.sample(seed=0)
    assert colorizer.architecture(architecture.decisions) == architecture
    assert colorizer.architecture(architecture.index) == architecture
    assert architecture.network.nodes[architecture.network.outputs[0]].shape == (80, 80, 3)


def test_decisions_are_named_after_their_place():
    def body(x):
        return L.Conv2D(oneof([8, 16]), 3, name="conv")(x)

    def net(x):
        x = nas.repeat(nas.chain(L.Conv2D(oneof([4, 8]), 3), L.ReLU()), 1, 2, name="enc")(x)
        x = nas.repeat(L.Conv2D(oneof([4, 8]), 3), 1, 3, tied=True, name="tied")(x)
        x = nas.optional(body, name="extra")(x)
        return nas.choose(L.MaxPooling2D(2, name="pool"), L.Conv2D(4, oneof([1, 3]), strides=2), name="down")(x)

    space = define(net)
    deepest = {
        "enc[0].conv2d.filters": 8,
        "enc[1]": True,
        "enc[1].conv2d.filters": 4,
        "tied.filters": 8,
        "tied.times": 3,
        "extra": True,
        "extra.conv.filters": 16,
        "down": "conv2d",
        "down.conv2d.kernel_size": 3,
    }
    architecture = space.architecture(deepest)
    assert architecture.decisions == deepest
    assert [node.shape for node in architecture.network.nodes.values()][1:] == [
        (8, 8, 8), (8, 8, 8), (8, 8, 4), (8, 8, 4), (8, 8, 8), (8, 8, 8), (8, 8, 8), (8, 8, 16), (4, 4, 4),
    ]  # fmt: skip


def test_repetitions_choose_independently_unless_tied():
    assert define(lambda x: nas.repeat(L.Conv2D(oneof([4, 8]), oneof([1, 3])), 1, 3)(x)).size == 4 + 4**2 + 4**3
    assert define(lambda x: nas.repeat(L.Conv2D(oneof([4, 8]), oneof([1, 3])), 1, 3, tied=True)(x)).size == 4 * 3
    assert define(lambda x: nas.repeat(L.Conv2D(oneof([4, 8]), 1), 0, 2)(x)).size == 1 + 2 + 4
    assert define(lambda x: nas.repeat(L.Conv2D(oneof([4, 8]), 1), 2, 2)(x)).size == 4


def test_a_choice_used_twice_is_two_decisions():
    width = oneof([4, 8])
    assert define(lambda x: L.Conv2D(width, 1)(L.Conv2D(width, 1)(x))).size == 4


def test_lists_functions_and_none_are_operations():
    def double(x):
        return L.Add()(x, x)

    space = define(lambda x: nas.choose([L.Conv2D(1, 3), L.ReLU()], double, None, name="op")(x))
    assert [a.decisions["op"] for a in space] == ["chain", "block", "none"]
    assert [len(a.network) for a in space] == [3, 2, 1]


def test_blocks_take_several_tensors():
    def gated(x, skip):
        return L.Add()(L.Conv2D(1, 3)(x), skip)

    space = define(lambda x: nas.choose(gated, lambda a, b: a, name="join")(L.ReLU()(x), x))
    assert space.size == 2


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (lambda x: None, SpaceError, "<lambda>: returns nothing, expected a tensor. Add a return statement."),
        (lambda x: 3, SpaceError, "<lambda>: returns 3, expected tensors made in this function from its arguments."),
        (
            lambda x: L.ReLU(name="a")(L.ReLU(name="a")(x)),
            SpaceError,
            "a: the name is taken. Give every layer of a function its own name.",
        ),
        (lambda x: L.ReLU(name="a b")(x), SpaceError, "relu: 'a b' is not a name, expected letters, digits and underscores."),
        (
            lambda x: L.ReLU()(3),
            SpaceError,
            "ReLU: applied to 3, expected tensors of a space function. "
            "Layers are applied inside a function decorated with @nas.space.",
        ),
        (lambda x: L.ReLU()(), SpaceError, "ReLU: applied to nothing, expected tensors. Write layer(x)."),
        (
            lambda x: L.Add()(x),
            ShapeError,
            "Add: applied to 1 tensor, expected at least 2 tensors. Apply it to all that it brings together.",
        ),
        (
            lambda x: nas.optional(lambda y: L.Add()(y, x))(x),
            SpaceError,
            "Add: its inputs belong to different functions. A block sees only its arguments: "
            "make the outer tensor one of them, as in choose(f, g)(x, skip).",
        ),
        (
            lambda x: nas.choose(L.ReLU(), "relu")(x),
            SpaceError,
            "choose[1]: 'relu' is not an operation, expected a layer, a list of layers, a function of tensors, or None. "
            "Layers are in nas.layers.",
        ),
        (
            lambda x: nas.repeat(L.ReLU(), 3, 1, name="body")(x),
            SpaceError,
            "body: 3 to 1 repetitions, expected whole numbers, 0 <= low <= high, high >= 1. "
            "How many there are between the two becomes a decision.",
        ),
        (
            lambda x: x if x else L.ReLU()(x),
            SpaceError,
            "x: Python control flow on a tensor. A space function describes layers; it never sees values.",
        ),
        (
            lambda x: L.Conv2D(4, 3, colour="red")(x),
            SpaceError,
            "Conv2D: got unexpected keyword argument: 'colour'. Fields: filters, kernel_size, strides, padding, dilation_rate, "
            "groups, use_bias, activation, name.",
        ),
    ],
)
def test_mistakes(function, kind, message):
    with pytest.raises(kind) as caught:
        define(function)
    assert str(caught.value) == message


def test_inputs_must_match_the_function():
    with pytest.raises(SpaceError, match="the input shapes are missing, expected one of input and inputs. Write @nas.space"):
        nas.space()(lambda x: x)
    with pytest.raises(SpaceError, match=r"its arguments are a, b, its inputs a\."):
        nas.space(inputs={"a": (4, 4, 1)})(lambda a, b: a)
    with pytest.raises(SpaceError, match=r"\(80, 0, 1\) is not a shape"):
        nas.space(input=(80, 0, 1))(lambda x: x)


def test_the_shape_of_a_tensor():
    seen = []

    def net(x):
        y = L.Conv2D(oneof([4, 8]), 3, strides=2, name="conv")(x)
        seen.append((x.shape, y.shapes))
        y.shape  # noqa: B018
        return y

    with pytest.raises(SpaceError, match=r"conv: its shape depends on decisions \(\(4, 4, 4\), \(4, 4, 8\)\)"):
        define(net)
    assert seen == [((8, 8, 1), {(4, 4, 4), (4, 4, 8)})]
