"""A Keras model as a LiteRT flatbuffer (`.tflite`), for one example at a time, in float32 or int8.

The batch axis is fixed to 1 before conversion. With an open batch axis LiteRT has to work out shapes while it runs: the
colorization network of 22 layers then takes 42 operations and 7.2 ms instead of 26 and 4.6 ms on the same core.
Tracing the model once and letting the converter freeze it takes 0.4 s for that network;
`TFLiteConverter.from_keras_model`, which writes and reads a SavedModel on the way, takes 1.2 to 1.6 s.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from nas.errors import Infeasible, UserError
from nas.language.backend import require_tensorflow

RANDOM_EXAMPLES = 8


def convert(model: Any) -> bytes:
    """The flatbuffer of a functional `keras.Model` in inference mode, batch 1, float32.

    Raises:
        Infeasible: LiteRT has no operation for a part of it, or an axis other than the batch has no fixed size.
        UserError: Keras runs on another backend than TensorFlow.
    """
    return _flatbuffer(_converter(model), "")


def quantize(model: Any, examples: np.ndarray | None = None) -> bytes:
    """The same with weights, activations, input and output in int8 (post-training quantization).

    Args:
        model: with one input, or without `examples`.
        examples: `(example, height, width, channels)`: what the network will see, from which the ranges of activations are
            taken. Random numbers by default, which do for timing (a range changes no operation) and not for predicting.

    Raises:
        Infeasible: as `convert`, or an operation has no int8 form.
        UserError: Keras runs on another backend than TensorFlow, or the examples do not fit.
    """
    converter = _converter(model)
    import tensorflow as tf

    seen = _examples(model, examples)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(seen)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return _flatbuffer(converter, " in int8")


def inference(model: Any) -> Any:
    """A `tf.function` that runs a functional `keras.Model` in inference mode, batch 1; raises as `convert` does."""
    require_tensorflow("converting a network", "LiteRT, TensorFlow")
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    for spec in signature:
        if None in spec.shape.as_list():
            raise Infeasible(f"a fixed input size is needed, the network takes {tuple(spec.shape.as_list())}")

    @tf.function(input_signature=signature, autograph=False)
    def infer(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    return infer


def _converter(model: Any) -> Any:
    function = inference(model).get_concrete_function()
    import tensorflow as tf

    with _quiet():
        return tf.lite.TFLiteConverter.from_concrete_functions([function])


def _flatbuffer(converter: Any, how: str) -> bytes:
    with _quiet():
        try:
            return converter.convert()
        except Exception as error:  # the converter raises many types; whichever it is, this network cannot be timed
            raise Infeasible(f"LiteRT cannot express the network{how}: {_reason(error)}") from error


def _examples(model: Any, given: np.ndarray | None) -> list[list[np.ndarray]]:
    """What the converter runs: a list of inputs for each example, with a batch axis of 1."""
    if given is None:
        rng = np.random.default_rng(0)
        shapes = [(1, *tensor.shape[1:]) for tensor in model.inputs]
        return [
            [rng.standard_normal(shape).astype(tensor.dtype) for shape, tensor in zip(shapes, model.inputs, strict=True)]
            for _ in range(RANDOM_EXAMPLES)
        ]
    expected = tuple(model.inputs[0].shape[1:])
    if len(model.inputs) > 1 or given.shape[1:] != expected or not len(given):
        raise UserError(
            f"shape {given.shape}",
            path="examples",
            received=given.shape,
            expected=f"(example, {', '.join(map(str, expected))}), for a network with one input",
        )
    return [[example[None].astype(model.inputs[0].dtype)] for example in given]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the converter's advice about SavedModels and quantized inputs out of the log."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What the converter complains about, out of a message that is mostly its own stack trace."""
    text = str(error).strip() or type(error).__name__
    complaint = re.search(r"error: (.+)", text)
    return (complaint.group(1) if complaint else text.splitlines()[0])[:300]
