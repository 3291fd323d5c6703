"""Every runtime: a real network converted, loaded in the timing process, and timed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from evaluator_fakes import SMALLEST, Bicubic

from evaluators import runtimes
from evaluators.latency_bench import CHILD
from evaluators.runtimes import RUNTIMES
from nas.errors import Infeasible, UserError

SAID = {
    "litert": ("LiteRT ", "float32", "thread"),
    "litert-int8": ("LiteRT ", "int8", "thread"),
    "onnxruntime": ("ONNX Runtime ", "float32", "thread"),
    "tensorflow": ("TensorFlow ", "float32", "process"),
    "tensorflow-xla": ("TensorFlow ", "float32", "process"),
}
NEEDS = {"onnxruntime": ("onnx", "tf2onnx", "onnxruntime")}
FORMATS = {"tensorflow-xla": "tensorflow", "tensorflow-gpu": "tensorflow"}  # the same model as


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Makes the smallest network's file for a runtime, once."""
    folder, made = tmp_path_factory.mktemp("runtimes"), {}

    def file(name):
        name = FORMATS.get(name, name)
        if name not in made:
            for library in NEEDS.get(name, ()):
                pytest.importorskip(library)
            runtime = RUNTIMES[name]
            made[name] = folder / f"{name}{runtime.adapter.SUFFIX}"
            runtime.adapter.convert(SMALLEST.build(seed=0), made[name], **runtime.conversion)
        return made[name]

    return file


def ask(runtime, path, *python, **changes):
    request = {"model": str(path), "adapter": runtime.file, "settings": dict(runtime.start), "threads": 1}
    request |= {"seconds": 0.01, "min_calls": 3, "timeout_seconds": 100} | changes
    command = [sys.executable, "-P", *python, str(CHILD)]
    return subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", ["litert", "litert-int8", "onnxruntime", "tensorflow"])
def test_each_runtime_times_the_network_that_was_converted_for_it(files, name):
    runtime = RUNTIMES[name]
    runtime.check(files(name))
    found = json.loads(ask(runtime, files(name)).stdout)
    said, precision, clock = SAID[name]
    assert found["runtime"].startswith(said)
    assert (found["precision"], found["clock"], found["batch"]) == (precision, clock, 1)
    assert len(found["wall_ns"]) == len(found["processor_ns"]) >= 3
    assert min(found["processor_ns"]) > 0
    assert found["warm_up_calls"] >= 6  # three windows of two calls
    assert found["memory_bytes"] > 0


@pytest.mark.slow
def test_xla_compiles_the_same_model(files):
    found = json.loads(ask(RUNTIMES["tensorflow-xla"], files("tensorflow")).stdout)
    assert found["runtime"].endswith(", XLA")


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_missing(files):
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    assert json.loads(ask(RUNTIMES["tensorflow-gpu"], files("tensorflow")).stdout) == {
        "missing": "TensorFlow finds no GPU on this machine"
    }


@pytest.mark.parametrize(("name", "library"), [("litert", "ai_edge_litert"), ("onnxruntime", "onnxruntime")])
def test_the_child_imports_one_runtime_and_nothing_of_this_repository(files, name, library):
    done = ask(RUNTIMES[name], files(name), "-X", "importtime")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.split("|")[-1].strip().partition(".")[0] for line in lines}
    assert library in imported
    others = {each.adapter.LIBRARY for each in RUNTIMES.values()} - {library}
    assert not imported & (others | {"keras", "nas", "evaluators", "pyglove"})


def test_a_model_that_the_runtime_refuses(files, tmp_path):
    pytest.importorskip("onnxruntime")
    whole = files("onnxruntime").read_bytes()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(whole[: len(whole) // 2])
    assert "refused" in json.loads(ask(RUNTIMES["onnxruntime"], broken).stdout)


def test_int8_takes_ranges_from_examples_and_keeps_the_operations(files, tmp_path):
    """A range that covers 0.5 of what is seen has finer steps: the input's scale is (max - min) / 255."""
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "narrow.tflite"
    examples = np.linspace(-0.5, 0.5, 32 * 32, dtype=np.float32).reshape(1, 32, 32, 1)
    RUNTIMES["litert-int8"].adapter.convert(SMALLEST.build(seed=0), path, int8=True, examples=examples)
    narrow, random = (Interpreter(model_path=str(each)) for each in (path, files("litert-int8")))
    scale = narrow.get_input_details()[0]["quantization"][0]
    assert scale == pytest.approx(1 / 255, rel=1e-3)
    assert random.get_input_details()[0]["quantization"][0] > 4 * scale  # normal numbers reach beyond 2 both ways
    operations = [[each["op_name"] for each in one._get_ops_details()] for one in (narrow, random)]
    assert operations[0] == operations[1]


def test_examples_of_another_shape_are_a_mistake(tmp_path):
    with pytest.raises(UserError, match=r"examples: shape \(2, 8, 8, 1\), expected \(example, 32, 32, 1\)"):
        RUNTIMES["litert-int8"].adapter.convert(
            SMALLEST.build(seed=0), tmp_path / "x.tflite", int8=True, examples=np.zeros((2, 8, 8, 1), np.float32)
        )


def test_a_network_that_cannot_be_converted_is_infeasible(tmp_path):
    with pytest.raises(Infeasible, match="LiteRT cannot express the network in int8: "):
        RUNTIMES["litert-int8"].adapter.convert(Bicubic().build(), tmp_path / "x.tflite", int8=True)


@pytest.mark.parametrize("name", ["litert", "onnxruntime", "tensorflow"])
def test_a_model_is_recognized_by_what_is_in_it(files, name):
    assert runtimes.of_file(files(name)).name == name
    for other in {"litert", "onnxruntime", "tensorflow"} - {name}:
        with pytest.raises(UserError, match="not a"):
            RUNTIMES[other].check(files(name))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4 zip",
        b"\x08",
        b"\x08\x08",
        b"\x08\x08\xff\xff\xff\xff",
        b"\x08\x07\x12\x7fshort",
        b"\x0a\x03abc",
        b"TFL3",
    ],
)
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a model of a known runtime"):
        runtimes.of_file(path)
    with pytest.raises(UserError, match=r"not an ONNX model, expected a \.onnx file"):
        RUNTIMES["onnxruntime"].check(path)


def test_a_runtime_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(RUNTIMES["onnxruntime"].adapter, "LIBRARY", "no_such_library")
    with pytest.raises(UserError, match=r"onnxruntime is not installed\. pip install 'espalier-nas\[onnx\]'\."):
        RUNTIMES["onnxruntime"].require("Latency(runtime)")


def test_unknown_runtimes():
    with pytest.raises(UserError, match="no runtime 'tflite', expected one of litert, litert-int8, onnxruntime, tensorflow"):
        runtimes.get("tflite")
