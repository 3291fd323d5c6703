"""References: how another process finds a space. `module:name`, `module.path.name`, or `file.py:name`.

A space travels between processes as such a reference: the code that defines it is imported again, nothing is unpickled. A space
that a function makes for given arguments is found by the function and these arguments, as plain JSON:
`module:make_unet?{"classes": 3}` (`nas.family`). They are read as data and handed over by keyword, never evaluated.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
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


class Family:
    """A function that makes a space for each choice of its keyword arguments. Made by `nas.family`.

    Args:
        function: takes keyword arguments, each with a default that is plain JSON, and returns a space.
        as_space: what turns its result into a space.

    Attributes:
        parameters: its arguments with their defaults.

    Raises:
        SpaceError: a parameter that is not a keyword with a default of plain JSON.
    """

    def __init__(self, function: Callable[..., Any], as_space: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self._function, self._as_space = function, as_space
        self.parameters: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise SpaceError(f"{parameter} cannot be given by name", path=function.__name__, expected="keyword arguments")
            if parameter.default is parameter.empty:
                hint = f"Write def {function.__name__}({name}=...)"
                raise SpaceError("no default", path=f"{function.__name__}({name})", expected="one of plain JSON", hint=hint)
            self.parameters[name] = self._plain(name, parameter.default)

    def __call__(self, *unnamed: Any, **arguments: Any) -> Any:
        """The space for these arguments. Lists, also those within others, reach the function as tuples.

        Raises:
            SpaceError: an argument without its name, an unknown one, or one that is not plain JSON.
        """
        if unnamed:
            hint = f"Write {self.__name__}({next(iter(self.parameters), 'name')}={unnamed[0]!r})"
            raise SpaceError("arguments without names", path=self.__name__, received=unnamed, hint=hint)
        given = {name: self._plain(name, value) for name, value in arguments.items()}
        made = self._as_space(self._function(**given), name=self.__name__)
        place = reference_to(self._function)
        if made.reference is None and place is not None:
            made.reference = f"{place}?{_json(given)}" if given else place
        return made

    def _plain(self, name: str, value: Any) -> Any:
        if name not in self.parameters and name not in inspect.signature(self._function).parameters:
            expected = f"one of {', '.join(self.parameters)}" if self.parameters else "none"
            raise SpaceError(f"no argument {name!r}", path=self.__name__, received=name, expected=expected)
        try:
            read = _frozen(json.loads(_json(value)))
        except (TypeError, ValueError):
            read = None
        if read != _frozen(value):
            raise SpaceError(
                f"{value!r} is not plain JSON",
                path=f"{self.__name__}({name})",
                received=value,
                expected="numbers, texts, true, false, null, lists, or mappings from texts",
            )
        return read

    __name__: str


def parse(reference: str) -> tuple[str, dict[str, Any] | None]:
    """A reference without its arguments, and these; None where it has none.

    Raises:
        SpaceError: they are not a JSON object.
    """
    place, asked, text = reference.partition("?")
    if not asked:
        return place, None
    try:
        arguments = json.loads(text)
    except ValueError as error:
        problem = f"its arguments are not JSON ({error})"
        expected = """an object such as {"classes": 3}"""
        raise SpaceError(problem, path=place, received=text, expected=expected) from None
    if not isinstance(arguments, dict):
        expected = """an object such as {"classes": 3}"""
        raise SpaceError(f"its arguments are {text}", path=place, received=arguments, expected=expected)
    return place, arguments


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return {key: _frozen(each) for key, each in value.items()} if isinstance(value, dict) else value


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
