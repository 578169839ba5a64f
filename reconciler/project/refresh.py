"""Refresh: ask the providers that are reachable from this machine how things are."""

from __future__ import annotations

from functools import partial

from reconciler import backends
from reconciler.engine import refresh
from reconciler.engine.driver.backend import DriverBackend
from reconciler.engine.driver.process import StoreSettings
from reconciler.engine.location_refresh import with_locations
from reconciler.model import Observation, State
from reconciler.model.backend import Backend
from reconciler.model.clusters import makes_cluster
from reconciler.model.plugins import BackendContext
from reconciler.model.secret_bindings import backend_address
from reconciler.model.step_runs import DRIVER
from reconciler.project.builder import open_builders
from reconciler.project.datastores import open_datastore_resources, open_datastores
from reconciler.project.state_session import StateSession
from reconciler.project.store import open_store, secret_reader
from reconciler.resources import Resource, open_resources
from reconciler.state.process import host_name


def open_backends(session: StateSession) -> dict[str, Backend]:
    """Open the backends that are reachable from this machine, and the driver of pipelines if the store is."""
    config, host = session.config, host_name()
    folder = str(session.shared_folder)

    def context_of(name: str) -> BackendContext:
        return BackendContext(name, folder, secret_reader(session, backend_address(name)))

    opened = backends.open_backends(config.reachable_backends(host), session.store_path, context_of)
    if config.has_store(host):
        store = StoreSettings(config.store_type, config.store_settings, folder)
        read_secrets = partial(secret_reader, session)
        opened[DRIVER] = DriverBackend(session.store_path, store, host, lambda: open_store(session), read_secrets)
    return opened


def open_clusters(session: StateSession) -> dict[str, Resource]:
    """Return what makes the clusters of the backends that make one, by the backend."""
    folder = str(session.shared_folder)
    opened: dict[str, Resource] = {}
    for name, settings in session.config.reachable_backends(host_name()).items():
        plugin = backends.BACKENDS.load(str(settings["type"])) if makes_cluster(settings) else None
        if plugin is not None and plugin.open_clusters:
            context = BackendContext(name, folder, secret_reader(session, backend_address(name)))
            opened[name] = backends.BACKENDS.call(str(settings["type"]), plugin.open_clusters, settings, context)
    return opened


def observe_runs(session: StateSession, state: State) -> Observation | None:
    """Ask the backends for the runs that have not ended; None if their artifacts are in another store."""
    observation = refresh.refresh_runs(state, open_backends(session), open_store(session))
    _note_unreachable(session, observation)
    return None if observation.unexpected_store else observation


def observe_all(session: StateSession, state: State, *, deep: bool = False) -> Observation:
    """Ask all providers; ``deep`` reads every byte of the store in use."""
    opened, builders = open_backends(session), open_builders(session)
    store = open_store(session)
    observation = refresh.refresh_all(state, session.config, opened, store, builders.values(), deep=deep)
    observation = refresh.with_bases(observation, state, session.config, builders)
    resources = {**open_datastore_resources(session), **open_resources(session.config.providers)}
    observation = refresh.with_conditions(observation, state, resources, open_clusters(session))
    return with_locations(observation, state, session.config, open_datastores(session, lambda: store))


def observe_providers(session: StateSession, state: State) -> Observation:
    """Ask all providers; raise UserError if the store is not the one that the state belongs to."""
    observation = observe_all(session, state)
    refresh.check_store(observation)
    _note_unreachable(session, observation)
    return observation


def _note_unreachable(session: StateSession, observation: Observation) -> None:
    if observation.unreachable_store:
        session.on_note(f"{observation.unreachable_store}; runs and contents are shown as recorded")
    for problem in observation.unreachable_backends:
        session.on_note(f"{problem}; its runs are shown as recorded")
    for problem in observation.failed_builders:
        session.on_note(problem)
