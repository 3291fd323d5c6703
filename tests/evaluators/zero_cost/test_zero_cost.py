"""Scores worked out by hand on networks of a few weights, then on spaces."""

import math

import numpy as np
import pytest

import nas
from evaluators.zero_cost import SCORES, ZeroCost
from evaluators.zero_cost.batch import Batch, check_fits, loss, random_batch
from evaluators.zero_cost.network import unchanged
from evaluators.zero_cost.untrained import Untrained
from nas import layers as L
from nas import oneof
from nas.errors import DataError, Infeasible, UserError
from trainer.data import from_arrays

W1 = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], np.float32)  # 2 -> 3
W2 = np.array([[2.0], [-1.0], [4.0]], np.float32)  # 3 -> 1
X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.5, -2.0], [3.0, 1.0]], np.float32)
Y = np.array([[1.0], [0.0], [-1.0], [2.0]], np.float32)


def dense(*weights, activation="linear", normalized=False):
    """A network of these matrices, the activation between them."""
    import keras

    x = inputs = keras.Input((len(weights[0]),))
    for i, weight in enumerate(weights):
        last = i == len(weights) - 1
        layer = keras.layers.Dense(weight.shape[1], use_bias=False, activation="linear" if last else activation)
        x = layer(x)
        layer.set_weights([weight])
        if normalized:
            x = keras.layers.BatchNormalization(epsilon=0.0)(x)
    return keras.Model(inputs, x)


def score(name, model, x=X, y=Y, seed=0):
    return SCORES[name](Untrained(model, Batch(x, y), seed))


def test_grad_norm_and_snip_of_a_linear_network():
    weight = np.array([[0.5], [-1.0]], np.float32)
    gradient = 2 * X.T @ (X @ weight - Y) / len(X)
    assert score("grad_norm", dense(weight)) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert score("snip", dense(weight)) == pytest.approx(np.abs(weight * gradient).sum(), rel=1e-5)


def test_grad_norm_adds_up_layers():
    hidden = X @ W1
    error = 2 * (hidden @ W2 - Y) / len(X)
    by_hand = np.linalg.norm(hidden.T @ error) + np.linalg.norm(X.T @ (error @ W2.T))
    assert score("grad_norm", dense(W1, W2)) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "gelu"])
def test_synflow_is_the_flow_through_each_layer(activation):
    flow = (np.abs(W1) @ np.abs(W2)).sum()  # every layer carries all of it: Tanaka et al. 2020, theorem 1
    assert score("synflow", dense(W1, W2, activation=activation)) == pytest.approx(math.log(2 * flow), rel=1e-6)


def test_synflow_does_not_overflow():
    layers = [np.full((64, 64), 1.0, np.float32)] * 40  # 64^40 is 10^72
    assert score("synflow", dense(*layers), x=np.zeros((2, 64))) == pytest.approx(math.log(40) + 41 * math.log(64), rel=1e-6)


def test_naswot_counts_units_that_switch_alike():
    codes = X @ W1 > 0
    alike = np.array([[(a == b).sum() for a in codes] for b in codes])
    assert score("naswot", dense(W1, W2, activation="relu"), x=X) == pytest.approx(
        np.linalg.slogdet(alike.astype(float))[1], rel=1e-6
    )


def test_naswot_takes_smooth_rectifiers_and_refuses_none():
    relu = score("naswot", dense(W1, W2, activation="relu"))
    assert score("naswot", dense(W1, W2, activation="silu")) == pytest.approx(relu)
    with pytest.raises(Infeasible, match="no ReLU"):
        score("naswot", dense(W1, W2))


def test_jacob_cov_of_a_linear_network_is_that_of_perfect_correlation():
    n, k = len(X), 1e-5
    by_hand = -(math.log(n + k) + 1 / (n + k) + (n - 1) * (math.log(k) + 1 / k))
    assert score("jacob_cov", dense(W1, W2)) == pytest.approx(by_hand, rel=1e-3)


def test_jacob_cov_of_a_constant_is_not_defined():
    with pytest.raises(Infeasible, match="does not depend on its input"):
        score("jacob_cov", dense(np.zeros((2, 1), np.float32)))


