"""Settings of controllers, checked where the user wrote them; and whose state is to be restored."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

from nas.errors import StudyError, UserError


def check_whole(path: str, value: Any, low: int) -> int:
    """A whole number of at least `low`, as `int`. Raises `UserError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise UserError(f"{value!r} does not fit", path=path, received=value, expected=f"a whole number of at least {low}")
    return int(value)


def check_number(path: str, value: Any, low: float, high: float = math.inf) -> float:
    """A finite number from `low` to `high`, as `float`. Raises `UserError`."""
    number = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or not low <= number <= high:
        expected = f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a finite number of at least {low:g}"
        raise UserError(f"{value!r} does not fit", path=path, received=value, expected=expected)
    return number


def check_owner(state: Mapping[str, Any], name: str) -> None:
    """Raises `StudyError` unless `state` is one of a controller of that name."""
    owner = state.get("controller")
    if owner != name:
        hint = "Continue a study with the controller it was begun with"
        raise StudyError(
            f"the state of {owner!r}", path=f"{name}.restore", received=owner, expected=f"a state of {name!r}", hint=hint
        )
