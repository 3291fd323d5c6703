"""A trained network as files that others can use, each loaded again and compared before it counts as done.

    keras        model.keras     Keras' own file; loads in safe mode under any backend
    savedmodel   savedmodel/     TensorFlow Serving and Vertex AI prediction
    litert       model.tflite    phones and boards; float32, one example at a time
    onnx         model.onnx      ONNX Runtime and vendors' tools; needs `pip install 'espalier-nas[onnx]'`
    source       source/         model.py, a few lines of stock Keras, beside model.weights.h5

Every file is written under a temporary name, loaded in a fresh process, and asked for predictions on sample inputs. Only where
all of them agree with the network in memory do the files get their names: nothing half-written or wrong is left behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.language.backend import require_tensorflow
from trainer import onnx
from trainer.litert import convert

FILES = {
    "keras": "model.keras",
    "savedmodel": "savedmodel",
    "litert": "model.tflite",
    "onnx": "model.onnx",
    "source": "source",
}
FORMATS = tuple(FILES)
PORTABLE = ("keras", "source")  # can be had without TensorFlow
ALONE = ("litert", "onnx")  # loaded again without Keras, as where they are used

TOLERANCE = {"keras": 1e-5, "savedmodel": 1e-5, "litert": 1e-4, "onnx": 1e-4, "source": 1e-5}
"""Largest difference of a prediction that is still rounding, relative to the largest prediction (at least 1).

