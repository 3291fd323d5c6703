import numpy as np
import pyglove as pg
import pytest

import nas
from controllers.encoding import FARTHEST, Encoding, joined
from nas import layers as L


def encoded(space, *points):
    encoding = Encoding(space)
    return encoding, encoding.features(np.array([space.architecture(point).vector for point in points]))


def apart(features):
    """Squared distances between decisions, halved: 1 where one decision differs."""
    difference = features.decisions[:, None] - features.decisions[None]
    return (difference.astype(float) ** 2).sum(axis=2) / 2


def test_likeness_counts_the_decisions_that_agree():
    space = nas.as_space(pg.Dict(a=pg.oneof(["p", "q"]), b=pg.oneof(["r", "s"]), c=pg.oneof(["t", "u"])), name="three")
    encoding, features = encoded(space, {"a": "p", "b": "r", "c": "t"}, {"a": "p", "b": "s", "c": "u"})
    assert encoding.roles == 3
    assert (features.decisions @ features.decisions.T).tolist() == [[3, 1], [1, 3]]
    assert apart(features)[0, 1] == 2


def test_numbers_in_order_are_nearer():
    space = nas.as_space(pg.Dict(kernel=pg.oneof([5, 3, 7, 9])), name="kernels")
    _, features = encoded(space, *({"kernel": k} for k in (3, 5, 7, 9)))
    distances = apart(features)[0]
    assert distances == pytest.approx([0, 0.5 + 1 / 6, 0.5 + 2 / 6, 1.0])


def test_a_float_is_a_place_on_its_scale():
    space = nas.as_space(pg.Dict(rate=pg.floatv(0.01, 1.0, scale="log")), name="rate")
    _, features = encoded(space, {"rate": 0.01}, {"rate": 0.1}, {"rate": 1.0})
    assert apart(features)[0] == pytest.approx([0, 0.5, 1.0], abs=1e-6)


def test_the_same_decision_of_two_candidates_is_one():
    block = {"kernel": [3, 5], "width": [8, 16]}
    conv = pg.Dict(op="conv", **{k: pg.oneof(v) for k, v in block.items()})
    separable = pg.Dict(op="separable", **{k: pg.oneof(v) for k, v in block.items()})
    space = nas.as_space(pg.Dict(block=pg.oneof([conv, separable, pg.Dict(op="none")])), name="blocks")
    encoding = Encoding(space)
    features = encoding.features(np.array([space.architecture(i).vector for i in range(9)]))
    assert encoding.roles == 3
    assert apart(features)[0, 4] == 1  # another operation, the same kernel and width
    assert features.sizes.tolist() == [3] * 8 + [1]
    assert apart(features)[0, 8] == 2  # half a decision for each that is active on one side only


def test_counts_see_what_is_used_how_often():
    space = nas.as_space(
        pg.Dict(**{f"edge{i}": pg.oneof(["conv", "pool", "none"]) for i in range(4)}, last=pg.oneof(["x", "y"]))
    )
    encoding, features = encoded(
        space,
        {"edge0": "conv", "edge1": "conv", "edge2": "pool", "edge3": "none", "last": "x"},
        {"edge0": "none", "edge1": "pool", "edge2": "conv", "edge3": "conv", "last": "y"},
    )
    assert encoding.counted == 3  # the last decision shares its options with none
    assert (features.counts * np.sqrt(5)).tolist() == [[2, 1, 1], [2, 1, 1]]


def test_costs_are_exact_and_in_standard_deviations():
    @nas.space(input=(8, 8, 3))
    def network(image):
        x = L.Conv2D(nas.oneof([4, 8, 16, 32]), 3, name="a")(image)
        x = L.Conv2D(nas.oneof([4, 8, 16, 32]), 3, name="b")(x)
        L.Conv2D(nas.oneof([1, 512]), 3, name="dead")(x)
        return x

    encoding, features = encoded(network, 0, 1, 31)
    assert encoding.metrics == ("flops", "macs", "params")
    assert encoding.priced == 2
    prices = encoding.prices(np.array([network.architecture(i).vector for i in (0, 1)]))
    cost = network.architecture(0).cost()
    assert prices.tolist() == [[cost.flops, cost.macs, cost.params]] * 2  # what nothing reads costs nothing
    assert features.costs[0].tolist() == features.costs[1].tolist()
    assert (features.costs[2] > features.costs[0]).all()
    assert (abs(features.costs) <= FARTHEST).all()


def test_a_space_of_values_has_no_costs():
    encoding, features = encoded(nas.as_space(pg.Dict(a=pg.oneof([1, 2])), name="values"), 0, 1)
    assert encoding.metrics == ()
    assert features.costs.shape == (2, 0)


def test_batches_can_be_joined_and_taken_apart():
    _, features = encoded(nas.as_space(pg.Dict(a=pg.oneof(["x", "y", "z"])), name="one"), 0, 1, 2)
    again = joined([features.take([0]), features.take(slice(1, 3))])
    assert len(again) == 3
    assert (again.decisions == features.decisions).all()
