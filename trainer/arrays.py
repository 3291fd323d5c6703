"""Arrays from files that others wrote: a folder of `.npy` files, or one `.npz`.

The layout is the book's: six arrays named `train_x train_y val_x val_y test_x test_y`, each its own file with or without the
ending `.npy` (`np.save` to an open file adds none). Files are data, never code: pickled arrays are refused.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from nas.errors import DataError

KEYS = ("train_x", "train_y", "val_x", "val_y", "test_x", "test_y")
REQUIRED = KEYS[:4]

_NPY_MAGIC = b"\x93NUMPY"
_PICKLE_MAGIC = b"\x80"


def read_directory(directory: Path) -> dict[str, np.ndarray]:
    """The arrays in `directory`, memory-mapped: what is not touched is not read.

    Raises:
        DataError: a file is missing, unreadable, pickled or cut short.
    """
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise DataError(f"cannot be listed ({error.strerror})", path=str(directory), hint="Check its permissions") from None
    return pick(str(directory), names, lambda name: read_npy(directory / name))


def read_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays in one `.npz` file.

    Raises:
        DataError: an array is missing, pickled or damaged, or the file is no `.npz`.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            return pick(str(file), archive.files, lambda name: _guarded(f"{file}[{name!r}]", lambda: archive[name]))
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DataError(
            f"is not a readable .npz file ({error})",
            path=str(file),
            hint="Write it with np.savez_compressed(file, train_x=..., ...)",
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", path=str(file)) from None


def read_npy(file: Path | IO[bytes], name: str = "") -> np.ndarray:
    """One array: memory-mapped from a path, read into memory from an open file.

    Args:
        file: where it is.
        name: how messages call it; the path by default.
    """
    if isinstance(file, Path):
        with _open(file) as opened:
            head = opened.read(len(_NPY_MAGIC))
        name = name or str(file)
    else:
        head = file.read(len(_NPY_MAGIC))
        file.seek(0)
    if head != _NPY_MAGIC:
        raise _not_npy(name, head)
    return _guarded(name, lambda: np.load(file, mmap_mode="r" if isinstance(file, Path) else None, allow_pickle=False))


def pick(where: str, names: Iterable[str], read: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of the book's layout among `names`: training and validation must be there, the test pair may be missing.

    Args:
        where: the folder, bucket or archive, for messages.
        names: what it holds.
        read: from one of the names to its array.
    """
    present = set(names)
    files: dict[str, str] = {}
    for key in KEYS:
        candidates = [name for name in (key, f"{key}.npy") if name in present]
        if len(candidates) == 2:
            raise DataError(
                f"both {candidates[0]} and {candidates[1]} are there", path=where, hint="Remove the one that is out of date"
            )
        if candidates:
            files[key] = candidates[0]
    _check_complete(where, files, present)
    return {key: read(name) for key, name in files.items()}


def _check_complete(where: str, files: Mapping[str, str], present: set[str]) -> None:
    missing = [key for key in REQUIRED if key not in files]
    if ("test_x" in files) != ("test_y" in files):
        missing.append("test_y" if "test_x" in files else "test_x")
    if not missing:
        return
    seen = sorted(present)[:12]
    raise DataError(
        f"{', '.join(missing)} missing (there is {', '.join(seen) or 'nothing'}{', ...' if len(present) > 12 else ''})",
        path=where,
        received=seen,
        expected="train_x train_y val_x val_y, and test_x test_y or neither, each with or without .npy",
        hint="Write each with np.save",
    )


def _guarded(name: str, load: Callable[[], np.ndarray]) -> np.ndarray:
    """`load()`, with NumPy's refusals said in our words."""
    try:
        return load()
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if any(words in str(error) for words in ("allow_pickle", "Object arrays", "Python objects")):
            raise _pickled(name) from None
        raise DataError(f"is damaged or cut short ({error})", path=name, hint="Write it again with np.save") from None


def _open(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror})", path=str(file), hint="Check that it is a file and its permissions"
        ) from None


def _not_npy(name: str, head: bytes) -> DataError:
    if head.startswith(_PICKLE_MAGIC):
        return _pickled(name)
    begins: Any = head.hex(" ") or "nothing"
    return DataError(
        f"is not a NumPy file (it begins with {begins})",
        path=name,
        expected="what np.save writes",
        hint="Write it with np.save",
    )


def _pickled(name: str) -> DataError:
    return DataError(
        "holds pickled Python objects, which could run any code when loaded",
        path=name,
        expected="a plain array of one number type",
        hint="Re-save it where you trust it: np.save(file, np.stack(list(array)).astype('float32'))",
    )
