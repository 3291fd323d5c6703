"""References: how another process finds a space. `module:name`, `module.path.name`, or `file.py:name`.

A space travels between processes as such a reference: the code that defines it is imported again, nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.errors import SpaceError

_FILE_MODULE = "espalier_space_"


def reference_to(function: Callable[..., Any]) -> str | None:
    """How another process can import what `function` defines; None for functions inside functions and notebooks."""
    qualified = getattr(function, "__qualname__", "")
    if not qualified.isidentifier():
        return None
    module = function.__module__
    if module in ("__main__", "__mp_main__") or module.startswith(_FILE_MODULE):
        file = function.__code__.co_filename
        return f"{os.path.abspath(file)}:{qualified}" if os.path.exists(file) else None
    return f"{module}:{qualified}"


def resolve(reference: str, kind: type) -> Any:
    """The object at `module:name`, `module.path.name` or `file.py:name`.

    Args:
        reference: where it is.
        kind: what is looked for; names of that kind are offered where the named one is missing.

    Raises:
        SpaceError: nothing is found there.
    """
    place, colon, name = reference.rpartition(":")
    if not colon:
        place, dot, name = reference.rpartition(".")
        if not dot:
            raise SpaceError(
                f"no space named {reference!r}",
                path=reference,
                received=reference,
                expected="a prebuilt name, module.path.function, or file.py:function",
            )
    module = _load_file(place, reference) if place.endswith(".py") else _import(place, reference)
    found = getattr(module, name, None)
    if found is None:
        others = [k for k, v in vars(module).items() if isinstance(v, kind)]
        expected = f"one of {', '.join(others)}" if others else ""
        raise SpaceError(f"{place} has no {name!r}", path=reference, received=name, expected=expected)
    return found


def _import(module: str, reference: str) -> Any:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # like `python -m`: modules of the folder one stands in are found
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + ".")):
            raise SpaceError(
                f"no module {error.name!r}",
                path=reference,
                received=module,
                hint="Name a module that can be imported from here",
            ) from None
        raise


def _load_file(path: str, reference: str) -> Any:
    file = Path(path).resolve()
    if not file.is_file():
        raise SpaceError("no such file", path=str(path), received=reference, expected="a Python file that defines a space")
    name = _FILE_MODULE + hashlib.blake2b(str(file).encode(), digest_size=8).hexdigest()
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise SpaceError("not a Python file", path=str(path), received=reference)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(file.parent))
    return module
