"""A search whose targets are classes of pixels, from the file to the report, with real parts."""

import json

import numpy as np
import pytest
from nas_command import run

SPACE = """
import nas
from nas import layers as L

@nas.space(input=(16, 16, 1), baselines={"first": {}})
def segmenter(image):
    x = L.Conv2D(nas.oneof([4, 6, 8]), nas.oneof([3, 5]), activation="relu", name="body")(image)
    return L.Conv2D(2, 1, activation="softmax", name="classes")(x)
"""


@pytest.fixture
def bright(tmp_path):
    """A space in a file, and images with the class of each pixel, a tenth of which is void (2, of two classes)."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 24), ("val", 8), ("test", 4)):
        x = rng.integers(0, 256, (n, 16, 16, 1), dtype=np.uint8)
        void = rng.random((n, 16, 16)) < 0.1
        arrays |= {f"{split}_x": x, f"{split}_y": np.where(void, 2, x[..., 0] // 128).astype(np.uint8)}
    np.savez(tmp_path / "bright.npz", **arrays)
    (tmp_path / "space.py").write_text(SPACE)
    return f"{tmp_path / 'space.py'}:segmenter", tmp_path / "bright.npz"


def test_a_task_that_is_none(bright, tmp_path, capsys):
    space, data = bright
    code, _, err = run("search", space, "--data", data, "--task", "depth", "--out", tmp_path / "study", capsys=capsys)
    assert code == 2
    assert "task: no task 'depth', expected auto, image, classification, segmentation" in err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_segmentation_from_the_file_to_the_report(bright, tmp_path, capsys):
    space, data = bright
    out = tmp_path / "study"
    command = ["search", space, "--data", data, "--task", "segmentation", "--at-most", "params=400", "--epochs", "2"]
    command += ["--trials", "2", "--workers", "1", "--out", out, "--full", "--tune-trials", "1", "--tune-epochs", "1"]
    code, said, err = run(*command, "--train-epochs", "2", capsys=capsys)
    assert code == 0, err
    assert "maximize val_miou" in said
    assert "test_miou" in said
    code, said, _ = run("top", out, "--json", capsys=capsys)
    assert 0 < json.loads(said)[0]["measurements"]["val_miou"]["value"] <= 1
    code, said, err = run("train", out, "--trials", "1", "--epochs", "1", "--json", capsys=capsys)
    assert code == 0, err
    assert {"val_miou", "val_accuracy", "val_crossentropy", "test_miou", "best_epoch"} <= set(json.loads(said)[0])
