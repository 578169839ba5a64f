"""The workspace around a folder, with or without Git: where it is, and what its mlgit.yml says of rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.config import config
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING


def find_workspace_folder(start: Path) -> Path:
    """Return the nearest folder upwards that has mlgit.yml; ``start`` itself where there is none."""
    return next((path for path in (start, *start.parents) if (path / config.CONFIG_FILE).is_file()), start)


def read_workspace_rules(start: Path) -> Mapping[str, str]:
    """Return what mlgit.yml of the workspace around a folder says of rules; nothing where it says none."""
    path = find_workspace_folder(start) / config.CONFIG_FILE
    found = config.parse_config(parse_yaml(config.CONFIG_FILE, path.read_bytes())[0])[0] if path.is_file() else None
    return found.rules if found else EMPTY_MAPPING
