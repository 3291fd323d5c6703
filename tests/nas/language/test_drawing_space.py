"""Pictures of spaces: every decision told or counted, boxes apart, text inside its box, a U where there is one."""

import functools
import itertools
import xml.etree.ElementTree as ElementTree

import pyglove as pg
import pytest
from test_drawing import SVG, assert_apart, said, width_in_dejavu

import nas
from nas import layers as L
from nas import oneof
from nas.language.drawing import draw_space
from nas.language.drawing.outline import outline
from nas.language.drawing.picture import Group, Rectangle, Words
from nas.language.drawing.routing import crosses, extent
from nas.language.drawing.space import plan_of
from nas.language.drawing.telling import Teller, repetition_of, summary, times_of


def told(operation, depth=5):
    return [line.text for line in Teller(depth).lines(operation)]


@functools.cache
def unet():
    """Two levels and a third that is optional."""

    def deep(x):
        y = L.Conv2D(oneof([16, 32]), 3, name="bottom")(L.MaxPooling2D(2, name="down1")(x))
        return L.Merge("concat", name="skip1")(L.Upsample(2, oneof(["nearest", "bilinear"]), name="up1")(y), x)

    @nas.space(input=(32, 32, 1))
    def small_unet(image):
        x = nas.repeat(L.Conv2D(oneof([8, 16]), 3), 1, 3, name="enc0")(image)
        y = L.ReLU(name="act")(L.MaxPooling2D(2, name="down0")(x))
        y = nas.optional(deep, name="level1")(y)
        y = L.Upsample(2, "nearest", name="up0")(y)
        y = L.Merge(oneof(["add", "concat", "none"]), project=True, name="skip0")(y, x)
        return L.Conv2D(2, 1, name="mask")(y)

    return small_unet


@functools.cache
def chain():
    """A classifier of thirty equal steps."""

    @nas.space(input=(8, 8, 4))
    def thirty(x):
        for k in range(30):
            x = nas.choose(L.Conv2D(4, 3, name="conv"), None, name=f"layer{k}")(x)
        return L.Dense(10, name="classes")(L.GlobalAveragePooling2D(name="pool")(x))

    return thirty


@functools.cache
def volume():
    """Three axes, two inputs, two outputs."""

    @nas.space(inputs={"left": (8, 8, 8, 1), "right": (8, 8, 8, 1)})
    def pair(left, right):
        x = L.Concatenate(name="both")(left, right)
        x = L.Conv3D(oneof([4, 8]), oneof([1, 3]), name="conv")(x)
        return L.Conv3D(1, 1, name="mask")(x), L.MaxPooling3D(2, name="coarse")(x)

    return pair


def colorizer():
    from search_spaces.colorizer import colorizer

    return colorizer


SPACES = {"unet": unet, "chain": chain, "volume": volume, "colorizer": colorizer}


def published():
    """A plain PyGlove space as people have them: seven layers with a conditional choice, a float, a sublist."""
    return pg.Dict(
        layers=pg.List(
            [pg.Dict(kernel=pg.one_of([3, 5, 7]), op=pg.one_of(["conv", pg.Dict(expand=pg.one_of([3, 6]))])) for _ in range(7)]
        ),
        rate=pg.floatv(0.0, 0.5),
        ops=pg.sublist_of(3, list("abcdefgh")),
    )


@pytest.mark.parametrize("name", SPACES)
def test_boxes_are_apart_and_text_is_inside(name):
    plan = plan_of(SPACES[name]())
    assert_apart(plan.boxes)
    for box in plan.boxes:
        for line in box.lines:
            assert line.indent + (14 if line.chip else 0) + width_in_dejavu(line.text, line.size, line.bold) <= box.width - 16
        assert 15 * len(box.lines) <= box.height - 8
        assert box.x + box.width < plan.width


@pytest.mark.parametrize("name", SPACES)
def test_no_edge_passes_through_a_box(name):
    import numpy as np

    plan = plan_of(SPACES[name]())
    for edge in plan.edges:
        others = [extent(box) for k, box in enumerate(plan.boxes) if k not in (edge.source, edge.target)]
        assert not crosses(edge.path, np.array(others), samples=200)


@pytest.mark.parametrize("name", SPACES)
def test_pictures_are_well_formed_and_repeatable(name):
    space = SPACES[name]()
    picture = draw_space(space)
    root = ElementTree.fromstring(picture.svg())
    assert root.get("aria-label").startswith(f"{space.name}: ")
    assert len(list(root.iter(f"{SVG}polygon"))) == len(plan_of(space).edges)
    assert picture.svg() == draw_space(space).svg()
    assert ElementTree.fromstring(picture.html()).tag == "div"


