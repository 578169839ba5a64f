"""Record how an experiment has ended, by whatever command learns of it first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from reconciler.diagnostics import UserError
from reconciler.engine.experiments import ExperimentContext, record_experiment, refresh_run
from reconciler.engine.providers import Providers
from reconciler.model import Event, Run, SourceRevision, Tree
from reconciler.model.backend import Backend
from reconciler.project.datastores import open_datastores
from reconciler.project.refresh import open_backends
from reconciler.project.state_session import StateSession
from reconciler.project.store import open_store
from reconciler.state.history import format_trailers
from reconciler.state.process import user_name

_NO_SOURCE, _NO_FILES = SourceRevision("", ""), Tree("", {}, lambda _oid: b"")  # what has ended needs no file


def record_ended_experiment(session: StateSession, run: Run, opened: Mapping[str, Backend] | None = None) -> Run:
    """Record the end of a run, if it is an experiment whose end is not recorded; return it as it is recorded.

    Any other run is recorded by the next apply, and so is an experiment that an apply has taken over. The backends are
    those that are ``opened`` already, if there are some.
    """
    state = session.fetch_and_read_state()
    recorded = state.find_run(run.address, run.id) or run
    if not recorded.experiment or not recorded.is_unfinished:
        return run if recorded.is_unfinished else recorded
    providers = Providers(
        session.config,
        session.state_store,
        open_store(session),
        {},
        open_backends(session) if opened is None else opened,
        make_opener=open_datastores(session, partial(open_store, session)),
    )
    if run.backend not in providers.backends or (ended := refresh_run(providers, recorded)).status.is_active:
        return run
    context = ExperimentContext(providers, _NO_FILES, _NO_SOURCE, format_trailers(user_name()), _ignore_event)
    try:
        return record_experiment(context, state, ended)
    except UserError as error:
        if error.diagnostics[0].code != "state-conflict":
            raise
        return session.fetch_and_read_state().find_run(run.address, run.id) or ended  # another command was first


def _ignore_event(_event: Event) -> None:
    """Do nothing with an event."""
