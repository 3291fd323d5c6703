"""Google Cloud Storage: reading data sets from `gs://` and leaving models there.

The library is an extra (`pip install 'espalier-nas[gcs]'`). With STORAGE_EMULATOR_HOST set it talks to that server without
credentials, so that everything here runs against an emulator. On Vertex AI `gs://bucket/path` is also the folder
`/gcs/bucket/path`; where that exists it is used.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nas.errors import DataError, UserError
from trainer.arrays import pick, read_directory, read_npy

_RETRY_SECONDS = 30.0
_MOUNT = Path("/gcs")


def is_remote(location: str) -> bool:
    """Whether `location` is in a bucket."""
    return location.startswith("gs://")


def mounted(location: str) -> Path | None:
    """`location` as a folder of this machine: itself, or its place under `/gcs`; None where the bucket is not mounted."""
    if not is_remote(location):
        return Path(location).expanduser()
    bucket, prefix = split(location)
    return _MOUNT / bucket / prefix if (_MOUNT / bucket).is_dir() else None


def split(url: str) -> tuple[str, str]:
    """`gs://bucket/a/b/` -> `("bucket", "a/b")`."""
    bucket, _, prefix = url.removeprefix("gs://").partition("/")
    if not bucket:
        raise UserError("names no bucket", path=url, received=url, expected="gs://bucket or gs://bucket/prefix")
    return bucket, prefix.strip("/")


def read_arrays(url: str) -> dict[str, np.ndarray]:
    """The arrays of a data set under a `gs://` prefix, in the book's layout.

    Raises:
        DataError: no such bucket, a file is missing or cannot be used.
        UserError: the library is not installed, or there are no credentials.
    """
    folder = mounted(url)
    if folder is not None and folder.is_dir():
        return read_directory(folder)
    name, prefix = split(url)
    start = f"{prefix}/" if prefix else ""
    with _bucket(url) as bucket:
        blobs = {blob.name.removeprefix(start): blob for blob in bucket.list_blobs(prefix=start, delimiter="/", retry=_retry())}
        return pick(url.rstrip("/"), blobs, lambda file: _read_blob(blobs[file], f"gs://{name}/{start}{file}"))


def read_text(location: str) -> str:
    """A small text file, here or in a bucket.

    Raises:
        DataError: it is not there.
        UserError: it cannot be read, or is no text.
    """
    path = mounted(location)
    try:
        if path is not None:
            return path.read_text(encoding="utf-8")
        _, name = split(location)
        with _bucket(location) as bucket:
            return bucket.blob(name).download_as_bytes(retry=_retry()).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        kind = DataError if isinstance(error, FileNotFoundError) else UserError
        reason = getattr(error, "strerror", None) or error
        raise kind(f"cannot be read ({reason})", path=location, hint="Check that the file is there") from None


def upload(directory: Path, url: str) -> None:
    """Copies every file under `directory` to `url`.

    Raises:
        UserError: no such bucket, no permission, or no credentials.
    """
    _, prefix = split(url)
    with _bucket(url) as bucket:
        for file in sorted(p for p in directory.rglob("*") if p.is_file()):
            target = PurePosixPath(prefix) / file.relative_to(directory).as_posix()
            bucket.blob(str(target)).upload_from_filename(str(file), retry=_retry())


@contextmanager
def _bucket(url: str) -> Iterator[Any]:
    """The bucket of `url`, with the library's refusals said as user errors."""
    try:
        import google.cloud.storage as storage
        from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, RetryError, Unauthorized
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise UserError("gs:// needs google-cloud-storage", path=url, hint="Run: pip install 'espalier-nas[gcs]'") from None
    try:
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            client = storage.Client(
                project=os.environ.get("GOOGLE_CLOUD_PROJECT", "emulator"), credentials=AnonymousCredentials()
            )
        else:
            client = storage.Client()
        yield client.bucket(split(url)[0])
    except (GoogleAuthError, Unauthorized, Forbidden) as error:
        raise UserError(
            f"access refused ({_first_line(error)})",
            path=url,
            hint="Run: gcloud auth application-default login, or ask for access to the bucket",
        ) from None
    except NotFound as error:
        raise DataError(
            f"no such bucket or object ({_first_line(error)})",
            path=url,
            expected="a bucket that exists",
            hint="Check the spelling",
        ) from None
    except (GoogleAPICallError, RetryError, OSError) as error:
        raise UserError(
            f"Cloud Storage does not answer ({_first_line(error)})", path=url, hint="Check the network and try again"
        ) from None


def _read_blob(blob: Any, name: str) -> np.ndarray:
    """One array. It goes through a temporary file: the download is streamed, and memory holds the array once."""
    with tempfile.TemporaryFile() as file:
        blob.download_to_file(file, retry=_retry())
        file.seek(0)
        return read_npy(file, name)


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
