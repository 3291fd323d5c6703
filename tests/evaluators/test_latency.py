import json
import os
import signal
import statistics
import subprocess
import sys
import time

import pytest
from evaluator_fakes import SMALLEST, Bicubic

from evaluators import device
from evaluators import latency as latency_module
from evaluators.latency import CHILD, Latency, Run
from evaluators.latency_child import time_calls, warm_up
from nas.errors import Infeasible, UserError
from search_spaces.colorizer import colorizer
from trainer.litert import convert


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("latency") / "smallest.tflite"
    path.write_bytes(convert(SMALLEST.build(seed=0)))
    return path


@pytest.fixture(scope="module")
def book_file(tmp_path_factory):
    """A network of milliseconds, not microseconds."""
    path = tmp_path_factory.mktemp("latency") / "book.tflite"
    path.write_bytes(convert(colorizer.baselines["book"].build(seed=0)))
    return path


@pytest.fixture(scope="module")
def measured(file):
    return Latency(seconds_each=0.1).measure_file(file)


def child(monkeypatch, tmp_path, code):
    """Puts a program of our own where the timing process is."""
    script = tmp_path / "child.py"
    script.write_text(code)
    monkeypatch.setattr(latency_module, "CHILD", script)


def test_every_number_says_unit_device_and_runtime(measured):
    assert set(measured) == set(Latency.metrics)
    for metric in ("latency_ms", "latency_median_ms", "latency_p90_ms", "latency_wall_ms"):
        assert measured[metric].unit == "ms"
        assert measured[metric].device == device.cpu_name()
        assert measured[metric].runtime.startswith("LiteRT ")
        assert "float32, batch 1, 1 thread" in measured[metric].runtime
    assert measured["latency_ms"].runtime.endswith("processor time")
    assert measured["latency_wall_ms"].runtime.endswith("wall clock")
    assert measured["latency_memory_bytes"].unit == measured["litert_bytes"].unit == "bytes"


def test_the_value_is_the_fastest_call_and_the_others_lie_above(measured, file):
    fastest, median, p90 = (measured[f"latency_{m}ms"].value for m in ("", "median_", "p90_"))
    assert 0 < fastest <= median <= p90
    assert measured["latency_wall_ms"].value >= fastest * 0.95  # clocks are read one after the other
    assert measured["latency_ms"].n > 20
    assert measured["litert_bytes"].value == file.stat().st_size


def test_repeated_measurements_agree(book_file):
    first, second = (Latency(seconds_each=0.1).measure_file(book_file)["latency_ms"].value for _ in range(2))
    assert 0.6 < first / second < 1.6  # test machines are noisy; the slow test is strict


@pytest.mark.slow
def test_five_measurements_vary_by_at_most_3_percent_on_a_quiet_machine(book_file):
    if os.getloadavg()[0] > 0.5 * os.cpu_count():
        pytest.skip("the machine is not quiet")
    values = [Latency().measure_file(book_file)["latency_ms"].value for _ in range(5)]
    assert statistics.stdev(values) / statistics.mean(values) <= 0.03


def test_evaluate_measures_the_built_network(file):
    found = Latency(seconds_each=0.05, processes=1).evaluate(SMALLEST, seed=0)
    assert found["litert_bytes"].value == file.stat().st_size
    assert found["latency_ms"].value > 0


def test_the_child_never_imports_tensorflow_nor_this_repository(file):
    request = {"model": str(file), "threads": 1, "seconds": 0.01, "min_calls": 1, "timeout_seconds": 20}
    command = [sys.executable, "-P", "-X", "importtime", str(CHILD)]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.split("|")[-1].strip().partition(".")[0] for line in lines}
    assert "ai_edge_litert" in imported
    assert not imported & {"tensorflow", "keras", "nas", "evaluators", "pyglove"}


def test_a_child_without_a_parent_ends_by_itself(file):
    request = {"model": str(file), "threads": 1, "seconds": 60, "min_calls": 10**9, "timeout_seconds": -4}  # 5 s later: 1 s
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-P", str(CHILD)], input=json.dumps(request), capture_output=True, text=True)
    assert done.returncode == -signal.SIGALRM
    assert time.monotonic() - start < 20


def test_a_crash_carries_what_the_child_wrote(monkeypatch, tmp_path, file):
    child(monkeypatch, tmp_path, "import os, sys; print('no such instruction', file=sys.stderr, flush=True); os.abort()")
    with pytest.raises(RuntimeError, match=r"smallest.tflite ended with status -6: no such instruction"):
        Latency().measure_file(file)


