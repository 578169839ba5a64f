"""The store's id, read without opening the store: who only asks must neither make a store nor load dvc."""

from __future__ import annotations

from pathlib import Path

STORE_ID_FILE = "id"


def read_store_id(root: Path) -> str:
    """Return the id of the store in a folder, "" where there is none."""
    try:
        return (root / STORE_ID_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
