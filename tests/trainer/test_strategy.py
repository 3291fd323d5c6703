import json

import pytest

from nas.errors import UserError
from trainer.strategy import is_chief, scope, strategy

CLUSTER = {"worker": ["a:1", "b:1"]}


def test_single_is_one_device():
    found = strategy("single")
    assert type(found).__name__ == "OneDeviceStrategy"
    assert found.num_replicas_in_sync == 1


def test_mirror_is_every_device_of_this_machine():
    assert type(strategy("mirror")).__name__ == "MirroredStrategy"


def test_unknown():
    with pytest.raises(UserError, match="strategy: no strategy 'tpu', expected one of single, mirror, multi."):
        strategy("tpu")


def test_other_backends(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError) as caught:
        strategy("mirror")
    assert str(caught.value) == (
        "strategy: the strategy mirror needs TensorFlow, and Keras is to compute with jax, "
        "expected KERAS_BACKEND=tensorflow, and TensorFlow installed. Set KERAS_BACKEND=tensorflow."
    )
    with scope("single"):  # nothing to set up
        pass


@pytest.mark.parametrize(
    ("config", "chief"),
    [
        ({}, True),
        ({"task": {"type": "worker", "index": 3}}, True),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 0}}, True),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 1}}, False),
        ({"cluster": CLUSTER | {"chief": ["c:1"]}, "task": {"type": "chief", "index": 0}}, True),
        ({"cluster": CLUSTER | {"chief": ["c:1"]}, "task": {"type": "worker", "index": 0}}, False),
    ],
)
def test_who_saves_and_reports(monkeypatch, config, chief):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert is_chief() == chief


def test_without_a_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_chief()


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_broken_cluster(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG: is not a JSON object"):
        strategy("multi")
