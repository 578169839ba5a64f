"""Find a finished build of the builder `venv`, for a plan; imported by name: the code that replaces a Python."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.builders._finished import PrefixKind, finished_prefix, read_prefix_index
from reconciler.model.builds import FinishedBuild

VENVS = PrefixKind("venv", 2, frozenset({"requires", "declared", "instead_of"}))  # 2: with pip, and bytecode


def find_venv(
    settings: Mapping[str, Any], root: Path, _workspace: Path | None, fingerprint: str
) -> FinishedBuild | None:
    """Return the finished build of an environment, None if there is none with the Python that mlgit.yml says."""
    folder = root / VENVS.folder
    index = read_prefix_index(folder, VENVS, fingerprint)
    if not index or not has_current_python(index, settings.get("pythons")):
        return None
    return finished_prefix(folder, VENVS, index)


def has_current_python(index: Mapping[str, Any], pythons: Any) -> bool:
    """Return False for a build with another Python than the settings name now."""
    expected = (index["declared"], "")
    if pythons:
        replacement = importlib.import_module("reconciler.builders._python")
        expected = replacement.replace_python(index["declared"], replacement.valid_replacements(pythons))
    return expected == (index["requires"], index["instead_of"])
