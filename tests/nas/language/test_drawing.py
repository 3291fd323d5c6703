"""Pictures, judged by geometry: boxes apart, text inside its box, a U where there is one."""

import functools
import itertools
import random
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from graphs import Sketch, book_network, tower, unet

from nas.errors import UserError
from nas.language.drawing import draw_network
from nas.language.drawing.captions import flops_of, notes_of, title_of
from nas.language.drawing.layout import layout
from nas.language.drawing.routing import crosses, extent
from nas.language.drawing.style import with_arrow, words_around, words_in
from nas.language.graph import Graph, Node
from nas.language.operation import KerasCall, OpCost

SVG = "{http://www.w3.org/2000/svg}"


def residual_classifier():
    """Pre-activation residual blocks, then dense layers: no way up, vectors at the end."""
    net = Sketch()
    x = net.input(32, 32, 16)
    for i, strides in enumerate((1, 2, 2)):
        y = net.conv(net.activation(net.norm(x)), 16 << i, strides=strides)
        y = net.conv(net.activation(net.norm(y)), 16 << i)
        x = net.sum(y, x if strides == 1 else net.conv(x, 16 << i, 1, strides=strides))
    x = net.add("pool", KerasCall("GlobalAveragePooling2D"), x, (64,))
    return net.graph(net.dense(net.dropout(net.dense(x, 128)), 10))


def inception():
    """Four branches side by side, twice, at one resolution."""
    net = Sketch()
    x = net.input(32, 32, 16)
    for _ in range(2):
        branches = [net.conv(x, 8, 1) for _ in range(4)]
        branches[1] = net.conv(branches[1], 8)
        branches[2] = net.conv(net.conv(branches[2], 8), 8)
        x = net.concat(*branches)
    return net.graph(x)


def perceptron():
    """No grid at all, two outputs."""
    net = Sketch()
    x = net.input(20, name="features")
    for units in (64, 32):
        x = net.activation(net.dense(x, units))
    return net.graph(net.dense(x, 1), net.dense(x, 2))


def two_images():
    """Two inputs with an encoder each, and skips from both."""
    net = Sketch()
    a, b = net.input(32, 32, 3, name="left"), net.input(32, 32, 1, name="depth")
    halves = [net.conv(net.conv(image, 8), 16, strides=2) for image in (a, b)]
    x = net.transpose(net.conv(net.concat(*halves), 32, strides=2), 16)
    x = net.concat(net.transpose(net.concat(x, *halves), 8), a)
    return net.graph(net.conv(x, 3), net.conv(x, 1, activation="sigmoid"))


def projected_skips():
    """A U-Net whose skips pass through 1x1 convolutions."""
    net = Sketch()
    x, skips = net.input(64, 64, 1), []
    for width in (8, 16, 32):
        x = net.activation(net.conv(net.activation(net.conv(x, width)), width))
        skips.append((width, x))
        x = net.conv(x, width, strides=2)
    for width, skip in reversed(skips):
        x = net.sum(net.conv(net.upsample(x), width, 1), net.conv(skip, width, 1))
        x = net.activation(net.conv(x, width))
    return net.graph(net.conv(x, 3))


def generator():
    """From a vector to an image: only upward."""
    net = Sketch()
    x = net.dense(net.input(64, name="latent"), 512)
    x = net.add("reshape", KerasCall("Reshape", target_shape=[4, 4, 32]), x, (4, 4, 32))
    for filters in (32, 16, 8):
        x = net.activation(net.norm(net.transpose(x, filters)))
    return net.graph(net.conv(x, 3, activation="tanh"))


def lone_input():
    net = Sketch()
    return net.graph(net.input(4, 4, 1))


def darts_cell():
    """Two inputs, four nodes of two inputs each, all joined (Liu et al. 2019)."""
    net, rng = Sketch(), random.Random(0)
    inputs = [net.input(32, 32, 16, name=name) for name in ("before", "last")]
    nodes = [net.conv(net.activation(x), 16, 1) for x in inputs]
    for _ in range(4):
        ways = [net.conv(net.norm(net.conv(net.activation(x), 16)), 16, 1) for x in rng.sample(nodes, 2)]
        nodes.append(net.sum(*ways))
    return net.graph(net.concat(*nodes[2:]))


