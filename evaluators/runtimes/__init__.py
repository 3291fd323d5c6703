"""Runtimes on which a network is timed: one adapter a file, one name for each way to use it.

    litert          litert        LiteRT, float32
    litert-int8     litert        LiteRT, full-integer post-training quantization
    onnxruntime     onnxruntime   ONNX Runtime; needs `pip install espalier-nas[onnx]`
    tensorflow      tensorflow    a SavedModel's function
    tensorflow-xla  tensorflow    the same, compiled by XLA
    tensorflow-gpu  tensorflow    the same on the first GPU

An adapter is a module that imports nothing of this repository and no runtime until it is asked to: the timing process loads
the file by its path and calls `start(threads)`, which imports the runtime, and then what that returned, which loads a model.
The other half, `convert` and `recognizes`, is called here. A new runtime is a new file and a line in `RUNTIMES`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from evaluators.runtimes import litert, onnxruntime, tensorflow
from nas.errors import UserError
from nas.language.backend import has_tensorflow


class Adapter(Protocol):
    """What a runtime's module has.

    Attributes:
        LIBRARY, DISTRIBUTION: what Python imports, and what pip installs.
        SUFFIX, CONTENT: of its files, and what they are in words.
        convert: (Keras model, path, settings) writes the model. Raises Infeasible where the runtime cannot express it.
        recognizes: whether a path holds one of its models.
        start: see the module docstring.
    """

    LIBRARY: str
    DISTRIBUTION: str
    SUFFIX: str
    CONTENT: str
    convert: Callable[..., None]
    start: Callable[..., Any]

    def recognizes(self, path: Path) -> bool: ...


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A runtime by its name.

    Attributes:
        name: as users write it.
        adapter: the module.
        conversion, start: settings of `adapter.convert` and `adapter.start`.
        extra: which extra of this distribution installs it; "": it is always there.
        travels: whether a model is one file of data. A SavedModel is a program that can read and write files: no device takes
            one from elsewhere.
    """

    name: str
    adapter: Adapter
    conversion: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: str = ""
    travels: bool = True

    @property
    def file(self) -> str:
        """The adapter's source, which the timing process loads."""
        return str(self.adapter.__file__)  # type: ignore[attr-defined]

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.adapter.LIBRARY) is not None

    def require(self, path: str) -> None:
        """Raises UserError where the runtime is not installed here; `path` says who asked."""
        if not self.is_installed:
            wanted = f"espalier-nas[{self.extra}]" if self.extra else self.adapter.DISTRIBUTION
            also = "" if has_tensorflow() else "; converting networks for it needs TensorFlow too"
            raise UserError(
                f"{self.adapter.DISTRIBUTION} is not installed",
                path=path,
                received=self.name,
                hint=f"pip install '{wanted}'{also}",
            )

    def check(self, path: Path) -> None:
        """Raises UserError where `path` holds no model of this runtime."""
        expected = f"a {self.adapter.SUFFIX} {'file' if self.travels else 'folder'}"
        if not path.exists():
            raise UserError("no such file", path=str(path), expected=expected)
        if path.is_dir() == self.travels or not self.adapter.recognizes(path):
            raise UserError(f"not {self.adapter.CONTENT}", path=str(path), expected=expected, hint="Export one first")


RUNTIMES: dict[str, Runtime] = {
    each.name: each
    for each in (
        Runtime("litert", litert),
        Runtime("litert-int8", litert, conversion={"int8": True}),
        Runtime("onnxruntime", onnxruntime, extra="onnx"),
        Runtime("tensorflow", tensorflow, travels=False),
        Runtime("tensorflow-xla", tensorflow, start={"xla": True}, travels=False),
        Runtime("tensorflow-gpu", tensorflow, start={"gpu": True}, travels=False),
    )
}


def get(name: str, path: str = "Latency(runtime)") -> Runtime:
    """The runtime called `name`; `path` says where it was named.

    Raises:
        UserError: there is none of that name.
    """
    if name not in RUNTIMES:
        raise UserError(f"no runtime {name!r}", path=path, received=name, expected=f"one of {', '.join(RUNTIMES)}")
    return RUNTIMES[name]


def of_file(path: Path) -> Runtime:
    """The runtime that runs a model file or folder, by what is in it.

    Raises:
        UserError: none of them does, or there is no such file.
    """
    if not path.exists():
        raise UserError("no such file", path=str(path), expected="a model file")
    for runtime in RUNTIMES.values():
        if path.is_dir() != runtime.travels and runtime.adapter.recognizes(path):
            return runtime
    kinds = ", ".join(dict.fromkeys(runtime.adapter.SUFFIX for runtime in RUNTIMES.values()))
    raise UserError("not a model of a known runtime", path=str(path), expected=f"one of {kinds}", hint="Export one first")
