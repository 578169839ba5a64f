"""Find the workspace around a folder without Git."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

CONFIG_FILE = "mlgit.yml"


def find_workspace_folder(start: Path) -> Path:
    """Return the nearest folder upwards that has mlgit.yml; ``start`` itself if there is none."""
    return next((path for path in (start, *start.parents) if (path / CONFIG_FILE).is_file()), start)


def has_workspace(top: Path, paths: Iterable[str]) -> bool:
    """Return True if a file at one of the paths, relative to a folder, is in a workspace."""
    named = {path.rpartition("/")[0] or ("/" if path.startswith("/") else "") for path in paths}
    pending = {os.path.normpath(os.path.join(top, folder)) for folder in named}  # noqa: PTH118 - of thousands
    above = {folder.rpartition("/")[0] or "/" for folder in pending}
    while new := above - pending:
        pending |= new
        above = {folder.rpartition("/")[0] or "/" for folder in new}
    return any(os.path.isfile(f"{folder}/{CONFIG_FILE}") for folder in pending)  # noqa: PTH113 - as above


def find_workspace_of_file(file: Path) -> Path | None:
    """Return the folder of the workspace that a file is in, None if there is none."""
    absolute = Path(os.path.normpath(file))
    return next((folder for folder in absolute.parents if (folder / CONFIG_FILE).is_file()), None)
