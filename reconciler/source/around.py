"""The workspace around a folder, with or without Git: where it is, and what its mlgit.yml says of rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.format import config
from reconciler.format.yaml import parse
from reconciler.model import NOTHING


def workspace_around(start: Path) -> Path:
    """Return the nearest folder upwards that has mlgit.yml; ``start`` itself where there is none."""
    return next((each for each in (start, *start.parents) if (each / config.FILE).is_file()), start)


def rules_around(start: Path) -> Mapping[str, str]:
    """Return what mlgit.yml of the workspace around a folder says of rules; nothing where it says none."""
    path = workspace_around(start) / config.FILE
    found = config.read(parse(config.FILE, path.read_bytes())[0])[0] if path.is_file() else None
    return found.rules if found else NOTHING
