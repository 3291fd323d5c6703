"""The code in the documents runs, block after block, as a reader would type it."""

import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "document",
    [
        "docs/language.md",
        "docs/controllers.md",
        "docs/evaluators.md",
        "docs/latency.md",
        "docs/proxies.md",
        "docs/tuning.md",
        "docs/vertex.md",
        "docs/vertex_cloud.md",
        "README.md",
    ],
)
def test_python_blocks_run(document, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    assert blocks
    module = types.ModuleType("document")
    monkeypatch.setitem(sys.modules, "document", module)  # classes of a document belong to a module, as a reader's would
    for block in blocks:
        exec(compile(block, document, "exec"), vars(module))
