"""What is said about a whole space agrees with looking at each of its points, for random spaces in all of the language.

The default run tries a few spaces, always the same. `-m slow` tries thousands; ESPALIER_EXAMPLES says how many.
"""

import itertools
import os
from collections import defaultdict

import numpy as np
import pyglove as pg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_spaces import RULES, function_of, inputs_of, spaces, unchecked

import nas
from nas.errors import UserError
from nas.language import selection
from nas.language.automaton.batch import Pricer
from nas.language.automaton.keys import Keys
from nas.language.automaton.points import PointPricer
from nas.language.costing import find_metric
from nas.language.genome import Genome

MOST = 300  # points of a space that are looked at one by one
METRICS = ("flops", "params")
FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=int(os.environ.get("ESPALIER_EXAMPLES", "3000")), derandomize=False)


def points_of(described):
    """The space and what each of its points costs, (flops, params); None where the point does not build."""
    space = unchecked(described)
    assume(space is not None and 1 <= Genome(pg.dna_spec(space.hyper)).size <= MOST)
    costs = {}
    for architecture in space:
        try:
            cost = architecture.cost()
        except UserError:
            cost = None
        costs[tuple(architecture.vector.tolist())] = cost and (cost.flops, cost.params)
    return space, costs


def flat(decisions):
    """Decisions with the elements of a manyof one by one."""
    found = dict(decisions)
    for name, value in decisions.items():
        found |= {f"{name}[{i}]": each for i, each in enumerate(value)} if isinstance(value, list) else {}
    return found


def check_points(described, space, costs):
    """The size is the number of points; numbers, names and DNA lead back to each point."""
    assert len(costs) == space.size
    whole = Genome(pg.dna_spec(space.hyper))
    assert pg.dna_spec(space.hyper).space_size == whole.size
    if not space.hyper.rules:
        assert whole.size == space.size
    else:  # a rule is about values, and the decisions say which
        kept = 0
        for index in range(whole.size):
            values = {slot.id: value for slot, value in zip(whole.slots, whole.unrank(index).tolist(), strict=True)}
            tied = [options[values[f"shared.t{i}"]] for i, options in enumerate(described.tied)]
            kept += all(
                RULES[kind](tied[i % len(tied)], tied[j % len(tied)])
                for kind, i, j in described.rules
                if i % len(tied) != j % len(tied)
            )
        assert kept == space.size
    listed = list(itertools.islice(space, 20))
    for index, architecture in enumerate(listed):
        assert architecture.index == index
        for way in (architecture.decisions, architecture.to_dna()):
            assert space.architecture(way).vector.tolist() == architecture.vector.tolist()
    assert len({str(architecture.decisions) for architecture in listed}) == len(listed)


def check_proof(space, costs):
    """The proof counts what builds; a witness fails whatever else is decided, and none of it can be left out."""
    building = sum(cost is not None for cost in costs.values())
    proof = space.proof
    assert (proof.points, proof.building) == (space.size, building)
    assert proof.status == ("proved" if building == space.size else "refuted")
    if proof.status == "proved":
        return
    assert proof.error.path
    listed = [(flat(a.decisions), costs[tuple(a.vector.tolist())] is not None) for a in space]

    def outcomes(witness):
        return {builds for decisions, builds in listed if witness.items() <= decisions.items()}

    assert outcomes(proof.witness) == {False}
    for name in proof.witness:
        assert True in outcomes({k: v for k, v in proof.witness.items() if k != name})
    if len(proof.witness) > 1:  # then no single decision would do
        pairs = {(n, v) for decisions, _ in listed for n, v in decisions.items() if not isinstance(v, list)}
        assert all(True in outcomes({name: value}) for name, value in pairs)


def check_definition(described, costs):
    """@nas.space refuses a space if and only if some of its points do not build."""
    error, defined = None, None
    try:
        defined = nas.space(inputs=inputs_of(described))(function_of(described))
    except UserError as raised:
        error = raised
    assert (error is not None) == (None in costs.values()), error
    if error is not None:
        assert error.path
        assert "\n" not in str(error)
    else:
        assert defined.doubts == ()
        assert defined.size == len(costs)


