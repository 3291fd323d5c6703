import io
import os
import subprocess
import sys

import numpy as np
import pytest
from trainer_fakes import tiny_arrays

from nas.errors import DataError, UserError
from trainer import storage
from trainer.data import load_data


def put(bucket, prefix, arrays, suffix=""):
    for key, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array)
        bucket.blob(f"{prefix}{key}{suffix}").upload_from_string(content.getvalue())


@pytest.mark.parametrize("suffix", ["", ".npy"])
@pytest.mark.parametrize("ending", ["", "/"])
def test_a_prefix_in_the_books_layout(bucket, suffix, ending):
    put(bucket, f"pets{suffix}/", tiny_arrays(), suffix)
    data = load_data(f"gs://colours/pets{suffix}{ending}")
    assert len(data.train_x) == 24
    np.testing.assert_allclose(data.test_y, (tiny_arrays()["test_y"] - 127.5) / 127.5, atol=1e-7)


def test_the_root_of_a_bucket(bucket):
    put(bucket, "", tiny_arrays())
    assert len(load_data("gs://colours").val_x) == 8
    assert len(load_data("gs://colours/").val_x) == 8


def test_a_missing_file_says_what_is_there(bucket):
    arrays = tiny_arrays()
    del arrays["train_y"]
    put(bucket, "partial/", arrays)
    with pytest.raises(DataError) as caught:
        load_data("gs://colours/partial")
    assert str(caught.value).startswith(
        "gs://colours/partial: train_y missing (there is test_x, test_y, train_x, val_x, val_y), expected train_x"
    )


def test_pickled_arrays_are_never_loaded(bucket):
    put(bucket, "pickled/", tiny_arrays() | {"val_y": np.array([{}, None])})
    with pytest.raises(DataError, match="gs://colours/pickled/val_y: holds pickled Python objects"):
        load_data("gs://colours/pickled")


def test_an_unknown_bucket(bucket):
    with pytest.raises(DataError, match="gs://nowhere/data: no such bucket or object .* Check the spelling"):
        load_data("gs://nowhere/data")


def test_no_bucket_named():
    with pytest.raises(UserError, match="gs://: names no bucket, expected gs://bucket or gs://bucket/prefix"):
        load_data("gs://")


def test_upload_keeps_folders(bucket, tmp_path):
    (tmp_path / "savedmodel/variables").mkdir(parents=True)
    (tmp_path / "model.keras").write_bytes(b"1")
    (tmp_path / "savedmodel/variables/index").write_bytes(b"2")
    storage.upload(tmp_path, "gs://colours/models/7/")
    names = {blob.name for blob in bucket.list_blobs(prefix="models/")}
    assert names == {"models/7/model.keras", "models/7/savedmodel/variables/index"}
    assert storage.read_text("gs://colours/models/7/model.keras") == "1"


def test_text_that_is_not_there(bucket, tmp_path):
    with pytest.raises(DataError, match="gs://colours/no.json: no such bucket or object"):
        storage.read_text("gs://colours/no.json")
    with pytest.raises(UserError, match=r"no.json: cannot be read \(No such file or directory\)"):
        storage.read_text(str(tmp_path / "no.json"))


def test_a_server_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(storage, "_RETRY_SECONDS", 0.5)
    with pytest.raises(UserError, match="gs://colours: Cloud Storage does not answer"):
        load_data("gs://colours")


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    monkeypatch.delattr("google.cloud.storage", raising=False)
    with pytest.raises(UserError) as caught:
        load_data("gs://colours")
    assert str(caught.value) == "gs://colours: gs:// needs google-cloud-storage. Run: pip install 'espalier-nas[gcs]'."


def test_without_credentials(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "STORAGE_EMULATOR_HOST"}
    environment |= {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json"), "PYTHONPATH": os.getcwd()}
    code = "from trainer.data import load_data; load_data('gs://colours')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "gs://colours: access refused" in done.stderr
    assert "gcloud auth application-default login" in done.stderr


def test_a_mounted_bucket_is_a_folder(monkeypatch, tmp_path):
    """As on Vertex AI, where gs://bucket/path is also /gcs/bucket/path."""
    monkeypatch.setattr(storage, "_MOUNT", tmp_path)
    folder = tmp_path / "colours/pets"
    folder.mkdir(parents=True)
    for key, array in tiny_arrays().items():
        np.save(folder / f"{key}.npy", array)
    assert storage.mounted("gs://colours/pets") == folder
    assert storage.mounted("gs://other/pets") is None
    assert len(load_data("gs://colours/pets").train_x) == 24
