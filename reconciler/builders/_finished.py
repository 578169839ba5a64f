"""The finished builds of this machine, as the index of a builder and the markers of prefixes say.

A plan asks for them and builds nothing, so this imports nothing that builds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.model.builds import FinishedBuild

MARKER = "mlgit-environment.json"
INDEX_FOLDER = "by-fingerprint"
PREFIX_INDEX_FORMAT = 2  # of the index files; an environment whose index has another format is built again
_INDEX_TEXTS = frozenset({"identity", "python", "platform", "lock", "variant"})


class PrefixKind(NamedTuple):
    """The prefixes of a builder: its folder below that of all builders, and what a version of this mlgit knows of them.

    ``version`` is that of what is in a prefix besides its packages, ``choices`` are the names of what the builder
    compares in the index to know that it would choose the same.
    """

    folder: str
    version: int
    choices: frozenset[str] = frozenset()


def read_prefix_index(folder: Path, kind: PrefixKind, fingerprint: str) -> dict[str, Any]:
    """Return the index file of an environment; empty if there is none, or if it is not one of this mlgit."""
    return read_index(folder, fingerprint, PREFIX_INDEX_FORMAT, _INDEX_TEXTS | kind.choices)


def read_index(folder: Path, fingerprint: str, index_format: int, texts: frozenset[str]) -> dict[str, Any]:
    """Return the index file of an environment; empty if there is none of that format with these and ``variables``."""
    index = read_json(index_path(folder, fingerprint))
    is_complete = isinstance(index.get("variables"), dict) and index.keys() >= texts
    return index if index.get("format") == index_format and is_complete else {}


def finished_prefix(folder: Path, kind: PrefixKind, index: Mapping[str, Any]) -> FinishedBuild | None:
    """Return the build that an index names, None if it is not finished."""
    identity = index["identity"]
    prefix = prefix_path(folder, kind, identity)
    if not is_finished(prefix, identity):
        return None
    return FinishedBuild(index["python"], index["lock"], str(prefix))


def prefix_path(folder: Path, kind: PrefixKind, identity: str) -> Path:
    """Return the path of the prefix with some content."""
    return folder / f"{identity[:16]}-{kind.version}"


def is_finished(prefix: Path, identity: str) -> bool:
    """Return True if a prefix has the marker of that content, which is written last, and its Python."""
    marker = read_json(prefix / MARKER)
    return bool(marker) and marker.get("identity") == identity and python_path(prefix).exists()


def python_path(prefix: Path) -> Path:
    """Return the path of the Python of a prefix."""
    if os.name != "nt":
        return prefix / "bin" / "python"
    in_scripts = prefix / "Scripts" / "python.exe"
    return in_scripts if in_scripts.exists() else prefix / "python.exe"


def index_path(folder: Path, fingerprint: str) -> Path:
    """Return the index file of an environment."""
    return folder / INDEX_FOLDER / f"{safe_file_name(fingerprint)}.json"


def safe_file_name(key: str) -> str:
    """Return a key as a file name: as it is if it can be one."""
    return key if re.fullmatch(r"[0-9A-Za-z_-]{1,128}", key) else hashlib.sha256(key.encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; empty if it is missing or invalid, so that it is written again."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
