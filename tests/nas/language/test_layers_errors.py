"""What layers say when they do not fit, word for word, and what fields accept where they are written."""

import pyglove as pg
import pytest

from nas import layers as L
from nas import oneof
from nas.errors import ShapeError, SpaceError
from nas.language.graph import Net

IMAGE = (8, 6, 4)


def complaint(operation, *shapes, name="dec"):
    net = Net()
    edges = [net.input(f"in{i}", shape) for i, shape in enumerate(shapes)]
    with pytest.raises(ShapeError) as caught:
        net.apply(operation, *edges, name=name)
    assert caught.value.expected
    return str(caught.value)


@pytest.mark.parametrize(
    ("operation", "shapes", "text"),
    [
        (
            L.Conv2D.concrete(filters=4, kernel_size=3),
            [(10,)],
            "dec: Conv2D got (10,), expected (height, width, channels). Reshape before Conv2D.",
        ),
        (
            L.GlobalMaxPooling1D.concrete(),
            [IMAGE],
            "dec: GlobalMaxPooling1D got (8, 6, 4), expected (steps, channels). "
            "Use GlobalMaxPooling2D, or reshape before GlobalMaxPooling1D.",
        ),
        (
            L.Conv3DTranspose.concrete(filters=4, kernel_size=3),
            [IMAGE],
            "dec: Conv3DTranspose got (8, 6, 4), expected (depth, height, width, channels). "
            "Use Conv2DTranspose, or reshape before Conv3DTranspose.",
        ),
        (
            L.Conv2D.concrete(filters=6, kernel_size=3, groups=3),
            [IMAGE],
            "dec: groups=3 does not divide 4 input channels, expected one of 1, 2, 4. "
            "Change groups, or the number of input channels.",
        ),
        (
            L.Conv2D.concrete(filters=6, kernel_size=3, groups=4),
            [IMAGE],
            "dec: groups=4 does not divide 6 filters, expected one of 1, 2, 3, 6. Change groups, or the number of filters.",
        ),
        (
            L.GroupNormalization.concrete(groups=0),
            [IMAGE],
            "dec: groups=0 does not divide 4 channels, expected one of 1, 2, 4. Change groups, or the number of channels.",
        ),
        (
            L.MaxPooling2D.concrete(pool_size=(3, 7), padding="valid"),
            [IMAGE],
            "dec: MaxPooling2D's window (3, 7) is larger than its input (8, 6, 4), expected at least (3, 7, any). "
            'Use padding="same" or a smaller window.',
        ),
        (
            L.Conv2D.concrete(filters=4, kernel_size=3, dilation_rate=4, padding="valid"),
            [IMAGE],
            "dec: Conv2D's window (9, 9) is larger than its input (8, 6, 4), expected at least (9, 9, any). "
            'Use padding="same" or a smaller window.',
        ),
        (
            L.SeparableConv2D.concrete(filters=4, kernel_size=3, strides=(2, 1), dilation_rate=2),
            [IMAGE],
            "dec: strides=(2, 1) together with dilation_rate=2, expected one of them to be 1. "
            "Stride in one layer and dilate in another.",
        ),
        (
            L.Conv2D.concrete(filters=4, kernel_size=[3, 3, 3]),
            [IMAGE],
            "dec: kernel_size (3, 3, 3) has 3 numbers, expected 2, one for each axis of the grid, or a single number for all.",
        ),
        (
            L.Reshape.concrete(target_shape=[5, -1]),
            [IMAGE],
            "dec: (8, 6, 4) has 192 elements and cannot become (5, -1), expected a shape of 192 elements, with at most one -1. "
            "Use -1 for the axis that may vary.",
        ),
        (
            L.Reshape.concrete(target_shape=[-1, 0]),
            [IMAGE],
            "dec: (8, 6, 4) has 192 elements and cannot become (-1, 0), expected a shape of 192 elements, with at most one -1. "
            "Use -1 for the axis that may vary.",
        ),
        (
            L.Permute.concrete(dims=[1, 2]),
            [IMAGE],
            "dec: (1, 2) does not order the axes of (8, 6, 4), expected each of 1 to 3 once.",
        ),
        (
            L.Cropping2D.concrete(cropping=3),
            [IMAGE],
            "dec: Cropping2D takes (3, 3) rows and (3, 3) columns from (8, 6, 4), expected fewer than 8 rows and 6 columns. "
            "Crop less, or crop earlier.",
        ),
        (
            L.Merge.concrete(mode="concat"),
            [IMAGE, (4, 3, 4)],
            "dec: in1 is (4, 3, 4) and does not meet in0, (8, 6, 4), expected (8, 6, any). "
            "L.MatchGrid()(skip, x) crops or pads, L.Downsample and L.Upsample resize.",
        ),
        (
            L.Merge.concrete(mode="add", project=True),
            [(3,), IMAGE],
            "dec: in1 is (8, 6, 4) and does not meet in0, (3,), expected (any). Reshape one of the two.",
        ),
        (
            L.Merge.concrete(mode="add"),
            [IMAGE, IMAGE, (8, 6, 3)],
            "dec: in2 is (8, 6, 3) and does not meet in0, (8, 6, 4), expected (8, 6, 4). "
            'Set project=True, or use mode="concat".',
        ),
        (
            L.Add.concrete(),
            [IMAGE, (8, 6, 3)],
            "dec: Add got (8, 6, 4) and (8, 6, 3), expected equal shapes. "
            "L.Merge(mode, project=True) makes the channels equal.",
        ),
        (
            L.Add.concrete(),
            [IMAGE, (8, 6, 1)],
            "dec: Add got (8, 6, 4) and (8, 6, 1), expected equal shapes. "
            "L.Merge(mode, project=True) makes the channels equal.",
        ),
        (
            L.Multiply.concrete(),
            [IMAGE, (1, 6, 3)],
            "dec: Multiply got (8, 6, 4) and (1, 6, 3), expected equal shapes, but for axes of size 1. "
            "L.MatchGrid()(skip, x) crops or pads, L.Downsample and L.Upsample resize.",
        ),
        (
            L.Concatenate.concrete(),
            [IMAGE, (4, 6, 3)],
            "dec: Concatenate got (8, 6, 4) and (4, 6, 3), expected equal grids. "
            "L.MatchGrid()(skip, x) crops or pads, L.Downsample and L.Upsample resize.",
        ),
    ],
)
def test_shapes_that_do_not_fit(operation, shapes, text):
    assert complaint(operation, *shapes) == text


