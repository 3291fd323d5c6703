"""Encoders and the decoders that mirror them."""

import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.errors import ShapeError, SpaceError
from nas.language.mirror import decoder, encoder


def conv(width):
    return L.Conv2D(width, 3, activation="relu")


def shapes_of(architecture, layer):
    nodes = architecture.network.nodes.values()
    return [node.shape for node in nodes if node.call and node.call.layer == layer]


# -- what they build ---------------------------------------------------------------------------------------------------------


def test_it_is_the_network_one_writes_by_hand():
    @nas.space(input=(32, 32, 1))
    def mirrored(image):
        return decoder(up="transpose", skip="concat")(encoder(conv, (8, 16, 32))(image))

    @nas.space(input=(32, 32, 1))
    def by_hand(image):
        fine = conv(8)(image)
        middle = conv(16)(L.MaxPooling2D(2)(fine))
        x = conv(32)(L.MaxPooling2D(2)(middle))
        x = conv(16)(L.Concatenate()(L.Conv2DTranspose(16, 3, strides=2)(x), middle))
        return conv(8)(L.Concatenate()(L.Conv2DTranspose(8, 3, strides=2)(x), fine))

    assert mirrored.sample(seed=0).fingerprint == by_hand.sample(seed=0).fingerprint
    assert mirrored.output_shape == (32, 32, 8)


@pytest.mark.parametrize(
    ("input", "convolution"), [((64, 2), L.Conv1D), ((16, 32, 2), L.Conv2D), ((8, 16, 4, 2), L.Conv3D), ((10,), L.Dense)]
)
def test_steps_images_volumes_and_vectors(input, convolution):
    grid = len(input) > 1

    def stage(width):
        return convolution(width, 3) if grid else L.Dense(width)

    @nas.space(input=input)
    def net(x):
        ways = {"down": oneof(["max", "average", "strided"]), "up": oneof(["nearest", "bilinear", "transpose", "subpixel"])}
        levels = encoder(stage, (4, 8, 12), down=ways["down"] if grid else None)(x)
        return decoder(up=ways["up"] if grid else None, skip=oneof(["add", "concat", "none"]))(levels)

    assert net.output_shape == (*input[:-1], 4)
    assert net.size == (9 * 16 * 9 if grid else 9)
    assert nas.language.proof.prove(net).status == "proved"


def test_steps_have_names_that_tell_the_level():
    @nas.space(input=(32, 32, 1))
    def net(image):
        levels = encoder(lambda width: nas.repeat(conv(width), 1, 2), (8, 16), down=oneof(["max", "average"]))(image)
        return decoder(up=nas.choose(L.Upsample(2), L.Conv2DTranspose(8, 2, strides=2)), skip=oneof(["add", "none"]))(levels)

    assert net.architecture(0).decisions == {
        "enc0[1]": False,
        "down1.mode": "max",
        "enc1[1]": False,
        "up0": "upsample",
        "skip0.mode": "add",
        "dec0[1]": False,
    }


def test_names_begin_as_said_where_there_are_several():
    @nas.space(inputs={"left": (16, 16, 1), "right": (16, 16, 1)})
    def two(left, right):
        a = decoder(name="a")(encoder(conv, (4, 8), down=oneof(["max", "average"]), name="a", at_least=1)(left))
        b = decoder(name="b")(encoder(conv, (4, 8), down=oneof(["max", "average"]), name="b")(right))
        return L.Concatenate()(a, b)

    assert two.architecture(0).decisions == {"a_level1": False, "b_down1.mode": "max"}
    assert two.size == 3 * 2


def test_functions_are_told_the_level():
    def stage(width, level):
        return nas.chain(*(conv(width) for _ in range(level.index + 1)))

    @nas.space(input=(32, 32, 1))
    def net(image):
        levels = encoder(stage, (4, 8, 16), down=lambda level: L.Conv2D(level.width, 2, strides=2))(image)
        return decoder(
            lambda width: None,
            up=lambda level: L.Conv2DTranspose(level.width, 2 + level.index, strides=2),
            skip=lambda level: L.Merge("add") if level.index else None,
        )(levels)

    architecture = net.architecture(0)
    assert shapes_of(architecture, "Conv2D") == [
        *((32, 32, 4), (16, 16, 8), (16, 16, 8), (16, 16, 8)),
        *((8, 8, 16), (8, 8, 16), (8, 8, 16), (8, 8, 16)),
    ]
    calls = [node.call for node in architecture.network.nodes.values() if node.call]
    kernels = [call.kwargs["kernel_size"] for call in calls if call.layer == "Conv2DTranspose"]
    assert kernels == [3, 2]
    assert len(shapes_of(architecture, "Add")) == 1


