import gc
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from evaluator_fakes import SMALLEST, FixedSize, tiny_data

import nas
from evaluators import ProxyTraining
from nas import layers as L
from nas.errors import DataError, Infeasible, UserError
from nas.study.watch import Assignment, Stopped, Watch
from trainer.checkpoint import saved_history
from trainer.data import from_arrays


@pytest.fixture(scope="module")
def data():
    return tiny_data()


@pytest.fixture(scope="module")
def measured(data):
    return ProxyTraining(data, epochs=3, batch_size=4).evaluate(SMALLEST, seed=1)


def test_last_and_best_epoch_stand_apart(measured, data):
    scores = {f"val_{score}{best}" for score in ("mse", "psnr", "ssim") for best in ("", "_best")}
    assert set(measured) == scores | {"train_seconds", "overhead_seconds", "overhead_share"}
    untrained = np.mean((SMALLEST.build(seed=1).predict(data.val_x, verbose=0) - data.val_y) ** 2)
    assert measured["val_mse_best"].value <= measured["val_mse"].value < untrained
    assert measured["val_psnr_best"].value >= measured["val_psnr"].value > 10 * np.log10(4 / untrained) - 1
    assert measured["val_psnr"].unit == "dB"
    assert measured["val_mse"].runtime.endswith("3 epochs of 24 examples, 32x32, batch 4")


def test_seconds_are_told(measured):
    overhead, training, share = (measured[name] for name in ("overhead_seconds", "train_seconds", "overhead_share"))
    assert (overhead.unit, training.unit) == ("s", "s")
    assert overhead.device
    assert overhead.value > 0
    assert 0 < training.value < 60
    assert 0 < share.value < 1


def test_the_loss_is_that_of_the_network_on_the_validation_data(data):
    frozen = ProxyTraining(data, epochs=1, learning_rate=1e-12).evaluate(SMALLEST, seed=3)
    predicted = SMALLEST.build(seed=3).predict(data.val_x, verbose=0)
    assert frozen["val_mse"].value == pytest.approx(np.mean((predicted - data.val_y) ** 2), rel=1e-5)


def test_loss_follows_from_the_seed(measured, data):
    evaluator = ProxyTraining(data, epochs=3, batch_size=4)
    assert evaluator.evaluate(SMALLEST, seed=1)["val_mse"].value == measured["val_mse"].value
    assert evaluator.evaluate(SMALLEST, seed=2)["val_mse"].value != measured["val_mse"].value


def test_fidelity_overrides_the_settings(data):
    evaluator = ProxyTraining(data, epochs=9, loss="mae")
    found = evaluator.evaluate(SMALLEST, nas.Fidelity(epochs=1, data_share=0.5, resolution=0.5), seed=1)
    assert found["val_mae"].runtime.endswith("1 epoch of 12 examples, 16x16, batch 16")


def test_a_single_step_leaves_its_duration_unknown(data):
    found = ProxyTraining(data, epochs=1, batch_size=24).evaluate(SMALLEST)
    assert "train_seconds" in found
    assert "overhead_seconds" not in found


def test_divergence_is_infeasible_with_the_reason(data):
    with pytest.raises(Infeasible, match=r"loss .*epoch 1"):
        ProxyTraining(data, epochs=2, batch_size=4, learning_rate=1e30).evaluate(SMALLEST)


def test_a_training_that_takes_too_long_is_infeasible(data):
    with pytest.raises(Infeasible, match=r"trained 1 of 50 epochs: another epoch of .* the deadline of 0.01 s"):
        ProxyTraining(data, epochs=50, max_seconds=0.01).evaluate(SMALLEST)


def test_data_that_do_not_fit_name_both_shapes():
    wrong = tiny_data(shape=(16, 16))
    with pytest.raises(DataError, match=r"tiny: x has shape \(16, 16, 1\), the network takes \(32, 32, 1\)"):
        ProxyTraining(wrong).evaluate(SMALLEST)


def test_a_network_of_one_size_refuses_a_lower_resolution(data):
    with pytest.raises(DataError, match=r"ProxyTraining\(resolution\): .*\(16, 16, 1\).*Use resolution=1"):
        ProxyTraining(data, resolution=0.5).evaluate(FixedSize())


