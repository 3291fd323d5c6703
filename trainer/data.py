"""Data sets: images in, images or classes out, split into training, validation and test.

Training fits, validation chooses, test is looked at once. A data set is a name (`photos`), a folder or `gs://` prefix in the
book's layout, or an `.npz` file; `load_data` takes any of them, `from_arrays` takes arrays you already hold.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from nas.errors import DataError
from trainer import storage
from trainer.arrays import KEYS, REQUIRED, read_directory, read_npz
from trainer.tasks import AUTO, IMAGE, Task, as_labels, check_labels, task_of

_BLOCK = 256  # examples looked at together, which bounds memory


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays of float32 images, `(example, height, width, channels)`; bytes have become (v - 127.5) / 127.5, in [-1, 1].

    Targets are images too, or classes as whole numbers: `(example,)`, or `(example, height, width)` for each pixel.

    Attributes:
        name: what it was loaded by.
        train_x, train_y: what a network is fitted to.
        val_x, val_y: what choices are made by.
        test_x, test_y: what is looked at last; None where there is none.
        description: where it comes from, for people.
        notes: what is unusual about it, one sentence each.
        task: what is learnt.
    """

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray
    test_x: np.ndarray | None = None
    test_y: np.ndarray | None = None
    description: str = ""
    notes: tuple[str, ...] = ()
    task: Task = IMAGE

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example: `(height, width, channels)`."""
        return self.train_x.shape[1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one target: `(height, width, channels)`; of classes `()` or `(height, width)`."""
        return self.train_y.shape[1:]

    @functools.cached_property
    def labels(self) -> dict[int, int]:
        """How often each class occurs in all splits; empty where targets are images."""
        if not self.task.has_labels:
            return {}
        splits = [y for y in (self.train_y, self.val_y, self.test_y) if y is not None]
        counts = np.sum([np.bincount(y.reshape(-1), minlength=1 + max(int(y.max()) for y in splits)) for y in splits], axis=0)
        return {label: int(count) for label, count in enumerate(counts) if count}

    @functools.cached_property
    def span(self) -> float:
        """Between the least and the greatest value that target images can have: 2 for [-1, 1], 1 for [0, 1]."""
        low, high = float(self.val_y.min()), float(self.val_y.max())
        if low < -1 or high > 1:
            return high - low
        return 2.0 if low < 0 else 1.0

    def gives(self, output_shape: tuple[int | None, ...]) -> bool:
        """Whether a network with this output for one example has the shape that targets ask for."""
        want = output_shape[:-1] if self.task.has_labels else output_shape
        have = self.output_shape
        return len(want) == len(have) and all(w in (None, h) for w, h in zip(want, have, strict=True))

    def check_fits(self, input_shape: tuple[int | None, ...], output_shape: tuple[int | None, ...] | None = None) -> None:
        """Raises `DataError` unless a network with these shapes (None: any size) can be trained on the data."""
        if len(input_shape) != 3 or any(w not in (None, h) for w, h in zip(input_shape, self.input_shape, strict=True)):
            raise self._misfit(f"x has shape {self.input_shape}, the network takes", self.input_shape, input_shape)
        if output_shape is None:
            return
        if not self.gives(output_shape):
            have = f"y has shape {self.output_shape}" if self.output_shape else "y is one class for each example"
            raise self._misfit(f"{have}, the network gives", self.output_shape, output_shape)
        if self.task.has_labels:
            check_labels(self.name, self.labels, output_shape[-1])

    def _misfit(self, problem: str, received: tuple[int, ...], wanted: tuple[int | None, ...]) -> DataError:
        if self.task.has_labels:
            size = " at the size of y" if self.output_shape else ""
            channels = f"an output channel for each class{size} ({self.task.name})"
        else:
            channels = f"{self.output_shape[-1]} output channels"
        return DataError(
            f"{problem} {tuple(wanted)}",
            path=self.name,
            received=received,
            expected=f"{tuple(wanted)} (height, width, channels)",
            hint=f"Define the space with input={self.input_shape} and {channels}, or resize",
        )

    def __repr__(self) -> str:
        shape = self.output_shape
        out = str(shape)
        if self.task.has_labels:
            out = f"{len(self.labels)} labels{f' at {shape}' if shape else ''}"
        counts = f"{len(self.train_x)} train, {len(self.val_x)} val, {0 if self.test_x is None else len(self.test_x)} test"
        return f"Dataset({self.name!r}: {counts}; {self.input_shape} -> {out})"


def load_data(name: str | os.PathLike[str], task: str = AUTO) -> Dataset:
    """The data set called `name`.

    Args:
        name: `photos`; a folder or `gs://bucket/prefix` with the files train_x train_y val_x val_y [test_x test_y], with or
            without `.npy`; or an `.npz` file with those names. uint8 images are scaled to [-1, 1], floats taken as they are.
        task: image, classification or segmentation; "auto" goes by the targets (`trainer.tasks`).

    Raises:
        DataError: no such data, or data that cannot be used: says which array, what it is, and what would do.
        UserError: `gs://` without the library or the credentials for it.
    """
    name = os.fspath(name)
    if name in NAMED:
        return NAMED[name](task)
    if storage.is_remote(name):
        return from_arrays(name, storage.read_arrays(name), description=f"arrays under {name}", task=task)
    path = Path(name).expanduser()
    if path.is_dir():
        return from_arrays(name, read_directory(path), description=f"arrays in {path}", task=task)
    if path.is_file() and path.suffix == ".npz":
        return from_arrays(name, read_npz(path), description=f"arrays in {path}", task=task)
    raise _unknown(name, path)


