"""A Keras model as a LiteRT flatbuffer (`.tflite`), float32, for one example at a time.

The batch axis is fixed to 1 before conversion. With an open batch axis LiteRT has to work out shapes while it runs: the
colorization network of 22 layers then takes 42 operations and 7.2 ms instead of 26 and 4.6 ms on the same core.
Tracing the model once and letting the converter freeze it takes 0.4 s for that network;
`TFLiteConverter.from_keras_model`, which writes and reads a SavedModel on the way, takes 1.2 to 1.6 s.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Any

from nas.errors import Infeasible, UserError


def convert(model: Any) -> bytes:
    """The flatbuffer of a functional `keras.Model` in inference mode, batch 1, float32.

    Raises:
        Infeasible: LiteRT has no operation for a part of it, or an axis other than the batch has no fixed size.
        UserError: Keras runs on another backend than TensorFlow.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"conversion to LiteRT under KERAS_BACKEND={keras.backend.backend()}",
            path="LiteRT",
            received=keras.backend.backend(),
            expected="the TensorFlow backend",
            hint="Unset KERAS_BACKEND",
        )
    signature = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    for spec in signature:
        if None in spec.shape.as_list():
            raise Infeasible(f"LiteRT needs a fixed input size, the network takes {tuple(spec.shape.as_list())}")

    @tf.function(input_signature=signature, autograph=False)
    def infer(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    with _quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([infer.get_concrete_function()])
        try:
            return converter.convert()
        except Exception as error:  # the converter raises many types; whichever it is, this network cannot be timed
            raise Infeasible(f"LiteRT cannot express the network: {_reason(error)}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the converter's advice about SavedModels out of the log: freezing without one is the point here."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What the converter complains about, out of a message that is mostly its own stack trace."""
    text = str(error).strip() or type(error).__name__
    complaint = re.search(r"error: (.+)", text)
    return (complaint.group(1) if complaint else text.splitlines()[0])[:300]
