"""The catalogue of wrong spaces, docs/errors.md: each gets the error that the page says, word for word.

Where a message has changed for the better, run this file as a script: it writes the texts that are said now into the page.
"""

import re
import sys
import types
from pathlib import Path

import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas.errors import UserError

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
CASE = re.compile(r"\*\*(?P<title>[^\n]+)\*\*\n\n```python\n(?P<code>.*?)```\n\n```text\n(?P<text>.*?)\n```", re.DOTALL)
CASES = [match.groups() for match in CASE.finditer(PAGE.read_text())]


def error_of(code: str) -> UserError | None:
    """What a wrong space raises."""
    module = types.ModuleType("errors")
    sys.modules["errors"] = module  # classes of the page belong to a module, as a reader's would
    vars(module).update(nas=nas, pg=pg, L=L, oneof=nas.oneof, manyof=nas.manyof)
    try:
        exec(compile(code, PAGE.name, "exec"), vars(module))
    except UserError as error:
        return error
    finally:
        del sys.modules["errors"]
    return None


def said(error: UserError | None) -> str:
    return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(("code", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_error_is_the_one_on_the_page(code, text):
    error = error_of(code)
    assert said(error) == " ".join(text.split())
    assert error is not None
    assert error.path, "it does not say where"
    assert error.expected or error.hint, "it says neither what is accepted nor what to do"


def test_the_catalogue_is_whole():
    titles = [case[0] for case in CASES]
    assert len(titles) == len(set(titles)) >= 60
    assert PAGE.read_text().count("```python") == len(CASES) + 1, "every example but the first has its error below it"


def write_texts() -> None:
    """Writes what is said now into the page, a line break before column 125."""
    import textwrap

    def with_text(match: re.Match) -> str:
        lines = textwrap.wrap(said(error_of(match["code"])), 125, break_long_words=False, break_on_hyphens=False)
        start, end = (at - match.start() for at in match.span("text"))
        return match[0][:start] + "\n".join(lines) + match[0][end:]

    PAGE.write_text(CASE.sub(with_text, PAGE.read_text()))


if __name__ == "__main__":
    write_texts()
