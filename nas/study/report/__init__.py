"""report.html: one self-contained file that says what was searched, found, tuned, trained and exported.

It reads what the study's directory holds and nothing else, so it can be written at any time, also of a study that is running or
was interrupted. Everything in it is escaped; it contains no script.

    context    from a study to what the page shows
    facts      figures for people
    plots      the pictures
    report.html.j2   the page
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nas.errors import StudyError
from nas.study.report.context import page_context


def write_report(study: Any, *, space: Any = None, title: str = "", commands: str = "") -> Path:
    """Writes `report.html` into the study's directory and returns its path.

    Args:
        study: a `nas.Study` (or one opened read-only) with a directory.
        space: the space, for drawings of the winner and the baselines; None leaves them out.
        title: the heading.
        commands: shell commands that reproduce the study.

    Raises:
        StudyError: the study is in memory only, or the file cannot be written.
    """
    if study.directory is None:
        raise StudyError("a study in memory has no place for a report", hint="Give the study a directory")
    path = Path(study.directory) / "report.html"
    page = _template().render(**page_context(study, space, title or f"Study {path.parent.name}", commands))
    draft = path.with_name(".report.html.part")
    try:
        draft.write_text(page, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise StudyError(
            f"cannot be written ({error.strerror})", path=str(path), hint="Free the place or its permissions"
        ) from None
    return path


def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html.j2")
