"""Sentences of the design that a test of some part holds: named in a table, so that each of them can be looked up."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def missing(elsewhere: Mapping[str, str]) -> list[str]:
    """Return the places (``tests/part/test_x.py::test_y``), of those that hold a sentence, at which no test stands."""
    return [place for place in elsewhere.values() if not _stands(*place.split("::"))]


def _stands(path: str, name: str) -> bool:
    file = ROOT / path
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)
