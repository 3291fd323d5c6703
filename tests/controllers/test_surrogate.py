import numpy as np
import pytest
from scipy.optimize import check_grad

import nas
from controllers.encoding import Encoding
from controllers.surrogate import JITTER, NOISE, Likeness, Surrogate, on_one_thread
from nas import layers as L


@nas.space(input=(8, 8, 3))
def network(image):
    x = image
    for i in range(4):
        x = nas.choose(L.Conv2D(8, 3), L.Conv2D(8, 5), L.Identity(), name=f"layer{i}")(x)
    return x


ENCODING = Encoding(network)
VECTORS = np.array([network.architecture(i).vector for i in range(0, 81, 2)])
FEATURES = ENCODING.features(VECTORS)
VALUES = np.array([float((vector == 0).sum() - (vector == 2).sum()) for vector in VECTORS])
VALUES = (VALUES - VALUES.mean()) / VALUES.std()


def taught(rows=slice(0, 30), pending=None):
    model = Surrogate(ENCODING)
    model.learn(FEATURES.take(rows), VALUES[rows], told=30, pending=pending)
    return model


def predicted(model, features):
    covariance = model.covariance(features)
    return model.mean(covariance), model.deviation(covariance, features)


def test_the_gradient_is_the_gradient():
    model = Surrogate(ENCODING)
    likeness = Likeness(FEATURES, FEATURES)
    rng = np.random.default_rng(0)
    for _ in range(3):
        logs = model._centre + 0.5 * rng.standard_normal(len(model._centre))
        error = check_grad(
            lambda x: model._loss(x, likeness, VALUES)[0], lambda x: model._loss(x, likeness, VALUES)[1], logs, epsilon=1e-6
        )
        assert error < 1e-4


def test_it_is_the_posterior_of_a_gaussian_process():
    """Rasmussen & Williams 2006, eq. 2.23 and 2.24, with explicit inverses."""
    model = taught()
    known, new = FEATURES.take(slice(0, 30)), FEATURES.take(slice(30, None))
    covariance = model._covariance(known, known) + (np.exp(model._logs[NOISE]) + JITTER) * np.eye(30)
    between, own = model._covariance(known, new), model._covariance(new, new)
    offset = VALUES[:30].mean()
    mean, deviation = predicted(model, new)
    assert mean == pytest.approx(offset + between.T @ np.linalg.inv(covariance) @ (VALUES[:30] - offset))
    assert deviation**2 == pytest.approx(np.diag(own - between.T @ np.linalg.inv(covariance) @ between))


def test_it_learns_what_the_values_follow():
    mean, deviation = predicted(taught(), FEATURES.take(slice(30, None)))
    assert np.corrcoef(mean, VALUES[30:])[0, 1] > 0.95
    assert (abs(mean - VALUES[30:]) < 4 * deviation + 0.1).all()


def test_what_is_pending_is_less_uncertain_and_expected_as_before():
    waiting = FEATURES.take(slice(35, 37))
    mean, deviation = predicted(taught(), FEATURES)
    mean_later, deviation_later = predicted(taught(pending=waiting), FEATURES)
    assert mean_later == pytest.approx(mean)
    assert (deviation_later <= deviation + 1e-9).all()
    assert (deviation_later[35:37] < 0.8 * deviation[35:37]).all()


def test_kept_covariances_are_those_computed_anew():
    model = taught()
    names = [bytes([i]) for i in range(30)]
    assert model.keep(FEATURES, names) == pytest.approx(model.covariance(FEATURES), abs=1e-6)
    whole = model.keep(FEATURES, names)
    alone = taught().keep(FEATURES, names)
    assert (whole == alone).all()


def test_it_is_fitted_again_as_data_grow_and_only_then():
    model = taught()
    fitted = model.state()
    model.learn(FEATURES.take(slice(0, 33)), VALUES[:33], told=33)
    assert model.state() == fitted
    model.learn(FEATURES.take(slice(0, 36)), VALUES[:36], told=36)
    assert model.state()["fitted"] == 36
    assert model.state() != fitted


def test_constant_values_do_no_harm():
    model = Surrogate(ENCODING)
    model.learn(FEATURES, np.zeros(len(FEATURES)), told=50)
    mean, deviation = predicted(model, FEATURES)
    assert mean == pytest.approx(np.zeros(len(FEATURES)))
    assert np.isfinite(deviation).all()


def test_linear_algebra_is_on_one_thread():
    from threadpoolctl import threadpool_info

    with on_one_thread():
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
