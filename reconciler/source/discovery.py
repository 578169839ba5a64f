"""Find the workspace around a folder without Git."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.config.config import CONFIG_FILE, parse_config
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING
from reconciler.source.disk import DiskFiles


def find_workspace_folder(start: Path) -> Path:
    """Return the nearest folder upwards that has mlgit.yml; ``start`` itself if there is none."""
    return next((path for path in (start, *start.parents) if (path / CONFIG_FILE).is_file()), start)


def read_workspace_rules(start: Path) -> Mapping[str, str]:
    """Return the severities of rules that mlgit.yml of the workspace around a folder sets; empty if it sets none."""
    raw = DiskFiles(find_workspace_folder(start), {}).read_file(CONFIG_FILE)
    config = parse_config(parse_yaml(CONFIG_FILE, raw)[0])[0] if raw else None
    return config.rules if config else EMPTY_MAPPING
