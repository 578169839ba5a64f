"""The world that an apply acts on: the store, the builder, the backends and the live state of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.backends import Backend, get_backend
from reconciler.builders import Builder
from reconciler.config.config import Config
from reconciler.git.repository import Repository
from reconciler.model import State
from reconciler.planning.affinity import has_store
from reconciler.state.process import host_name
from reconciler.state.store import StateStore
from reconciler.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Providers:
    """Handles on everything outside, each already open; ``local`` is the folder for this clone's own files."""

    local_folder: Path
    repository: Repository
    config: Config
    state_store: StateStore
    store: ObjectStore
    builder: Builder
    backends: Mapping[str, Backend]

    def store_id(self, live: State) -> str:
        """Return the id of the store that records are about; a machine without it makes no other."""
        return self.store.id if has_store(self.config, host_name()) else live.store_id

    def backend(self, name: str) -> Backend:
        """Return a backend by the name that mlgit.yml gives it; raises UserError ``backend-missing``."""
        return get_backend(self.backends, name)
