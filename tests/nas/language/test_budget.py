"""Spaces within a budget: sizes, uniform draws, extremes, histograms, and the face of a space that controllers use."""

import pickle
from collections import Counter

import numpy as np
import pyglove as pg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import build, networks, priced

import controllers
import nas
from nas import layers as L
from nas import oneof
from nas.errors import DecisionError, UserError
from nas.language import selection
from nas.language.automaton import compile_space
from nas.language.budget import within
from nas.language.costing import TableRule, describe_call


def body(width):
    return nas.choose(
        L.Conv2D(oneof([width, 2 * width]), oneof([1, 3])), L.DepthwiseConv2D(oneof([3, 5])), None, name=f"op{width}"
    )


@nas.space(input=(8, 8, 2))
def small(x):
    y = nas.repeat(body(2), 1, 2, name="enc")(x)
    z = L.Merge(oneof(["none", "concat"]), name="skip")(body(3)(y), x)
    return L.Conv2D(2, oneof([1, 3]), name="out")(z)


COSTS = priced(small)


@pytest.fixture
def counted(monkeypatch):
    """Makes small spaces count and draw as large ones do, in coarse steps."""
    monkeypatch.setattr(selection, "LISTED", 0)
    monkeypatch.setattr(selection, "STEPS", 12)


def inside(costs=COSTS, flops=float("inf"), params=float("inf")):
    return {point: cost for point, cost in costs.items() if cost[0] <= flops and cost[1] <= params}


LIMITS = [{}, {"flops": 30_000}, {"params": 250}, {"flops": 60_000, "params": 400}, {"flops": 9_000, "params": 900}]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_a_few_points_are_listed_and_all_is_exact(limits):
    found = within(small, **limits)
    expected = inside(**limits)
    assert found.size == len(expected) == found.size_bracket.low == found.size_bracket.high == found.exact_size()
    assert [tuple(a.vector.tolist()) for a in found] == sorted(expected)  # in the order of the whole space
    assert all(found.genome.rank(found.genome.unrank(i)) == i for i in range(0, found.size, 7))
    assert found.share == (len(expected) / small.size,) * 2
    for i, metric in enumerate(("flops", "params")):
        low, high = found.cheapest(metric), found.dearest(metric)
        assert low.exact
        assert high.exact
        assert low.value == getattr(low.architecture.cost(), metric) == min(cost[i] for cost in expected.values())
        assert high.value == max(cost[i] for cost in expected.values())
        assert low.architecture in found
        histogram = found.histogram(metric, bins=5)
        assert histogram.exact
        counts, _ = np.histogram([cost[i] for cost in expected.values()], bins=histogram.edges)
        assert histogram.counts == tuple(counts)


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_counted_spaces_agree_with_brute_force(limits, counted):
    found = within(small, **limits)
    expected = inside(**limits)
    bracket = found.size_bracket
    assert bracket.low <= len(expected) <= bracket.high
    assert bracket.certain == (len(limits) < 2)
    assert found.genome.size is None
    assert found.size == (len(expected) if len(limits) < 2 else None)
    if len(limits) < 2:
        assert found.exact_size() == len(expected)
    drawn = found.genome.sample(np.random.default_rng(0), 300)
    assert {tuple(point) for point in drawn.tolist()} <= expected.keys()
    for i, metric in enumerate(("flops", "params")):
        low, high = found.cheapest(metric), found.dearest(metric)
        assert low.bound <= min(cost[i] for cost in expected.values()) <= low.value
        assert high.bound >= max(cost[i] for cost in expected.values()) >= high.value
        assert low.architecture in found
        assert high.architecture in found
        if set(limits) <= {metric}:
            assert low.exact
            assert high.exact
        histogram = found.histogram(metric, bins=4)
        assert (histogram.sampled == 0) == (set(limits) <= {metric})
        if set(limits) <= {metric}:  # steps of cost are finer here than the costs themselves
            counts, _ = np.histogram([cost[i] for cost in expected.values()], bins=histogram.edges)
            assert histogram.exact
            assert histogram.counts == tuple(counts)


