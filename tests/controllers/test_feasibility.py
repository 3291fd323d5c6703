import json

import controller_fakes as fakes
import numpy as np
import pytest
from controller_fakes import CONDITIONAL, LARGE, trial

import nas
from controllers import RegularizedEvolution
from controllers.feasibility import FEWEST, WINDOW, Feasibility
from controllers.local_search import LocalSearch
from controllers.memory import Memory
from controllers.nsga2 import NSGA2

LATENCY = [nas.at_most("latency_ms", 70)]
"""Of 20 digits from 0 to 9, whose sum is the latency: one point in 1,600 meets it... by chance alone hardly any."""


def latency(architecture):
    return float(architecture.vector.sum())


def judged(architecture, number=1, bound=70):
    ms = latency(architecture)
    if ms > bound:
        return trial(architecture, number, "infeasible", latency_ms=ms)
    return trial(architecture, number, latency_ms=ms, loss=100 - ms)


def taught(n, space=LARGE, constraints=LATENCY, judge=judged):
    feasibility = Feasibility(space, constraints)
    for i, vector in enumerate(space.genome.sample(np.random.default_rng(0), n)):
        architecture = space.architecture(vector)
        feasibility.learn(architecture.vector, judge(architecture, i))
    return feasibility


def test_nothing_constrained_costs_nothing():
    feasibility = taught(20, constraints=[], judge=trial)
    memory = Memory("test", LARGE, 0)
    vectors = LARGE.genome.sample(np.random.default_rng(1), 5)
    before = memory.rng.bit_generator.state
    assert not feasibility.is_active
    assert feasibility.probability(vectors).tolist() == [1.0] * 5
    assert (feasibility.admit(memory, vectors).vector == vectors[0]).all()
    assert (feasibility.admit(memory, vectors[:3]).vector == vectors[1]).all()
    assert memory.rng.bit_generator.state == before
    assert feasibility.state() == {}


def test_a_latency_is_learned():
    feasibility = taught(40)
    vectors = np.random.default_rng(2).integers(10, size=(300, 20)) * np.linspace(0.4, 1, 300)[:, None]
    vectors = vectors.astype(np.int64)
    chances, feasible = feasibility.probability(vectors), vectors.sum(axis=1) <= 70
    assert chances[feasible].mean() > 0.8
    assert chances[~feasible].mean() < 0.2


def test_likely_candidates_are_preferred_and_hopeless_ones_left_out():
    feasibility, memory = taught(40), Memory("test", LARGE, 0)
    low, high = np.zeros((1, 20), dtype=np.int64), np.full((30, 20), 9, dtype=np.int64)
    high[np.arange(30), np.arange(30) % 20] -= 1
    assert latency(feasibility.admit(memory, np.concatenate([high, low]))) == 0
    assert feasibility.admit(memory, np.concatenate([high, low])) is None  # the only good one is known


