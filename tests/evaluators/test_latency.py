import json
import os
import pickle
import signal
import statistics
import subprocess
import sys
import time

import pytest
from evaluator_fakes import SMALLEST, Bicubic

from evaluators import device, latency_bench, runtimes
from evaluators.latency import Latency, TooNoisy
from evaluators.latency_bench import CHILD, Settings, Timing
from evaluators.latency_child import time_calls, warm_up
from evaluators.latency_statistics import Run
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
    monkeypatch.setattr(latency_bench, "CHILD", script)


def test_every_number_says_unit_device_and_runtime(measured):
    assert set(measured) == set(Latency.metrics)
    for metric in ("latency_ms", "latency_median_ms", "latency_p90_ms", "latency_wall_ms"):
        assert measured[metric].unit == "ms"
        assert measured[metric].device == device.describe(device.fingerprint())
        assert measured[metric].runtime.startswith("LiteRT ")
        assert "float32, batch 1, 1 thread" in measured[metric].runtime
    assert measured["latency_ms"].runtime.endswith("processor time")
    assert measured["latency_wall_ms"].runtime.endswith("wall clock")
    assert measured["latency_memory_bytes"].unit == measured["model_bytes"].unit == "bytes"


def test_the_value_is_the_fastest_call_and_the_others_lie_above(measured, file):
    fastest, median, p90 = (measured[f"latency_{m}ms"].value for m in ("", "median_", "p90_"))
    assert 0 < fastest <= median <= p90
    assert measured["latency_wall_ms"].value >= fastest * 0.95  # clocks are read one after the other
    assert measured["latency_ms"].n > 20
    assert measured["model_bytes"].value == file.stat().st_size


def test_every_latency_lies_in_its_interval(measured):
    for metric in ("latency_ms", "latency_median_ms", "latency_p90_ms"):
        found = measured[metric]
        assert found.low <= found.value <= found.high
    assert measured["latency_ms"].low == measured["latency_ms"].value  # noise only adds time
    assert measured["latency_ms"].spread == pytest.approx((measured["latency_ms"].high - measured["latency_ms"].value) / 2)


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
    assert found["model_bytes"].value == file.stat().st_size
    assert found["latency_ms"].value > 0


def test_runtimes_are_named_and_differ():
    int8 = Latency("litert-int8", seconds_each=0.05, processes=1).evaluate(SMALLEST, seed=0)
    assert "int8, batch 1, 1 thread" in int8["latency_ms"].runtime
    assert Latency("litert-int8").describe() != Latency().describe()


def test_a_child_without_a_parent_ends_by_itself(file):
    request = {"model": str(file), "adapter": runtimes.get("litert").file, "settings": {}, "threads": 1}
    request |= {"seconds": 60, "min_calls": 10**9, "timeout_seconds": -4}  # 5 s later: 1 s
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


def test_what_a_machine_lacks_is_a_mistake(monkeypatch, tmp_path, file):
    child(monkeypatch, tmp_path, 'print(\'{"missing": "TensorFlow finds no GPU on this machine"}\')')
    with pytest.raises(UserError, match=r"Latency\(runtime\): TensorFlow finds no GPU on this machine\."):
        Latency().measure_file(file)


def test_a_network_that_cannot_be_converted_is_infeasible():
    with pytest.raises(Infeasible, match="LiteRT cannot express the network: 'tf.ResizeBicubic'"):
        Latency().evaluate(Bicubic())


def test_a_model_that_the_runtime_refuses_is_infeasible(tmp_path):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(Bicubic().build())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "needs_tensorflow.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(Infeasible, match="litert does not run the network: Select TensorFlow op"):
        Latency(processes=1).measure_file(path)


