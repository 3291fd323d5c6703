"""How error messages name what arrived: short and on one line, whatever it is.

PyGlove writes an object over many lines; in a message its kind says enough. Words that nobody knows come with the known one
that is spelt most like them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import pyglove as pg

LENGTH = 60  # characters of a value that are shown


def shown(value: Any) -> str:
    """A value for a message.

    Example:
        >>> import nas
        >>> shown("relu"), shown(nas.oneof([1, 2])), shown(nas.layers.Conv2D(8, 3))
        ("'relu'", 'a choice', 'Conv2D(...)')
    """
    if isinstance(value, pg.hyper.HyperValue):
        return "a choice"
    decision = getattr(value, "decision", None)
    if decision:
        return f"the tied decision {decision}"
    if isinstance(value, pg.Object):
        return f"{type(value).__name__}(...)"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str):
        return repr(shortened(value))
    return shortened(repr(list(value) if isinstance(value, pg.List) else value))


def shortened(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else f"{line[:LENGTH]}..."


def perhaps(word: Any, known: Iterable[Any]) -> str:
    """`Perhaps 'relu' is meant`, where one of the known words is spelt alike; else nothing."""
    words = [each for each in known if isinstance(each, str)]
    close = difflib.get_close_matches(word, words, n=1) if isinstance(word, str) else []
    return f"Perhaps {close[0]!r} is meant" if close else ""


def counted(count: int, thing: str) -> str:
    """`1 input`, `2 inputs`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