def test_candidates_are_varied_where_none_is_possible():
    feasibility, memory = taught(40), Memory("test", LARGE, 0)
    found = feasibility.admit(memory, np.full((4, 20), 9), lambda vectors: vectors // 2)
    assert latency(found) in (20 * 4, 20 * 2)


def test_draws_are_mostly_feasible_once_it_is_learned():
    constraints = [nas.at_most("latency_ms", 80)]
    feasibility = taught(40, constraints=constraints, judge=lambda a, i: judged(a, i, 80))
    memory = Memory("test", LARGE, 0)
    share = np.mean([latency(feasibility.draw(memory)) <= 80 for _ in range(40)])
    assert np.mean(LARGE.genome.sample(np.random.default_rng(5), 1000).sum(axis=1) <= 80) < 0.3
    assert share > 0.8


def test_refusals_and_failures_are_learned():
    def judge(architecture, number):
        return trial(architecture, number, "failed" if architecture.decisions["width"] > 16 else "completed")

    feasibility = taught(30, CONDITIONAL, [], judge)
    chances = {w: [] for w in (8, 16, 32, 64)}
    for architecture in CONDITIONAL:
        chances[architecture.decisions["width"]] += feasibility.probability(architecture.vector[None]).tolist()
    assert min(chances[8] + chances[16]) > max(chances[32] + chances[64])


def test_no_judgement_before_there_is_something_to_judge_by():
    assert not taught(FEWEST - 1).is_active
    assert taught(FEWEST).is_active
    assert not taught(20, judge=lambda a, i: trial(a, i)).is_active  # the metric was never measured


@pytest.mark.parametrize("told", [0, 3, 7, 30, WINDOW + 20])
def test_a_restored_state_predicts_identically(told):
    feasibility = taught(told)
    vectors = LARGE.genome.sample(np.random.default_rng(3), 10)
    if told == 30:
        feasibility.probability(vectors)  # fitted before, or not: no difference
    again = Feasibility(LARGE, LATENCY)
    again.restore(json.loads(json.dumps(feasibility.state(), allow_nan=False)))
    assert again.state() == feasibility.state()
    assert again.probability(vectors).tolist() == feasibility.probability(vectors).tolist()
    assert len(feasibility.state().get("seen", [])) <= WINDOW


def test_extreme_measurements_do_no_harm():
    def judge(architecture, number):
        value = (float("inf"), float("-inf"), float("nan"), 1e308, 5.0)[number % 5]
        return trial(architecture, number, "infeasible", latency_ms=value)

    feasibility = taught(30, judge=judge)
    json.dumps(feasibility.state(), allow_nan=False)
    assert np.isfinite(feasibility.probability(LARGE.genome.sample(np.random.default_rng(3), 10))).all()


# -- arithmetic ----------------------------------------------------------------------------------------------------------


def params_space():
    return fakes.restricted("rules")


def test_parameters_are_a_matter_of_arithmetic_before_any_trial():
    space = params_space()
    feasibility, memory = Feasibility(space, [nas.at_most("params", 200)]), Memory("test", params_space(), 0)
    assert feasibility.is_active
    assert all(feasibility.draw(memory).cost().params <= 200 for _ in range(20))


@pytest.mark.parametrize("factor", [1, 3])
def test_arithmetic_is_given_up_where_a_measurement_disagrees(factor):
    space = params_space()
    architectures = sorted(space.sample(seed=0, n=30), key=lambda a: a.cost().params)
    bound, big = architectures[20].cost().params, architectures[-1]
    feasibility = Feasibility(space, [nas.at_most("params", bound)])
    for i, architecture in enumerate(architectures[11:21]):
        params = factor * architecture.cost().params
        state = "completed" if params <= bound else "infeasible"
        feasibility.learn(architecture.vector, trial(architecture, i, state, params=params))
    assert feasibility.admits(big.vector) is (factor == 3)


def test_limits_that_nothing_meets_are_left_to_the_search():
    feasibility = Feasibility(params_space(), [nas.at_most("params", 0)])
    assert feasibility.draw(Memory("test", params_space(), 0)) is not None


# -- in controllers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [RegularizedEvolution, NSGA2, LocalSearch])
def test_controllers_soon_propose_feasible_ones(make):
    controller = make(seed=0)
    controller.setup(LARGE, [nas.minimize("loss")], LATENCY)
    feasible = []
    for i in range(100):
        (architecture,) = controller.ask(1)
        controller.tell([judged(architecture, i)])
        feasible.append(latency(architecture) <= 70)
    assert np.mean(feasible[50:]) > 0.5


@pytest.mark.parametrize("make", [RegularizedEvolution, NSGA2, LocalSearch])
def test_a_restored_state_continues_identically_under_constraints(make):
    def play(controller, n):
        asked = []
        for i in range(n):
            asked += controller.ask(1)
            failed = i % 7 == 3
            controller.tell([trial(asked[-1], i, "failed") if failed else judged(asked[-1], i)])
        return [a.fingerprint for a in asked]

    controller, again = make(seed=0), make(seed=1)
    for one in (controller, again):
        one.setup(LARGE, [nas.minimize("loss")], LATENCY)
    play(controller, 37)
    again.restore(json.loads(json.dumps(controller.state(), allow_nan=False)))
    assert play(controller, 25) == play(again, 25)
