"""The process that loads an exported network again and says what it predicts.

A fresh process has no custom objects, no traced functions and no weights lying about, so what loads here loads anywhere. For
LiteRT and ONNX it imports the runtime and NumPy only, as a phone would. The file imports nothing of this repository.

    python reload.py SAMPLE.npy FORMAT=EXPORT=PREDICTIONS.npy [FORMAT=EXPORT=PREDICTIONS.npy ...]
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np


def predict_keras(path: Path, x: np.ndarray) -> np.ndarray:
    """Of a `.keras` file, loaded in safe mode: no code in it runs."""
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return _call(model, x)


def predict_savedmodel(path: Path, x: np.ndarray) -> np.ndarray:
    """Of a SavedModel folder, through its serving function."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept by name: its variables live as long as it does
    return np.asarray(loaded.serve(tf.constant(x)))


def predict_source(path: Path, x: np.ndarray) -> np.ndarray:
    """Of a folder with `model.py`, which defines `build_model()`, and `model.weights.h5`."""
    spec = importlib.util.spec_from_file_location("exported_model", path / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.build_model()
    model.load_weights(path / "model.weights.h5")
    return _call(model, x)


def predict_litert(path: Path, x: np.ndarray) -> np.ndarray:
    """Of a `.tflite` file, one example at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    predictions = []
    for example in x:
        interpreter.set_tensor(source, example[None])
        interpreter.invoke()
        predictions.append(interpreter.get_tensor(target)[0])
    return np.stack(predictions)


def predict_onnx(path: Path, x: np.ndarray) -> np.ndarray:
    """Of an `.onnx` file with one input."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _call(model: Any, x: np.ndarray) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))


PREDICT = {
    "keras": predict_keras,
    "savedmodel": predict_savedmodel,
    "source": predict_source,
    "litert": predict_litert,
    "onnx": predict_onnx,
}


def main(sample: str, *exports: str) -> None:
    """Writes the predictions of each export on the sample inputs."""
    x = np.load(sample, allow_pickle=False)
    for export in exports:
        format_name, path, out = export.split("=")
        np.save(out, PREDICT[format_name](Path(path), x))


if __name__ == "__main__":
    main(*sys.argv[1:])
