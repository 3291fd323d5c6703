"""Large networks block by block: what is joined, what is piled up, and what must stay apart so that a U stays a U."""

import itertools
import time

import pytest
from graphs import Sketch, tower, unet
from test_drawing import BOTTLENECKS, mobilenet_v2, residual_classifier, said

from nas.language.drawing import draw_network
from nas.language.drawing.folding import Step, fold
from nas.language.drawing.layout import layout
from nas.language.drawing.routing import extent
from nas.language.operation import KerasCall


def blocks(graph):
    return layout(graph, detail="blocks").boxes


def chain(*texts, path="", level=0):
    """Layers that read the one before, after an input."""
    texts = ("input", *texts)
    return [Step(text, level, (k - 1,) if k else (), k == len(texts) - 1, f"{path}{k}") for k, text in enumerate(texts)]


def spans(steps):
    return [(f.start, f.stop, f.times) for f in fold(steps)]


def test_equal_neighbours_are_a_pile():
    assert spans(chain("a", "a", "a", "b")) == [(0, 1, 1), (1, 4, 3), (4, 5, 1)]


def test_periods_are_a_pile():
    assert spans(chain("a", "b", "a", "b", "a", "b")) == [(0, 1, 1), (1, 7, 3)]


def test_single_layers_in_a_row_are_a_list_of_at_most_six():
    assert spans(chain(*"abcdefgh")) == [(0, 1, 1), (1, 7, 1), (7, 9, 1)]


def test_what_is_read_elsewhere_is_not_piled_up():
    steps = chain("a", "a", "a", "b")
    steps[-1] = steps[-1]._replace(sources=(3, 1))
    assert spans(steps) == [(0, 1, 1), (1, 2, 1), (2, 5, 1)]  # from the fork to its merge, but no pile of three


def test_an_output_is_not_hidden_in_a_block():
    steps = chain("a", "a", "a")
    steps[2] = steps[2]._replace(output=True)
    assert all(f.stop == 3 for f in fold(steps) if f.start <= 2 < f.stop)


def test_a_step_of_the_space_function_is_a_block():
    paths = ["x", "stem.conv", "stem.pool", "cell[0].a", "cell[0].b", "cell[1].a", "cell[1].b"]
    steps = [Step(p.split(".")[-1], 0, (k - 1,) if k else (), k == 6, p) for k, p in enumerate(paths)]
    assert [(f.name, f.times) for f in fold(steps)] == [("", 1), ("stem", 1), ("cell", 2)]


def test_residual_blocks_are_found_and_piled_up():
    """Sandler et al. 2018, table 2: in each stage all blocks but the first have a shortcut, and are equal."""
    piles = [box for box in blocks(mobilenet_v2()) if "Residual block" in box.title]
    repeated = [n - 1 for _, _, n, _ in BOTTLENECKS if n > 1]
    assert [box.title for box in piles] == [f"{n}x Residual block" if n > 1 else "Residual block" for n in repeated]
    assert [box.piled for box in piles] == [n > 1 for n in repeated]
    assert said(piles[1])[1:5] == [
        "Conv 1x1, 192 · BatchNorm · relu6",
        "Depthwise 3x3 · BatchNorm · relu6",
        "Conv 1x1, 32 · BatchNorm",
        "Add",
    ]


@pytest.mark.parametrize("make", [mobilenet_v2, unet, residual_classifier, lambda: tower(200)])
def test_every_node_is_in_one_box_and_every_flop_is_counted(make):
    graph = make()
    for boxes in (blocks(graph), layout(graph, detail="layers").boxes):
        assert sorted(itertools.chain(*(box.names for box in boxes))) == sorted(graph.nodes)
        assert all(source < k for k, box in enumerate(boxes) for source in box.sources)


def test_a_pile_says_what_all_of_it_costs():
    graph = tower(200)
    (pile,) = [box for box in blocks(graph) if box.piled]
    flops = sum(graph.nodes[name].cost.flops for name in pile.names)
    assert said(pile) == ["66x Conv 3x3, 8", "BatchNorm, relu", f"8x8x8, {flops / 1e6:.1f} MFLOPs"]


def test_a_unet_stays_a_u():
    boxes = blocks(unet(widths=(8, 16, 32, 64), bottleneck=128))
    levels = [box.level for box in boxes]
    assert max(levels) == 4
    assert [a for a, _ in itertools.groupby(levels)] == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert sum(edge.skip for edge in layout(unet(), detail="blocks").edges) == 3


def test_blocks_are_drawn_where_layers_would_be_too_many():
    assert len(layout(unet()).boxes) == len(layout(unet(), detail="layers").boxes)
    assert len(layout(mobilenet_v2()).boxes) == len(blocks(mobilenet_v2())) <= 24


def test_an_inner_branch_goes_into_the_block_around_it():
    """Squeeze-and-excite (Hu et al. 2018) within a residual block."""
    net = Sketch()
    x = net.input(8, 8, 4)
    y = net.conv(x, 4)
    gate = net.conv(net.conv(net.pool(y, 8), 1, 1), 4, 1)
    y = net.conv(net.add("gate", KerasCall("Multiply"), (y, gate), (8, 8, 4)), 4, 1)
    graph = net.graph(net.sum(x, y))
    assert {box.level for box in layout(graph, detail="layers").boxes} == {0}  # the gate is no bottleneck
    assert [len(box.names) for box in blocks(graph)] == [1, 7]


def test_a_pile_keeps_its_distance():
    for a, b in itertools.combinations(blocks(mobilenet_v2()), 2):
        (left, top, right, bottom), (left2, top2, right2, bottom2) = extent(a), extent(b)
        assert right + 8 <= left2 or right2 + 8 <= left or bottom + 8 <= top2 or bottom2 + 8 <= top


def test_two_hundred_layers_take_well_under_a_second():
    graph = mobilenet_v2()
    started = time.perf_counter()
    draw_network(graph).svg()
    assert time.perf_counter() - started < 1.0  # measured: 0.02 s