def test_little_memory_means_coarser_steps(counted, monkeypatch):
    fine = within(small, flops=30_000)
    monkeypatch.setattr(selection, "CELLS", 60)
    coarse = within(small, flops=30_000)
    assert coarse.budget.selection.tally.step > fine.budget.selection.tally.step
    assert coarse.size_bracket.low <= len(inside(flops=30_000)) <= coarse.size_bracket.high
    monkeypatch.setattr(selection, "EXACT_CELLS", 60)
    with pytest.raises(UserError, match="exact_size: costs in so fine steps are not counted exactly"):
        coarse.exact_size()


@pytest.mark.parametrize("limits", LIMITS[1:], ids=str)
def test_draws_are_uniform(limits, counted):
    """Chi-square over all feasible points: 30 draws for each on average, p > 0.001 (one-sided, normal approximation)."""
    found = within(small, **limits)
    expected = inside(**limits)
    n = 30 * len(expected)
    drawn = Counter(tuple(point) for point in found.genome.sample(np.random.default_rng(1), n).tolist())
    assert drawn.keys() <= expected.keys()
    statistic = sum((drawn[point] - 30) ** 2 / 30 for point in expected)
    freedom = len(expected) - 1
    assert abs(statistic - freedom) < 3.3 * (2 * freedom) ** 0.5


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_spaces_agree_with_brute_force(description):
    space = build(description)
    assume(space is not None and space.size <= 200)
    costs = priced(space)
    assume(costs)
    flops, params = (sorted(cost[i] for cost in costs.values())[len(costs) // 2] for i in (0, 1))
    expected = inside(costs, flops, params)
    assume(expected)
    found = within(space, flops=flops, params=params)
    assert {tuple(a.vector.tolist()) for a in found} == expected.keys()
    vectors = found.genome.sample(np.random.default_rng(0), 10)
    if len(expected) > 1:
        children = found.genome.mutate(vectors, np.random.default_rng(0))
        assert {tuple(child) for child in children.tolist()} <= expected.keys()
        assert (children != vectors).any(axis=1).all()


def test_variation_stays_within(counted):
    found = within(small, flops=30_000)
    rng = np.random.default_rng(0)
    parents = found.genome.sample(rng, 200)
    children = found.genome.mutate(parents, rng)
    assert found.genome.fits(children).all()
    assert (children != parents).any(axis=1).all()
    both_active = (parents >= 0) & (children >= 0)
    assert (((parents != children) & both_active).sum(axis=1) == 1).all()  # one decision, and what follows from it
    assert found.genome.fits(found.genome.crossover(parents, parents[::-1], rng)).all()
    assert found.genome.mutate(parents[0], rng).shape == parents[0].shape
    around = found.genome.neighbours(parents[0])
    assert len(around)
    assert found.genome.fits(around).all()


def test_a_point_without_neighbours_that_fit_jumps():
    def net(x):  # equal widths need no projection: 16, 24, and 44 parameters where they differ
        skip = L.Conv2D(oneof([4, 6]), 1, name="skip")(x)
        return L.Merge("add", project=True)(L.Conv2D(oneof([4, 6]), 1, name="main")(x), skip)

    found = within(nas.space(input=(4, 4, 1))(net), params=24)
    assert found.size == 2
    assert found.genome.mutate(np.array([[0, 0], [1, 1]]), np.random.default_rng(0)).tolist() == [[1, 1], [0, 0]]
    assert found.genome.crossover(np.array([[0, 0]]), np.array([[1, 1]]), np.random.default_rng(0)).tolist() in (
        [[0, 0]],
        [[1, 1]],
    )


def test_a_single_point_cannot_be_mutated():
    space = nas.space(input=(4, 4, 1))(lambda x: L.Conv2D(oneof([4, 6]), 1)(x))
    found = within(space, params=8)
    assert found.size == 1
    with pytest.raises(UserError, match="a single point fits"):
        found.genome.mutate(found.genome.unrank(0), np.random.default_rng(0))


def test_no_architecture_that_cheap():
    with pytest.raises(UserError) as caught:
        within(small, flops=10)
    assert str(caught.value) == "within: the least flops of any architecture is 640. Allow more."
    flops = min(cost[0] for cost in COSTS.values())
    params = min(cost[1] for cost in COSTS.values())
    if not inside(flops=flops, params=params):
        with pytest.raises(UserError, match="the least params of any architecture within the other limits is"):
            within(small, flops=flops, params=params)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"peak_activation_bytes": 1e6},
            "peak_activation_bytes: peak_activation_bytes does not add up over operations, expected one of flops, macs, "
            "params. "
            "Give a table, rules={'peak_activation_bytes': table}, or use a constraint of the study.",
        ),
        ({"flops": "100M"}, "flops: '100M' is not a limit, expected a number from 0."),
        ({"flops": float("nan")}, "flops: nan is not a limit, expected a number from 0."),
        ({"params": -1}, "params: -1 is not a limit, expected a number from 0."),
        ({"params": True}, "params: True is not a limit, expected a number from 0."),
    ],
)
def test_mistakes_are_named(limits, message):
    with pytest.raises(UserError) as caught:
        within(small, **limits)
    assert str(caught.value) == message


