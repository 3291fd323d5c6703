"""The automaton of a space holds exactly the architectures that build, at exactly their cost."""

from collections import Counter

import numpy as np
import pyglove as pg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import build, networks, priced

import nas
from nas import layers as L
from nas import oneof
from nas.errors import SpaceError
from nas.language.automaton import TooEntangled, compile_space, elimination, folds, forms
from nas.language.automaton.batch import Pricer
from nas.language.automaton.circuit import TRUE, Branch, Builder
from nas.language.automaton.tally import Tally, common_step
from nas.language.costing import find_metric
from nas.language.space import SearchSpace
from nas.language.tracing import trace_network

METRICS = [find_metric("flops"), find_metric("params")]


def define(function, shape=(8, 8, 2)):
    """A space that need not build."""
    block, _ = trace_network(function, {"x": shape}, "network")
    return SearchSpace("network", block, inputs={"x": shape})


def listed(space):
    """Decisions -> (flops, params) of every point of the automaton."""
    automaton = compile_space(space)
    prices = [metric.prices(automaton) for metric in METRICS]
    found = {}
    for point in folds.points(automaton.circuit, []):
        vector = [-1] * space.genome.width
        for slot, option in point.decisions:
            assert vector[slot] == -1  # no slot is decided twice
            vector[slot] = option
        assert tuple(vector) not in found
        found[tuple(vector)] = tuple(point.cost(p) for p in prices)
    assert automaton.count == len(found)
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_it_holds_what_builds_at_what_it_costs(description):
    space = build(description)
    assume(space is not None and space.size <= 200)
    expected = priced(space)
    assert listed(space) == expected

    points = np.array([space.genome.unrank(i) for i in range(space.size)])
    batch = Pricer(space, METRICS).price(points)
    assert batch.builds.tolist() == [tuple(point) in expected for point in points.tolist()]
    assert [tuple(c) for c in batch.costs[batch.builds].tolist()] == [expected[tuple(p)] for p in points[batch.builds].tolist()]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_counts_by_cost_are_exact(description):
    space = build(description)
    assume(space is not None and space.size <= 200)
    costs = sorted(cost[0] for cost in priced(space).values())
    assume(costs)
    automaton = compile_space(space)
    prices = METRICS[0].prices(automaton)
    assert folds.least(automaton.circuit, prices)[-1] == costs[0]
    assert folds.most(automaton.circuit, prices)[-1] == costs[-1]
    assert folds.cheapest_point(automaton.circuit, prices).cost(prices) == costs[0]

    step = max(common_step(automaton.circuit, prices), 1)
    tally = Tally(automaton.circuit, prices, None, step)
    assert tally.rounded == 0
    assert {costs[0] + steps * step: count for steps, count in tally.terms()} == Counter(costs)

    limit = costs[len(costs) // 2]
    within = sum(cost <= limit for cost in costs)
    assert Tally(automaton.circuit, prices, limit, step, keep=False).total == within
    assert folds.restrict(automaton.circuit, prices, limit).count() >= within
    coarse = max((limit - costs[0]) // 3, 1)
    down = Tally(automaton.circuit, prices, limit, coarse, "down").total
    up = Tally(automaton.circuit, prices, limit, coarse, "up").total
    assert up <= within <= down

    exists = Tally(automaton.circuit, prices, limit, step, exists=True)
    assert [costs[0] + steps * step for steps, _ in exists.terms()] == sorted({cost for cost in costs if cost <= limit})
    assert exists.find(exists.terms()[-1][0]).cost(prices) == limit


def test_correlated_widths_are_not_mixed_up():
    def net(x):
        both = nas.choose(L.Conv2D(4, 3), L.Conv2D(8, 3), name="width")(x)
        return L.Add()(both, L.ReLU()(both))

    assert compile_space(define(net)).count == 2  # shapes as independent sets would make four, of which two fail


def test_a_skip_across_levels_keeps_its_width():
    def net(x):
        skip = L.Conv2D(oneof([4, 8]), 3, name="enc")(x)
        y = L.MaxPooling2D(2)(skip)
        y = L.Conv2D(oneof([3, 5, 7]), 3, name="middle")(y)
        y = L.Upsample(2)(y)
        y = L.Conv2D(oneof([4, 8]), 3, name="dec")(y)
        return L.Add(name="sum")(y, skip)

    assert listed(define(net)).keys() == {(w, m, w) for w in (0, 1) for m in (0, 1, 2)}


def test_what_no_output_needs_costs_nothing():
    def net(x):
        main = L.Conv2D(4, 1, name="main")(x)
        side = nas.optional(L.ReLU(), name="act")(L.Conv2D(oneof([3, 5]), 3, name="side")(x))
        return L.Merge(oneof(["none", "concat"]), name="skip")(main, side)

    found = listed(define(net))  # by width of the side branch, whether it has an activation, whether it is merged
    assert found[0, 0, 0] == found[1, 1, 0] == (8 * 8 * (2 * 2 * 4 + 4), 2 * 4 + 4)
    assert found[0, 0, 1][1] == 2 * 4 + 4 + 9 * 2 * 3 + 3
    assert found[0, 1, 1][0] - found[0, 0, 1][0] == 8 * 8 * 3


def test_a_branch_read_twice_is_live_if_either_reader_needs_it():
    def net(x):
        side = L.Conv2D(3, 1, name="side")(x)
        y = L.Merge(oneof(["none", "concat"]), name="first")(x, side)
        return L.Merge(oneof(["none", "concat"]), name="second")(y, side)

    found = listed(define(net))
    assert [found[a, b][1] for a in (0, 1) for b in (0, 1)] == [0, 9, 9, 9]


def test_tied_repetitions_share_their_decisions():
    space = define(lambda x: nas.repeat(L.Conv2D(oneof([2, 4]), oneof([1, 3])), 0, 3, tied=True, name="body")(x))
    assert listed(space) == priced(space)
    assert space.size == 16  # the decisions of a body repeated 0 times count


def test_a_tied_cell_of_many_decisions_is_summed_decision_by_decision():
    def cell(x):
        nodes = [x]
        for i in range(1, 5):
            ops = [nas.choose(L.Conv2D(4, 3), L.Conv2D(4, 1), None, name=f"op{j}_{i}")(nodes[j]) for j in range(i)]
            nodes.append(L.Add(name=f"node{i}")(*ops) if i > 1 else ops[0])
        return nodes[-1]

    def net(x):
        x = L.Conv2D(4, 1, name="stem")(x)
        return nas.repeat(nas.block(cell), 6, 6, tied=True, name="cell")(x)

    automaton = compile_space(define(net))
    assert automaton.count == 3**10
    assert len(automaton.circuit.nodes) < 1_000


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
def test_elements_of_a_manyof_exclude_each_other(distinct, ordered):
    from nas.language.blocks import Chain

    ops = [L.Conv2D(oneof([2, 4]), 3), nas.chain(L.ReLU(), L.Conv2D(3, 1)), L.MaxPooling2D(2)]
    space = define(lambda x: Chain(ops=nas.manyof(2, ops, distinct=distinct, sorted=ordered), name="ops")(x))
    assert listed(space) == priced(space)


def test_several_inputs_and_outputs():
    @nas.space(inputs={"a": (8, 8, 2), "b": (8, 8, 3)})
    def pair(a, b):
        y = L.Concatenate(name="both")(a, L.Conv2D(oneof([2, 4]), 1, name="left")(b))
        unused = L.Conv2D(9, 3, name="unused")(y)
        del unused
        return L.Conv2D(1, oneof([1, 3]), name="mask")(y), L.Flatten(name="flat")(b)

    assert listed(pair) == priced(pair)


def test_a_float_counts_as_one_point():
    space = define(lambda x: L.Conv2D(2, oneof([1, 3]), name="conv")(L.Dropout(pg.floatv(0.0, 0.5), name="drop")(x)))
    automaton = compile_space(space)
    assert automaton.count == 2
    vectors = space.genome.sample(np.random.default_rng(0), 5)
    batch = Pricer(space, METRICS).price(vectors)
    assert batch.costs[:, 0].tolist() == [space.architecture(vector).cost().flops for vector in vectors]


def test_a_cost_that_depends_on_a_float_is_not_followed():
    class Scaled(nas.Operation):
        factor: float = 1.0

        def output_shape(self, *inputs):
            return inputs[0]

        def cost(self, inputs, output):
            return nas.OpCost(flops=int(100 * self.factor))

        def keras(self, inputs, output):
            return nas.KerasCall("Rescaling", scale=self.factor)

    with pytest.raises(TooEntangled, match="depends on a float"):
        compile_space(define(lambda x: Scaled(pg.floatv(0.0, 1.0), name="scaled")(x)))


def test_what_is_too_large_is_said_to_be(monkeypatch):
    def wide():
        return define(lambda x: L.Add()(L.Conv2D(oneof([2, 3, 4]), 3)(x), L.Conv2D(oneof([2, 3, 4]), 3)(x)))

    monkeypatch.setattr(elimination, "ROWS", 2)
    with pytest.raises(TooEntangled, match="more than 2 combinations of shapes"):
        compile_space(wide())
    monkeypatch.setattr(forms, "FORMS", 2)
    with pytest.raises(TooEntangled, match=r"conv2d: Conv2D has 3 forms, and at most 2 are followed"):
        compile_space(wide())


def test_a_space_of_plain_values_has_no_automaton():
    with pytest.raises(SpaceError, match="its values have no graph"):
        compile_space(nas.as_space(pg.Dict(x=pg.oneof([1, 2]))))


def test_colorizer_is_compiled_exactly():
    from search_spaces.colorizer import colorizer

    automaton = compile_space(colorizer)
    assert automaton.count == colorizer.size
    vectors = colorizer.genome.sample(np.random.default_rng(0), 50)
    batch = Pricer(colorizer, METRICS).price(vectors)
    costs = [colorizer.architecture(vector).cost() for vector in vectors]
    assert batch.costs.tolist() == [[cost.flops, cost.params] for cost in costs]


def test_equal_nodes_are_made_once_and_single_branches_are_merged():
    builder = Builder()
    leaf = builder.sum([Branch(((0, 0),), 0, TRUE), Branch(((0, 1),), 0, TRUE)])
    assert builder.sum([Branch(((0, 0),), 0, TRUE), Branch(((0, 1),), 0, TRUE)]) == leaf
    assert builder.product(leaf, TRUE) == leaf
    one = builder.sum([Branch(((1, 0),), builder.bundle([7]), TRUE)])
    both = builder.product(one, leaf)  # a constant joins what goes on: no product is needed
    circuit = builder.circuit(builder.sum([Branch(((2, 0),), builder.bundle([5]), both)]))
    assert circuit.count() == 2
    assert circuit.nodes[-1] == (Branch(((2, 0), (1, 0)), 3, 1),)
    assert circuit.bundles[3] == (5, 7)