def test_a_choice_hidden_in_a_tuple_is_found():
    hidden = L.Conv2D.concrete(filters=4, kernel_size=(oneof([1, 3]), 3))
    assert "hides a choice inside a tuple, expected whole numbers. Write a list" in complaint(hidden, IMAGE)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: L.Conv2D("a", 3), "Conv2D.filters: 'a' (str) does not fit, expected a whole number from 1."),
        (lambda: L.Conv2D(0, 3), "Conv2D.filters: 0 is out of range, expected a whole number from 1."),
        (
            lambda: L.Conv2D(oneof([16, 0]), 3),
            "Conv2D.filters[1]: 0 is out of range, expected a whole number from 1.",
        ),
        (
            lambda: L.Conv2D(8, (3, "b")),
            "Conv2D.kernel_size[1]: 'b' (str) does not fit, expected a whole number from 1, or one for each axis.",
        ),
        (
            lambda: L.Dense(8, padding="same"),
            "Dense: got unexpected keyword argument: 'padding'. Fields: units, activation, use_bias, name.",
        ),
        (
            lambda: L.Conv2D(8, 3, padding="causal"),
            "Conv2D.padding: 'causal' is not an option, expected one of 'same', 'valid'.",
        ),
        (lambda: L.Dropout(1.5), "Dropout.rate: 1.5 is out of range, expected a number from 0 to 1."),
        (lambda: L.Dropout(None), "Dropout.rate: None does not fit, expected a number from 0 to 1."),
        (
            lambda: L.Merge(oneof(["add", "sum"])),
            "Merge.mode[1]: 'sum' is not an option, expected one of 'add', 'concat', 'none', 'multiply', 'average', 'maximum'.",
        ),
        (
            lambda: L.Dense(pg.manyof(2, [8, 16])),
            "Dense.units: a choice of several does not fit, expected a whole number from 1.",
        ),
    ],
)
def test_values_that_fields_do_not_accept(make, text):
    with pytest.raises(SpaceError) as caught:
        make()
    assert str(caught.value) == text


def test_any_field_takes_a_choice():
    layer = L.Conv2D(pg.oneof([16, 32]), 3, strides=2, activation="relu", name="x")
    assert (layer.kernel_size, layer.strides, layer.activation, layer.name) == (3, 2, "relu", "x")
    assert pg.dna_spec(layer).space_size == 2
    layer = L.Conv2D(
        oneof([16, 32]),
        [oneof([1, 3, 5]), 3],
        padding=oneof(["same", "valid"]),
        groups=oneof([1, 2]),
        use_bias=oneof([True, False]),
    )
    assert pg.dna_spec(layer).space_size == 2 * 3 * 2 * 2 * 2
    assert pg.dna_spec(L.Conv2D(8, (oneof([1, 3]), 3))).space_size == 2, "a choice inside a tuple stays a decision"
    assert pg.dna_spec(L.Dropout(pg.floatv(0.0, 0.5))).space_size == -1  # without end
    assert pg.dna_spec(L.Upsample(2, oneof(["nearest", "bilinear", "transpose"]), name="up")).space_size == 3
    assert pg.dna_spec(L.Merge(oneof(["add", "concat", "none"]), project=True)).space_size == 3


def test_defaults_of_one_layer_are_not_those_of_another():
    assert L.MaxPooling2D().pool_size == 2
    with pytest.raises(SpaceError, match="missing 1 required argument: 'kernel_size'"):
        L.Conv2D(8)
    with pytest.raises(SpaceError, match="missing 1 required argument: 'rate'"):
        L.Dropout()
