"""The world that an apply acts on: the store, the builder, the backends and the live state of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.content.store import Store
from reconciler.format.config import Config
from reconciler.git.repository import Repository
from reconciler.live.state import State


@dataclass(frozen=True, slots=True)
class World:
    """Handles on everything outside, each already open; ``local`` is the folder for this clone's own files."""

    local: Path
    repository: Repository
    config: Config
    state: State
    store: Store
    builder: Builder
    backends: Mapping[str, Backend]
