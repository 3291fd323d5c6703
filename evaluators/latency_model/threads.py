"""Linear algebra on one thread.

Matrices of a few hundred rows gain little from threads, and beside work that fills all cores they lose very much, as threads
wait for each other: fitting on 900 networks did not end in ten minutes there, on one thread it takes seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _libraries() -> Any:
    """The linear algebra of this process."""
    import scipy.optimize  # noqa: F401 -- brings libraries of its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, its linear algebra on one thread."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
