import numpy as np
import pytest

import nas
from nas.errors import DataError, UserError
from trainer.data import from_arrays
from trainer.pipelines import cheaper, training_batches, training_order
from trainer.scores import ImageScores, LabelScores, psnr, ssim
from trainer.tasks import CLASSIFICATION, IMAGE, SEGMENTATION, check_labels, crossentropy, task_of


def pixel_classifier(classes, activation):
    """Each channel of the input is the output of a class."""
    import keras

    image = keras.Input((None, None, classes))
    return keras.Model(image, keras.layers.Activation(activation)(image))


def labelled(labels, images=(6, 8, 8, 1)):
    x = np.zeros(images, "uint8")
    return {"train_x": x, "train_y": labels, "val_x": x, "val_y": labels}


@pytest.mark.parametrize(
    ("shape", "kind", "task"),
    [
        ((6, 8, 8, 3), "uint8", IMAGE),
        ((6, 8, 8, 1), "uint8", IMAGE),
        ((6, 8, 8, 1), "float32", IMAGE),
        ((6, 8, 8, 1), "int64", SEGMENTATION),
        ((6, 8, 8), "uint8", SEGMENTATION),
        ((6,), "int64", CLASSIFICATION),
        ((6, 1), "uint8", CLASSIFICATION),
    ],
)
def test_the_task_follows_from_the_targets(shape, kind, task):
    assert task_of(np.zeros(shape, kind)) is task
    assert from_arrays("six", labelled(np.zeros(shape, kind))).task is task


def test_a_task_can_be_said():
    data = from_arrays("six", labelled(np.full((6, 8, 8, 1), 3, "uint8")), task="segmentation")
    assert data.task is SEGMENTATION
    assert (data.train_y.shape, data.train_y.dtype) == ((6, 8, 8), np.uint8)
    with pytest.raises(UserError, match="task: no task 'depth', expected auto, image, classification, segmentation"):
        from_arrays("six", labelled(np.zeros(6, int)), task="depth")


@pytest.mark.parametrize(
    ("task", "loss", "objective"),
    [
        (IMAGE, "auto", nas.minimize("val_mse")),
        (IMAGE, "mae", nas.minimize("val_mae")),
        (CLASSIFICATION, "auto", nas.maximize("val_accuracy")),
        (SEGMENTATION, "auto", nas.maximize("val_miou")),
        (SEGMENTATION, "crossentropy", nas.maximize("val_miou")),
    ],
)
def test_what_a_search_goes_by_follows_from_the_task(task, loss, objective):
    assert task.objective(loss) == objective
    with pytest.raises(UserError, match="loss: '(mse|crossentropy)' is no loss for"):
        task.objective("mse" if task.has_labels else "crossentropy")


@pytest.mark.parametrize(
    ("labels", "task", "message"),
    [
        (np.zeros((6, 10), "float32"), "classification", r"six/train_y: has shape \(6, 10\), expected \(example,\)"),
        (np.zeros(6, "float32"), "classification", "holds float32 numbers.*one-hot ones after"),
        (np.full((6, 8, 8), -1), "auto", "holds negative classes"),
        (np.zeros((5, 8, 8), int), "auto", "train_x has 6 examples, train_y has 5"),
    ],
)
def test_labels_that_are_none(labels, task, message):
    with pytest.raises(DataError, match=message):
        from_arrays("six", labelled(labels), task=task)


def test_the_shape_of_the_network_is_checked_against_classes():
    data = from_arrays("six", labelled(np.tile(np.array([0, 1, 2, 255], "uint8").repeat(2), (6, 8, 1))))
    assert data.labels == {0: 192, 1: 192, 2: 192, 255: 192}  # training and validation
    data.check_fits((8, 8, 1), (8, 8, 3))
    with pytest.raises(
        DataError, match=r"six: y has shape \(8, 8\), the network gives \(3,\).*an output channel for each class at"
    ):
        data.check_fits((8, 8, 1), (3,))
    whole = from_arrays("six", labelled(np.arange(6)))
    whole.check_fits((8, 8, 1), (6,))
    with pytest.raises(DataError, match=r"six: y is one class for each example, the network gives \(8, 8, 6\)"):
        whole.check_fits((8, 8, 1), (8, 8, 6))


def test_labels_after_the_last_class_are_void():
    assert check_labels("d", {0: 4, 1: 4, 2: 1}, 3) is None
    assert check_labels("d", {0: 4, 1: 4, 2: 1}, 2) == 2
    assert check_labels("d", {0: 4, 1: 4, 255: 1}, 1) == 255  # one channel: yes or no
    with pytest.raises(DataError, match="d: has labels up to 3, the network 2 classes.*with 4 output channels"):
        check_labels("d", {0: 4, 3: 4, 255: 1}, 2)


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_crossentropy_leaves_out_void(activation):
    """Logits (0, log 3): probabilities 1/4 and 3/4; of three labels one is void."""
    model = pixel_classifier(2, activation)
    outputs = np.asarray(model(np.log(np.array([[[[1.0, 3.0]] * 3]], "float32"))))
    found = float(crossentropy(model)(np.array([[[0, 1, 2]]], "uint8"), outputs))
    assert found == pytest.approx(-(np.log(1 / 4) + np.log(3 / 4)) / 2, rel=1e-5)


