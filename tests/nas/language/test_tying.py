"""Tied decisions: counted once, read everywhere, and followed exactly by whatever folds over a whole space."""

import itertools

import numpy as np
import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.language.automaton.batch import Pricer
from nas.language.costing import find_metric
from nas.language.proof import prove


@nas.space(input=(8, 8, 3))
def values(x):
    """One width in several fields, in one option of a choice, and as an operation."""
    width = nas.tied([4, 6], name="width")
    kind = nas.tied(["conv", "pool", "none"], name="kind")
    x = L.Conv2D(width, oneof([1, 3]))(x)
    x = nas.optional(L.Conv2D(width * 2, oneof([1, 3])), name="more")(x)
    x = kind.map({"conv": L.Conv2D(5, 1), "pool": L.MaxPooling2D(2), "none": None}.get)(x)
    y = kind.map({"conv": L.Conv2D(5, 3), "pool": L.AveragePooling2D(2), "none": None}.get)(x)
    return L.Conv2D(width, 1, groups=1)(y)


@nas.space(input=(8, 8, 3))
def cells(x):
    """A cell with learned connections, stacked at two resolutions; earlier cells die where nothing connects to them."""

    def cell(a, b):
        n0 = nas.connect(1, 2, through=nas.choose(L.Conv2D(4, 1), None, L.MaxPooling2D(3, 1)), name="n0")(a, b)
        n1 = nas.connect(1, 3, through=nas.choose(L.Conv2D(4, 3), None), name="n1")(a, b, n0)
        return L.Add()(n1, nas.choose(None, L.Conv2D(4, 1, use_bias=False), name="post")(n1))

    tied = nas.tied(cell, name="cell")
    a = b = L.Conv2D(4, 1)(x)
    for _ in range(2):
        a, b = b, tied(a, b)
    a, b = L.MaxPooling2D(2)(a), L.MaxPooling2D(2)(b)
    for _ in range(2):
        a, b = b, tied(a, b)
    return b


@nas.space(input=(8, 8, 3))
def widening(x):
    """A tied cell whose output width depends on its decisions, so that its places see different shapes."""

    def cell(x):
        y = nas.optional(L.Conv2D(oneof([4, 8]), oneof([1, 3])), name="conv")(x)
        return nas.choose(None, L.MaxPooling2D(2), name="pool")(y)

    tied = nas.tied(cell, name="cell")
    return L.Conv2D(2, 1)(tied(tied(L.Conv2D(oneof([4, 6]), 1)(tied(x)))))


@nas.space(input=(8, 8, 3))
def optional_cells(x):
    """A tied cell that is applied once for certain and once perhaps, and reads a tied width."""
    width = nas.tied([4, 6], name="width")

    def cell(x):
        return L.Conv2D(width, oneof([1, 3]))(nas.optional(L.Conv2D(4, 3), name="first")(x))

    tied = nas.tied(cell, name="cell")
    x = nas.repeat(nas.chain(tied, L.Conv2D(oneof([3, 4]), 1)), 0, 2, name="more")(tied(x))
    return nas.choose(L.Conv2D(width, 1), L.Conv2D(2, 1), name="last")(x)


SPACES = (values, cells, widening, optional_cells)


@pytest.fixture(params=SPACES, ids=lambda space: space.name)
def space(request):
    return request.param


def test_a_tied_decision_is_counted_once(space):
    assert space.size == pg.dna_spec(space.hyper).space_size == len({a.vector.tobytes() for a in space})


def test_sizes_by_hand():
    assert values.size == 2 * 3 * 2 * 3  # width, kind, kernel, more (none, or two kernels)
    assert cells.size == (2 * 3) * (3 * 2) * 2
    assert widening.size == (1 + 2 * 2) * 2 * 2
    assert optional_cells.size == 2 * (2 * 2) * (1 + 2 + 2**2) * 2


def test_every_place_makes_the_same_decision():
    for architecture in values:
        width, kind = architecture.decisions["width"], architecture.decisions["kind"]
        calls = [node.call for node in architecture.network.nodes.values() if node.call]
        convolutions = [call.kwargs for call in calls if call.layer == "Conv2D"]
        assert convolutions[0]["filters"] == convolutions[-1]["filters"] == width
        assert (kind == "pool") == any(call.layer == "MaxPooling2D" for call in calls)


def test_each_application_has_weights_of_its_own():
    chosen = cells.architecture({"cell.n0": "input1", "cell.n0.input1.choice": "conv2d", "cell.n1": "input2",
                                 "cell.n1.input2.choice": "conv2d", "cell.post": "none"})  # fmt: skip
    names = [name for name, node in chosen.network.nodes.items() if node.call and node.call.layer == "Conv2D"]
    assert len(names) == 1 + 4 * 2


def test_all_architectures_build_and_that_is_proved(space):
    proof = prove(space)
    assert (proof.status, proof.building) == ("proved", space.size)


