"""The same code under Keras' other backends, in processes where `import tensorflow` fails.

The development lock holds TensorFlow only, so where neither JAX nor PyTorch is installed beside it these tests are skipped.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.language import backend

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import json, sys
sys.modules["tensorflow"] = None  # importing it fails, and `find_spec` finds none, as where it is not installed

import numpy as np
import evaluators, nas
from nas import layers as L, oneof
from nas.errors import UserError
from trainer.settings import TrainSettings
from trainer.training import train
from trainer_fakes import tiny_data

@nas.space(input=(16, 16, 1))
def small(gray):
    x = nas.chain(L.Conv2D(4, oneof([3, 5])), L.BatchNormalization(), L.ReLU())(gray)
    skip = x
    x = L.Dropout(0.2)(L.MaxPooling2D(2)(x))
    x = L.Upsample(2, oneof(["nearest", "bilinear", "transpose"]), name="up")(x)
    x = L.Merge(oneof(["add", "concat", "none"]), project=True, name="skip")(x, skip)
    return L.Conv2D(3, 3, activation="tanh", name="rgb")(x)

data, found = tiny_data(), {}
"""

INSTALLED_OTHERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"{name} is not installed: it is not in requirements-dev.lock"
        ),
    )
    for name in ("jax", "torch")
]


def run_under(name: str, code: str, tmp_path: Path) -> dict:
    """What `code` leaves in `found`, run without TensorFlow under the backend `name`."""
    environment = os.environ | {
        "KERAS_BACKEND": name,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "trainer")]),
    }
    tail = '\nassert sys.modules["tensorflow"] is None\nprint("FOUND " + json.dumps(found))'
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code + tail],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("FOUND ")[2])


@pytest.mark.parametrize("name", INSTALLED_OTHERS)
def test_price_build_and_proxy_training(name, tmp_path):
    found = run_under(
        name,
        """
proxy = evaluators.ProxyTraining(data, epochs=2, batch_size=8)
for seed in (0, 1):
    architecture = small.sample(seed=seed)
    counted = architecture.build(seed=0).count_params()
    first, again = (proxy.evaluate(architecture, seed=3) for _ in range(2))
    losses = [each["val_mse"] for each in (first, again)]
    found[seed] = [architecture.cost().params, counted, *(loss.value for loss in losses), losses[0].runtime]
""",
        tmp_path,
    )
    for priced, counted, first, again, runtime in found.values():
        assert priced == counted
        assert 0 < first < 2  # inputs and targets are in [-1, 1]
        assert first == again
        assert f"({name})" in runtime


@pytest.mark.parametrize("name", INSTALLED_OTHERS)
def test_resumed_training_is_the_uninterrupted_one(name, tmp_path):
    found = run_under(
        name,
        """
def history(epochs, folder):
    model = small.sample(seed=0).build(seed=1)
    settings = TrainSettings(epochs=epochs, batch_size=8, horizon=3)
    rows = train(model, data, settings, restore_best=True, checkpoint_directory=folder).history
    return [[row.loss, row.val_loss] for row in rows], [np.asarray(w).tolist() for w in model.get_weights()]

found["whole"] = history(3, "whole")
history(1, "parts")
found["parts"] = history(3, "parts")
""",
        tmp_path,
    )
    assert len(found["whole"][0]) == 3
    assert found["parts"] == found["whole"]


@pytest.mark.slow  # every score compiles its own programs under JAX
@pytest.mark.parametrize("name", INSTALLED_OTHERS)
def test_zero_cost_scores(name, tmp_path):
    found = run_under(
        name,
        """
for batch_norm in (True, False):
    def network(gray):
        x = gray
        for i in range(40 if not batch_norm else 2):
            x = L.Conv2D(64, oneof([3, 5]) if i == 0 else 3)(x)
            x = L.ReLU()(L.BatchNormalization()(x) if batch_norm else x)
        return L.Conv2D(3, 3, name="rgb")(x)
    space = nas.space(input=(16, 16, 1))(network)
    names = ("grad_norm", "snip", "synflow", "naswot", "jacob_cov", "zen") if batch_norm else ("synflow", "zen")
    scores = evaluators.ZeroCost(names, batch_size=4).evaluate(space.sample(seed=0))
    found[str(batch_norm)] = {name: scores[name].value for name in names}
""",
        tmp_path,
    )
    assert all(found["True"].values())
    # forty Gaussian kernels of 3 x 3 x 64 multiply by sqrt(288) each: e^113, where float32 ends at e^88
    assert found["False"]["zen"] > 88


@pytest.mark.parametrize("name", INSTALLED_OTHERS)
def test_what_needs_tensorflow_says_so(name, tmp_path):
    found = run_under(
        name,
        """
from trainer import export, litert, strategy
model = small.sample(seed=0).build(seed=0)
def told(call):
    try:
        call()
    except UserError as error:
        return str(error)
found["savedmodel"] = told(lambda: export.export(model, "out", ("keras", "savedmodel")))
found["litert"] = told(lambda: litert.convert(model))
found["int8"] = told(lambda: litert.quantize(model))
found["mirror"] = told(lambda: strategy.scope("mirror"))
with strategy.scope("single"):
    pass
found["keras"] = [report.format for report in export.export(model, "out", ("keras",))]
""",
        tmp_path,
    )
    assert found.pop("keras") == ["keras"]
    for message in found.values():
        assert f"needs TensorFlow, and Keras is to compute with {name}" in message


@pytest.fixture
def without_keras(monkeypatch, tmp_path):
    """As in a process that has not imported Keras, with no settings file."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_which_backend(without_keras, monkeypatch):
    assert backend.chosen() == "tensorflow"
    (without_keras / "keras.json").write_text('{"backend": "torch"}')
    assert backend.chosen() == "torch"
    (without_keras / "keras.json").write_text("[")
    assert backend.chosen() == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.chosen() == "jax"


def test_a_backend_that_is_not_installed(without_keras, monkeypatch):
    monkeypatch.setattr(backend, "installed", lambda: ["jax"])
    message = (
        "KERAS_BACKEND: Keras is to compute with tensorflow, which is not installed, expected one that is installed here: jax. "
        "Set KERAS_BACKEND=jax, or pip install tensorflow."
    )
    with pytest.raises(UserError) as caught:
        backend.import_keras()
    assert str(caught.value) == message


def test_no_backend_at_all(without_keras, monkeypatch):
    monkeypatch.setattr(backend, "installed", list)
    with pytest.raises(UserError, match="which is not installed. pip install tensorflow."):
        backend.import_keras()
