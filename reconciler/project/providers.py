"""Open the providers of a workspace, for what acts on them."""

from __future__ import annotations

from reconciler.engine.providers import Providers
from reconciler.project.builder import open_builders
from reconciler.project.environment_uses import open_uses
from reconciler.project.refresh import open_backends, open_store
from reconciler.project.session import Session
from reconciler.resources import open_resources


def open_providers(session: Session) -> Providers:
    """Open all providers that mlgit.yml names and this machine can reach."""
    return Providers(
        config=session.config,
        state_store=session.state_store,
        store=open_store(session),
        builders=open_builders(session),
        backends=open_backends(session),
        resources=open_resources(session.config.providers),
        note_use=open_uses(session).note,
    )
