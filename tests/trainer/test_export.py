import pickle

import numpy as np
import pytest
from trainer_fakes import tiny_data, tiny_model

import trainer.export
import trainer.onnx
from nas.errors import UserError
from trainer.export import FORMATS, ExportError, available, export
from trainer.litert import convert

SOURCE = """
def build_model():
    import keras
    from keras import layers

    x = gray = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(gray, layers.Conv2D(3, 3, padding="same", activation="tanh")(x))
"""


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def names(directory):
    return sorted(file.name for file in directory.iterdir())


def test_every_format_is_written_loaded_again_and_compared(model, tmp_path):
    import keras

    pytest.importorskip("tf2onnx")
    out = tmp_path / "new/out"
    reports = export(model, out, source=SOURCE, sample_x=tiny_data().val_x)
    assert [report.format for report in reports] == list(FORMATS)
    assert names(out) == ["model.keras", "model.onnx", "model.tflite", "savedmodel", "source"]
    assert names(out / "source") == ["model.py", "model.weights.h5"]
    for report in reports:
        assert report.max_abs_difference <= 1e-6 < report.tolerance
        assert report.size_bytes > 500
    x = tiny_data().test_x
    again = keras.saving.load_model(out / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again(x, training=False), model(x, training=False), atol=1e-6)


def test_exports_replace_earlier_ones(model, tmp_path):
    (tmp_path / "model.tflite").write_text("old")
    (tmp_path / "mine.txt").write_text("")
    export(model, tmp_path, ["litert"])
    assert names(tmp_path) == ["mine.txt", "model.tflite"]
    assert (tmp_path / "model.tflite").stat().st_size > 500


def test_folders_replace_earlier_folders(tmp_path):
    for folder, file in ((tmp_path / "made", "new"), (tmp_path / "named", "old")):
        folder.mkdir()
        (folder / file).write_text("")
    trainer.export._move(tmp_path / "made", tmp_path / "named")
    assert names(tmp_path / "named") == ["new"]


def other_weights(path):
    """As if the wrong network had been written."""
    path.write_bytes(convert(tiny_model(seed=5)))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (other_weights, r"^litert: predictions differ by \d\S* from the network's, more than 0\.0001"),
        (cut_short, "^litert: does not load again: "),
    ],
)
def test_a_wrong_export_is_found_and_leaves_nothing_behind(model, tmp_path, monkeypatch, damage, text):
    write = trainer.export._write

    def write_and_damage(name, model, path, source):
        write(name, model, path, source)
        damage(path)

    monkeypatch.setattr(trainer.export, "_write", write_and_damage)
    (tmp_path / "model.tflite").write_text("from before")
    with pytest.raises(ExportError, match=text) as caught:
        export(model, tmp_path, ["litert"])
    assert caught.value.format == "litert"
    assert names(tmp_path) == ["model.tflite"]
    assert (tmp_path / "model.tflite").read_text() == "from before"
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - between our own processes
    assert str(again) == str(caught.value)


@pytest.mark.slow
def test_source_of_another_network(model, tmp_path):
    with pytest.raises(ExportError, match="^source: does not load again: ") as caught:
        export(model, tmp_path, ["source"], source=SOURCE.replace("Conv2D(4", "Conv2D(5"))
    assert np.isnan(caught.value.max_abs_difference)
    assert names(tmp_path) == []


@pytest.mark.slow
def test_source_that_computes_something_else(model, tmp_path):
    with pytest.raises(ExportError, match=r"^source: predictions differ by \d"):
        export(model, tmp_path, ["source"], source=SOURCE.replace('"tanh"', '"sigmoid"'))


def test_predictions_that_are_not_numbers(tmp_path):
    broken = tiny_model()
    broken.layers[1].set_weights([np.full_like(w, np.nan) for w in broken.layers[1].get_weights()])
    with pytest.raises(ExportError, match="^litert: predictions differ by nan"):
        export(broken, tmp_path, ["litert"])


def test_a_network_the_converter_refuses(tmp_path):
    import keras
    import tensorflow as tf

    class Unknown(keras.layers.Layer):
        def call(self, x):
            return tf.raw_ops.Betainc(a=x + 2.0, b=x + 2.0, x=x * 0 + 0.5)

    x = keras.Input((4, 4, 1))
    with pytest.raises(ExportError, match="^litert: cannot be made: "):
        export(keras.Model(x, Unknown()(x)), tmp_path, ["litert"])
    assert names(tmp_path) == []


# -- mistakes ------------------------------------------------------------------------------------------------------------


def test_without_its_libraries_onnx_is_left_out_or_says_what_to_install(model, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer.onnx, "NEEDED", ("onnx", "no_such_library"))
    assert available() == ("keras", "savedmodel", "litert", "source")
    with pytest.raises(UserError, match=r"export: no_such_library not installed\. pip install 'espalier-nas\[onnx\]'\."):
        export(model, tmp_path, ["onnx"])
    assert names(tmp_path) == []


def test_unknown_formats(model, tmp_path):
    with pytest.raises(UserError, match="export: no format 'h5', expected some of keras, savedmodel, litert, onnx, source."):
        export(model, tmp_path, ["keras", "h5"])
    with pytest.raises(UserError, match="export: no format asked for"):
        export(model, tmp_path, [])


def test_source_is_needed_for_source(model, tmp_path):
    with pytest.raises(
        UserError, match=r"export: the format source needs the network's source. Pass source=architecture.source\(\)."
    ):
        export(model, tmp_path)


def test_samples_of_another_shape(model, tmp_path):
    with pytest.raises(UserError, match=r"sample_x: shape \(8, 8, 1\), expected \(example, 16, 16, 1\)."):
        export(model, tmp_path, ["keras"], sample_x=np.zeros((8, 8, 1), np.float32))


def test_a_directory_that_cannot_be_written_to(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/out: cannot be written to"):
        export(model, tmp_path / "file/out", ["keras"])
