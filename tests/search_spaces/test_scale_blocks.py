"""Grids of levels, outputs ordered by level, and what becomes of features that nothing reads."""

import pytest

import nas
from nas import layers as L
from search_spaces.scale_blocks import Fuse, after_reading, all_different, by_level, grid_of, two_of


def test_grids_are_rounded_up():
    assert [grid_of((224, 200), level) for level in (2, 5, 6, 7)] == [(56, 50), (7, 7), (4, 4), (2, 2)]


@nas.space(input=(32, 32, 3))
def ordered(image):
    """Two features at levels 1 and 2, in either order, are returned by level."""
    levels = [nas.tied([1, 2], name=f"level{i}") for i in (0, 1)]
    features = [
        L.Conv2D(5, 3, strides=level.map(lambda at: 2**at), use_bias=bias, name=f"feature{i}")(image)
        for i, (level, bias) in enumerate(zip(levels, (True, False), strict=True))
    ]
    all_different(levels)
    return by_level(features, (32, 32), (1, 2), "p")


def test_outputs_come_by_level_whatever_their_order():
    assert ordered.size == 2
    assert ordered.doubts == ()
    for first in (1, 2):
        graph = ordered.architecture({"level0": first, "level1": 3 - first}).network
        assert [graph.nodes[name].shape for name in graph.outputs] == [(16, 16, 5), (8, 8, 5)]
        assert graph.outputs == (("feature0", "feature1") if first == 1 else ("feature1", "feature0"))


@nas.space(input=(8, 8, 3))
def reading(image):
    """Three features, two of which are read; what is left is added."""
    features = [L.Conv2D(3, 1, name=f"feature{i}")(image) for i in range(3)]
    pair = two_of(3)
    x = L.Add(name="sum")(*(each.of(features) for each in pair))
    for j, y in after_reading(dict(enumerate(features)), pair, "unread").items():
        x = Fuse(name=f"leftover{j}")(x, y)
    return x


@pytest.mark.parametrize(("first", "second", "left"), [(0, 1, 2), (0, 2, 1), (1, 2, 0)])
def test_what_nothing_reads_is_left(first, second, left):
    assert reading.size == 3
    nodes = reading.architecture({"first3": first, "second3": second}).network.nodes
    assert nodes["sum"].inputs == (f"feature{first}", f"feature{second}")
    assert [name for name in nodes if name.startswith("leftover")] == [f"leftover{left}"]
    assert nodes[f"leftover{left}"].inputs == ("sum", f"feature{left}")


def test_a_pair_is_two_different_features_in_order():
    with pytest.raises(nas.UserError, match="require"):
        reading.architecture({"first3": 1, "second3": 1})