def test_an_inner_u_is_opened_and_what_may_be_absent_is_dashed():
    boxes = plan_of(unet()).boxes
    names = [box.names[0] for box in boxes]
    assert names == ["image", "enc0", "down0", "down1", "bottom", "up1", "skip1", "up0", "skip0", "mask"]
    assert [box.title for box in boxes][3:7] == ["level1.down1", "level1.bottom", "level1.up1", "level1.skip1"]
    assert [box.level for box in boxes] == [0, 0, 1, 2, 2, 1, 1, 0, 0, 0]
    assert [box.dashed for box in boxes] == [False] * 3 + [True] * 4 + [False] * 3
    assert [box.output for box in boxes] == [False] * 9 + [True]
    assert boxes[7].sources == (6, 2)
    assert boxes[7].bypasses == {2}  # past the optional level
    dashed = [edge for edge in plan_of(unet()).edges if edge.dashed]
    assert [(edge.source, edge.target) for edge in dashed] == [(2, 7)]


def test_a_repetition_is_a_pile_with_its_numbers():
    box = plan_of(unet()).boxes[1]
    assert box.piled
    assert said(box) == [
        "enc0",
        "1 to 3 times, each with its own decisions",
        "Conv 3x3",
        "filters (2): 8, 16",
        "32x32, 8 to 16 channels",
    ]


def test_small_steps_stand_in_the_box_of_the_step_they_follow():
    assert said(plan_of(unet()).boxes[2]) == ["down0", "MaxPool 2x2", "act: ReLU", "16x16, 8 to 16 channels"]


def test_the_heading_says_how_large_the_space_is():
    assert draw_space(unet()).title == f"small_unet: {unet().size} architectures, {len(unet().genome.slots)} decisions"
    assert "1.18e+35 architectures" in draw_space(colorizer()).title


def test_equal_steps_are_piled_up_where_there_are_many():
    boxes = plan_of(chain()).boxes
    assert [box.title for box in boxes] == ["Input x", "30x layer0 … layer29", "pool", "classes"]
    assert said(boxes[1])[1:3] == ["each with its own decisions", "one of 2: conv, none"]


def test_several_inputs_and_outputs():
    boxes = plan_of(volume()).boxes
    assert [box.title for box in boxes] == ["Input left", "Input right", "both", "conv", "mask", "coarse"]
    assert [box.output for box in boxes] == [False] * 4 + [True] * 2
    assert said(boxes[3])[1:] == ["Conv", "filters (2): 4, 8", "kernel_size (2): 1, 3", "8x8x8, 4 to 8 channels"]


def test_options_are_listed_with_what_they_open():
    choice = nas.choose(L.Conv2D(oneof([8, 16]), 3, strides=2, name="strided"), L.MaxPooling2D(2, name="pool"), None)
    assert told(choice) == ["one of 3", "strided: Conv 3x3 /2", "filters (2): 8, 16", "pool: MaxPool 2x2", "none: nothing"]


def test_options_that_open_nothing_are_one_line():
    assert told(nas.choose(L.ReLU(name="relu"), L.Activation("swish", name="swish"))) == ["one of 2: relu, swish"]


def test_what_lies_too_deep_is_counted():
    block = nas.chain(L.Conv2D(oneof([8, 16]), oneof([3, 5])), L.BatchNormalization(), name="block")
    choice = nas.choose(block, nas.repeat(L.Conv2D(oneof([8, 16]), 3), 1, 3), name="body")
    assert told(choice, depth=1)[:2] == ["one of 2", "block: 2 layers, 2 decisions"]
    assert told(choice, depth=0)[0].startswith("one of 2: block, ")
    assert summary(block) == "2 layers, 2 decisions"


def test_many_options_are_cut_but_counted():
    (_, line) = told(L.Conv2D(nas.integer(1, 100), 3))
    assert line == "filters (100): 1, 2, 3, 4, 5, …, 100"


@pytest.mark.parametrize(
    ("low", "high", "tied", "text"),
    [
        (1, 3, False, "1 to 3 times"),
        (0, 1, False, "optional"),
        (2, 2, False, "2 times"),
        (0, 2, True, "0 to 2 times"),
        (3, 4, True, "3 or 4 times"),
    ],
)
def test_repetitions_are_rolled_up(low, high, tied, text):
    found = repetition_of(nas.repeat(L.Conv2D(oneof([8, 16]), 3), low, high, tied=tied))
    assert (found.low, found.high, found.tied) == (low, high, tied)
    assert times_of(found) == text