def volumes():
    """A U-Net of three axes."""
    net = Sketch()
    image = net.input(16, 16, 16, 1)
    conv = lambda x, shape: net.add(None, KerasCall("Conv3D", filters=shape[-1], kernel_size=3), x, shape)  # noqa: E731
    skip = conv(image, (16, 16, 16, 4))
    x = net.add("pool", KerasCall("MaxPooling3D", pool_size=2), skip, (8, 8, 8, 4))
    x = net.add("up", KerasCall("UpSampling3D", size=2), conv(x, (8, 8, 8, 8)), (16, 16, 16, 8))
    return net.graph(conv(net.concat(skip, x), (16, 16, 16, 2)))


def signal():
    """One axis, halved twice."""
    net = Sketch()
    x = net.input(256, 2)
    for i in range(2):
        call = KerasCall("Conv1D", filters=8 << i, kernel_size=5, strides=2)
        x = net.add(None, call, x, (128 >> i, 8 << i))
    return net.graph(x)


def depthwise(net, x, strides):
    height, width, channels = net.shape(x)
    call = KerasCall("DepthwiseConv2D", kernel_size=3, strides=strides)
    return net.add(None, call, x, (-(-height // strides), -(-width // strides), channels))


def mobilenet_v2():
    """152 nodes (Sandler et al. 2018): 224x224, 17 inverted bottlenecks."""
    net = Sketch()
    x = net.activation(net.norm(net.conv(net.input(224, 224, 3), 32, strides=2)), "relu6")
    for expansion, width, blocks, stride in BOTTLENECKS:
        for k in range(blocks):
            y = x
            if expansion > 1:
                y = net.activation(net.norm(net.conv(y, expansion * net.shape(x)[-1], 1)), "relu6")
            y = net.activation(net.norm(depthwise(net, y, stride if k == 0 else 1)), "relu6")
            y = net.norm(net.conv(y, width, 1))
            x = net.sum(x, y) if k else y
    x = net.activation(net.norm(net.conv(x, 1280, 1)), "relu6")
    x = net.add("pool", KerasCall("GlobalAveragePooling2D"), x, (1280,))
    return net.graph(net.dense(x, 1000))


# Expansion, channels, blocks and stride (Sandler et al. 2018, table 2)
BOTTLENECKS = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def random_network(seed):
    """Any mixture of resolutions, branches and merges."""
    rng = random.Random(seed)
    net = Sketch()
    tensors = [net.input(32, 32, 4)]
    for _ in range(rng.randrange(5, 40)):
        x = rng.choice(tensors[-4:])
        size = net.shape(x)[0]
        kind = rng.choice(["conv", "conv", "act", "norm", "down", "up", "sum", "concat"])
        same = [t for t in tensors if net.shape(t) == net.shape(x)]
        if kind == "down" and size > 2:
            x = net.conv(x, 4, strides=2)
        elif kind == "up" and size < 64:
            x = net.transpose(x, 4)
        elif kind == "sum" and len(same) > 1:
            x = net.sum(*rng.sample(same, 2))
        elif kind == "concat" and len(same) > 1:
            x = net.conv(net.concat(*rng.sample(same, 2)), 4)
        else:
            x = {"act": net.activation, "norm": net.norm}.get(kind, lambda x: net.conv(x, 4))(x)
        tensors.append(x)
    return net.graph(*rng.sample(tensors, 2))


NETWORKS = {
    "book": book_network,
    "unet": unet,
    "deep unet": lambda: unet(widths=(8, 16, 32, 64), bottleneck=64, convs=3),
    "tower": tower,
    "residual classifier": residual_classifier,
    "inception": inception,
    "perceptron": perceptron,
    "two images": two_images,
    "projected skips": projected_skips,
    "generator": generator,
    "lone input": lone_input,
    "darts cell": darts_cell,
    "volumes": volumes,
    "signal": signal,
    "large": mobilenet_v2,
} | {f"random {seed}": lambda seed=seed: random_network(seed) for seed in range(25)}


@functools.cache
def width_in_dejavu(text, size, bold):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=size, prop=font).get_extents().width


def assert_apart(boxes):
    for a, b in itertools.combinations(boxes, 2):
        (left, top, right, bottom), (left2, top2, right2, bottom2) = extent(a), extent(b)
        apart = right + 8 <= left2 or right2 + 8 <= left or bottom + 8 <= top2 or bottom2 + 8 <= top
        assert apart, f"{a.title} at {a.x, a.y} and {b.title} at {b.x, b.y}"


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_are_apart_and_inside_the_picture(name):
    plan = layout(NETWORKS[name](), title="A network")
    assert_apart(plan.boxes)
    rights = {words.text: words.x + width_in_dejavu(words.text, words.size, words.bold) for words in words_around(plan)}
    assert max(rights.values()) <= plan.width
    for box in plan.boxes:
        assert all(rights[band.label] < box.x for band in plan.bands if band.label)
        assert box.y > 40  # below the heading
        assert box.x + box.width < plan.width
        assert box.y + box.height < min(y for _, y in plan.legend.values()) - 10
    assert max(y for _, y in plan.legend.values()) < plan.height


@pytest.mark.parametrize("name", [name for name in NETWORKS if "random" not in name])
def test_text_fits_its_box_and_lines_do_not_touch(name):
    for box in layout(NETWORKS[name]()).boxes:
        lines = list(words_in(box))
        for words in lines:
            width = width_in_dejavu(words.text, words.size, words.bold)
            left = words.x - width / 2 if words.centred else words.x
            assert box.x + 4 <= left, words.text
            assert left + width <= box.x + box.width - 4, words.text
        assert all(w.size >= 10 for w in lines)
        assert lines[0].y - lines[0].size / 2 >= box.y
        assert lines[-1].y + lines[-1].size / 2 <= box.y + box.height
        assert all(b.y - a.y >= max(a.size, b.size) + 1 for a, b in itertools.pairwise(lines))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_edge_runs_from_its_source_to_its_target(name):
    graph = NETWORKS[name]()
    plan = layout(graph)
    box_of = {node: k for k, box in enumerate(plan.boxes) for node in box.names}
    wanted = {(box_of[s], box_of[n.name]) for n in graph.live().nodes.values() for s in n.inputs}
    assert {(edge.source, edge.target) for edge in plan.edges} == {(a, b) for a, b in wanted if a != b}
    for edge in plan.edges:
        assert len(edge.path) % 3 == 1
        for end, box in ((edge.path[0], plan.boxes[edge.source]), (edge.path[-1], plan.boxes[edge.target])):
            assert box.x <= end[0] <= box.x + box.width
            assert box.y <= end[1] <= box.y + box.height
        _, (tip, left, right) = with_arrow(edge)
        assert tip == edge.path[-1]
        assert left != right  # the arrow has a direction


@pytest.mark.parametrize("name", NETWORKS)
def test_no_edge_passes_through_a_box(name):
    plan = layout(NETWORKS[name]())
    for edge in plan.edges:
        others = [extent(box) for k, box in enumerate(plan.boxes) if k not in (edge.source, edge.target)]
        text = f"{plan.boxes[edge.source].title} -> {plan.boxes[edge.target].title}"
        assert not others or not crosses(edge.path, np.array(others), samples=200), text


@pytest.mark.parametrize("name", ["book", "unet", "deep unet", "projected skips"])
def test_an_encoder_decoder_is_a_u(name):
    graph = NETWORKS[name]()
    plan = layout(graph)
    side = [graph.nodes[box.names[-1]].shape[0] for box in plan.boxes]
    turn = side.index(min(side))
    encoder = [box for box, s in zip(plan.boxes[:turn], side, strict=False) if s > min(side)]
    decoder = [box for box, s in zip(plan.boxes, side, strict=True) if s > min(side) and box not in encoder]
    for (a, size_a), (b, size_b) in itertools.combinations(zip(plan.boxes, side, strict=True), 2):
        if size_a > size_b:
            assert a.y < b.y  # higher resolution, higher up
        elif size_a < size_b:
            assert a.y > b.y
    assert all(a.y < b.y for a, b in itertools.pairwise(encoder))  # the way down
    main = [box for box in decoder if box.x == max(other.x for other in decoder if other.level == box.level)]
    assert all(a.y > b.y for a, b in itertools.pairwise(main))  # the way up
    for level in {box.level for box in decoder}:
        assert max(b.x + b.width for b in encoder if b.level == level) < min(b.x for b in decoder if b.level == level)


def test_skips_of_a_unet_run_level_from_left_to_right():
    plan = layout(unet())
    skips = [edge for edge in plan.edges if edge.skip]
    assert len(skips) == 3
    assert all(edge.path[0][1] == edge.path[-1][1] and edge.path[0][0] < edge.path[-1][0] for edge in skips)


def said(box):
    return [line.text for line in box.lines]


def test_runs_of_nodes_are_one_box_with_the_sum_of_their_flops():
    graph = book_network()
    boxes = layout(graph).boxes
    assert [box.names for box in boxes[:2]] == [("gray",), ("enc0", "enc0_act", "enc0_norm")]
    flops = sum(graph.nodes[name].cost.flops for name in boxes[1].names)
    assert said(boxes[1]) == ["Conv 3x3 /2, 32", "LeakyReLU, BatchNorm", f"40x40x32, {flops / 1e6:.1f} MFLOPs"]
    assert [box.output for box in boxes] == [False] * 9 + [True]


def test_bands_are_the_resolutions():
    assert [band.label for band in layout(book_network()).bands] == ["80x80", "40x40", "20x20", "10x10", "5x5"]
    assert [band.label for band in layout(perceptron()).bands] == [""]
    assert [band.label for band in layout(residual_classifier()).bands] == ["32x32", "16x16", "8x8", ""]


def test_a_network_of_one_resolution_is_read_downward_in_columns():
    boxes = layout(tower(40), detail="layers").boxes
    columns = sorted({box.x for box in boxes})
    assert len(columns) == 2
    assert all(a.x <= b.x and (a.y < b.y or a.x < b.x) for a, b in itertools.pairwise(boxes))


def test_a_tensor_that_is_read_twice_or_is_an_output_ends_its_box():
    net = Sketch()
    x = net.conv(net.input(8, 8, 2), 4, name="conv")
    y = net.activation(x, name="act")
    graph = net.graph(net.sum(x, y, name="sum"), y)
    assert [box.names for box in layout(graph).boxes] == [("image",), ("conv",), ("act",), ("sum",)]


CAPTIONS = [
    (KerasCall("Conv2D", filters=64, kernel_size=3, strides=1), "Conv 3x3, 64", ""),
    (KerasCall("Conv2D", filters=64, kernel_size=[3, 5], strides=[1, 1], activation="relu"), "Conv 3x5, 64", "relu"),
    (KerasCall("Conv2D", filters=64, kernel_size=3, strides=[1, 2], activation="linear"), "Conv 3x3 /1x2, 64", ""),
    (KerasCall("Conv1D", filters=8, kernel_size=7, strides=2), "Conv 7 /2, 8", ""),
    (KerasCall("Conv2DTranspose", filters=64, kernel_size=3, strides=2), "ConvTranspose 3x3 x2, 64", ""),
    (KerasCall("DepthwiseConv2D", kernel_size=5), "Depthwise 5x5", ""),
    (KerasCall("SeparableConv2D", filters=8, kernel_size=3), "Separable 3x3, 8", ""),
    (KerasCall("MaxPooling2D", pool_size=2), "MaxPool 2x2", ""),
    (KerasCall("AveragePooling2D", pool_size=3, strides=2), "AvgPool 3x3 /2", ""),
    (KerasCall("GlobalAveragePooling2D"), "GlobalAvg", ""),
    (KerasCall("UpSampling2D", size=2, interpolation="nearest"), "Upsample 2x2", ""),
    (KerasCall("Concatenate", axis=-1), "Concat", ""),
    (KerasCall("Dense", units=10, activation="softmax"), "Dense, 10", "softmax"),
    (KerasCall("Activation", activation="tanh"), "tanh", ""),
    (KerasCall("GroupNormalization", groups=8), "GroupNorm", ""),
    (KerasCall("SomethingNew"), "SomethingNew", ""),
]


@pytest.mark.parametrize(("call", "title", "notes"), CAPTIONS, ids=[title for _, title, _ in CAPTIONS])
def test_captions(call, title, notes):
    node = Node("n", "n", call, ("x",), (8, 8, 4), OpCost())
    assert (title_of(node), notes_of(node, [], [])) == (title, notes)


def test_what_comes_before_the_main_operation_is_said_to():
    assert said(layout(residual_classifier()).boxes[1])[1] == "after BatchNorm, relu; BatchNorm, relu"


@pytest.mark.parametrize(
    ("flops", "text"),
    [(7, "7 FLOPs"), (1234, "1.2 kFLOPs"), (251_494_400, "251 MFLOPs"), (99_960_000, "100 MFLOPs"), (5e9, "5.0 GFLOPs")],
)
def test_flops_have_two_or_three_digits(flops, text):
    assert flops_of(flops) == text


def nasty_network():
    name = "<script>alert('&')</script>" * 4
    nodes = {name: Node(name, name, None, (), (8, 8, 3), OpCost())}
    call = KerasCall("Dense", units=4, note="<b>\"&'")
    nodes["$x$"] = Node("$x$", "a<b", call, (name,), (8, 8, 4), OpCost())
    return Graph(nodes, [name], ["$x$"])


def test_svg_is_well_formed_and_escaped():
    svg = draw_network(nasty_network(), title="</svg><script>").svg()
    assert "<script>" not in svg
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "</svg><script>" in texts
    assert any(text.startswith("Input <script>") and text.endswith("…") for text in texts)  # too long: cut
    assert any("a<b: Dense(units=4, note='<b>\"&\\'')" in element.text for element in root.iter(f"{SVG}title"))
    assert not [element for element in root.iter() if any("href" in key or key.startswith("on") for key in element.attrib)]


def test_html_is_the_svg_in_a_box_of_limited_width():
    html = draw_network(darts_cell(), title="<b>").html()
    root = ElementTree.fromstring(html)
    assert root.tag == "div"
    assert "max-width:1000px" in root.get("style")
    assert float(root[0].get("width")) == 1000  # the picture is wider, so it is scaled
    assert "<b>" not in html
    assert "<script" not in html


@pytest.mark.parametrize("detail", ["layers", "blocks"])
def test_svg_shows_every_box_and_edge(detail):
    graph = unet()
    plan, root = layout(graph, detail=detail), ElementTree.fromstring(draw_network(graph, detail=detail).svg())
    assert len(list(root.iter(f"{SVG}g"))) == len(plan.boxes)
    assert len(list(root.iter(f"{SVG}polygon"))) == len(plan.edges)
    assert root.get("viewBox") == f"0 0 {plan.width:.0f} {plan.height:.0f}"


def test_svg_is_as_wide_as_asked():
    root = ElementTree.fromstring(draw_network(unet()).svg(width=500))
    plan = layout(unet())
    assert root.get("width") == "500"
    assert root.get("height") == f"{plan.height * 500 / plan.width:.0f}"


@pytest.mark.parametrize("name", ["darts cell", "large", "random 3"])
def test_the_same_network_gives_the_same_picture(name):
    assert draw_network(NETWORKS[name]()).svg() == draw_network(NETWORKS[name]()).svg()


@pytest.mark.parametrize("make", [book_network, nasty_network, lone_input])
def test_png_shows_the_same_layout(make, tmp_path):
    import matplotlib.image

    path = draw_network(make(), title="A $title$").save(tmp_path / "network.png")
    pixels = matplotlib.image.imread(path)
    plan = layout(make(), title="A $title$")
    assert abs(pixels.shape[0] - 2 * plan.height) <= 2
    assert abs(pixels.shape[1] - 2 * plan.width) <= 2
    box = plan.boxes[-1]
    inside = pixels[int(2 * box.y + 8), int(2 * box.x + 20)]
    assert inside[:3].min() < 0.97  # the box's fill, not the white of the page
    assert pixels[2, 2, :3].min() == 1.0


def test_a_picture_is_saved_as_its_suffix_says(tmp_path):
    picture = draw_network(lone_input())
    assert picture.save(tmp_path / "a.svg").read_text() == picture.svg()
    with pytest.raises(UserError, match=r"\.gif is not a picture format"):
        picture.save(tmp_path / "a.gif")
    with pytest.raises(UserError, match="cannot write there"):
        picture.save(tmp_path / "missing" / "a.svg")