def test_zen_of_a_linear_network():
    rng = np.random.default_rng(5)
    weight = rng.standard_normal((2, 3))
    rng.standard_normal(X.shape)
    change = 0.01 * rng.standard_normal(X.shape)
    by_hand = math.log(np.abs(change @ weight).sum(axis=1).mean())
    assert score("zen", dense(W1), seed=5) == pytest.approx(by_hand, rel=1e-3)


def test_zen_takes_back_what_normalization_scaled():
    rng = np.random.default_rng(5)
    weight = rng.standard_normal((2, 3))
    x = rng.standard_normal(X.shape)
    outputs = [inputs @ weight for inputs in (x, x + 0.01 * rng.standard_normal(X.shape))]
    normal = [(out - out.mean(0)) / out.std(0) for out in outputs]
    by_hand = math.log(np.abs(normal[0] - normal[1]).sum(axis=1).mean()) + 0.5 * math.log(outputs[0].var(0).mean())
    assert score("zen", dense(W1, normalized=True), seed=5) == pytest.approx(by_hand, rel=1e-3)


def test_the_loss_suits_the_output():
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]], np.float32)
    classes = np.array([0, 2], np.int32)
    log_odds = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    by_hand = -np.mean([log_odds[0, 0], log_odds[1, 2]])
    model = dense(np.eye(3, dtype=np.float32))
    one_hot = np.eye(3, dtype=np.float32)[classes]
    assert float(loss(model, Batch(logits, classes))(logits)) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss(model, Batch(logits, one_hot))(logits)) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss(model, Batch(logits, logits + 2))(logits)) == pytest.approx(4.0)


def pixels(channels, ending):
    """Four gray images of 6x6 and a network that tells classes of their pixels apart; `ending` is its last layer's."""
    import keras

    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(channels, 3, padding="same", activation=None if ending == "layer" else ending)(image)
    model = keras.Model(image, keras.layers.Softmax()(x) if ending == "layer" else x)
    rng = np.random.default_rng(3)
    model.set_weights([rng.standard_normal(weight.shape) for weight in model.get_weights()])
    return model, rng.standard_normal((4, 6, 6, 1)).astype("float32"), rng.integers(2, size=(4, 6, 6)).astype("int32")


@pytest.mark.parametrize(("channels", "ending"), [(3, "softmax"), (3, "linear"), (3, "layer"), (1, "sigmoid"), (1, "linear")])
@pytest.mark.parametrize("void", [255, "after the last"])
def test_void_pixels_say_nothing(channels, ending, void):
    model, x, y = pixels(channels, ending)
    y[2:] = max(channels, 2) if void == "after the last" else void
    for name in ("grad_norm", "snip"):
        assert score(name, model, x, y) == pytest.approx(score(name, model, x[:2], y[:2]), rel=1e-5)


def test_pixels_that_are_not_void_count_alike():
    model, x, y = pixels(3, "softmax")
    logits = np.log(np.asarray(model(x)))  # up to a constant in each pixel
    known = np.arange(36).reshape(6, 6) % 5 != 0
    y[:, ~known] = 255
    by_hand = np.mean([-logits[i, r, c, y[i, r, c]] for i in range(4) for r, c in np.argwhere(known)])
    assert float(loss(model, Batch(x, y))(model(x))) == pytest.approx(by_hand, rel=1e-5)


def test_labels_that_a_network_does_not_have():
    _, x, y = pixels(3, "softmax")
    shapes = (6, 6, 1), (6, 6, 3)
    check_fits(Batch(x, y), *shapes)
    with pytest.raises(DataError, match=r"ZeroCost\(data\): has labels up to 7, the network 3 classes"):
        check_fits(Batch(x, y + 6), *shapes)
    with pytest.raises(DataError, match="all labels of 4 examples are void, expected some that are classes"):
        check_fits(Batch(x, np.full_like(y, 255)), *shapes)