Measured on the book's network and five random ones, trained a little: 0 for keras and source, which run the same kernels on
the same numbers; up to 1.5e-6 for a SavedModel, whose graph is rewritten; up to 2e-6 for LiteRT and ONNX Runtime, which sum in
another order and fold batch normalization into weights."""

SAMPLES = 4
RELOAD_SECONDS = 300.0


class ExportError(Exception):
    """An exported file does not do what the network does: names the format and the difference.

    Attributes:
        format: which of `FORMATS`.
        max_abs_difference: of predictions; NaN where the export could not be made or loaded.
    """

    def __init__(self, format: str, problem: str, max_abs_difference: float = float("nan")):
        super().__init__(f"{format}: {problem}")
        self.format, self.problem, self.max_abs_difference = format, problem, max_abs_difference

    def __reduce__(self):
        return type(self), (self.format, self.problem, self.max_abs_difference)


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """One exported and verified format.

    Attributes:
        format: which of `FORMATS`.
        path: the file or folder.
        size_bytes: of all its files.
        max_abs_difference: largest difference between its predictions and the network's, over the sample inputs.
        tolerance: what was allowed.
    """

    format: str
    path: Path
    size_bytes: int
    max_abs_difference: float
    tolerance: float


def export(
    model: Any,
    directory: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
    *,
    source: str | None = None,
    sample_x: np.ndarray | None = None,
) -> list[ExportReport]:
    """Writes `model` to `directory` in each of `formats`; earlier exports of the same formats are replaced.

    Args:
        model: a trained functional `keras.Model` with one input and one output.
        directory: made if it does not exist.
        formats: some of keras, savedmodel, litert, onnx, source; by default all that are `available`.
        source: for the format source: Python code that defines `build_model()`, as `architecture.source()` gives it.
        sample_x: inputs to compare predictions on, `(example, height, width, channels)`; the first 4 are used. Real images are
            best; random numbers by default.

    Returns:
        A report for each format, in the order given.

    Raises:
        UserError: an unknown format, no source for the format source, or a directory that cannot be written to.
        ExportError: an export cannot be made, does not load, or predicts differently. The directory is left as it was.
    """
    formats = available() if formats is None else formats
    _check_request(formats, source)
    x = _sample(model, sample_x)
    expected = _predict(model, x)
    directory = Path(directory)
    with _workshop(directory) as workshop:
        for name in formats:
            _write(name, model, workshop / FILES[name], source)
        differences = {
            name: float(np.max(np.abs(got - expected))) for name, got in _reloaded(workshop, formats, x, expected.shape).items()
        }
        scale = max(1.0, float(np.max(np.abs(expected))))
        allowed = {name: TOLERANCE[name] * scale for name in formats}
        for name, difference in differences.items():
            if not difference <= allowed[name]:  # NaN fails too
                problem = f"predictions differ by {difference:.3g} from the network's, more than {allowed[name]:.3g}"
                raise ExportError(name, problem, difference)
        for name in formats:
            _move(workshop / FILES[name], directory / FILES[name])
    return [
        ExportReport(name, directory / FILES[name], _size(directory / FILES[name]), differences[name], allowed[name])
        for name in formats
    ]


def available() -> tuple[str, ...]:
    """The formats that can be had here: all, or all but onnx, which is an extra."""
    return tuple(name for name in FORMATS if name != "onnx" or onnx.is_installed())


def _check_request(formats: Sequence[str], source: str | None) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UserError(
            f"no format {unknown[0]!r}" if unknown else "no format asked for",
            path="export",
            received=formats,
            expected=f"some of {', '.join(FORMATS)}",
        )
    if "source" in formats and source is None:
        raise UserError("the format source needs the network's source", path="export", hint="Pass source=architecture.source()")
    if "onnx" in formats:
        onnx.require("export")
    for name in formats:
        if name not in PORTABLE:
            require_tensorflow(f"the format {name}", "export")


def _sample(model: Any, sample_x: np.ndarray | None) -> np.ndarray:
    shape = tuple(model.inputs[0].shape[1:])
    if sample_x is None:
        return np.random.default_rng(0).uniform(-1, 1, (SAMPLES, *shape)).astype(np.float32)
    if sample_x.shape[1:] != shape or not len(sample_x):
        raise UserError(
            f"shape {sample_x.shape}",
            path="sample_x",
            received=sample_x.shape,
            expected=f"(example, {', '.join(map(str, shape))})",
        )
    return np.array(sample_x[:SAMPLES], np.float32)


def _predict(model: Any, x: np.ndarray) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)), np.float64)


def _write(name: str, model: Any, path: Path, source: str | None) -> None:
    try:
        if name == "keras":
            model.save(path)
        elif name == "savedmodel":
            model.export(path, format="tf_saved_model", verbose=False)
        elif name == "litert":
            path.write_bytes(convert(model))
        elif name == "onnx":
            path.write_bytes(onnx.convert(model, batch=None))
        else:
            path.mkdir()
            (path / "model.py").write_text(source or "", encoding="utf-8")
            model.save_weights(path / "model.weights.h5")
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})", path=str(path), hint="Check space and permissions"
        ) from None
    except Exception as error:  # converters raise many types; whichever it is, the format cannot be had from this network
        raise ExportError(name, f"cannot be made: {_last_line(str(error))}") from error


def _reloaded(workshop: Path, formats: Sequence[str], x: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Predictions of every export, from fresh processes: one for what needs Keras, one for each other runtime."""
    np.save(workshop / "sample.npy", x)
    found = {}
    for group in (*([n] for n in formats if n in ALONE), [n for n in formats if n not in ALONE]):
        if group:
            _reload(workshop, group)
        for name in group:
            found[name] = np.load(workshop / f"{name}.npy", allow_pickle=False)
            if found[name].shape != shape:
                raise ExportError(name, f"predicts shape {found[name].shape}, the network {shape}")
    return found


def _reload(workshop: Path, group: Sequence[str]) -> None:
    jobs = [f"{name}={FILES[name]}={name}.npy" for name in group]
    command = [sys.executable, "-P", str(Path(__file__).with_name("reload.py")), "sample.npy", *jobs]
    try:
        done = subprocess.run(
            command, cwd=workshop, capture_output=True, text=True, errors="replace", timeout=RELOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExportError("+".join(group), f"loading it again took more than {RELOAD_SECONDS:g} s") from None
    if done.returncode:
        failed = next((name for name in group if not (workshop / f"{name}.npy").exists()), group[-1])
        raise ExportError(failed, f"does not load again: {_last_line(done.stderr) or f'exit status {done.returncode}'}")


@contextlib.contextmanager
def _workshop(directory: Path) -> Iterator[Path]:
    """A temporary folder beside the files to come, so that giving them their names is a rename."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".export-", dir=directory))
    except OSError as error:
        raise UserError(
            f"cannot be written to ({error.strerror})", path=str(directory), hint="Choose a directory you can write to"
        ) from None
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _move(made: Path, target: Path) -> None:
    """Gives `made` its name; what had it before goes. A folder cannot replace a folder in one step: the old one steps aside."""
    if target.is_dir():
        aside = made.with_name(f"old-{made.name}")
        os.replace(target, aside)
    os.replace(made, target)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