@pytest.mark.parametrize("metric", ["flops", "params"])
def test_counts_within_a_budget_agree_with_listing(space, metric):
    costs = sorted(getattr(a.cost(), metric) for a in space)
    for limit in {costs[0], costs[len(costs) // 3], costs[len(costs) // 2], costs[-1]}:
        small = space.within(**{metric: limit})
        assert small.size == sum(cost <= limit for cost in costs)
        assert all(getattr(a.cost(), metric) <= limit for a in small.sample(seed=0, n=20))


def test_batch_prices_are_the_plain_ones(space):
    pricer = Pricer(space, [find_metric("flops"), find_metric("params")])
    vectors = np.stack([a.vector for a in space])
    priced = pricer.price(vectors)
    assert priced.builds.all()
    assert priced.costs.tolist() == [[a.cost().flops, a.cost().params] for a in space]


def test_keras_builds_what_is_counted():
    for architecture in cells.sample(seed=1, n=2):
        assert architecture.build().count_params() == architecture.cost().params


def test_a_place_where_a_tied_cell_does_not_build_is_found():
    with pytest.raises(nas.UserError, match="is larger than its input") as caught:

        @nas.space(input=(4, 4, 3))
        def shrinking(x):
            cell = nas.tied(lambda x: L.Conv2D(4, oneof([2, 3]), padding="valid")(x), name="cell")
            return L.ReLU()(cell(nas.optional(cell, name="twice")(x)))

    assert caught.value.received == {"cell.conv2d.kernel_size": 3, "twice": True}  # 4 -> 2 -> 0


def test_values_follow_arithmetic_and_maps():
    width = nas.tied([16, 32], name="width")
    assert (width * 2).options == (2 * width).options == [32, 64]
    assert (width // 2).options == [8, 16]
    assert (1 - width.map(lambda w: w / 64)).options == [0.75, 0.5]
    assert width.map(str).labels == [16, 32]


def test_what_cannot_be_tied():
    width = nas.tied([16, 32], name="width")
    with pytest.raises(nas.UserError, match="arithmetic with the tied decision other"):
        width + nas.tied([1, 2], name="other")
    with pytest.raises(nas.UserError, match="would fix the decision"):
        bool(width)
    with pytest.raises(nas.UserError, match="has choices of its own"):
        nas.tied([L.Conv2D(8, 1), L.Conv2D(oneof([8, 16]), 1)], name="op")
    with pytest.raises(nas.UserError, match=r"Conv2D\.filters\[1\]: 'b'.*does not fit"):
        L.Conv2D(nas.tied([1, "b"], name="width"), 3)
    with pytest.raises(nas.UserError, match="two tied decisions have this name"):

        @nas.space(input=(8, 8, 1))
        def twice(x):
            return L.Conv2D(nas.tied([1, 2], name="w"), 1)(L.Conv2D(nas.tied([1, 3], name="w"), 1)(x))


def test_branches_merge_what_they_compute():
    @nas.space(input=(8, 8, 3))
    def inception(x):
        few = nas.manyof(2, [L.Conv2D(4, 1), L.Conv2D(4, 3), L.MaxPooling2D(3, 1)], sorted=True)
        return nas.branches(few, merge="concat", name="mixed")(x)

    assert inception.size == 3
    assert sorted(a.network.nodes[a.network.outputs[0]].shape for a in inception) == [(8, 8, 7), (8, 8, 7), (8, 8, 8)]
    assert prove(inception).building == 3


def test_pick_takes_one_of_its_inputs():
    @nas.space(inputs={"a": (8, 8, 3), "b": (8, 8, 5)})
    def either(a, b):
        return L.Conv2D(2, 1)(L.Pick(oneof([0, 1]), name="source")(a, b))

    assert [a.cost().params for a in either] == [3 * 2 + 2, 5 * 2 + 2]
    assert prove(either).status == "proved"
    with pytest.raises(nas.UserError, match="there is no input 2"):

        @nas.space(input=(8, 8, 3))
        def beyond(x):
            return nas.chain(L.Pick(2), L.ReLU())(x, x)


def test_ranges():
    assert list(itertools.islice(nas.integer(2, 9, step=3).candidates, 5)) == [2, 5, 8]

    @nas.space(input=(8, 8, 3))
    def dropped(x):
        return L.Dropout(nas.real(0.01, 0.5, log=True), name="drop")(x)

    assert dropped.size is None
    rates = [a.decisions["drop.rate"] for a in dropped.sample(seed=0, n=200)]
    assert 0.01 <= min(rates) < np.median(rates) < 0.15 < max(rates) <= 0.5  # the median of log-uniform is 0.07
    for low, high, message in ((1, 1, "low < high"), (0, 1, "low > 0")):
        with pytest.raises(nas.UserError, match=message):
            nas.real(low, high, log=True)


def test_a_layer_with_many_inputs_is_priced_by_all_their_shapes():
    @nas.space(input=(8, 8, 3))
    def wide(x):
        tensors = [L.Conv2D(oneof([2, 3]), 1, name=f"conv{i}")(x) for i in range(5)]
        return L.Conv2D(1, 1, name="last")(L.Pick(oneof(range(5)), name="source")(*tensors))

    vectors = np.stack([a.vector for a in wide])
    priced = Pricer(wide, [find_metric("params")]).price(vectors)
    assert priced.costs[:, 0].tolist() == [a.cost().params for a in wide]


def test_what_is_repeated_may_read_the_decision_that_counts_it():
    @nas.space(input=(4, 4, 2))
    def staircase(x):
        number = nas.tied([2, 1], name="number")
        return nas.repeat(L.Conv2D(number, oneof([1, 3])), times=number)(x)

    assert staircase.automaton.count == staircase.size == 4
    costs = sorted(a.cost().params for a in staircase)
    assert staircase.within(params=costs[1]).size == sum(cost <= costs[1] for cost in costs)