# -- latency -------------------------------------------------------------------------------------------------------------------


def rule(call, inputs, output):
    return 0.001 * len(inputs) + 1e-6 * sum(map(sum, inputs)) + 1e-7 * sum(output)


def latency(architecture):
    nodes = architecture.network.nodes
    return sum(rule(n.call, [nodes[i].shape for i in n.inputs], n.shape) for n in nodes.values() if n.call is not None)


def test_latency_by_a_rule(counted):
    values = sorted(latency(a) for a in small)
    limit = (values[len(values) // 2] + values[len(values) // 2 + 1]) / 2
    found = within(small, rules={"latency_ms": rule}, latency_ms=limit)
    assert found.size_bracket.low <= sum(v <= limit for v in values) <= found.size_bracket.high
    assert all(latency(a) <= limit for a in found.sample(0, 50))
    assert found.cheapest("latency_ms").value == pytest.approx(values[0], abs=1e-7)


def test_a_table_must_know_every_operation():
    primitives = compile_space(small).library.primitives
    table = {describe_call(p.call, p.inputs): 0.5 for p in primitives}
    key = describe_call(primitives[0].call, primitives[0].inputs)
    assert within(small, rules={"latency_ms": TableRule(table)}, latency_ms=1.0).size > 0
    del table[key]
    with pytest.raises(UserError) as caught:
        within(small, rules={"latency_ms": TableRule(table)}, latency_ms=1.0)
    assert str(caught.value) == (f"latency_ms: nan for {key}, expected a number from 0. Add the operation to the table.")


# -- the face of a space -------------------------------------------------------------------------------------------------------


def test_it_is_a_space_again():
    found = within(small, flops=30_000)
    a = found.sample(seed=3)
    assert a.cost().flops <= 30_000
    assert a == found.sample(seed=3)
    assert a in found
    assert a.space is small
    assert found.architecture(a.decisions) == a
    assert found.architecture(a.vector) == a
    assert found.architecture(found.genome.rank(a.vector)) == a
    assert found.genome.encode(a.decisions).tolist() == a.vector.tolist()
    assert found.digest != small.digest == within(small).whole.digest
    tighter = found.within(params=250)
    assert tighter.limits == {"flops": 30_000, "params": 250}
    assert found.within(flops=40_000).limits == {"flops": 30_000}
    assert repr(tighter) == "SearchSpace(small within flops <= 30,000, params <= 250)"
    with pytest.raises(DecisionError, match="expected an index from 0"):
        found.architecture(found.size)
    over = next(point for point in COSTS if COSTS[point][0] > 30_000)
    assert found.architecture(np.array(over)) not in found
    with pytest.raises(DecisionError, match="not within the budget"):
        found.genome.validate(np.array(over))


def test_baselines_within_the_budget_stay():
    from search_spaces.colorizer import colorizer

    book = colorizer.baselines["book"].cost()
    assert list(within(colorizer, flops=book.flops).baselines) == ["book"]
    assert list(within(colorizer, flops=book.flops - 1).baselines) == []


def test_it_travels_between_processes():
    from search_spaces.colorizer import colorizer

    found = pickle.loads(pickle.dumps(within(colorizer, flops=60e6)))  # noqa: S301
    assert found.digest == within(colorizer, flops=60e6).digest
    assert found.sample(seed=0) == within(colorizer, flops=60e6).sample(seed=0)


def test_workers_take_it_and_it_is_continued_only_as_it_was(tmp_path):
    import evaluators
    from search_spaces.colorizer import colorizer

    def study(space):
        controller, judges = controllers.get("evolution", seed=0), [evaluators.Cost()]
        return nas.Study(space, controller, judges, nas.minimize("params"), directory=tmp_path / "study")

    study(colorizer.within(flops=60e6)).run(trials=4, workers=2)
    again = study(colorizer.within(flops=60e6))
    again.run(trials=6)
    assert all(trial.measurements["flops"].value <= 60e6 for trial in again.trials)
    with pytest.raises(UserError, match=r"another space: .*limits.flops was 60000000.0, is now 70000000.0"):
        study(colorizer.within(flops=70e6))


def test_a_space_without_limits_says_what_it_costs():
    costs = list(COSTS.values())
    assert small.cheapest("flops").value == min(flops for flops, _ in costs)
    assert small.dearest("params").value == max(params for _, params in costs)
    assert small.size_bracket == (small.size, small.size, True)
    assert small.exact_size() == small.size == sum(small.histogram("params", 7).counts)
    assert small.share == (1.0, 1.0)
    assert small.limits == {}
    assert small.sample(0) in small
    assert isinstance(small.within(flops=30_000), nas.SearchSpace)
    assert small.within().size == small.size


def test_floats_are_drawn_along_their_scale(counted):
    space = nas.space(input=(4, 4, 1))(
        lambda x: L.Conv2D(oneof([1, 2, 3]), oneof([1, 3]), name="conv")(L.Dropout(pg.floatv(0.2, 0.4), name="drop")(x))
    )
    found = within(space, flops=500)
    points = found.genome.sample(np.random.default_rng(0), 200)
    assert points.dtype == float
    assert 0.2 < points[:, 0].min() < 0.25 < 0.35 < points[:, 0].max() < 0.4
    assert all(space.architecture(point).cost().flops <= 500 for point in points[:20])
    assert found.genome.fits(points).all()


@pytest.mark.parametrize("name", ["random", "evolution", "reinforce"])
@pytest.mark.parametrize("flops", [3_000, 30_000])
def test_controllers_search_it(name, flops):
    found = within(small, flops=flops)
    study = nas.Study(found, controllers.get(name, seed=0), lambda a: {"params": a.cost().params}, nas.maximize("params"))
    study.run(trials=25)
    assert len(study.trials) > 3
    assert all(study.architecture(trial) in found for trial in study.trials)


def test_colorizer_within_one_in_a_hundred_million():
    from search_spaces.colorizer import colorizer

    found = within(colorizer, flops=60e6)
    assert 7e-9 < found.share[0] <= found.share[1] < 8e-9
    architectures = found.sample(seed=0, n=50)
    assert max(a.cost().flops for a in architectures) <= 60e6
    assert found.cheapest("flops").value == 12_441_600
    assert found.dearest("flops").value == 60_000_000