def test_a_default_of_the_stage_is_not_taken_for_the_level():
    @nas.space(input=(32, 32, 1))
    def net(image):
        return encoder(lambda width, kernel=3: L.Conv2D(width, kernel), (4, 8))(image)[-1]

    assert net.architecture(0).cost().params == (9 * 4 + 4) + (9 * 4 * 8 + 8)


def test_a_decoder_can_have_its_own_stage_widths_and_bottom():
    @nas.space(input=(32, 32, 3))
    def net(image):
        levels = encoder(conv, (8, 16, 32))(image)
        return decoder(lambda width: L.Conv2D(width, 3), widths=(5, 6), bottom=L.Conv2D(7, 1), skip=None)(levels)

    assert shapes_of(net.architecture(0), "Conv2D")[3:] == [(8, 8, 7), (16, 16, 6), (32, 32, 5)]


def test_every_level_of_the_way_up():
    @nas.space(input=(32, 32, 3))
    def pyramid(image):
        levels = encoder(conv, (8, 16, 32))(image)
        features = decoder(lambda width: None, skip="add", bottom=L.Conv2D(4, 1)).every_level(levels)
        assert [x.shape for x in features] == [(32, 32, 4), (16, 16, 4), (8, 8, 4)]
        return [L.Conv2D(1, 1, name=f"head{i}")(x) for i, x in enumerate(features)]

    assert [pyramid.architecture(0).network.nodes[name].shape for name in pyramid.architecture(0).network.outputs] == [
        *((32, 32, 1), (16, 16, 1), (8, 8, 1)),
    ]


# -- once, or level by level -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "size"), [("each", 27), ("tied", 3), ("add", 1)])
def test_the_skip_policy_is_decided_level_by_level_or_once(policy, size):
    @nas.space(input=(32, 32, 1))
    def net(image):
        modes = ["add", "concat", "none"]
        policies = {"each": oneof(modes), "tied": nas.tied(modes, name="skip"), "add": "add"}
        return decoder(skip=policies[policy])(encoder(conv, (4, 8, 16, 32))(image))

    assert net.size == size
    for architecture in net.sample(seed=0, n=5):
        kinds = {len(shapes_of(architecture, layer)) for layer in ("Add", "Concatenate")}
        assert policy != "tied" or kinds <= {0, 3}


def test_widths_that_are_tied_are_the_same_on_both_ways():
    @nas.space(input=(32, 32, 1))
    def net(image):
        width = nas.tied([4, 8], name="width")
        return decoder(up="transpose", skip="add")(encoder(conv, (width, width * 2, oneof([5, 6])))(image))

    assert net.size == 2 * 2
    for architecture in net:
        width = architecture.decisions["width"]
        assert shapes_of(architecture, "Conv2DTranspose") == [(16, 16, 2 * width), (32, 32, width)]


def test_a_stride_decided_once_is_undone_on_the_way_up():
    @nas.space(input=(8, 32, 32, 1))
    def net(volume):
        stride = nas.tied(["all", "plane"], name="stride").map({"all": 2, "plane": (1, 2, 2)}.get)
        levels = encoder(lambda width: L.Conv3D(width, 3), (4, 8), down=L.Downsample(stride))(volume)
        return decoder(up=L.Upsample(stride))(levels)

    assert net.size == 2
    assert nas.language.proof.prove(net).status == "proved"


# -- depth -------------------------------------------------------------------------------------------------------------------


def test_depth_is_a_decision_with_what_is_deeper_inside():
    @nas.space(input=(32, 32, 1))
    def net(image):
        levels = encoder(conv, (4, 8, 16, 32), at_least=2)(image)
        return decoder(skip=oneof(["add", "none"]), bottom=L.Conv2D(3, 1, name="code"))(levels)

    assert net.size == 2 + 4 + 8
    deepest = net.architecture(
        {
            "level2": True,
            "level2.level3": True,
            "level2.level3.skip2.mode": "add",
            "level2.skip1.mode": "none",
            "skip0.mode": "add",
        }
    )
    assert [shape[0] for shape in shapes_of(deepest, "MaxPooling2D")] == [16, 8, 4]
    codes = {next(s for s in shapes_of(a, "Conv2D") if s[-1] == 3)[0] for a in net}
    assert codes == {16, 8, 4}
    assert net.output_shape == (32, 32, 4)


def test_the_deepest_features_follow_the_depth():
    @nas.space(input=(32, 32, 1))
    def classifier(image):
        return L.GlobalAveragePooling2D()(encoder(conv, (4, 8, 16), at_least=1)(image).deepest)

    assert sorted(a.network.nodes[a.network.outputs[0]].shape for a in classifier) == [(4,), (8,), (16,)]

    @nas.space(input=(32, 32, 1))
    def fixed(image):
        levels = encoder(conv, (4, 8, 16))(image)
        assert levels.deepest is levels[-1] is levels[2]
        assert [x.shape for x in levels] == [(32, 32, 4), (16, 16, 8), (8, 8, 16)]
        return levels.deepest

    assert fixed.size == 1


