"""What the modules of storage load, and who knows which store there is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import reconciler

ROOT = Path(reconciler.__file__).parent


def imported_packages(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


HOMES_OF_DVC = ("dvc_listing", "dvc_repository")


def test_only_the_two_modules_of_dvc_import_dvc() -> None:
    importers = [file for file in ROOT.rglob("*.py") if imported_packages(file) & {"dvc", "dvc_data", "dvc_objects"}]
    assert sorted(importers) == [ROOT / "storage" / f"{name}.py" for name in HOMES_OF_DVC]


def test_the_other_modules_of_storage_do_not_load_dvc() -> None:
    names = (path.stem for path in (ROOT / "storage").glob("[a-z]*.py") if path.stem not in HOMES_OF_DVC)
    modules = ", ".join(f"reconciler.storage.{name}" for name in names)
    code = f"import sys, {modules}; print([name for name in sys.modules if name.startswith('dvc')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


OF_NODES = ("_node_store", "_node_program")  # the cache of a node is a folder, whatever the store is


def test_no_caller_knows_the_store_in_a_folder() -> None:
    callers = [file for file in ROOT.rglob("*.py") if "storage" not in file.relative_to(ROOT).parts]
    callers = [file for file in callers if file.stem not in OF_NODES]
    assert [str(file) for file in callers if "folder_store" in file.read_text(encoding="utf-8")] == []


def test_nothing_that_moves_content_reads_a_file_as_a_whole() -> None:
    files = (file for package in ("storage", "engine", "backends", "git") for file in (ROOT / package).rglob("*.py"))
    calls = ((file, node) for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    assert [str(file) for file, node in calls if isinstance(node, ast.Attribute) and node.attr == "read_bytes"] == []
