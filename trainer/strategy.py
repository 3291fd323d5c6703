"""Where a network trains: one device, all devices of this machine, or several machines, as in the book.

    single    one device, the first GPU or the CPU
    mirror    every GPU of this machine, each with a copy of the network
    multi     several machines, described by TF_CONFIG, which Vertex AI sets

The network must be built inside `scope(name)`. Only single does without TensorFlow: on JAX and PyTorch there is nothing to
spread over. A batch is the global batch: `batch_size` times the replicas.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from nas.errors import UserError
from nas.language.backend import has_tensorflow, require_tensorflow

STRATEGIES = ("single", "mirror", "multi")


def scope(name: str = "single") -> contextlib.AbstractContextManager[Any]:
    """What a network is built in, so that it trains under the strategy; raises as `strategy` does.

    On another backend than TensorFlow it is nothing, for single.
    """
    check_name(name)
    if name == "single" and not has_tensorflow():
        return contextlib.nullcontext()
    return strategy(name).scope()


def strategy(name: str = "single") -> Any:
    """A `tf.distribute.Strategy`.

    Args:
        name: single, mirror or multi.

    Raises:
        UserError: another name, a TF_CONFIG that is no cluster, or Keras runs on another backend than TensorFlow.
    """
    check_name(name)
    require_tensorflow(f"the strategy {name}", "strategy")
    import tensorflow as tf

    if name == "mirror":
        return tf.distribute.MirroredStrategy()
    if name == "multi":
        _cluster()
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/gpu:0" if tf.config.list_physical_devices("GPU") else "/cpu:0")


def check_name(name: str) -> None:
    """Raises `UserError` unless `name` is a strategy."""
    if name not in STRATEGIES:
        raise UserError(f"no strategy {name!r}", path="strategy", received=name, expected=f"one of {', '.join(STRATEGIES)}")


def is_chief() -> bool:
    """Whether this process saves and reports: always, unless TF_CONFIG says that another worker is the first."""
    cluster = _cluster()
    task = cluster.get("task", {})
    if not cluster.get("cluster"):
        return True
    if "chief" in cluster["cluster"]:
        return task.get("type") == "chief"
    return task.get("type") == "worker" and int(task.get("index", 0)) == 0


def _cluster() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG", "")
    try:
        found = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        found = error
    if not isinstance(found, dict):
        raise UserError(
            "is not a JSON object",
            path="TF_CONFIG",
            received=text,
            expected='{"cluster": {"worker": ["host:port", ...]}, "task": {...}}',
        )
    return found