def test_width_leaves_out_channels(data):
    found = ProxyTraining(data, epochs=1, batch_size=8).evaluate(SMALLEST, nas.Fidelity(width=0.5))
    assert found["val_mse"].runtime.endswith("32x32, batch 8, width 0.5")
    with pytest.raises(DataError, match=r"ProxyTraining\(width\): .*Use width=1"):
        ProxyTraining(data, width=0.5).evaluate(FixedSize())


def test_steps(data):
    found = ProxyTraining(data, epochs=2, batch_size=4, steps_per_epoch=2).evaluate(SMALLEST)
    assert found["val_mse"].runtime.endswith("2 epochs of 24 examples in 2 steps each, 32x32, batch 4")


def test_repeats_give_mean_and_spread(measured, data):
    heard = watch()
    found = ProxyTraining(data, epochs=3, batch_size=4, repeats=2).evaluate(SMALLEST, seed=1, watch=heard)
    first, other = measured["val_mse"].value, 2 * found["val_mse"].value - measured["val_mse"].value
    assert found["val_mse"].n == 2
    assert found["val_mse"].spread == pytest.approx(abs(first - other) / 2**0.5)
    assert other != first
    assert heard.curve[-1] == (3, found["val_mse"].value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data_share": 0}, "data_share is 0, expected a share above 0"),
        ({"resolution": 1.5}, "resolution is 1.5"),
        ({"epochs": 0}, "epochs: 0, expected a whole number"),
        ({"max_seconds": 0}, "max_seconds is 0"),
        ({"width": 2}, "width is 2"),
        ({"repeats": 0}, "repeats is 0"),
        ({"loss": "crossentropy"}, "'crossentropy' is no loss for image"),
        ({"task": "segmentation"}, r"task\): these data are for image"),
    ],
)
def test_settings_are_checked_when_they_are_written(data, settings, message):
    with pytest.raises(UserError, match=message):
        ProxyTraining(data, **settings)


def test_unknown_data_are_named():
    with pytest.raises(DataError, match="no data set, folder or file 'fotos'"):
        ProxyTraining("fotos").evaluate(SMALLEST)


def test_a_worker_is_sent_where_the_data_are_not_the_data(data):
    channels = {"train_x": 1, "train_y": 3, "val_x": 1, "val_y": 3}
    big = from_arrays("big", {key: np.zeros((64, 32, 32, n), "float32") for key, n in channels.items()})
    evaluator = ProxyTraining(big, epochs=1)
    sent = pickle.dumps(evaluator)
    assert len(sent) < 5_000
    copy = pickle.loads(sent)  # noqa: S301 - our own object
    assert copy.describe() == evaluator.describe()
    assert copy._dataset.name == "big"
    np.testing.assert_array_equal(copy._dataset.train_y, big.train_y)
    folder = Path(copy._source)
    assert folder.is_dir()
    del evaluator
    gc.collect()
    assert not folder.exists()


def test_data_by_name_are_sent_by_name():
    sent = pickle.dumps(ProxyTraining("photos"))
    assert pickle.loads(sent)._source == "photos"  # noqa: S301 - our own object


def test_settings_are_plain_json(data):
    assert json.loads(json.dumps(ProxyTraining(data, epochs=3, loss="mae").describe())) == {
        "name": "proxy",
        "data": "tiny",
        "data_share": 1.0,
        "resolution": 1.0,
        "max_seconds": None,
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "loss": "mae",
        "schedule": "constant",
        "width": 1.0,
        "steps_per_epoch": None,
        "repeats": 1,
        "task": "image",
    }


# -- classes -------------------------------------------------------------------------------------------------------------


@nas.space(input=(16, 16, 1))
def classifier(x):
    x = L.Conv2D(nas.oneof([4, 8]), 3, activation="relu")(x)
    return L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x))


@nas.space(input=(16, 16, 1))
def segmenter(x):
    x = L.Conv2D(nas.oneof([4, 8]), 3, activation="relu")(x)
    return L.Conv2D(3, 1, activation="softmax")(x)