def test_tied_decisions_share_a_colour():
    @nas.space(input=(8, 8, 1))
    def tied(x):
        width, other = nas.tied([8, 16], name="width"), nas.tied([3, 5], name="kernel")
        x = L.Conv2D(width, other, name="first")(x)
        return L.Conv2D(width * 2, 3, name="second")(x)

    first, second = plan_of(tied).boxes[1:]
    assert [line.text for line in first.lines[2:4]] == ["filters = width (2): 8, 16", "kernel_size = kernel (2): 3, 5"]
    assert second.lines[2].text == "filters = width (2): 16, 32"
    assert first.lines[2].chip == second.lines[2].chip != first.lines[3].chip


def test_a_tied_operation_is_told_once():
    @nas.space(input=(8, 8, 4))
    def cells(x):
        cell = nas.tied(nas.chain(L.Conv2D(4, oneof([3, 5])), L.ReLU()), name="cell")
        return cell(cell(x))

    first, second = plan_of(cells).boxes[1:]
    assert first.lines[1].text == "cell, decided once for all"
    assert second.lines[1].text == "cell, decided as before"
    assert first.lines[1].chip == second.lines[1].chip


def test_branches_and_learned_connections():
    node = nas.connect(2, 3, through=nas.choose(L.MaxPooling2D(3, strides=1), L.Conv2D(8, 3), name="op"))
    text = told(nas.branches(L.Conv2D(8, oneof([1, 3]), name="conv"), None, merge="concat"))
    assert text[0] == "side by side, merged"
    assert "conv: Conv, 8" in text
    assert told(node)[1] == "2 of 3"


def test_names_and_options_are_escaped():
    space = nas.as_space(pg.Dict({"a<b": pg.oneof(["<script>", "&"])}), name="<x>")
    for text in (draw_space(space).svg(), draw_space(space).html()):
        assert "<script>" not in text
        assert "<x>" not in text
        ElementTree.fromstring(text)


def test_plain_values_are_a_tree_of_decisions():
    entries = outline(nas.as_space(published).genome.slots)
    kernel, op, rate, ops = entries
    assert [said(entry.box) for entry in (kernel, rate, ops)] == [
        ["7x layers[0…6].kernel", "(3): 3, 5, 7"],
        ["rate", "0 to 0.5"],
        ["ops", "3 of 8: 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'"],
    ]
    (child,) = op.children
    assert said(child.box)[1:] == ["expand", "(2): 3, 6"]
    assert kernel.box.piled
    assert not rate.box.piled


def test_the_tree_has_no_overlaps_and_continues_in_columns():
    fields = {f"choice_{'abcdefghijklmnopqrstuvwxyz'[k % 26]}{'x' * (k // 26)}": pg.oneof(list(range(40))) for k in range(40)}
    space = nas.as_space(pg.Dict(fields), name="forty")
    picture = draw_space(space)
    frames = [next(m for m in mark.marks if isinstance(m, Rectangle)) for mark in picture.marks if isinstance(mark, Group)]
    assert len(frames) == 40
    assert len({frame.x for frame in frames}) > 1
    for a, b in itertools.combinations(frames, 2):
        assert a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y
    for mark in picture.marks:
        if isinstance(mark, Group):
            frame = mark.marks[0]
            for words in (m for m in mark.marks if isinstance(m, Words)):
                assert words.x + width_in_dejavu(words.text, words.size, words.bold) <= frame.x + frame.width - 4
    assert picture.height < 1300


@pytest.mark.parametrize("make", [unet, lambda: nas.as_space(published)])
def test_png_of_a_space(make, tmp_path):
    import matplotlib.image

    picture = draw_space(make())
    pixels = matplotlib.image.imread(picture.save(tmp_path / "space.png"))
    assert abs(pixels.shape[1] - 2 * picture.width) <= 2
    assert pixels[..., :3].min() < 0.3


def test_an_architecture_of_plain_values_is_a_table():
    html = nas.as_space(published, name="<x>").sample(seed=0)._repr_html_()
    root = ElementTree.fromstring(html)
    assert root.tag == "div"
    assert "<x>" not in html
    assert "layers[0].kernel" in html


def test_an_architecture_is_drawn_in_notebooks():
    html = unet().sample(seed=0)._repr_html_()
    assert ElementTree.fromstring(html)[0].tag == f"{SVG}svg"
    assert "<script" not in html


@pytest.mark.parametrize("make", [unet, lambda: nas.as_space(published)])
def test_a_space_is_drawn_in_notebooks(make):
    space = make()
    assert ElementTree.fromstring(space._repr_html_())[0].tag == f"{SVG}svg"
    assert space.draw(title="Mine").startswith("<svg")
