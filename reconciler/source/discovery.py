"""Find the workspace around a folder without Git."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG_FILE = "mlgit.yml"


def find_workspace_folder(start: Path) -> Path:
    """Return the nearest folder upwards that has mlgit.yml; ``start`` itself if there is none."""
    return next((path for path in (start, *start.parents) if (path / CONFIG_FILE).is_file()), start)


def find_workspace_of_file(file: Path) -> Path | None:
    """Return the folder of the workspace that a file is in, None if there is none."""
    absolute = Path(os.path.normpath(file))
    return next((folder for folder in absolute.parents if (folder / CONFIG_FILE).is_file()), None)
