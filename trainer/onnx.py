"""A Keras model as an ONNX file, for ONNX Runtime and the hardware vendors' tools that read the format.

Keras' own export does the work, through tf2onnx; both libraries come with `pip install 'espalier-nas[onnx]'`.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

from nas.errors import Infeasible, UserError
from nas.language.backend import require_tensorflow

NEEDED = ("onnx", "tf2onnx", "onnxruntime")


def is_installed() -> bool:
    """Whether the libraries that ONNX export and its check need are there."""
    return not _missing()


def require(path: str = "onnx") -> None:
    """Raises UserError where one of them is not; `path` says who asked."""
    missing = _missing()
    if missing:
        raise UserError(f"{', '.join(missing)} not installed", path=path, hint="pip install 'espalier-nas[onnx]'")


def _missing() -> list[str]:
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def convert(model: Any, batch: int | None = 1) -> bytes:
    """The ONNX file of a functional `keras.Model` in inference mode, float32.

    Args:
        model: what is converted.
        batch: examples at a time; None leaves it open. A fixed one lets the runtime plan its memory.

    Raises:
        Infeasible: ONNX has no operation for a part of it.
        UserError: a library is missing, or Keras runs on another backend than TensorFlow.
    """
    require()
    require_tensorflow("converting a network", "onnx")
    import onnx
    import tensorflow as tf

    inputs = [tf.TensorSpec((batch, *each.shape[1:]), each.dtype, name=f"input_{i}") for i, each in enumerate(model.inputs)]
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(prefix="espalier-onnx-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # tf2onnx asks NumPy for names of old
            path = Path(folder) / "network.onnx"
            model.export(str(path), format="onnx", verbose=False, input_signature=inputs if len(inputs) == 1 else [inputs])
            onnx.checker.check_model(str(path))  # an operation that ONNX lacks is written all the same
            return path.read_bytes()
    except Exception as error:  # the converter raises many types; whichever it is, this network cannot be had in ONNX
        text = str(error).strip() or type(error).__name__
        raise Infeasible(f"ONNX cannot express the network: {text.splitlines()[-1][:300]}") from error
    finally:
        logger.setLevel(level)
