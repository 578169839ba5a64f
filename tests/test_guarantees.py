"""Every test that docs/guarantees.md, docs/reliability.md or docs/security.md names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUARANTEES = ROOT / "docs/guarantees.md"
TEST_ID = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
ROW = re.compile(r"^\| [A-Z`].*\. \| `tests/[\w/]+\.py::\w+` \|$")


def named_tests(page: Path) -> list[tuple[str, str]]:
    """Return path and name of each test that a page names."""
    return TEST_ID.findall(page.read_text(encoding="utf-8"))


@cache
def defined_tests(path: Path) -> set[str]:
    """Return the names of the test functions of a file, none if the file does not exist."""
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("page", ["guarantees.md", "reliability.md", "security.md"])
def test_every_test_that_a_page_names_exists(page):
    named = named_tests(ROOT / "docs" / page)
    assert [f"{path}::{name}" for path, name in named if name not in defined_tests(ROOT / path)] == []


def test_every_row_is_a_sentence_and_a_test():
    lines = [line for line in GUARANTEES.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = [line for line in lines if line not in {"| guarantee | held by |", "| --- | --- |"}]
    assert [row for row in rows if not ROW.match(row)] == []
    assert len(rows) >= 100


def test_every_test_of_the_folder_guarantees_is_named():
    folder = ROOT / "tests/guarantees"
    defined = {
        (path.relative_to(ROOT).as_posix(), name) for path in folder.glob("test_*.py") for name in defined_tests(path)
    }
    assert defined != set()
    assert sorted(defined - {*named_tests(GUARANTEES)}) == []