def labelled(pixels):
    """Images whose brightness says the class; of pixels, or (the mean) of the whole; a tenth of the pixels is void."""
    rng = np.random.default_rng(0)
    levels = rng.integers(3, size=(64, 16, 16) if pixels else (64, 1, 1))
    x = (levels - 1 + 0.2 * rng.standard_normal((64, 16, 16))).astype("float32")[..., None]
    y = np.where(rng.random(levels.shape) < 0.1, 3, levels) if pixels else levels[:, 0, 0]
    return {"train_x": x[:48], "train_y": y[:48].astype("uint8"), "val_x": x[48:], "val_y": y[48:].astype("uint8")}


@pytest.mark.parametrize(("space", "pixels", "metric"), [(classifier, False, "val_accuracy"), (segmenter, True, "val_miou")])
def test_classes_are_learnt_from_files(space, pixels, metric, tmp_path):
    np.savez(tmp_path / "labels.npz", **labelled(pixels))
    evaluator = ProxyTraining(tmp_path / "labels.npz", epochs=6, batch_size=8, learning_rate=0.02)
    assert evaluator.objective == nas.maximize(metric)
    copy = pickle.loads(pickle.dumps(evaluator))  # noqa: S301 - our own object
    found = copy.evaluate(space.architecture(0), seed=1)
    assert set(found) == set(evaluator.metrics)
    assert found["val_crossentropy"].value < 1.0  # nats; log 3 for a guess
    assert found[metric].value > 0.6
    assert found[f"{metric}_best"].value >= found[metric].value


# -- several fidelities --------------------------------------------------------------------------------------------------


def at(epochs, horizon=3):
    return nas.Fidelity(epochs=epochs, horizon=horizon)


def watch(directory=None, bars=None):
    return Watch(nas.minimize("val_mse"), Assignment(bars=bars or {}, checkpoint=directory))


def test_a_continued_training_ends_at_the_same_numbers_as_one_without_a_pause(data, tmp_path):
    evaluator = ProxyTraining(data, batch_size=4, schedule="cosine")
    whole_watch, first, second = watch(), watch(tmp_path), watch(tmp_path)
    whole = evaluator.evaluate(SMALLEST, at(3), seed=1, watch=whole_watch)
    short = evaluator.evaluate(SMALLEST, at(1), seed=1, watch=first)
    assert len(saved_history(tmp_path)) == 1
    further = evaluator.evaluate(SMALLEST, at(3), seed=1, watch=second)
    for metric in ("val_mse", "val_mse_best"):
        assert further[metric] == whole[metric]
    assert short["val_mse"].value == whole_watch.curve[0][1]
    assert short["val_mse"].runtime.endswith("1 epoch of 24 examples, 32x32, batch 4")
    assert first.curve == whole_watch.curve[:1]
    assert second.curve == whole_watch.curve
    assert [row["epoch"] for row in saved_history(tmp_path)] == [1, 2, 3]
    again = evaluator.evaluate(SMALLEST, at(3), seed=1, watch=watch(tmp_path))  # nothing is left to train
    assert again["val_mse"] == whole["val_mse"]
    assert again["train_seconds"].value < whole["train_seconds"].value


def test_a_schedule_is_laid_out_for_the_horizon(data):
    evaluator = ProxyTraining(data, batch_size=4, schedule="cosine")
    alone = evaluator.evaluate(SMALLEST, nas.Fidelity(epochs=1), seed=1)["val_mse"].value
    assert evaluator.evaluate(SMALLEST, at(1), seed=1)["val_mse"].value != alone
    with pytest.raises(UserError, match="horizon: 1, expected at least the epochs, 2"):
        evaluator.evaluate(SMALLEST, at(2, horizon=1))


def test_a_training_that_falls_behind_is_stopped(data):
    behind, ahead = watch(bars={1: 0.0}), watch(bars={1: -100.0, 3: 0.0})
    with pytest.raises(Stopped, match=r"val_mse 0\.\d+ after epoch 1, behind the median of -?0"):
        ProxyTraining(data, epochs=3, batch_size=4).evaluate(SMALLEST, seed=1, watch=behind)
    assert len(behind.curve) == 1
    assert behind.last["val_mse"].value == behind.curve[0][1]
    ProxyTraining(data, epochs=3, batch_size=4).evaluate(SMALLEST, seed=1, watch=ahead)  # after the last epoch nothing is saved
    assert len(ahead.curve) == 3
