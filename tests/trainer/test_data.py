import os
import pickle

import numpy as np
import pytest
from trainer_fakes import tiny_arrays, tiny_data

from nas.errors import DataError
from trainer.data import from_arrays, load_data


def write_book_layout(directory, arrays, suffix=""):
    directory.mkdir(exist_ok=True)
    for key, array in arrays.items():
        with open(directory / f"{key}{suffix}", "wb") as out:
            np.save(out, array)
    return directory


def floats(arrays):
    return {k: ((v - 127.5) / 127.5).astype(np.float32) for k, v in arrays.items()}


@pytest.mark.parametrize("suffix", ["", ".npy"])
def test_a_folder_in_the_books_layout(tmp_path, suffix):
    arrays = floats(tiny_arrays())
    data = load_data(write_book_layout(tmp_path / "d", arrays, suffix))
    for key, array in arrays.items():
        np.testing.assert_array_equal(getattr(data, key), array)
    assert data.input_shape == (16, 16, 1)
    assert data.output_shape == (16, 16, 3)
    assert repr(data) == f"Dataset('{tmp_path}/d': 24 train, 8 val, 4 test; (16, 16, 1) -> (16, 16, 3))"


def test_an_npz(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", **tiny_arrays())
    data = load_data(str(tmp_path / "d.npz"))
    assert len(data.train_x) == 24
    assert data.train_x.dtype == np.float32


def test_bytes_are_scaled_as_in_the_book():
    arrays = tiny_arrays()
    data = from_arrays("d", arrays)
    np.testing.assert_allclose(data.val_y, (arrays["val_y"] - 127.5) / 127.5, atol=1e-7)


def test_the_books_doubles_become_float32(tmp_path):
    arrays = {k: (v - 127.5) / 127.5 for k, v in tiny_arrays().items()}
    assert arrays["train_x"].dtype == np.float64
    assert load_data(write_book_layout(tmp_path / "d", arrays)).train_x.dtype == np.float32


def test_float32_on_disk_stays_there(tmp_path):
    data = load_data(write_book_layout(tmp_path / "d", floats(tiny_arrays())))
    assert isinstance(data.train_x, np.memmap)


def test_the_test_pair_may_be_missing(tmp_path):
    arrays = {k: v for k, v in tiny_arrays().items() if not k.startswith("test")}
    data = load_data(write_book_layout(tmp_path / "d", arrays))
    assert data.test_x is None
    assert data.test_y is None
    assert data.notes == ("There is no test split: only validation figures can be given.",)


def test_a_range_beyond_tanh_is_noted():
    arrays = {k: v.astype(np.float32) for k, v in tiny_arrays().items()}
    notes = from_arrays("d", arrays).notes
    assert "d/train_x ranges from 0 to 255: a network that ends in tanh reaches [-1, 1] only." in notes


# -- mistakes ------------------------------------------------------------------------------------------------------------


def message(call, *args):
    with pytest.raises(DataError) as caught:
        call(*args)
    return str(caught.value)


def test_unknown_name():
    assert message(load_data, "photo") == (
        "data: no data set, folder or file 'photo', expected one of photos, a folder with "
        "train_x train_y val_x val_y test_x test_y, an .npz file, or gs://bucket/prefix. Did you mean photos?."
    )


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "d.csv").write_text("1,2")
    assert "d.csv: is a file, but not an .npz, expected a folder" in message(load_data, tmp_path / "d.csv")


def test_a_missing_file_says_what_is_there(tmp_path):
    arrays = tiny_arrays()
    del arrays["val_y"]
    folder = write_book_layout(tmp_path / "d", arrays, ".npy")
    assert message(load_data, folder) == (
        f"{folder}: val_y missing (there is test_x.npy, test_y.npy, train_x.npy, train_y.npy, val_x.npy), "
        "expected train_x train_y val_x val_y, and test_x test_y or neither, each with or without .npy. "
        "Write each with np.save."
    )


def test_half_a_test_pair(tmp_path):
    arrays = tiny_arrays()
    del arrays["test_x"]
    assert "test_x missing" in message(load_data, write_book_layout(tmp_path / "d", arrays))


def test_an_empty_folder(tmp_path):
    assert "train_x, train_y, val_x, val_y missing (there is nothing)" in message(load_data, tmp_path)


def test_a_key_missing_from_an_npz(tmp_path):
    arrays = tiny_arrays()
    del arrays["train_x"]
    np.savez(tmp_path / "d.npz", **arrays)
    assert "d.npz: train_x missing" in message(load_data, tmp_path / "d.npz")


def test_two_versions_of_one_array(tmp_path):
    folder = write_book_layout(tmp_path / "d", tiny_arrays())
    np.save(folder / "val_x.npy", tiny_arrays()["val_x"])
    assert "both val_x and val_x.npy are there. Remove the one that is out of date." in message(load_data, folder)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("boom",)


