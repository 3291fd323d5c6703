import dataclasses
import math
import pickle

import numpy as np
import pytest
from trainer_fakes import tiny_arrays, tiny_data, tiny_model

import trainer.training
from nas.errors import DataError, Infeasible, UserError
from trainer.data import from_arrays
from trainer.settings import TrainSettings
from trainer.strategy import strategy
from trainer.training import Diverged, judge, train, validation

FAST = TrainSettings(epochs=3, batch_size=8, learning_rate=3e-3)


def weights(model):
    return [np.array(variable) for variable in model.variables]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_training_learns_and_says_what_it_found():
    model, data = tiny_model(), tiny_data()
    seen = []
    result = train(model, data, dataclasses.replace(FAST, epochs=4), lambda epoch, logs: seen.append((epoch, logs)))
    assert [row.epoch for row in result.history] == [1, 2, 3, 4]
    assert result.history[-1].loss < 0.8 * result.history[0].loss
    assert seen == [
        (row.epoch, {"loss": row.loss, "val_loss": row.val_loss, "seconds": row.seconds} | validation(row.scores))
        for row in result.history
    ]
    assert set(result.history[0].scores) == {"psnr", "ssim"}
    assert result.best_val_loss == min(row.val_loss for row in result.history)
    assert result.last_val_loss == result.history[-1].val_loss
    assert result.kept_epoch == 4
    assert 0 < result.step_seconds < result.total_seconds
    assert result.stopped == ""
    assert judge(model, data)["mse"] == pytest.approx(result.last_val_loss, abs=1e-6)


def test_the_same_seed_gives_the_same_training():
    def run(seed):
        model = tiny_model(seed=1)
        result = train(model, tiny_data(), dataclasses.replace(FAST, seed=seed))
        return [row.val_loss for row in result.history], weights(model)

    losses, first = run(0)
    again, second = run(0)
    assert losses == again
    assert_same(first, second)
    assert run(1)[0] != losses


def test_the_loss_of_an_epoch_is_the_mean_over_its_steps():
    """At a learning rate too small to change a weight, two epochs of one pass each see the same mean."""
    model, data = tiny_model(), tiny_data(train=24)
    model.layers[4].rate = 0.0  # dropout
    result = train(model, data, TrainSettings(epochs=2, batch_size=24, learning_rate=1e-12))
    batch_statistics = model(data.train_x, training=True)
    expected = float(np.mean((np.asarray(batch_statistics) - data.train_y) ** 2))
    assert result.history[0].loss == pytest.approx(expected, rel=1e-4)
    assert result.history[1].loss == pytest.approx(expected, rel=1e-4)


def test_steps_per_epoch():
    result = train(tiny_model(), tiny_data(), TrainSettings(epochs=1, batch_size=4, steps_per_epoch=2))
    assert math.isfinite(result.step_seconds)
    assert math.isnan(train(tiny_model(), tiny_data(), TrainSettings(epochs=1, batch_size=4, steps_per_epoch=1)).step_seconds)


def test_other_losses():
    model, data = tiny_model(), tiny_data()
    result = train(model, data, dataclasses.replace(FAST, epochs=1, loss="mae"))
    predicted = np.asarray(model(data.val_x, training=False))
    assert result.last_val_loss == pytest.approx(float(np.mean(np.abs(predicted - data.val_y))), rel=1e-5)


def test_cosine_ends_at_rate_zero():
    model = tiny_model()
    train(model, tiny_data(), dataclasses.replace(FAST, schedule="cosine"))
    assert float(model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


def test_the_optimizer_is_the_books():
    model = tiny_model()
    train(model, tiny_data(), dataclasses.replace(FAST, epochs=1))
    assert type(model.optimizer).__name__ == "Adam"
    assert (model.optimizer.beta_1, float(model.optimizer.learning_rate)) == (0.5, pytest.approx(3e-3))


def test_restore_best_keeps_the_best_epochs_weights(monkeypatch):
    scripted = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(trainer.training, "_judge", lambda *args: {"mse": next(scripted)})
    model, saved = tiny_model(), {}
    result = train(model, tiny_data(), FAST, lambda epoch, logs: saved.update({epoch: weights(model)}), restore_best=True)
    assert (result.best_epoch, result.best_val_loss, result.last_val_loss, result.kept_epoch) == (2, 0.1, 0.2, 2)
    assert_same(weights(model), saved[2])
    assert any((a != b).any() for a, b in zip(saved[2], saved[3], strict=True))


def test_a_loss_that_is_not_finite_ends_training_at_once():
    data = tiny_data()
    with pytest.raises(Diverged, match="the loss became nan in epoch 1, step 2") as caught:
        train(tiny_model(), data, TrainSettings(epochs=3, batch_size=8, learning_rate=1e38))
    assert isinstance(caught.value, Infeasible)
    assert caught.value.history == ()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - between our own processes
    assert (str(again), again.history) == (str(caught.value), ())


def test_a_loss_that_explodes_is_divergence():
    import keras

    keras.utils.set_random_seed(0)
    gray = keras.Input((16, 16, 1))
    model = keras.Model(gray, keras.layers.Conv2D(3, 3, padding="same")(gray))
    with pytest.raises(Diverged, match=r"the loss rose from 0\.\d+ to .* in epoch 1"):
        train(model, tiny_data(), TrainSettings(epochs=3, batch_size=8, learning_rate=300.0))


def test_validation_that_is_not_finite_is_divergence(monkeypatch):
    monkeypatch.setattr(
        trainer.training, "make_predict", lambda model: lambda x: np.full((*x.shape[:3], 3), np.nan, np.float32)
    )
    with pytest.raises(Diverged, match="the validation loss became nan after epoch 1"):
        train(tiny_model(), tiny_data(), FAST)


def test_a_deadline_ends_before_the_epoch_that_would_break_it():
    result = train(tiny_model(), tiny_data(), TrainSettings(epochs=500, batch_size=8), deadline_seconds=1e-3)
    assert len(result.history) == 1
    assert "would not fit the deadline of 0.001 s" in result.stopped


def test_what_on_epoch_raises_ends_training():
    def stop(epoch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), tiny_data(), FAST, stop)