def test_crossentropy_of_one_channel():
    model = pixel_classifier(1, "sigmoid")
    found = float(crossentropy(model)(np.array([[[1, 0, 2]]], "uint8"), np.array([[[[0.75], [0.25], [0.1]]]], "float32")))
    assert found == pytest.approx(-np.log(0.75), rel=1e-5)


def test_miou_by_hand():
    """Class 0: one hit, one said in vain (union 2). Class 1: one hit, one missed (union 2). Class 2: said on void only."""
    scores = LabelScores(SEGMENTATION, pixel_classifier(3, "softmax"))
    said = np.eye(3, dtype="float32")[np.array([[[0, 1], [0, 2]]])]
    scores.add(np.array([[[0, 1], [1, 3]]], "uint8"), said)
    found = scores.result()
    assert list(found) == ["crossentropy", "miou", "accuracy"]
    assert (found["miou"], found["accuracy"]) == (pytest.approx(0.5), pytest.approx(2 / 3))


def test_accuracy_of_one_class_an_image():
    scores = LabelScores(CLASSIFICATION, pixel_classifier(3, "softmax"))
    scores.add(np.array([0, 1]), np.eye(3, dtype="float32")[[0, 2]])
    scores.add(np.array([2, 2]), np.eye(3, dtype="float32")[[2, 2]])
    assert scores.result()["accuracy"] == 0.75
    assert "miou" not in scores.result()


def test_psnr_by_hand():
    assert psnr(0.04) == pytest.approx(20.0)  # 10 log10(4 / .04)
    assert psnr(0.01, span=1) == pytest.approx(20.0)
    assert psnr(0) == np.inf


def test_ssim_is_scikit_images():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    true = rng.uniform(-1, 1, (3, 24, 20, 3)).astype("float32")
    noisy = np.clip(true + 0.3 * rng.standard_normal(true.shape), -1, 1).astype("float32")
    how = {"data_range": 2, "channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [structural_similarity(a, b, **how) for a, b in zip(true, noisy, strict=True)]
    np.testing.assert_allclose(ssim(true, noisy), expected, rtol=1e-4)
    np.testing.assert_allclose(ssim(true[:, :8, :8], true[:, :8, :8]), 1.0, rtol=1e-6)  # smaller than the window


def test_image_scores_add_up_over_blocks():
    rng = np.random.default_rng(0)
    true, said = (rng.uniform(-1, 1, (5, 16, 16, 3)).astype("float32") for _ in range(2))
    whole, parts = ImageScores("mse"), ImageScores("mse")
    whole.add(true, said)
    parts.add(true[:2], said[:2])
    parts.add(true[2:], said[2:])
    assert parts.result() == pytest.approx(whole.result(), rel=1e-6)
    assert whole.result()["mse"] == pytest.approx(np.mean((true - said) ** 2), rel=1e-5)
    perfect = ImageScores("mse")
    perfect.add(true, true)
    assert perfect.result() == pytest.approx({"mse": 0.0, "psnr": 100.0, "ssim": 1.0})


def test_smaller_images_take_classes_from_the_middle():
    labels = np.tile(np.arange(32, dtype="uint8"), (4, 32, 1))
    small = cheaper(from_arrays("columns", labelled(labels, (4, 32, 32, 1))), resolution=0.5)
    assert small.train_y.shape == (4, 16, 16)
    np.testing.assert_array_equal(small.train_y[0, 0], np.arange(1, 32, 2))


@pytest.mark.parametrize("shape", [(6,), (6, 8, 8)])
def test_batches_of_classes(shape):
    """Pixels are mirrored with their image; the class of an image has no left and right."""
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 8, 8, 1)).astype("float32"), rng.integers(9, size=shape).astype("uint8")
    order = training_order(6, 2, 3, seed=1, flip=True)
    assert (order < 0).any()
    for (batch_x, batch_y), rows in zip(training_batches(x, y, order), order, strict=True):
        for i, row in enumerate(rows):
            mirrored = slice(None, None, -1) if row < 0 else slice(None)
            which = ~row if row < 0 else row
            np.testing.assert_array_equal(np.asarray(batch_x)[i], x[which][:, mirrored])
            np.testing.assert_array_equal(np.asarray(batch_y)[i], y[which][:, mirrored] if y.ndim > 1 else y[which])