@pytest.mark.parametrize("kind", ["object array", "bare pickle"])
def test_pickled_arrays_are_never_loaded(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = write_book_layout(tmp_path / "d", tiny_arrays(), ".npy")
    with open(folder / "val_x.npy", "wb") as out:
        if kind == "object array":
            np.save(out, np.array([Bomb(), None]), allow_pickle=True)
        else:
            pickle.dump(Bomb(), out)
    text = message(load_data, folder)
    assert f"{folder}/val_x.npy: holds pickled Python objects, which could run any code when loaded" in text
    assert "Re-save it where you trust it: np.save(file, np.stack(list(array)).astype('float32'))." in text
    assert not (tmp_path / "boom").exists()


def test_pickled_arrays_in_an_npz(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "d.npz", **(tiny_arrays() | {"val_x": np.array([Bomb(), None])}))
    assert "d.npz['val_x']: holds pickled Python objects" in message(load_data, tmp_path / "d.npz")
    assert not (tmp_path / "boom").exists()


def test_a_file_cut_short(tmp_path):
    folder = write_book_layout(tmp_path / "d", tiny_arrays())
    content = (folder / "train_y").read_bytes()
    (folder / "train_y").write_bytes(content[: len(content) // 2])
    assert "train_y: is damaged or cut short" in message(load_data, folder)


def test_not_a_numpy_file(tmp_path):
    folder = write_book_layout(tmp_path / "d", tiny_arrays())
    (folder / "train_y").write_bytes(b"hello world")
    assert "train_y: is not a NumPy file (it begins with 68 65 6c 6c 6f 20), expected what np.save writes" in message(
        load_data, folder
    )
    (folder / "train_y").write_bytes(b"")
    assert "it begins with nothing" in message(load_data, folder)


def test_an_npz_that_is_none(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 not a zip")
    assert "d.npz: is not a readable .npz file" in message(load_data, tmp_path / "d.npz")


def test_a_folder_in_place_of_an_array(tmp_path):
    folder = write_book_layout(tmp_path / "d", tiny_arrays())
    (folder / "val_x").unlink()
    (folder / "val_x").mkdir()
    assert "val_x: cannot be read (Is a directory)" in message(load_data, folder)


def test_different_numbers_of_x_and_y():
    arrays = tiny_arrays()
    arrays["train_y"] = arrays["train_y"][:-1]
    assert message(from_arrays, "d", arrays) == (
        "d: train_x has 24 examples, train_y has 23, expected one target for each example. Write both from the same list."
    )


def test_gray_images_without_a_channel_axis():
    arrays = tiny_arrays()
    arrays["train_x"] = arrays["train_x"][..., 0]
    assert message(from_arrays, "d", arrays) == (
        "d/train_x: has 3 axes, shape (24, 16, 16), expected (example, height, width, channels). "
        "Give gray images a channel axis: array[..., None]."
    )


def test_splits_of_different_sizes():
    arrays = tiny_arrays()
    arrays["val_y"] = arrays["val_y"][:, :8]
    assert "d/val_y: holds examples of shape (8, 16, 3), train_y of (16, 16, 3)" in message(from_arrays, "d", arrays)


def test_no_examples():
    arrays = tiny_arrays()
    arrays |= {"val_x": arrays["val_x"][:0], "val_y": arrays["val_y"][:0]}
    assert "d/val_x: is empty, shape (0, 16, 16, 1)" in message(from_arrays, "d", arrays)


def test_missing_arrays():
    assert message(from_arrays, "d", {}) == ("d: train_x, train_y, val_x, val_y missing, expected train_x train_y val_x val_y.")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("example", [0, 5])
def test_values_that_are_not_finite(bad, example):
    arrays = floats(tiny_arrays())
    arrays["val_y"][example, 2, 3, 1] = bad
    assert f"d/val_y: example {example} holds NaN or infinity" in message(from_arrays, "d", arrays)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_other_number_types(dtype):
    arrays = tiny_arrays()
    arrays["val_x"] = arrays["val_x"].astype(dtype)
    assert f"d/val_x: holds {dtype} numbers, expected uint8 (0 to 255, scaled to [-1, 1] here) or floats" in message(
        from_arrays, "d", arrays
    )


def test_data_that_do_not_fit_the_network():
    data = tiny_data()
    data.check_fits((None, None, 1), (16, 16, 3))
    assert message(data.check_fits, (80, 80, 1), (80, 80, 3)) == (
        "tiny: x has shape (16, 16, 1), the network takes (80, 80, 1), expected (80, 80, 1) (height, width, channels). "
        "Define the space with input=(16, 16, 1) and 3 output channels, or resize."
    )
    assert "tiny: y has shape (16, 16, 3), the network gives (16, 16, 1)" in message(data.check_fits, (16, 16, 1), (16, 16, 1))