@pytest.mark.parametrize("name", ["single", "mirror"])
def test_under_a_strategy(name):
    with strategy(name).scope():
        model = tiny_model()
    inside = train(model, tiny_data(), dataclasses.replace(FAST, strategy=name))
    plain = train(tiny_model(), tiny_data(), FAST)
    assert [row.val_loss for row in inside.history] == pytest.approx([row.val_loss for row in plain.history], abs=1e-5)


# -- mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("epochs", 0, "epochs: 0, expected a whole number, at least 1."),
        ("epochs", 2.5, "epochs: 2.5, expected a whole number, at least 1."),
        ("steps_per_epoch", 0, "steps_per_epoch: 0, expected a whole number, at least 1."),
        ("batch_size", -4, "batch_size: -4, expected a whole number, at least 1."),
        ("learning_rate", 0.0, "learning_rate: 0.0, expected a number above 0, such as 1e-3."),
        ("learning_rate", math.nan, "learning_rate: nan, expected a number above 0, such as 1e-3."),
        ("beta_1", 1.0, "beta_1: 1.0, expected a number from 0 to below 1."),
        ("schedule", "step", "schedule: 'step', expected one of constant, cosine."),
        ("seed", -1, r"seed: -1, expected a whole number from 0 to 2**32 - 1."),
        ("strategy", "tpu", "strategy: no strategy 'tpu', expected one of single, mirror, multi."),
    ],
)
def test_settings_out_of_range(field, value, text):
    with pytest.raises(UserError) as caught:
        TrainSettings(**{field: value})
    assert str(caught.value) == text


def test_an_unknown_loss():
    with pytest.raises(
        UserError, match="loss: Keras has no loss 'mxe', expected a Keras loss by name, such as mse, mae or huber."
    ):
        train(tiny_model(), tiny_data(), dataclasses.replace(FAST, loss="mxe"))


def test_data_that_do_not_fit():
    with pytest.raises(DataError, match=r"tiny: x has shape \(16, 16, 1\), the network takes \(32, 32, 1\)"):
        train(tiny_model(size=32), tiny_data(), FAST)


def test_a_network_with_two_inputs():
    import keras

    a, b = keras.Input((16, 16, 1), name="a"), keras.Input((16, 16, 1), name="b")
    model = keras.Model([a, b], keras.layers.Add()([a, b]), name="both")
    with pytest.raises(DataError, match="both: the network has 2 inputs and 1 outputs, expected one of each"):
        train(model, tiny_data(), FAST)


def test_a_network_outside_its_strategy():
    with pytest.raises(UserError, match="strategy=mirror: the network was built outside the strategy. Build it inside"):
        train(tiny_model(), tiny_data(), dataclasses.replace(FAST, strategy="mirror"))


# -- classes -------------------------------------------------------------------------------------------------------------


def test_classes_of_pixels_are_learnt_and_kept_at_the_best_miou(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(image))
    bright = tiny_arrays()
    data = from_arrays(
        "bright", {k: v[..., :1] // 128 if k.endswith("y") else v for k, v in bright.items()}, task="segmentation"
    )
    result = train(model, data, dataclasses.replace(FAST, epochs=4, learning_rate=0.1), restore_best=True)
    miou = [row.scores["miou"] for row in result.history]
    assert result.best_epoch == 1 + miou.index(max(miou))
    assert judge(model, data)["miou"] == max(miou) > 0.8
    assert judge(model, data, "test")["accuracy"] > 0.9
    assert result.history[-1].val_loss < 0.75 * result.history[0].loss
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")  # without this package
    np.testing.assert_allclose(again(data.val_x), model(data.val_x), atol=1e-6)


def test_a_class_beyond_the_network_is_refused_before_training():
    import keras

    image = keras.Input((16, 16, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(image))
    arrays = {k: v[..., 0] % 5 if k.endswith("y") else v for k, v in tiny_arrays().items()}
    with pytest.raises(DataError, match="five: has labels up to 4, the network 2 classes.*with 5 output channels"):
        train(model, from_arrays("five", arrays), FAST)
