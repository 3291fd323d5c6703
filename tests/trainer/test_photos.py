from functools import cache

import numpy as np
import pytest

import trainer.photos
from trainer.baselines import GrayTable, reference_points
from trainer.data import load_data
from trainer.photos import PHOTOS, cut_tiles, luma, photo_tiles


@cache
def photos():
    return load_data("photos")


def test_photos_are_the_published_recipe():
    data = photos()
    assert (len(data.train_x), len(data.val_x), len(data.test_x)) == (477, 217, 174)
    assert data.input_shape == (80, 80, 1)
    assert data.output_shape == (80, 80, 3)
    arrays = [data.train_x, data.train_y, data.val_x, data.val_y, data.test_x, data.test_y]
    assert all(a.dtype == np.float32 and a.min() >= -1 and a.max() <= 1 for a in arrays)
    assert data.notes == ()


def test_reference_points_on_validation():
    table, copied, mean = reference_points(photos())
    assert [table.name, copied.name, mean.name] == ["gray->RGB table", "gray copied", "mean colour"]
    assert table.val_mse == pytest.approx(0.0323, abs=1e-4)
    assert copied.val_mse == pytest.approx(0.0625, abs=1e-4)
    assert mean.val_mse == pytest.approx(0.2489, abs=2e-4)
    assert table.parameters == 768


def test_reference_points_on_the_held_out_photo():
    table, copied, mean = reference_points(photos())
    assert table.test_mse == pytest.approx(0.0711, abs=2e-4)
    assert copied.test_mse == pytest.approx(0.0551, abs=2e-4)
    assert mean.test_mse == pytest.approx(0.388, abs=1e-3)


def test_splits_share_no_pixels(monkeypatch):
    """Photographs black left of the cut and white right of it: one wrong pixel, also one mixed in by scaling, would show."""
    sizes = {name: trainer.photos._photo(name).shape for name in PHOTOS}

    def marked(name):
        photo = np.zeros(sizes[name], np.uint8)
        photo[:, int(0.65 * photo.shape[1]) :] = 255
        return photo

    monkeypatch.setattr(trainer.photos, "_photo", marked)
    monkeypatch.setattr(trainer.photos, "_held_out_photo", lambda: np.full((600, 512, 3), 128, np.uint8))
    tiles = photo_tiles()
    assert set(np.unique(tiles["train_y"])) == {0}
    assert set(np.unique(tiles["val_y"])) == {255}
    assert set(np.unique(tiles["test_y"])) == {128}


def test_gray_is_the_luma_of_the_target():
    data = photos()
    weighted = data.val_y @ np.array([0.299, 0.587, 0.114], np.float32)
    assert np.abs(data.val_x[..., 0] - weighted).max() <= 0.51 / 127.5


def test_luma_by_hand():
    rgb = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]], np.uint8)
    assert luma(rgb).ravel().tolist() == [255, 76, 150, 29, 0]  # 255 * .299 = 76.2, * .587 = 149.7, * .114 = 29.1


def test_tiles_step_by_40_and_leave_the_rest():
    photo = np.arange(130 * 165 * 3).reshape(130, 165, 3)
    tiles = cut_tiles(photo)
    assert len(tiles) == 2 * 3  # tops 0, 40; lefts 0, 40, 80
    assert all(tile.shape == (80, 80, 3) for tile in tiles)
    assert tiles[5][0, 0].tolist() == photo[40, 80].tolist()


def test_table_interpolates_levels_training_never_shows():
    x = np.array([-1.0, 1.0], np.float32).reshape(2, 1, 1, 1)
    y = np.array([[0.0, -1.0, 1.0], [1.0, -1.0, 0.0]], np.float32).reshape(2, 1, 1, 3)
    table = GrayTable.fit(x, y)
    assert table.colours.shape == (256, 3)
    assert table.predict(x).reshape(2, 3).tolist() == [[0, -1, 1], [1, -1, 0]]
    middle = np.full((1, 1, 1, 1), -1 + 2 * 51 / 255, np.float32)  # level 51, a fifth of the way
    assert table.predict(middle).ravel() == pytest.approx([0.2, -1, 0.8])
