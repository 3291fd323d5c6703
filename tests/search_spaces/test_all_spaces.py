"""What holds for every space that is shipped: it is proved, described, has its source, and its architectures build."""

import numpy as np
import pytest

import search_spaces
from nas.language.automaton.batch import Pricer
from nas.language.costing import find_metric

RANDOM = 200  # in every run; the slow tests take the full numbers
MANY, MANY_BUILT = 10_000, 50


@pytest.fixture(params=search_spaces.NAMES)
def space(request):
    return search_spaces.get(request.param)


def test_it_says_what_it_is(space):
    first = space.description.splitlines()[0]
    assert 10 < len(first) <= 100, first
    assert space.reference
    assert space.size is None or space.size >= 1


def test_every_architecture_builds(space):
    assert space.proof.status == "proved"


def test_its_named_points_build_and_differ(space):
    prints = {name: space.baselines[name].fingerprint for name in space.baselines}
    assert prints
    assert len(set(prints.values())) == len(prints)


def test_random_architectures_have_shapes_and_costs(space):
    architectures = space.sample(seed=0, n=RANDOM)
    costs = [a.cost() for a in architectures]
    assert any(cost.flops > 0 and cost.params > 0 for cost in costs)  # a cell without any connection costs nothing
    pricer = Pricer(space, [find_metric("flops"), find_metric("params")])
    priced = pricer.price(np.stack([a.vector for a in architectures]))
    assert priced.costs.tolist() == [[cost.flops, cost.params] for cost in costs]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_random_architectures_have_shapes_and_costs(space):
    architectures = space.sample(seed=1, n=MANY)
    pricer = Pricer(space, [find_metric("flops"), find_metric("params")])
    priced = pricer.price(np.stack([a.vector for a in architectures]))
    assert priced.builds.all()
    for architecture, (flops, params) in zip(architectures, priced.costs.tolist(), strict=True):
        cost = architecture.cost()
        assert (cost.flops, cost.params) == (flops, params)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_random_architectures_build_in_keras_with_equal_parameters_and_shapes(space):
    import keras

    for architecture in space.sample(seed=2, n=MANY_BUILT):
        keras.backend.clear_session()
        model = architecture.build()
        graph = architecture.network
        assert model.count_params() == architecture.cost().params
        outputs = [graph.nodes[name].shape for name in graph.outputs]
        assert [tuple(output.shape[1:]) for output in model.outputs] == outputs
