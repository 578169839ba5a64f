"""Find a finished build of the builder `conda`, for a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.builders._finished import PrefixKind, finished_prefix, read_prefix_index
from reconciler.model.builds import FinishedBuild

CONDA_PREFIXES = PrefixKind("conda", 2, frozenset({"virtual_packages", "channels"}))


def find_conda_prefix(
    settings: Mapping[str, Any], root: Path, _workspace: Path | None, fingerprint: str
) -> FinishedBuild | None:
    """Return the finished build of an environment, None if there is none with the choices of mlgit.yml."""
    folder = root / CONDA_PREFIXES.folder
    index = read_prefix_index(folder, CONDA_PREFIXES, fingerprint)
    channels = tuple(settings.get("channels", ()))
    if not index or not has_current_choices(index, channels, virtual_packages(settings)):
        return None
    return finished_prefix(folder, CONDA_PREFIXES, index)


def virtual_packages(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of virtual packages that the settings name."""
    return {name: str(version) for name, version in settings.get("virtual_packages", {}).items()}


def has_current_choices(index: Mapping[str, Any], channels: Sequence[str], packages: Mapping[str, str]) -> bool:
    """Return False for a build with other channels or virtual packages than the settings name now."""
    is_same_machine: bool = index["virtual_packages"] == json.dumps(packages, sort_keys=True)
    return is_same_machine and index["channels"] in {"", json.dumps(channels)}