def check_prices(space, costs):
    """A batch costs what each of its points costs, and equal fingerprints mean equal parameters."""
    vectors = np.array(list(costs)).reshape(len(costs), -1)
    metrics = [find_metric(name) for name in METRICS]
    priced = Pricer(space, metrics).price(vectors)
    one_by_one = PointPricer(space, metrics)
    for point, builds, found in zip(vectors, priced.builds, priced.costs, strict=True):
        alone = one_by_one.price(point[None])
        assert alone.builds[0] == builds
        assert not builds or (alone.costs[0] == found).all()
    assert priced.builds.tolist() == [cost is not None for cost in costs.values()]
    for cost, found in zip(costs.values(), priced.costs.tolist(), strict=True):
        assert cost is None or tuple(found) == cost
    building = vectors[priced.builds]
    params = defaultdict(set)
    prints = [space.architecture(vector).fingerprint for vector in building]
    for vector, fingerprint in zip(building.tolist(), prints, strict=True):
        params[fingerprint].add(costs[tuple(vector)][1])
    assert all(len(each) == 1 for each in params.values())
    if len(building):  # keys part a space as fingerprints do
        keys = Keys(space).of(building).tolist()
        assert len(set(zip(keys, prints, strict=True))) == len(set(keys)) == len(set(prints))


def check_budget(space, costs, limits):
    """Sizes, extremes, histograms and draws within limits."""
    inside = {
        point: cost
        for point, cost in costs.items()
        if cost is not None and all(cost[METRICS.index(name)] <= limit for name, limit in limits.items())
    }
    if not inside:
        with pytest.raises(UserError):
            space.within(**limits)
        return
    found = space.within(**limits)
    bracket = found.size_bracket
    assert bracket.low <= len(inside) <= bracket.high or not bracket.certain
    if len(limits) < 2:
        assert found.exact_size() == len(inside)
    if found.genome.size is not None:  # the points are numbered
        assert {tuple(a.vector.tolist()) for a in found} == inside.keys()
    rng = np.random.default_rng(0)
    drawn = found.genome.sample(rng, 40)
    assert {tuple(point) for point in drawn.tolist()} <= inside.keys()
    if len(inside) > 1:
        children = found.genome.mutate(drawn, rng)
        assert {tuple(child) for child in children.tolist()} <= inside.keys()
        assert (children != drawn).any(axis=1).all()
    children = found.genome.crossover(drawn, drawn[::-1], rng)
    assert {tuple(child) for child in children.tolist()} <= inside.keys()
    for i, metric in enumerate(METRICS):
        values = [cost[i] for cost in inside.values()]
        low, high = found.cheapest(metric), found.dearest(metric)
        assert low.bound <= min(values) <= low.value
        assert high.value <= max(values) <= high.bound
        assert low.architecture in found
        assert high.architecture in found
        assert getattr(low.architecture.cost(), metric) == low.value
        assert getattr(high.architecture.cost(), metric) == high.value
        if set(limits) <= {metric}:
            assert low.exact
            assert high.exact
        histogram = found.histogram(metric, bins=4)
        if histogram.exact and min(values) < max(values):
            assert histogram.counts == tuple(np.histogram(values, bins=histogram.edges)[0])


def check(described):
    space, costs = points_of(described)
    check_points(described, space, costs)
    check_proof(space, costs)
    check_definition(described, costs)
    check_prices(space, costs)
    known = [cost for cost in costs.values() if cost is not None]
    flops, params = ((sorted(cost[i] for cost in known) or [1])[len(known) // 2] for i in (0, 1))
    for limits in ({}, {"flops": flops}, {"params": params}, {"flops": flops, "params": params}):
        check_budget(space, costs, limits)
    with pytest.MonkeyPatch.context() as patch:  # counts and draws as large spaces do, in coarse steps
        patch.setattr(selection, "LISTED", 0)
        patch.setattr(selection, "STEPS", 12)
        fresh = unchecked(described)
        for limits in ({"flops": flops}, {"flops": flops, "params": params}):
            check_budget(fresh, costs, limits)


@FEW
@given(spaces())
def test_a_few_random_spaces(described):
    check(described)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@MANY
@given(spaces())
def test_thousands_of_random_spaces(described):
    check(described)
