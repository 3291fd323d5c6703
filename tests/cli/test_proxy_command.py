"""`nas proxy`, and `nas search --proxy`, as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from nas_command import run

import nas
from evaluators import Cost, ProxyTraining, ZeroCost
from evaluators.proxy_design import Proxy
from nas.cli.common import console
from nas.cli.job import Job, JobSettings
from nas.errors import UserError

SCORE = Proxy("zero_cost", {"names": ["naswot"]}, "naswot", "maximize")
SHORT = Proxy("training", {"epochs": 2, "resolution": 0.5, "schedule": "cosine"}, "val_mse", "minimize")


@pytest.fixture
def small(tmp_path):
    """A space of 36 networks in a file, and data that fit it: images whose colours are shades of a pattern."""
    file = tmp_path / "small.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n"
        "@nas.space(input=(32, 32, 1))\n"
        "def small(gray):\n    x = gray\n    for i in range(2):\n"
        "        x = L.Conv2D(oneof([1, 4, 16]), oneof([1, 3]), activation='relu', name=f'conv{i}')(x)\n"
        "    return L.Conv2D(3, 1, name='rgb')(x)\n"
    )
    x = np.random.default_rng(0).uniform(-1, 1, (48, 32, 32, 1)).astype("float32")
    y = np.concatenate([np.abs(x), np.roll(x, 1, axis=1), np.maximum(x, np.roll(x, 1, axis=2))], axis=-1)
    np.savez(tmp_path / "data.npz", train_x=x[:32], train_y=y[:32], val_x=x[32:], val_y=y[32:])
    return f"{file}:small", tmp_path / "data.npz"


@pytest.fixture
def pixels(tmp_path):
    """A space of 9 networks in a file, and gray images with the class of each pixel as an image of bytes, some void."""
    file = tmp_path / "pixels.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n"
        "@nas.space(input=(16, 16, 1))\n"
        "def pixels(gray):\n"
        "    x = L.Conv2D(oneof([1, 4, 16]), oneof([1, 3, 5]), activation='relu', name='conv')(gray)\n"
        "    return L.Conv2D(3, 1, activation='softmax', name='classes')(x)\n"
    )
    x = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 1), dtype=np.uint8)
    y = x // 86
    y[:, ::4] = 255
    np.savez(tmp_path / "pixels.npz", train_x=x[:16], train_y=y[:16], val_x=x[16:], val_y=y[16:])
    return f"{file}:pixels", tmp_path / "pixels.npz"


def written(tmp_path, proxy):
    file = tmp_path / "proxy.json"
    file.write_text(json.dumps({"chosen": proxy and {"proxy": proxy.to_json()}}))
    return file


def test_counts_of_an_architecture(small, capsys):
    space, _ = small
    code, out, _ = run("proxy", "zero-cost", space, "--index", 0, "--names", "params,flops", "--json", capsys=capsys)
    (row,) = json.loads(out)
    cost = nas.load_space(space).architecture(0).cost()
    assert (code, row["index"], row["scores"]["params"], row["scores"]["flops"]) == (0, 0, cost.params, cost.flops)


def test_scores_as_a_table_and_what_is_not_defined(small, tmp_path, capsys):
    space, _ = small
    code, out, _ = run("proxy", "zero-cost", space, "--sample", 2, "--names", "zen,naswot", "--batch-size", 4, capsys=capsys)
    assert code == 0
    assert "zen" in out
    assert len(out.splitlines()) == 3
    linear = tmp_path / "linear.py"
    linear.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n@nas.space(input=(8, 8, 1))\n"
        "def linear(x):\n    return L.Conv2D(oneof([1, 2]), 1, name='conv')(x)\n"
    )
    code, out, _ = run("proxy", "zero-cost", f"{linear}:linear", "--names", "naswot", "--json", capsys=capsys)
    assert (code, "no ReLU" in json.loads(out)[0]["refused"]) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zero-cost", "colorizer", "--names", "magic"], "no zero-cost proxy 'magic'"),
        (["design", "colorizer", "--at-least", "2"], "at_least: 2.0 does not do, expected from 0 to below 1"),
        (["design", "colorizer", "--data", "nowhere"], "no data set, folder or file 'nowhere'"),
        (["design", "darts", "--data", "photos"], "the network takes"),
    ],
)
def test_mistakes_are_one_message(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("proxy", *arguments, capsys=capsys)
    assert code == 2
    assert message in err
    assert not (tmp_path / "runs").exists()


def test_a_search_refuses_two_ways_of_judging_and_files_without_a_proxy(small, tmp_path, capsys):
    space, data = small
    search = ("search", space, "--data", data, "--out", tmp_path / "run", "--proxy")
    code, _, err = run(*search, written(tmp_path, SHORT), "--epochs", 2, capsys=capsys)
    assert (code, "it says how trials are trained" in err) == (2, True)
    code, _, err = run(*search, written(tmp_path, None), capsys=capsys)
    assert (code, "no proxy passed" in err) == (2, True)
    assert not (tmp_path / "run").exists()


def job(small, tmp_path, proxy, **more):
    space, data = small
    settings = JobSettings(space, str(data), proxy_file="proxy.json", proxy=proxy.to_json(), **more)
    return Job(settings, str(tmp_path / "run"), console())


def test_a_search_judges_as_the_design_chose(small, tmp_path):
    training = job(small, tmp_path, SHORT)
    assert str(training.objective) == str(nas.minimize("val_mse"))
    judges = training._chain()
    assert [type(getattr(judge, "evaluator", judge)) for judge in judges][::2] == [Cost, ProxyTraining]
    assert (judges[-1].evaluator.settings.epochs, judges[-1].evaluator.resolution) == (2, 0.5)
    scoring = job(small, tmp_path, SCORE)
    assert str(scoring.objective) == str(nas.maximize("naswot"))
    assert isinstance(scoring._chain()[-1].evaluator, ZeroCost)
    counting = job(small, tmp_path, Proxy("zero_cost", {"names": ["flops"]}, "flops", "maximize"))
    assert len(counting._chain()) == 2  # Cost measures it
    assert "--proxy proxy.json" in scoring.settings.commands(Path("run"))
    with pytest.raises(UserError, match="naswot says nothing that costs could be weighed with"):
        job(small, tmp_path, SCORE, reward="mnasnet-soft:flops=1e6")


def test_scores_of_classes_of_pixels(pixels, capsys):
    space, data = pixels
    scores = ("proxy", "zero-cost", space, "--index", 3, "--names", "grad_norm,snip", "--data", data, "--json")
    code, out, _ = run(*scores, "--task", "segmentation", capsys=capsys)
    (row,) = json.loads(out)
    assert code == 0
    assert 0 < row["scores"]["grad_norm"] < 100
    code, _, err = run(*scores, capsys=capsys)  # bytes with a channel axis are gray images unless it is said
    assert (code, "y has shape (16, 16, 1), the network wants (16, 16, 3)" in err) == (2, True)


def test_a_design_refuses_a_loss_that_is_none_for_classes(pixels, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    space, data = pixels
    design = ("proxy", "design", space, "--data", data, "--task", "segmentation", "--loss", "mse")
    code, _, err = run(*design, capsys=capsys)
    assert code == 2
    assert "loss: 'mse' is no loss for segmentation, expected crossentropy" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_full_training_on_classes_of_pixels_is_judged_as_a_search_judges_it(pixels, tmp_path, capsys):
    space, data = pixels
    design = ("proxy", "design", space, "--data", data, "--task", "segmentation", "--epochs", 2, "--references", 5)
    design = (*design, "--rounds", 1, "--repeats", 0, "--workers", 1, "--scores", "flops", "--out", tmp_path / "proxy")
    code, out, err = run(*design, "--json", capsys=capsys)
    assert code == 0, err
    found = json.loads(out)
    full = found["full"]["proxy"]
    assert (found["task"], full["metric"], full["goal"]) == ("segmentation", "val_miou", "maximize")
    assert all(0 <= reference["value"] <= 1 for reference in found["references"])
    (short, *_) = (row["proxy"] for row in found["findings"] if row["proxy"]["kind"] == "training")
    assert (short["settings"]["epochs"], short["metric"], short["goal"]) == (1, "val_miou", "maximize")
    settings = JobSettings(space, str(data), task="segmentation", proxy_file="proxy.json", proxy=short)
    assert str(Job(settings, str(tmp_path / "run"), console()).objective) == "maximize val_miou"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_design_ends_in_a_file_a_picture_and_a_search_by_it(small, tmp_path, capsys):
    space, data = small
    design = ("proxy", "design", space, "--data", data, "--epochs", 4, "--references", 8, "--rounds", 1, "--repeats", 1)
    design = (*design, "--at-least", 0, "--scores", "flops", "--out", tmp_path / "proxy", "--json")
    code, out, _ = run(*design, capsys=capsys)
    found = json.loads(out)
    assert code == 0
    assert found == json.loads((tmp_path / "proxy" / "proxy.json").read_text())
    assert len(found["references"]) == 8
    assert all(row["agreement"]["low"] <= row["agreement"]["tau"] <= row["agreement"]["high"] for row in found["findings"])
    assert (tmp_path / "proxy" / "proxy.png").stat().st_size > 10_000
    again = json.loads(run(*design, capsys=capsys)[1])  # everything is kept: nothing is trained again
    assert again == found
    proxy = Proxy.from_json((found["chosen"] or found["findings"][0])["proxy"])  # on so small a task, none need be cheaper
    search = ("search", space, "--data", data, "--trials", 2, "--out", tmp_path / "run")
    code, out, _ = run(*search, "--proxy", written(tmp_path, proxy), "--cache", tmp_path / "shared.db", capsys=capsys)
    assert code == 0
    completed = [trial for trial in nas.Study.open(tmp_path / "run").trials if trial.state == "completed"]
    assert completed
    assert all(proxy.metric in trial.measurements for trial in completed)
    assert (tmp_path / "shared.db").exists()
