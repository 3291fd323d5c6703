import numpy as np
import pytest

from controllers.linear_model import LinearModel, Views, joined


def views(options):
    """Six decisions with three options each, all of one kind."""
    decisions = np.eye(3)[options].reshape(len(options), -1)
    return Views(decisions, np.eye(3)[options].sum(axis=1))


def drawn(n, seed=0):
    return np.random.default_rng(seed).integers(3, size=(n, 6))


def test_a_sum_of_effects_that_decisions_share_is_learned_from_a_dozen():
    def value(options):
        return np.array([1.0, 4.0, 10.0])[options].sum(axis=1)

    known, other = drawn(12), drawn(200, seed=1)
    model = LinearModel()
    model.fit(views(known), value(known), bound=20.0, told=12)
    mean, deviation = model.predict(views(other))
    assert model.share >= 0.9
    assert np.abs(mean - value(other)).max() < 0.1 * value(other).std()
    assert deviation.max() < 0.5 * value(other).std()


def test_effects_of_each_decision_are_learned_where_they_differ():
    weights = np.array([1.0, -2.0, 3.0, -4.0, 5.0, -6.0])

    def value(options):
        return (options == 1) @ weights

    known, other = drawn(60), drawn(200, seed=1)
    model = LinearModel()
    model.fit(views(known), value(known), bound=0.0, told=60)
    assert model.share <= 0.5
    assert np.abs(model.predict(views(other))[0] - value(other)).max() < 0.3 * value(other).std()


def test_near_the_bound_the_deviation_holds_what_was_measured():
    rng = np.random.default_rng(3)

    def measured(options):  # exact at the bound, noisy far from it
        exact = (options == 2).sum(axis=1) - 2.0
        return exact, exact * (1 + 0.3 * rng.standard_normal(len(options)))

    known, other = drawn(80), drawn(400, seed=1)
    model = LinearModel()
    model.fit(views(known), measured(known)[1], bound=0.0, told=80)
    mean, deviation = model.predict(views(other))
    near = np.abs(measured(other)[0]) < 0.5
    assert np.abs(mean[near]).max() < 0.3
    assert (np.abs(mean[near]) < 2 * deviation[near]).mean() > 0.8


@pytest.mark.parametrize("values", [[1.0] * 8, [np.inf, -np.inf, 1e308, -1e308, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1e-300]])
def test_values_of_any_kind_give_numbers(values):
    model = LinearModel()
    model.fit(views(drawn(8)), np.array(values), bound=0.5, told=8)
    mean, deviation = model.predict(views(drawn(20, seed=1)))
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()


def test_the_prior_is_fitted_again_when_trials_have_grown_by_a_quarter():
    model = LinearModel()
    for told, fitted in ((8, 8), (9, 8), (10, 10), (12, 10), (13, 13)):
        model.fit(views(drawn(told)), np.arange(float(told)), bound=3.0, told=told)
        assert model.fitted == fitted


def test_batches_are_joined():
    both = joined([views(drawn(2)), views(drawn(3))])
    assert both.decisions.shape == (5, 18)
    assert (both.take([2, 3, 4]).counts == views(drawn(3)).counts).all()