@pytest.mark.parametrize(
    ("content", "message"), [(None, r"no such file, expected a \.tflite file"), (b"PK\3\4 zip file", "not a LiteRT model")]
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
        ({"runtime": "onnx"}, "no runtime 'onnx', expected one of litert, litert-int8, onnxruntime"),
        ({"threads": 0}, "threads is 0, expected 1 to"),
        ({"processes": 11}, "processes is 11, expected 1 to 10"),
        ({"seconds_each": 0}, "seconds_each is 0, expected more than 0"),
        ({"when_noisy": "shout"}, "'shout' does not do, expected keep or refuse"),
        ({"examples": [[0.0]]}, 'litert takes no examples, expected runtime="litert-int8"'),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(UserError, match=message):
        Latency(**settings)


def scripted(monkeypatch, figures, busy=1.01):
    """Processes whose fastest calls are given; returns the list of those that are left."""
    left = list(figures)

    def ask(path, runtime, settings, lock):
        times = [int(left[0] * 1e6), int(left.pop(0) * 2e6)]
        return {
            "wall_ns": [int(time * busy) for time in times],
            "processor_ns": times,
            "memory_bytes": 1000 * (len(figures) - len(left)),
            "warm_up_calls": 6,
            "runtime": "LiteRT 0",
            "precision": "float32",
            "batch": 1,
            "clock": "thread",
        }

    monkeypatch.setattr(latency_bench, "_ask_child", ask)
    return left


def test_statistics_by_hand(monkeypatch, file):
    scripted(monkeypatch, [1.0, 1.02])
    found = Latency(processes=2).measure_file(file)  # calls 1, 1.02, 2, 2.04
    assert found["latency_ms"].value == 1.0
    assert (found["latency_ms"].low, found["latency_ms"].high, found["latency_ms"].n) == (1.0, 1.02, 4)
    assert found["latency_median_ms"].value == pytest.approx(1.51, abs=0.02)
    assert found["latency_median_ms"].spread == pytest.approx(1.4826 * 0.5)  # distances .51, .49, .49, .53: median .5
    assert found["latency_wall_ms"].value == pytest.approx(1.01)
    assert (found["latency_memory_bytes"].value, found["latency_memory_bytes"].spread) == (2000, 500)


NOISY = [10.0 + i for i in range(10)]


def test_processes_that_never_agree_are_said_to(monkeypatch, file):
    assert not scripted(monkeypatch, NOISY)[10:]
    found = Latency().measure_file(file)
    assert found["latency_ms"].value == 10
    assert "the fastest calls of 10 fresh processes, 10, 11, 12, 13" in found["latency_ms"].note
    assert found["latency_ms"].note == found["latency_p90_ms"].note


def test_or_refused_with_the_reason(monkeypatch, file):
    scripted(monkeypatch, NOISY)
    with pytest.raises(TooNoisy, match=r"leave an interval 20\.0% wide, at most 3\.0% is allowed; other work had the core"):
        Latency(when_noisy="refuse").measure_file(file)


def test_one_process_knows_no_spread(monkeypatch, file):
    scripted(monkeypatch, [1.0])
    found = Latency(processes=1).measure_file(file)["latency_ms"]
    assert (found.spread, found.low, found.high, found.note) == (None, None, None, "")


def test_more_threads_are_timed_by_the_wall(monkeypatch, file):
    scripted(monkeypatch, [10.0] * 4, busy=1.5)
    found = Latency(threads=2).measure_file(file)["latency_ms"]
    assert found.value == 15
    assert found.runtime.endswith("2 threads, wall clock")


def test_a_gpu_is_named_before_its_machine():
    where = {"cpu": "AMD EPYC, 2 cores", "os": "Linux 6.8.0 x86_64", "governor": "performance"}
    run = Run([2.0], [2.0], 0)
    timing = Timing([run, run], where, "NVIDIA H100", "TensorFlow 2.21.0", "float32", 1, "wall clock", "")
    found = Latency()._summarize(timing, 10)["latency_ms"]
    assert found.device == "NVIDIA H100, AMD EPYC, 2 cores, Linux 6.8.0 x86_64, governor performance"
    assert Timing.from_json(json.loads(json.dumps(timing.to_json()))) == timing


def test_settings_and_evaluators_are_sent_to_workers():
    copy = pickle.loads(pickle.dumps(Latency("litert-int8", threads=2)))  # noqa: S301 - our own object
    assert (copy.settings, copy.runtime) == (Settings(threads=2), "litert-int8")


def test_warm_up_ends_when_calls_stop_getting_faster():
    durations = iter([0.02, 0.012, 0.008, 0.006] + [0.004] * 1000)
    assert 6 <= warm_up(lambda: time.sleep(next(durations))) <= 40


def test_processor_time_leaves_out_waiting():
    wall_ns, processor_ns = time_calls(lambda: time.sleep(0.01), 0, min_calls=3)
    assert len(wall_ns) == len(processor_ns) == 3
    assert min(wall_ns) >= 10e6
    assert max(processor_ns) < 5e6
