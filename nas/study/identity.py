"""What a study is: its space and its settings as plain JSON, so that a directory is continued only as what it was begun.

Measurements under other settings cannot be compared, and a controller with other settings would not take the same way again, so
a directory that holds another study is refused, and the message says what differs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError
from nas.study.evaluation import EvaluatorChain
from nas.study.interfaces import Controller, Fidelity

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

SHOWN_CHARS = 80  # longer values are told apart by their hash
MAY_DIFFER = frozenset({"reference"})  # a space's file may move


def describe_space(space: SearchSpace) -> dict[str, Any]:
    """Which space it is. The size is written as digits: it can exceed what JSON readers take for a number."""
    size = space.size
    digits = None if size is None else str(size)
    facts = {"name": space.name, "reference": space.reference, "size": digits, "digest": space.digest}
    return facts | ({"limits": space.limits} if space.limits else {})


def describe_study(controller: Controller, chain: EvaluatorChain, seed: int, fidelity: Fidelity) -> dict[str, Any]:
    """Everything beside the space that changes what the study computes.

    Raises:
        StudyError: what an evaluator or the controller says in `describe()` is not plain JSON.
    """
    return {
        "objectives": [o.to_json() for o in chain.objectives],
        "constraints": [dataclasses.asdict(c) for c in chain.constraints],
        "controller": {"name": type(controller).__name__, "settings": _controller_settings(controller)},
        "evaluators": [_plain(e.describe(), f"{e.name}.describe()") for e in chain.evaluators],
        "seed": seed,
        "fidelity": dataclasses.asdict(fidelity),
    }


def check_same(directory: Path | None, what: str, stored: Any, given: Any) -> None:
    """Raises StudyError if a directory holds another space or study; names what differs."""
    found = differences(stored, given, "")
    if found:
        if what == "study":
            what = re.split(r"\W", found[0][0])[0].removesuffix("s")  # of the first setting that differs: "objective", ...
        raise StudyError(
            f"it holds a study with another {what}: "
            + "; ".join(f"{path or what} was {_short(a)}, is now {_short(b)}" for path, a, b in found[:3]),
            path=str(directory),
            received=given,
            hint="Choose another directory, or continue with what it was begun with",
        )


def differences(a: Any, b: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Where two plain values differ, as (path, first, second)."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = [k for k in [*a, *(k for k in b if k not in a)] if path or k not in MAY_DIFFER]
        return [d for k in keys for d in differences(a.get(k), b.get(k), f"{path}.{k}" if path else k)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}[{i}]")]
    return [] if a == b else [(path, a, b)]


def check_space_file(directory: Path, space: Mapping[str, Any]) -> None:
    """Raises StudyError if `space.json` is there and names another space."""
    file = directory / "space.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        problem = f"space.json cannot be read ({error})"
        raise StudyError(problem, path=str(directory), hint="Restore it, or choose another directory") from error
    check_same(directory, "space", stored, space)


def write_space_file(directory: Path, space: Mapping[str, Any]) -> None:
    """Writes `space.json` where it is missing, whole or not at all."""
    if (directory / "space.json").exists():
        return
    draft = directory / "space.json.part"
    try:
        draft.write_text(json.dumps(space, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, directory / "space.json")
    except OSError as error:
        raise StudyError(f"space.json cannot be written ({error})", path=str(directory)) from error


def _controller_settings(controller: Controller) -> dict[str, Any]:
    name = type(controller).__name__
    return {key: _abridged(value) for key, value in _plain(controller.describe(), f"{name}.describe()").items()}


def _abridged(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    return value if len(text) <= SHOWN_CHARS else f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: Any, path: str) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise StudyError(f"not plain JSON ({error})", path=path, received=value) from error


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."
