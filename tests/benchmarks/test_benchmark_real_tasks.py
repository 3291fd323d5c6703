"""The real tasks' data, references and hand-made networks; and one comparison from end to end on made-up data."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import colorization, fashion, real_tasks, segmentation
from trainer.data import from_arrays

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def published(task):
    file = DATA / task.file
    if not file.is_file():
        pytest.skip(f"no {file.name} in {DATA}")
    with np.load(file, allow_pickle=False) as arrays:
        return from_arrays(task.name, task.split(arrays))


def test_tiles_lie_side_by_side():
    photo = np.arange(160 * 240 * 3).reshape(1, 160, 240, 3)
    cut = colorization.tiles(photo)
    assert cut.shape == (6, 80, 80, 3)
    np.testing.assert_array_equal(cut[4], photo[0, 80:160, 80:160])


def test_colorization_has_the_known_references():
    data = published(colorization.TASK)
    assert [len(x) for x in (data.train_x, data.val_x, data.test_x)] == [1200, 600, 1200]
    known = {name: val for name, (val, _) in colorization.references(data).items()}
    assert known["gray copied"] == pytest.approx(0.0269, abs=1e-4)
    assert known["gray->RGB table"] == pytest.approx(0.0226, abs=3e-4)


def test_segmentation_has_the_known_reference():
    data = published(segmentation.TASK)
    assert data.labels.keys() == set(range(12))
    ((val, _),) = segmentation.references(data).values()
    assert val == pytest.approx(0.167, abs=5e-4)


def test_the_hand_made_networks():
    assert fashion.convnet.baselines["lenet"].cost().params == 61_706  # LeNet-5: 156 + 2,416 + 48,120 + 10,164 + 850
    unet = segmentation.TASK.space.architecture(segmentation.TASK.baseline)
    assert unet.decisions["norm"] == "batch"
    segmentation_data = np.zeros((2, 96, 128), "uint8")
    segmentation_x = np.zeros((2, 96, 128, 3), "uint8")
    arrays = {f"{split}_{k}": v for split in ("train", "val") for k, v in (("x", segmentation_x), ("y", segmentation_data))}
    from_arrays("two", arrays).check_fits((96, 128, 3), segmentation.unet.output_shape)


def test_without_data_it_is_skipped(tmp_path, capsys):
    assert real_tasks.main(["fashion", "--data", str(tmp_path)]) == 2
    assert "skipped: no fashion_mnist.npz" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_comparison_from_end_to_end(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=200).astype("uint8")
    x = (rng.integers(0, 100, (200, 28, 28)) + 15 * y[:, None, None]).astype("uint8")
    np.savez(tmp_path / "fashion_mnist.npz", train_x=x, train_y=y, test_x=x[:50], test_y=y[:50])
    monkeypatch.setattr(fashion, "VALIDATION", 50)
    monkeypatch.setattr(fashion, "TASK", dataclasses.replace(fashion.TASK, proxy={"epochs": 1, "batch_size": 16}))
    command = ["fashion", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--trials", "6", "--epochs", "1"]
    command += ["--seeds", "1", "--workers", "1", "--json"]
    assert real_tasks.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]][1] == "LeNet-5"
    assert found["rows"][0]["latency_ms"] <= found["rows"][1]["latency_ms"]
    for row in found["rows"]:
        assert set(row["figures"]) == {f"{s}_{m}" for s in ("val", "test") for m in ("crossentropy", "accuracy")}
    assert real_tasks.main(command) == 0  # all of it is kept
    assert json.loads(capsys.readouterr().out)["rows"] == found["rows"]
