"""Which library Keras computes with: TensorFlow, JAX or PyTorch.

`KERAS_BACKEND` names it, else Keras' own settings file, else it is TensorFlow. Architectures are priced without any of them,
and built, scored and trained by each. What converts a network (LiteRT, ONNX, SavedModel) or spreads its training over devices
needs TensorFlow, and says so through `require_tensorflow`. `import_keras` is where Keras enters `nas`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from nas.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")


def chosen() -> str:
    """The backend that Keras uses, or would use, without importing it: tensorflow, jax, torch or what else is set."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    named = os.environ.get("KERAS_BACKEND")
    if named:
        return named
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return str(json.loads((Path(home) / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):  # no such file, or not one that Keras would heed
        return "tensorflow"


def installed() -> list[str]:
    """Those of `BACKENDS` that can be imported here."""
    return [name for name in BACKENDS if _is_importable(name)]


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # something that guards imports keeps it out
        return False


def import_keras() -> Any:
    """The module `keras`.

    Raises:
        UserError: the backend it is set to is not installed.
    """
    name, found = chosen(), installed()
    if name in BACKENDS and name not in found:
        raise UserError(
            f"Keras is to compute with {name}, which is not installed",
            path="KERAS_BACKEND",
            received=name,
            expected=f"one that is installed here: {', '.join(found)}" if found else "",
            hint=f"Set KERAS_BACKEND={found[0]}, or pip install {name}" if found else f"pip install {name}",
        )
    import keras

    return keras


def has_tensorflow() -> bool:
    """Whether Keras uses TensorFlow and can."""
    return chosen() == "tensorflow" and "tensorflow" in installed()


def require_tensorflow(what: str, path: str) -> None:
    """Raises UserError unless Keras uses TensorFlow.

    Args:
        what: needs it, as the subject of a sentence: "a SavedModel".
        path: who asked for it, in the user's own names.
    """
    if has_tensorflow():
        return
    mend = "Set KERAS_BACKEND=tensorflow" if "tensorflow" in installed() else "pip install tensorflow"
    raise UserError(
        f"{what} needs TensorFlow, and Keras is to compute with {chosen()}",
        path=path,
        received=chosen(),
        expected="KERAS_BACKEND=tensorflow, and TensorFlow installed",
        hint=mend,
    )
