"""The report: what it says, that nothing in it executes, and how it looks in a browser."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import controllers
import nas
from nas import layers as L
from nas import oneof
from nas.errors import StudyError
from nas.study.report import write_report
from nas.study.report.plots import image_grid
from nas.study.store import Store


@nas.space(input=(16, 16, 1), baselines={"plain": {}})
def small(gray):
    x = L.Conv2D(oneof([2, 4, 8]), oneof([1, 3]), strides=2, name="down")(gray)
    return L.Conv2DTranspose(3, oneof([2, 4]), strides=2, name="up")(x)


def judge(architecture):
    cost = architecture.cost()
    if cost.params > 200:
        raise nas.Infeasible("<script>alert('too large')</script>")
    return {"val_mse": 1 / cost.params, "latency_ms": cost.flops / 1e4}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A finished study with every stage a report knows."""
    path = tmp_path_factory.mktemp("report") / "study"
    study = nas.Study(
        small, controllers.Random(seed=0), judge, [nas.minimize("val_mse")], [nas.at_most("latency_ms", 4)], directory=str(path)
    )
    study.run(trials=12)
    best = study.best()
    (path / "artifacts").mkdir(exist_ok=True)
    images = np.linspace(-1, 1, 2 * 16 * 16 * 3, dtype=np.float32).reshape(2, 16, 16, 3)
    np.savez(path / "artifacts" / "images.npz", labels=np.array(["input", "truth"]), column0=images[..., :1], column1=images)
    row = {
        "latency_ms": {"value": 3.1, "unit": "ms", "spread": 0.02},
        "flops": 1_000,
        "params": 99,
        "hyperparameters": "learning_rate 0.001",
    }
    rows = [
        {"name": "winner", "val_mse": 0.02, "test_mse": 0.03, **row},
        {"name": "table", "val_mse": 0.03, "test_mse": None, "params": 768},
    ]
    trials = [{"id": i, "parameters": {"learning_rate": 10.0**-i}, "value": 1 / i, "state": "succeeded"} for i in (1, 2, 3)]
    tuning = {
        "metric": "val_loss",
        "goal": "minimize",
        "algorithm": "bayesian",
        "note": "",
        "trials": trials,
        "best": trials[2],
    }
    files = [{"format": "keras", "path": "export/model.keras", "bytes": 2**20, "max_difference": 1e-7, "tolerance": 1e-5}]
    with Store(str(path)) as store:
        store.put_stage("winner", {"trial": best.id, "decisions": dict(best.decisions)})
        store.put_stage("tuning", tuning)
        store.put_stage(
            "training",
            {
                "metric": "val_mse",
                "held_out": "test_mse",
                "rows": rows,
                "images": "artifacts/images.npz",
                "note": "two epochs",
                "exports": files,
            },
        )
    return path


def test_it_says_what_was_found(directory):
    page = write_report(nas.Study.open(directory), space=small, title="A & B", commands="nas search ...").read_text()
    for text in (
        "<title>A &amp; B</title>",
        "0.02",
        "0.03",
        "3.1 ± 0.02 ms",
        "two epochs",
        "nas search ...",
        "export/model.keras",
        "1.00 MiB",
    ):
        assert text in page
    assert len(re.findall(r'<span class="state', page)) == 12
    assert "Winner (trial" in page
    assert "Baseline plain" in page


def test_nothing_in_it_executes(directory):
    page = write_report(nas.Study.open(directory), space=small).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_a_study_without_a_completed_trial_has_a_report_too(tmp_path):
    def refuse(architecture):
        raise nas.Infeasible("no")

    study = nas.Study(small, controllers.Random(seed=0), refuse, [nas.minimize("x")], directory=str(tmp_path / "study"))
    study.run(trials=3)
    page = write_report(nas.Study.open(tmp_path / "study")).read_text()
    assert "No completed trial yet." in page


def test_a_study_in_memory_has_no_place_for_one():
    study = nas.Study(small, controllers.Random(seed=0), judge, [nas.minimize("val_mse")])
    with pytest.raises(StudyError, match="a study in memory has no place for a report"):
        write_report(study)


def test_images_are_clipped_to_the_range_shown():
    picture = image_grid({"a": np.full((1, 2, 2, 1), 9.0), "b": np.full((1, 2, 2, 3), -9.0)})
    assert picture.startswith("data:image/png;base64,")


def test_it_looks_right_in_a_browser(directory, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    from matplotlib.image import imread

    path = write_report(nas.Study.open(directory), space=small)
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-sync",
    ]
    picture = tmp_path / "page.png"
    size = ["--hide-scrollbars", "--window-size=1200,4200", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [browser, *quiet, *size, f"--screenshot={picture}", path.as_uri()], check=True, capture_output=True, timeout=120
    )
    pixels = imread(picture)[..., :3]
    assert pixels.shape == (4200, 1200, 3)
    width_of_text = np.flatnonzero((pixels < 0.5).all(axis=2).any(axis=0))
    assert 60 < width_of_text.min() < 140  # a centred column that
    assert width_of_text.max() < 1140  # nothing runs out of
    assert (
        len(np.unique((pixels * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 200
    )  # the pictures are there, not broken links
    dom = subprocess.run(
        [browser, *quiet, f"--user-data-dir={tmp_path / 'profile2'}", "--dump-dom", path.as_uri()],
        check=True, capture_output=True, text=True, timeout=120,
    ).stdout  # fmt: skip
    assert dom.count("<img") == 6
