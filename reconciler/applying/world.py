"""The world that an apply acts on: the store, the builder, the backends and the live state of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.content.store import Store
from reconciler.diagnostics import failure
from reconciler.format.config import Config
from reconciler.git.repository import Repository
from reconciler.live.process import host
from reconciler.live.state import State
from reconciler.model import Live
from reconciler.planning.hosts import has_store


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

    def store_id(self, live: Live) -> str:
        """Return the id of the store that records are about; a machine without it makes no other."""
        return self.store.id if has_store(self.config, host()) else live.store

    def backend(self, name: str) -> Backend:
        """Return a backend by the name that mlgit.yml gives it; raises UserError ``backend-missing``."""
        return chosen(self.backends, name)


def chosen(backends: Mapping[str, Backend], name: str) -> Backend:
    """Choose a backend by its name; raises UserError ``backend-missing``."""
    if name not in backends:
        message = f"the backend {name} is not in mlgit.yml, and runs are known on it"
        raise failure("backend-missing", message, "put it back under backends:")
    return backends[name]
