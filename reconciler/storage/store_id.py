"""The id of the object store, read without opening the store, which could create it and would load dvc."""

from __future__ import annotations

from pathlib import Path

STORE_ID_FILE = "id"


def read_store_id(root: Path) -> str:
    """Return the id of the store in a folder, "" if there is none."""
    try:
        return (root / STORE_ID_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
