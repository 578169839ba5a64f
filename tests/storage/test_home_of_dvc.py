"""dvc has one home: nothing else of mlgit imports it, and nothing loads it without asking for the store."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import reconciler

ROOT = Path(reconciler.__file__).parent


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_only_the_store_imports_dvc() -> None:
    homes = [file for file in ROOT.rglob("*.py") if imported(file) & {"dvc", "dvc_data", "dvc_objects"}]
    assert homes == [ROOT / "storage" / "object_store.py"]


def test_its_neighbours_load_without_dvc() -> None:
    modules = "reconciler.storage, reconciler.storage.manifest, reconciler.storage.walk, reconciler.storage.objects"
    code = f"import sys, {modules}; print([name for name in sys.modules if name.startswith('dvc')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
