"""TensorFlow: a SavedModel's function as it is (`tensorflow`), compiled by XLA, or on the first GPU.

TensorFlow works on threads of its own even where it is told to use one: the clock is the processor time of the whole process.
A GPU works beside the processor: the clock is the wall's, and a call ends when its result has arrived in the memory of the
host, as it would where the result is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY, DISTRIBUTION = "tensorflow", "tensorflow"
SUFFIX, CONTENT = ".savedmodel", "a SavedModel"


def recognizes(path: Path) -> bool:
    """Whether the folder is a SavedModel."""
    return (path / "saved_model.pb").is_file()


def convert(model: Any, path: Path) -> None:
    """Writes a Keras model's inference function, batch 1, to the folder `path`; see `trainer.litert`."""
    import tensorflow as tf

    from trainer import litert

    module = tf.Module()
    module.variables_of_model, module.infer = model.variables, litert.inference(model)
    tf.saved_model.save(module, str(path), signatures=module.infer)


def start(
    threads: int, *, xla: bool = False, gpu: bool = False
) -> Callable[[str, Callable[..., Any]], tuple[Callable[[], Any], dict[str, Any]]]:
    """Imports TensorFlow and sets its threads; returns what loads a model: (path, example maker) -> (one inference, facts).

    Raises:
        LookupError: a GPU is asked for and TensorFlow finds none.
    """
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = tf.config.list_physical_devices("GPU") if gpu else []
    if gpu and not found:
        raise LookupError("TensorFlow finds no GPU on this machine")
    place = "/GPU:0" if gpu else "/CPU:0"
    with tf.device(place):
        tf.zeros(()).numpy()  # TensorFlow's own memory is there before the network's is measured

    def load(path: str, example: Callable[..., Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
        with tf.device(place):
            loaded = tf.saved_model.load(path)
            signature = loaded.signatures["serving_default"]
            specs = signature.structured_input_signature[1]
            fed = {name: tf.constant(example(each.shape, each.dtype.as_numpy_dtype)) for name, each in specs.items()}
        function = tf.function(lambda: signature(**fed), jit_compile=True) if xla else lambda: signature(**fed)

        def call(_kept: Any = loaded) -> list[Any]:  # the variables live as long as what was loaded does
            with tf.device(place):
                return [output.numpy() for output in function().values()]

        first = next(iter(specs.values()))
        details = tf.config.experimental.get_device_details(found[0]) if gpu else {}
        return call, {
            "runtime": f"TensorFlow {tf.__version__}{', XLA' if xla else ''}",
            "precision": first.dtype.name,
            "batch": int(first.shape[0]) if first.shape.rank else 1,
            "clock": "wall" if gpu else "process",
            "accelerator": details.get("device_name", found[0].name) if gpu else "",
        }

    return load
