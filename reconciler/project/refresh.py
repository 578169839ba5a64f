"""Refresh: ask the providers that are reachable from this machine how things are."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler import backends, builders
from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.engine import refresh
from reconciler.model import Observation, State
from reconciler.planning.affinity import reachable_backends
from reconciler.project.state_session import StateSession
from reconciler.state.process import host_name


def open_backends(session: StateSession) -> dict[str, Backend]:
    """Open the backends that are reachable from this machine."""
    return backends.open_backends(reachable_backends(session.config, host_name()), session.store_path)


def open_builder(session: StateSession) -> Builder:
    """Open the builder of environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    return builders.load_builder(session.config.builder, Path(cache) / "environments" if cache else None)


def observe_runs(session: StateSession, state: State) -> Observation | None:
    """Ask the backends for the runs that have not ended; None if their artifacts are in another store."""
    if not refresh.is_recorded_store(state, session.store_path):
        return None
    return refresh.refresh_runs(state, open_backends(session))


def observe_all(session: StateSession, state: State, *, deep: bool = False) -> Observation:
    """Ask all providers; ``deep`` reads every byte of the store in use."""
    opened, builder = open_backends(session), open_builder(session)
    return refresh.refresh_all(state, session.config, opened, session.store_path, builder, deep=deep)
