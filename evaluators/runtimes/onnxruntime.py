"""ONNX Runtime on the processor: `.onnx` files, all graph optimizations, one session.

With one thread the caller's does all the work, so that its processor time is the time of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY, DISTRIBUTION = "onnxruntime", "onnxruntime"
SUFFIX, CONTENT = ".onnx", "an ONNX model"
IR_VERSION = 0x08  # an ONNX file is a protocol buffer whose first field, number 1, is the version of the format
GRAPH = 7  # the field that holds the network
HEAD_BYTES = 4096


def recognizes(path: Path) -> bool:
    """Whether the file begins as an ONNX model does: the format's version, then fields of a ModelProto."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return len(head) > 2 and head[0] == IR_VERSION and 3 <= head[1] < 0x80 and _reaches_graph(head)


def _reaches_graph(head: bytes) -> bool:
    """Whether the fields after the version are known ones, up to the graph or the end of what was read."""
    at = 2
    while at < len(head):
        field, kind = head[at] >> 3, head[at] & 7
        at += 1
        if field == GRAPH and kind == 2:
            return True
        if not 1 <= field <= 25 or kind not in (0, 2):
            return False
        number, at = _varint(head, at)
        at += number if kind == 2 else 0
    return len(head) == HEAD_BYTES  # a long description comes before the graph


def _varint(head: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(head):
        byte = head[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            break
    return value, at


def convert(model: Any, path: Path) -> None:
    """Writes a Keras model to `path`; see `trainer.onnx`."""
    from trainer import onnx

    path.write_bytes(onnx.convert(model))


def start(threads: int) -> Callable[[str, Callable[..., Any]], tuple[Callable[[], Any], dict[str, Any]]]:
    """Imports the runtime; returns what loads a model: (path, example maker) -> (one inference, facts)."""
    import onnxruntime

    dtypes = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(uint8)": "uint8"}
    dtypes |= {f"tensor({name})": name for name in ("int8", "int16", "int32", "int64", "bool")}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3

    def load(path: str, example: Callable[..., Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs = session.get_inputs()
        shapes = [[size if isinstance(size, int) else 1 for size in each.shape] for each in inputs]
        fed = {each.name: example(shape, dtypes[each.type]) for each, shape in zip(inputs, shapes, strict=True)}
        return (lambda: session.run(None, fed)), {
            "runtime": f"ONNX Runtime {onnxruntime.__version__}",
            "precision": dtypes[inputs[0].type],
            "batch": shapes[0][0] if shapes[0] else 1,
            "clock": "thread",
        }

    return load
