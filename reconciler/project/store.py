"""Open the object store of a workspace, with the secrets that mlgit.yml binds to it."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.model.object_store import ObjectStore, StoreContext
from reconciler.model.secret_bindings import STORE_ADDRESS, find_binding
from reconciler.project.state_session import StateSession
from reconciler.secret_values import read_secret
from reconciler.storage import stores


def open_store(session: StateSession) -> ObjectStore:
    """Open the object store; raises UserError ``store-unknown`` or ``store-broken``."""
    config = session.config
    context = StoreContext(str(session.shared_folder), secret_reader(session, STORE_ADDRESS))
    return stores.open_store(config.store_type, config.store_settings, context)


def secret_reader(session: StateSession, address: str) -> Callable[[str], str | None]:
    """Return what reads the secrets that mlgit.yml binds to fields of the store or of a backend."""

    def read(pointer: str) -> str | None:
        binding = find_binding(session.config.secrets, address, pointer)
        return read_secret(binding, session.shared_folder) if binding else None

    return read
