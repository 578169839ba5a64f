"""The id of the object store, read without opening the store, which could create it and would load dvc."""

from __future__ import annotations

from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.regular_files import read_regular_file

STORE_ID_FILE = "id"
_MAX_BYTES = 1000


def read_store_id(root: Path) -> str:
    """Return the id of the store in a folder, "" if there is none."""
    try:
        return read_regular_file(root / STORE_ID_FILE, _MAX_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def require_store_id(root: Path) -> str:
    """Return the id of the store in a folder. Raise UserError ``store-not-usable`` if it cannot be read."""
    store_id = read_store_id(root)
    if not store_id:
        message = f"the id of the object store cannot be read from {root / STORE_ID_FILE}"
        hint = "restore the file from a copy of the store; records name the store by its id"
        raise user_error("store-not-usable", message, hint)
    return store_id