def test_random_batches_have_classes_for_classifiers_and_targets_for_the_rest():
    assert random_batch((8, 8, 3), (10,), 4, 0).y.shape == (4,)
    assert random_batch((8, 8, 3), (8, 8, 2), 4, 0).y.shape == (4, 8, 8, 2)
    assert random_batch((8, 8, 3), (1,), 4, 0).y.shape == (4, 1)


def test_models_are_given_back_as_they_were():
    model = dense(W1, W2, activation="tanh", normalized=True)
    before = [np.array(variable) for variable in model.variables]
    predicted = np.array(model(X))
    for name in ("synflow", "zen", "grad_norm"):
        with unchanged(model):
            score(name, model)
    assert all((np.array(now) == then).all() for now, then in zip(model.variables, before, strict=True))
    np.testing.assert_array_equal(np.array(model(X)), predicted)


# -- the evaluator -----------------------------------------------------------------------------------------------------------


@nas.space(input=(8, 8, 1))
def recolour(gray):
    x = L.Conv2D(oneof([2, 4]), 3, name="body")(gray)
    x = L.ReLU()(L.BatchNormalization()(x))
    return L.Conv2D(3, 3, activation="tanh", name="rgb")(x)


@nas.space(input=(8, 8, 1))
def classify(image):
    x = L.Conv2D(oneof([2, 4]), 3, activation="relu", name="body")(image)
    return L.Dense(5, name="classes")(L.GlobalAveragePooling2D()(x))


@pytest.fixture(scope="module", params=[recolour, classify], ids=["images", "classes"])
def space(request):
    return request.param


@pytest.fixture(scope="module")
def found(space):
    return ZeroCost(batch_size=4).evaluate(space.architecture(0))


def test_every_score_is_a_number_that_names_its_device(found):
    assert set(found) == {*SCORES, "zero_cost_seconds"}
    for name in SCORES:
        assert math.isfinite(found[name].value)
        assert found[name].device
        assert found[name].runtime.endswith("4 random examples")


def test_a_score_depends_on_architecture_and_seed_and_on_no_other_score(space, found):
    alone = ZeroCost("zen", batch_size=4).evaluate(space.architecture(0), seed=9)
    assert alone["zen"] == found["zen"]
    assert ZeroCost("zen", batch_size=4, seed=1).evaluate(space.architecture(0))["zen"].value != found["zen"].value
    assert ZeroCost("zen", batch_size=4).evaluate(space.architecture(1))["zen"].value != found["zen"].value
    by_trial = ZeroCost("snip", batch_size=4, seed=None)
    first, second = (by_trial.evaluate(space.architecture(0), seed=seed)["snip"].value for seed in (1, 2))
    assert first != second
    assert not by_trial.constant


def test_counts_are_those_of_arithmetic():
    found = ZeroCost(("params", "flops")).evaluate(classify.architecture(0))
    assert found["params"] == nas.Measurement(2 * 9 + 2 + 2 * 5 + 5, "parameters")
    assert found["flops"].value == classify.architecture(0).cost().flops


def test_data_are_looked_at():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (12, 8, 8, 1)).astype("float32")
    y = np.repeat(x, 3, axis=-1)
    data = from_arrays("grays", {"train_x": x[:8], "train_y": y[:8], "val_x": x[8:], "val_y": y[8:]})
    evaluator = ZeroCost("grad_norm", data, batch_size=8)
    found = evaluator.evaluate(recolour.architecture(0))["grad_norm"]
    assert found.runtime.endswith("8 examples of grays")
    assert found.value != ZeroCost("grad_norm", batch_size=8).evaluate(recolour.architecture(0))["grad_norm"].value
    with pytest.raises(DataError, match=r"ZeroCost\(data\): y has shape \(8, 8, 3\), the network wants \(5,\)"):
        evaluator.evaluate(classify.architecture(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ("snip", "magic")}, "no zero-cost proxy 'magic', expected some of grad_norm, snip"),
        ({"names": ()}, "none, or one twice"),
        ({"names": ("snip", "snip")}, "none, or one twice"),
        ({"batch_size": 1}, "2 or more"),
    ],
)
def test_arguments_that_do_not_do(arguments, message):
    with pytest.raises(UserError, match=message):
        ZeroCost(**arguments)
