"""Search spaces ready to use. `get("colorizer")` or `from search_spaces.colorizer import colorizer`.

Each module holds one space, names its source, and lists published points as `space.baselines`.
"""

from __future__ import annotations

import importlib
from typing import Any

from nas.errors import SpaceError

NAMES = ("colorizer",)


def get(name: str) -> Any:
    """The prebuilt space of that name.

    Raises:
        SpaceError: there is none; lists those there are.
    """
    if name not in NAMES:
        raise SpaceError(
            f"no prebuilt space {name!r}",
            path=name,
            received=name,
            expected=f"one of {', '.join(NAMES)}, or module.path.function, or file.py:function",
        )
    return getattr(importlib.import_module(f"search_spaces.{name}"), name)
