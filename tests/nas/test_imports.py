"""Importing is cheap, and dependencies run one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "keras", "ray", "google.cloud.aiplatform", "optuna", "matplotlib", "skimage", "networkx"}


def test_import_nas_brings_in_nothing_heavy():
    code = "import sys, nas, controllers, search_spaces; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not HEAVY & set(ast.literal_eval(out))


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("nas", {"search_spaces", "controllers", "evaluators", "trainer"}),
        ("search_spaces", {"controllers", "evaluators", "trainer"}),
        ("controllers", {"search_spaces", "evaluators", "trainer"}),
        ("trainer", {"search_spaces", "controllers", "evaluators"}),
        ("evaluators", {"search_spaces", "controllers"}),
    ],
)
def test_dependencies_run_one_way(package, forbidden):
    for file in (ROOT / package).rglob("*.py"):
        if package == "nas" and "cli" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & {name.split(".")[0] for name in names}, f"{file} imports upward"
