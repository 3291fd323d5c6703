"""What an encoder and its decoder are told about their levels, and how they read it: `nas.language.mirror` is made of this.

A stage is a function of a width. A way down, a way up and a skip are each a mode by name, an operation, or a function of the
level; each may be a choice, which is copied for every level, or tied, which is decided once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.application import apply
from nas.language.building import as_operation
from nas.language.choices import OneOf
from nas.language.tracing import Tensor, parameter_names
from nas.language.tying import Same


@dataclasses.dataclass(frozen=True)
class Level:
    """What a function of the level is told.

    Attributes:
        index: 0 is the finest, which the input enters and the output leaves.
        width: its entry of `widths`: a number, a choice, or what `nas.tied` returned.
    """

    index: int
    width: Any


def check_stage(stage: Any, path: str) -> None:
    """Raises unless it is a function of the width.

    Raises:
        SpaceError: says how to write one.
    """
    if not _is_function(stage):
        raise SpaceError(
            f"its stage is {type(stage).__name__}",
            path=path,
            received=stage,
            expected="a function of the width",
            hint="Write stage=lambda width: L.Conv2D(width, 3)",
        )


def stage_at(stage: Callable[..., Any], level: Level) -> Any:
    """The operation that a stage is at a level; its function may ask for the level beside the width."""
    asks_level = len(parameter_names(stage)) > 1
    return as_operation(stage(level.width, level) if asks_level else stage(level.width))


def operation_at(value: Any, level: Level) -> Any:
    """The operation that `down`, `up` or `skip` is at a level, where it is no mode."""
    return as_operation(value(level) if _is_function(value) else copied(value))


def is_mode(value: Any) -> bool:
    """Whether it is the mode of a layer, or a choice among modes."""
    if isinstance(value, Same):
        return all(isinstance(option, str) for option in value.options)
    if isinstance(value, OneOf):
        return all(isinstance(option, str) for option in value.candidates)
    return isinstance(value, str)


def copied(value: Any) -> Any:
    """A choice or operation for one more place: a PyGlove tree holds each object once."""
    return pg.clone(value, deep=True) if isinstance(value, pg.Symbolic) else value


def run(operation: Any, tensors: Sequence[Tensor], name: str) -> Tensor:
    """Applies an operation as a step of that name; None leaves no step behind."""
    return tensors[0] if operation is None else apply(operation, tensors, name)


def step_name(prefix: str | None, kind: str, index: int | str = "") -> str:
    """`enc0`, or `left_enc0` with a prefix."""
    return f"{prefix}_{kind}{index}" if prefix else f"{kind}{index}"


def grid_of(x: Tensor) -> tuple[int, ...] | None:
    """The grid of a tensor; None where it is not known, or not one."""
    try:
        grids = {shape[:-1] for shape in x.shapes}
    except SpaceError:  # inside a block
        return None
    return next(iter(grids)) if len(grids) == 1 else None


def _is_function(value: Any) -> bool:
    """Whether it is called with a level or a width, rather than with tensors: operations and choices can be called too."""
    return callable(value) and not isinstance(value, pg.Symbolic)
