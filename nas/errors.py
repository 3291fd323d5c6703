"""What can go wrong, as one family of exceptions.

A trial has three fates besides success: `Infeasible` (recorded, the search goes on), any other exception (recorded as failed
with its traceback, the search goes on), or a `UserError` (a mistake in what the user wrote: the study stops and says so).
"""

from __future__ import annotations

from typing import Any


class UserError(Exception):
    """A mistake the user can mend: says where, what arrived, what is accepted, and what to do next.

    Args:
        problem: what arrived and why it does not fit, as a clause without a full stop.
        path: where, in the user's own names (`decoder.skip1`, `--trials`, `photos/train_x.npy`).
        received: the offending value, for programs.
        expected: what would be accepted, as a short phrase.
        hint: what to do next, as a sentence.
    """

    def __init__(self, problem: str, *, path: str = "", received: Any = None, expected: str = "", hint: str = ""):
        self.problem, self.path, self.received, self.expected, self.hint = problem, path, received, expected, hint
        message = f"{path}: {problem}" if path else problem
        if expected:
            message += f", expected {expected}"
        message += "."
        if hint:
            message += f" {hint.rstrip('.')}."
        super().__init__(message)

    def __reduce__(self):  # keyword-only fields do not survive the default pickling between worker processes
        fields = {k: getattr(self, k) for k in ("path", "expected", "hint")} | {"received": repr(self.received)}
        return _rebuild, (type(self), self.problem, fields)


def _rebuild(cls: type[UserError], problem: str, fields: dict) -> UserError:
    return cls(problem, **fields)


class SpaceError(UserError):
    """A search space that is not well defined."""


class ShapeError(SpaceError):
    """Shapes that do not fit an operation."""


class DecisionError(UserError):
    """Decisions that do not name a point of the space."""


class DataError(UserError):
    """A data set that is missing, malformed or does not fit the network."""


class StudyError(UserError):
    """A study that cannot be opened, continued or run as asked."""


class Infeasible(Exception):
    """Raised by an evaluator: this architecture cannot be judged or breaks a limit; `str(error)` is the reason."""