def test_a_child_that_does_not_answer_is_ended(monkeypatch, tmp_path, file):
    child(monkeypatch, tmp_path, "import time; time.sleep(60)")
    with pytest.raises(TimeoutError, match=r"took more than 1 s in one process"):
        Latency(timeout_seconds=1).measure_file(file)
    with device.lease(device.cpu_name(), 10):  # and the lease is free again
        pass


def test_a_network_that_cannot_be_converted_is_infeasible():
    with pytest.raises(Infeasible, match="LiteRT cannot express the network: 'tf.ResizeBicubic'"):
        Latency().evaluate(Bicubic())


def test_a_model_that_the_runtime_refuses_is_infeasible(tmp_path):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(Bicubic().build())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "needs_tensorflow.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(Infeasible, match="LiteRT does not run the network: Select TensorFlow op"):
        Latency(processes=1).measure_file(path)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file, expected a .tflite file"), (b"PK\3\4 zip file", "not a LiteRT model")]
)
def test_a_path_that_is_no_model_is_a_mistake(tmp_path, content, message):
    path = tmp_path / "x.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        Latency().measure_file(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runtime": "onnx"}, "no runtime 'onnx', expected \"litert\""),
        ({"threads": 0}, "threads is 0, expected at least 1"),
        ({"processes": 9}, "processes is 9, expected 1 to 6"),
        ({"seconds_each": 0}, "seconds_each is 0, expected more than 0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(UserError, match=message):
        Latency(**settings)


class Scripted(Latency):
    """Processes whose fastest calls are given; each call takes `busy` times as long by the wall clock."""

    def __init__(self, fastest, busy=1.01, **settings):
        super().__init__(**settings)
        self.fastest, self.busy = list(fastest), busy
        self.runs = 0

    def _run_child(self, path, lock):
        self.runs += 1
        fastest = self.fastest.pop(0)
        times_ms = [fastest, fastest * 2]
        return Run([time * self.busy for time in times_ms], times_ms, 1000 * self.runs, "LiteRT 0, float32")


@pytest.mark.parametrize(
    ("fastest", "runs", "value", "spread"),
    [
        ([10.0, 10.1], 2, 10.0, 0.1),  # agree at once
        ([10.0, 12.0, 10.2], 3, 10.0, 0.2),  # a third process settles it
        ([10.0, 12.0, 11.0, 9.0, 13.0, 14.0], 6, 9.0, 1.0),  # never: the best, with the spread it has
    ],
)
def test_processes_are_added_until_the_two_fastest_agree(file, fastest, runs, value, spread):
    evaluator = Scripted(fastest, tolerance=0.03)
    found = evaluator.measure_file(file)["latency_ms"]
    assert evaluator.runs == runs
    assert (found.value, found.spread, found.n) == (value, pytest.approx(spread), 2 * runs)


def test_statistics_by_hand(file):
    found = Scripted([1.0, 1.02], tolerance=0.03).measure_file(file)  # calls 1, 1.02, 2, 2.04
    assert found["latency_median_ms"].value == pytest.approx(1.51)
    assert found["latency_median_ms"].spread == pytest.approx(1.4826 * 0.5)  # distances .51, .49, .49, .53: median .5
    assert found["latency_p90_ms"].value == 2.0
    assert found["latency_wall_ms"].value == pytest.approx(1.01)
    assert (found["latency_memory_bytes"].value, found["latency_memory_bytes"].spread) == (2000, 500)


def test_a_busy_machine_takes_more_processes(file):
    evaluator = Scripted([10.0, 10.0, 9.9, 9.8], busy=1.5)
    assert evaluator.measure_file(file)["latency_ms"].value == 9.8
    assert evaluator.runs == 4


def test_one_process_knows_no_spread(file):
    assert Scripted([1.0], processes=1).measure_file(file)["latency_ms"].spread is None


def test_warm_up_ends_when_calls_stop_getting_faster():
    durations = iter([0.02, 0.012, 0.008, 0.006] + [0.004] * 1000)
    assert 6 <= warm_up(lambda: time.sleep(next(durations))) <= 40


def test_processor_time_leaves_out_waiting():
    wall_ns, processor_ns = time_calls(lambda: time.sleep(0.01), 0, min_calls=3)
    assert len(wall_ns) == len(processor_ns) == 3
    assert min(wall_ns) >= 10e6
    assert max(processor_ns) < 5e6