def test_inside_a_block():
    def u(x):
        return decoder(skip="add")(encoder(conv, (4, 8))(x))

    @nas.space(input=(32, 32, 1))
    def stacked(image):
        return nas.repeat(u, 1, 2, name="u")(image)

    assert stacked.size == 2
    assert stacked.output_shape == (32, 32, 4)


# -- grids that do not meet --------------------------------------------------------------------------------------------------


def test_sizes_that_do_not_divide_are_refused_with_those_that_do():
    with pytest.raises(ShapeError) as caught:

        @nas.space(input=(81, 80, 1))
        def net(image):
            return decoder()(encoder(conv, (4, 8, 16))(image))

    assert str(caught.value) == (
        "skip1: enc1 is (41, 40, 8) and does not meet up1, (42, 40, 16), expected (42, 40, any). "
        'Use inputs of (80, 80) or (84, 80), multiples of (4, 4), or set fit="match" or fit="crop".'
    )


def test_levels_that_are_optional_count_too():
    with pytest.raises(ShapeError, match=r"^level2\.skip1: .* Use inputs of \(24,\) or \(28,\), multiples of \(4,\), or set"):

        @nas.space(input=(26, 1))
        def net(steps):
            return decoder()(encoder(lambda width: L.Conv1D(width, 3), (4, 8, 16), at_least=2)(steps))


def test_unpadded_convolutions_are_told_to_crop():
    with pytest.raises(ShapeError, match=r'skip0: .* Set fit="match" or fit="crop"\.'):

        @nas.space(input=(32, 32, 1))
        def net(image):
            return decoder()(encoder(lambda width: L.Conv2D(width, 3, padding="valid"), (4, 8))(image))


@pytest.mark.parametrize(("fit", "grid"), [("match", (81, 50)), ("crop", (81, 50))])
def test_any_size_fits_where_it_is_asked_for(fit, grid):
    @nas.space(input=(81, 50, 1))
    def net(image):
        levels = encoder(conv, (4, 8, 16, 32), at_least=2)(image)
        return decoder(skip=oneof(["add", "concat", "none"]), fit=fit)(levels)

    assert net.output_shape == (*grid, 4)
    assert nas.language.proof.prove(net).status == "proved"
    model = net.architecture(net.size - 1).build()
    assert model.output_shape == (None, *grid, 4)


def test_what_is_unpadded_is_cropped_or_matched():
    def valid(width):
        return L.Conv2D(width, 3, padding="valid")

    @nas.space(input=(36, 36, 1))
    def cropped(image):
        return decoder(fit="crop")(encoder(valid, (4, 8))(image))

    @nas.space(input=(36, 36, 1))
    def matched(image):
        return decoder(fit="match")(encoder(valid, (4, 8))(image))

    # 36 -> 34, halved to 17 -> 15, doubled to 30: the skip of 34 is cropped to it, or it is padded to 34
    assert cropped.output_shape == (28, 28, 4)
    assert matched.output_shape == (32, 32, 4)


# -- mistakes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda x: encoder(conv, ())(x), "encoder: widths (), expected one width for each level, such as (32, 64)."),
        (lambda x: encoder(conv, 32)(x), "encoder: widths 32, expected one width for each level, such as (32, 64)."),
        (
            lambda x: encoder(L.ReLU(), (4, 8), name="down")(x),
            "down: its stage is ReLU, expected a function of the width. Write stage=lambda width: L.Conv2D(width, 3).",
        ),
        (lambda x: encoder(conv, (4, 8), at_least=3)(x), "encoder: at_least=3, expected 1 to 2, the number of widths."),
        (
            lambda x: decoder([L.ReLU()]),
            "decoder: its stage is list, expected a function of the width. Write stage=lambda width: L.Conv2D(width, 3).",
        ),
        (lambda x: decoder(fit="pad"), "decoder.fit: 'pad' is not an option, expected exact, match or crop."),
        (
            lambda x: decoder()(x),
            "decoder: applied to Tensor, expected what an encoder returned. Write nas.decoder(...)(nas.encoder(...)(x)).",
        ),
        (
            lambda x: decoder(widths=(4, 8))(encoder(conv, (4, 8))(x)),
            "decoder: 2 widths for the way up 2 levels, expected 1, finest first.",
        ),
        (
            lambda x: encoder(conv, (4, 8), at_least=1)(x)[1],
            "level1: not every architecture has level 1, expected 0 to 0. "
            "nas.decoder(...)(levels) and levels.deepest follow the decision.",
        ),
    ],
)
def test_mistakes_are_told_where_they_are(write, text):
    with pytest.raises(SpaceError) as caught:
        nas.space(input=(8, 8, 1))(lambda x: write(x))
    assert str(caught.value) == text
