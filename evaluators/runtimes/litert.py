"""LiteRT: `.tflite` files in float32 or int8, on phones, boards and here. The most repeatable runtime on a processor.

One thread does all the work, the caller's, so that its processor time is the time of the network.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY, DISTRIBUTION = "ai_edge_litert", "ai-edge-litert"
SUFFIX, CONTENT = ".tflite", "a LiteRT model"
FILE_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every .tflite file


def recognizes(path: Path) -> bool:
    """Whether the file is a LiteRT flatbuffer, by its magic bytes."""
    with path.open("rb") as file:
        return file.read(8)[4:] == FILE_IDENTIFIER


def convert(model: Any, path: Path, *, int8: bool = False, examples: Any = None) -> None:
    """Writes a Keras model to `path`; see `trainer.litert`."""
    from trainer import litert

    path.write_bytes(litert.quantize(model, examples) if int8 else litert.convert(model))


def start(threads: int) -> Callable[[str, Callable[..., Any]], tuple[Callable[[], Any], dict[str, Any]]]:
    """Imports the runtime; returns what loads a model: (path, example maker) -> (one inference, facts)."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    def load(path: str, example: Callable[..., Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
        interpreter = Interpreter(model_path=path, num_threads=threads)
        interpreter.allocate_tensors()
        inputs = interpreter.get_input_details()
        for detail in inputs:
            interpreter.set_tensor(detail["index"], example(detail["shape"], detail["dtype"]))
        first = inputs[0]
        return interpreter.invoke, {
            "runtime": f"LiteRT {importlib.metadata.version(DISTRIBUTION)}",
            "precision": np.dtype(first["dtype"]).name,
            "batch": int(first["shape"][0]) if len(first["shape"]) else 1,
            "clock": "thread",
        }

    return load
