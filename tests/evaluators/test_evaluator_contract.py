"""What every evaluator keeps. A new one adds a line to CASES."""

import dataclasses
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluator_fakes import SMALLEST, tiny_data

import nas
from evaluators import Cost, Latency, PredictedLatency, ProxyTraining, Tabular, as_evaluator
from evaluators.latency_model import LatencyModel
from evaluators.zero_cost import SCORES, ZeroCost
from nas.study.evaluation import FunctionEvaluator


@dataclasses.dataclass(frozen=True)
class Case:
    """make: builds it. exact: the metrics that architecture and seed decide. counted: those that are arithmetic.
    within: the share by which exact ones may differ all the same. needs: libraries that are no part of every installation."""

    make: Callable[[], nas.Evaluator]
    exact: frozenset[str]
    counted: frozenset[str] = frozenset()
    within: float = 0.0
    needs: tuple[str, ...] = ()


def count_layers(architecture):
    return {"layers": len(architecture.network)}


def looked_up():
    """A table that knows one architecture, measured twice."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.csv"
        file.write_text(f"fingerprint,val_mse,latency_ms\n{SMALLEST.fingerprint},0.5,3\n{SMALLEST.fingerprint},0.7,4\n")
        return Tabular(file)


def predicted():
    """A model of a made-up device."""
    measured = SMALLEST.space.sample(0, n=8)
    latencies = [1 + architecture.cost().flops / 1e6 for architecture in measured]
    return PredictedLatency(LatencyModel.fit(measured, latencies, device="a board", runtime="made up"))


COUNTS = frozenset(Cost.metrics)
CASES = {
    "cost": Case(Cost, exact=COUNTS, counted=COUNTS),
    "latency": Case(
        lambda: Latency(seconds_each=0.05, processes=1), exact=frozenset({"model_bytes"}), counted=frozenset({"model_bytes"})
    ),
    "latency_int8": Case(
        lambda: Latency("litert-int8", seconds_each=0.05, processes=1),
        exact=frozenset({"model_bytes"}),
        counted=frozenset({"model_bytes"}),
    ),
    "latency_onnxruntime": Case(
        lambda: Latency("onnxruntime", seconds_each=0.05, processes=1),
        exact=frozenset({"model_bytes"}),
        counted=frozenset({"model_bytes"}),
        within=0.01,  # tf2onnx keeps either name of two equal constants, and numbers what it adds
        needs=("onnx", "tf2onnx", "onnxruntime"),
    ),
    "predicted_latency": Case(predicted, exact=frozenset({"latency_ms"})),
    "proxy": Case(
        lambda: ProxyTraining(tiny_data(), epochs=1, batch_size=8), exact=frozenset({"val_mse", "val_mse_best", "val_ssim"})
    ),
    "zero_cost": Case(
        lambda: ZeroCost(("flops", *SCORES), batch_size=4), exact=frozenset({"flops", *SCORES}), counted=frozenset({"flops"})
    ),
    "tabular": Case(looked_up, exact=frozenset({"val_mse", "latency_ms"})),
    "function": Case(lambda: as_evaluator(count_layers), exact=frozenset({"layers"}), counted=frozenset({"layers"})),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    found = CASES[request.param]
    for library in found.needs:
        pytest.importorskip(library)
    return found


@pytest.fixture(scope="module")
def evaluator(case):
    return case.make()


@pytest.fixture(scope="module")
def found(evaluator):
    return evaluator.evaluate(SMALLEST, seed=7)


def test_measures_what_it_promises(evaluator, found):
    if not isinstance(evaluator, FunctionEvaluator):  # what a function measures shows when it is called
        assert set(found) == set(evaluator.metrics)
    assert all(isinstance(m, nas.Measurement) and isinstance(m.value, float) and math.isfinite(m.value) for m in found.values())


def test_what_is_measured_names_device_and_runtime_what_is_counted_names_no_device(case, found):
    for metric, measurement in found.items():
        assert bool(measurement.device) == (metric not in case.counted), metric
        assert bool(measurement.runtime) or metric in case.counted, metric


def test_units_stand_in_names(found):
    for metric, measurement in found.items():
        for ending, unit in (("_ms", "ms"), ("_bytes", "bytes"), ("seconds", "s"), ("flops", "FLOPs")):
            if metric.endswith(ending):
                assert measurement.unit == unit


def test_seed_decides(case, evaluator, found):
    again = evaluator.evaluate(SMALLEST, seed=7)
    first, second = ({metric: measured[metric].value for metric in case.exact} for measured in (found, again))
    assert second == pytest.approx(first, rel=case.within, abs=0)


def test_measurements_survive_the_store(found):
    for measurement in found.values():
        assert nas.Measurement.from_json(json.loads(json.dumps(measurement.to_json()))) == measurement


def test_describes_itself_in_plain_json(evaluator):
    description = evaluator.describe()
    assert json.loads(json.dumps(description)) == description
    assert description["name"] == evaluator.name


def test_can_be_sent_to_a_worker(evaluator):
    copy = pickle.loads(pickle.dumps(evaluator))  # noqa: S301 - our own object
    assert copy.describe() == evaluator.describe()
    assert (copy.name, copy.metrics, copy.isolated) == (evaluator.name, evaluator.metrics, evaluator.isolated)


def test_says_what_it_costs(evaluator):
    assert evaluator.seconds >= 0


def test_cheap_gates_are_asked_before_training():
    assert Cost().seconds < Latency().seconds < ProxyTraining("photos").seconds
