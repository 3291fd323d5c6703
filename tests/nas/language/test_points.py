import importlib

import numpy as np
import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.language.automaton import points
from nas.language.automaton.batch import Pricer
from nas.language.automaton.points import PointPricer
from nas.language.costing import find_metric

METRICS = [find_metric("flops"), find_metric("params")]


@pytest.mark.parametrize("name", ["colorizer", "nasbench201", "darts", "mnasnet"])
def test_a_few_points_cost_what_many_do(name):
    space = getattr(importlib.import_module(f"search_spaces.{name}"), name)
    rng = np.random.default_rng(0)
    vectors = space.genome.sample(rng, 40)
    vectors = np.concatenate([vectors, space.genome.mutate(vectors, rng), vectors])
    pricer, many = PointPricer(space, METRICS), Pricer(space, METRICS).price(vectors)
    few = [pricer.price(vectors[i : i + 6]) for i in range(0, len(vectors), 6)]
    assert np.concatenate([priced.builds for priced in few]).tolist() == many.builds.tolist()
    assert np.concatenate([priced.costs for priced in few]).tolist() == many.costs.tolist()


@nas.space(input=(8, 8, 2))
def network(x):
    x = nas.repeat(L.Conv2D(oneof([2, 4]), oneof([1, 3])), 0, 3, name="stem")(x)
    dead = L.Conv2D(oneof([8, 16]), 3, name="dead")(x)
    y = L.Merge(oneof(["add", "concat", "none"]), project=True, name="skip")(x, dead)
    return L.Conv2D(3, 1, name="last")(y)


def test_they_cost_what_their_graphs_do(monkeypatch):
    monkeypatch.setattr(points, "KEPT", 3)  # what is forgotten is worked out again
    pricer = PointPricer(network, METRICS)
    for architecture in network.sample(seed=0, n=60):
        cost = architecture.cost()
        assert pricer.price(architecture.vector[None]).costs.tolist() == [[cost.flops, cost.params]]


def test_no_points():
    priced = PointPricer(network, METRICS).price(np.zeros((0, network.genome.width), dtype=np.int16))
    assert priced.costs.shape == (0, 2)
    assert priced.builds.shape == (0,)
