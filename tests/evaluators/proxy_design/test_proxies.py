import json

import numpy as np
import pytest

from evaluators import ProxyTraining
from evaluators.proxy_design import Proxy, choose_references, read_proxy, usual_candidates
from evaluators.zero_cost import ZeroCost
from nas.errors import UserError

FULL = Proxy("training", {"epochs": 16, "batch_size": 8, "loss": "mse", "schedule": "cosine"}, "val_mse", "minimize")


def test_usual_candidates_are_cheaper_versions_of_the_full_training():
    names = [proxy.name for proxy in usual_candidates(FULL, resolutions=[0.5])]
    assert names == [
        "2 epochs", "4 epochs", "8 epochs", "4 epochs, 50% of the data", "4 epochs, resolution 0.5", "8 epochs, resolution 0.5",
        "flops", "naswot", "synflow",
    ]  # fmt: skip
    short = usual_candidates(Proxy("training", {"epochs": 2}, "val_mse", "minimize"), scores=())
    assert [proxy.name for proxy in short] == ["1 epoch", "1 epoch, 50% of the data"]


def test_a_proxy_becomes_its_evaluator_and_objective():
    training, score = usual_candidates(FULL)[0], usual_candidates(FULL)[-1]
    evaluator = training.evaluator("photos")
    assert isinstance(evaluator, ProxyTraining)
    assert training.metric in evaluator.metrics
    assert (evaluator.settings.epochs, evaluator.settings.batch_size, evaluator.settings.schedule) == (2, 8, "cosine")
    assert str(training.objective()) == str(FULL.objective())
    assert isinstance(score.evaluator("photos"), ZeroCost)
    assert score.objective().goal == "maximize"


def test_a_proxy_survives_its_file(tmp_path):
    for proxy in usual_candidates(FULL):
        (tmp_path / "proxy.json").write_text(json.dumps({"chosen": {"proxy": proxy.to_json()}}))
        assert read_proxy(tmp_path / "proxy.json") == proxy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"chosen": null}', "no proxy passed. Design again"),
        ('{"chosen": {"proxy": {"kind": "training"}}}', "no proxy, expected an object with kind, settings, metric, goal"),
        ('{"chosen": {"proxy": {"kind": "magic", "settings": {}, "metric": "m", "goal": "minimize"}}}', "no such kind"),
        (
            '{"chosen": {"proxy": {"kind": "training", "settings": {"data": "/etc"}, "metric": "m", "goal": "minimize"}}}',
            "unknown settings",
        ),
    ],
)
def test_files_that_hold_no_proxy(tmp_path, content, message):
    (tmp_path / "proxy.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_proxy(tmp_path / "proxy.json")


def test_references_reach_into_the_corners():
    rng = np.random.default_rng(0)
    guesses = rng.standard_normal((200, 2))
    guesses[:4] = [[-9, -9], [9, 9], [-9, 9], [9, -9]]
    chosen = choose_references(guesses, 5)
    assert set(chosen[1:]) == {0, 1, 2, 3}
    assert choose_references(guesses, 9)[:5] == chosen  # beginnings are spread too
    assert choose_references(guesses * [1e9, 1e-9], 5) == chosen  # units do not matter


def test_all_references_are_different_whatever_the_guesses():
    assert sorted(choose_references(np.zeros((6, 2)), 6)) == [0, 1, 2, 3, 4, 5]
    assert len(set(choose_references(np.full((6, 1), np.nan), 9))) == 6
