"""Open the providers of a workspace, for what acts on them."""

from __future__ import annotations

from functools import partial

from reconciler.engine.providers import Providers
from reconciler.project.builder import open_builders
from reconciler.project.datastores import open_datastore_resources, open_datastores
from reconciler.project.environment_uses import open_uses
from reconciler.project.refresh import open_backends, open_clusters
from reconciler.project.session import Session
from reconciler.project.store import open_store
from reconciler.resources import open_resources


def open_providers(session: Session) -> Providers:
    """Open all providers that mlgit.yml names and this machine can reach."""
    return Providers(
        config=session.config,
        state_store=session.state_store,
        store=open_store(session),
        builders=open_builders(session),
        backends=open_backends(session),
        resources={**open_datastore_resources(session), **open_resources(session.config.providers)},
        clusters=open_clusters(session),
        make_opener=open_datastores(session, partial(open_store, session)),
        note_use=open_uses(session).note,
    )
