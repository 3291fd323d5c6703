"""A table of decisions as HTML: what a notebook shows of an architecture that has no network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from nas.language.drawing.picture import NOTEBOOK_WIDTH


def decisions_table(title: str, decisions: Mapping[str, Any]) -> str:
    """Two columns, decision and choice. All text is escaped."""
    rows = "".join(f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in decisions.items())
    head = f"<caption>{escape(title)}</caption><tr><th>decision</th><th>choice</th></tr>"
    return f'<div style="max-width:{NOTEBOOK_WIDTH}px;overflow-x:auto"><table>{head}{rows}</table></div>'