def from_arrays(name: str, arrays: Mapping[str, np.ndarray], description: str = "", task: str = AUTO) -> Dataset:
    """A data set of arrays you hold: `train_x train_y val_x val_y` and, if there is one, `test_x test_y`.

    Args:
        name: for people and messages.
        arrays: `(example, height, width, channels)` each; uint8 is scaled to [-1, 1], floats are taken as they are. Targets
            may be classes: whole numbers, `(example,)` or `(example, height, width)`.
        description: where they come from.
        task: image, classification or segmentation; "auto" goes by the targets (`trainer.tasks`).

    Raises:
        DataError: missing arrays, other ranks, types or counts, examples of different shapes, or values that are not finite.
    """
    missing = [key for key in REQUIRED if key not in arrays]
    if missing:
        raise DataError(f"{', '.join(missing)} missing", path=name, received=list(arrays), expected=" ".join(REQUIRED))
    kind = task_of(arrays["train_y"], task)
    if kind.has_labels:
        labels = {key: as_labels(f"{name}/{key}", arrays[key], kind) for key in KEYS if key in arrays and key.endswith("_y")}
        arrays = {**arrays, **labels}
    _check_shapes(name, arrays, kind)
    notes = [] if "test_x" in arrays else ["There is no test split: only validation figures can be given."]
    images = [key for key in KEYS if key in arrays and not (kind.has_labels and key.endswith("_y"))]
    ready = {key: arrays[key] for key in KEYS if key in arrays}
    ready |= {key: _as_float(f"{name}/{key}", arrays[key], notes) for key in images}
    return Dataset(name, **ready, description=description, notes=tuple(notes), task=kind)


def _photos(task: str) -> Dataset:
    from trainer.photos import DESCRIPTION, photo_tiles

    return from_arrays("photos", photo_tiles(), description=DESCRIPTION, task=task)


NAMED: dict[str, Callable[[str], Dataset]] = {"photos": _photos}
"""The data sets known by name."""


def _check_shapes(name: str, arrays: Mapping[str, np.ndarray], task: Task) -> None:
    for key in (key for key in KEYS if key in arrays):
        array, path = arrays[key], f"{name}/{key}"
        if array.ndim != (task.target_axes if key.endswith("_y") else 4):
            raise DataError(
                f"has {array.ndim} axes, shape {array.shape}",
                path=path,
                received=array.shape,
                expected="(example, height, width, channels)",
                hint="Give gray images a channel axis: array[..., None]" if array.ndim == 3 else "Reshape it",
            )
        if 0 in array.shape:
            raise DataError(f"is empty, shape {array.shape}", path=path, received=array.shape, expected="at least one example")
        first = arrays[f"train_{key[-1]}"]
        if array.shape[1:] != first.shape[1:]:
            raise DataError(
                f"holds examples of shape {array.shape[1:]}, train_{key[-1]} of {first.shape[1:]}",
                path=path,
                received=array.shape[1:],
                expected=f"{first.shape[1:]}",
                hint="Cut or resize all splits alike",
            )
    for split in ("train", "val", "test"):
        x, y = arrays.get(f"{split}_x"), arrays.get(f"{split}_y")
        if x is None and y is None:
            continue
        if x is None or y is None or len(x) != len(y):
            counts = [0 if array is None else len(array) for array in (x, y)]
            raise DataError(
                f"{split}_x has {counts[0]} examples, {split}_y has {counts[1]}",
                path=name,
                received=counts,
                expected="one target for each example",
                hint="Write both from the same list",
            )


def _as_float(path: str, array: np.ndarray, notes: list[str]) -> np.ndarray:
    """The array as float32: bytes scaled, floats checked to be finite; a float32 array on disk stays there."""
    if array.dtype == np.uint8:
        return ((array - np.float32(127.5)) / np.float32(127.5)).astype(np.float32, copy=False)
    if array.dtype.kind != "f":
        raise DataError(
            f"holds {array.dtype} numbers",
            path=path,
            received=str(array.dtype),
            expected="uint8 (0 to 255, scaled to [-1, 1] here) or floats (taken as they are)",
            hint="Save images as array.astype('uint8')",
        )
    ready = array.astype(np.float32, copy=False)
    low, high = np.inf, -np.inf
    for start in range(0, len(ready), _BLOCK):
        block = ready[start : start + _BLOCK]
        least, most = float(block.min()), float(block.max())
        if not (np.isfinite(least) and np.isfinite(most)):  # NaN and infinities pass through min and max
            first = start + int(np.flatnonzero(~np.isfinite(block).all(axis=(1, 2, 3)))[0])
            raise DataError(
                f"example {first} holds NaN or infinity",
                path=path,
                received=first,
                expected="finite numbers",
                hint="Leave that example out",
            )
        low, high = min(low, least), max(high, most)
    if low < -1.001 or high > 1.001:
        notes.append(f"{path} ranges from {low:g} to {high:g}: a network that ends in tanh reaches [-1, 1] only.")
    return ready


def _unknown(name: str, path: Path) -> DataError:
    if path.exists():
        return DataError(
            "is a file, but not an .npz", path=name, received=name, expected="a folder, an .npz file, or a gs:// prefix"
        )
    close = difflib.get_close_matches(name, NAMED)
    return DataError(
        f"no data set, folder or file {name!r}",
        path="data",
        received=name,
        expected=f"one of {', '.join(NAMED)}, a folder with {' '.join(KEYS)}, an .npz file, or gs://bucket/prefix",
        hint=f"Did you mean {close[0]}?" if close else "Check the spelling",
    )
