"""The id of the object store, read without opening the store, which could create it and would load dvc."""

from __future__ import annotations

from pathlib import Path

from reconciler.regular_files import read_regular_file

STORE_ID_FILE = "id"
_MAX_BYTES = 1000


def read_store_id(root: Path) -> str:
    """Return the id of the store in a folder, "" if there is none."""
    try:
        return read_regular_file(root / STORE_ID_FILE, _MAX_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
