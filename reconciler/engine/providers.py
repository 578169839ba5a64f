"""The providers of one workspace that an apply acts on: store, builders, backends and state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.backends import BACKENDS, get_backend
from reconciler.builders import BUILDERS
from reconciler.config.config import Config
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Address, Asset, Handle, Record, Spec, State
from reconciler.model.backend import Backend
from reconciler.model.builder import Builder
from reconciler.model.datastores import Datastore, OpenDatastore
from reconciler.model.object_store import UNREACHABLE_CODE, ObjectStore
from reconciler.planning.bindings import provider_of
from reconciler.planning.clusters import BINDING, cluster_settings
from reconciler.planning.support import check_support
from reconciler.resources import Resource
from reconciler.state.process import host_name
from reconciler.state.store import StateStore


def no_note(_fingerprint: str) -> None:
    """Note nothing."""


def no_datastores(_specs: Mapping[str, Spec]) -> OpenDatastore:
    """Return what opens the datastores of a workspace that has none."""

    def open_datastore(name: str) -> Datastore:
        raise user_error("datastore-unknown", f"there is no datastore {name}")

    return open_datastore


@dataclass(frozen=True, slots=True)
class Providers:
    """The open providers of a workspace."""

    config: Config
    state_store: StateStore
    store: ObjectStore
    builders: Mapping[str, Builder]
    backends: Mapping[str, Backend]
    resources: Mapping[str, Resource] = field(default_factory=dict)  # by kind
    clusters: Mapping[str, Resource] = field(default_factory=dict)  # by backend
    make_opener: Callable[[Mapping[str, Spec]], OpenDatastore] = no_datastores  # of those that files declare, by name
    note_use: Callable[[str], None] = no_note  # that this workspace uses an environment, by its fingerprint

    @property
    def has_store(self) -> bool:
        """Return True if this machine has the store."""
        return self.config.has_store(host_name())

    def store_id(self, state: State) -> str:
        """Return the id of the store; a machine that has none, or cannot reach it, uses the recorded id."""
        try:
            return self.store.id if self.has_store else state.store_id
        except UserError as error:
            if not state.store_id or error.diagnostics[0].code != UNREACHABLE_CODE:
                raise
            return state.store_id

    def is_accepted(self, builder: str, backend: str) -> bool:
        """Return True if a backend accepts the environments that a builder makes."""
        form = BUILDERS.load(str(self.config.builders[builder]["type"])).produces
        return form in BACKENDS.load(str(self.config.backends[backend]["type"])).accepts

    def can_build(self, builder: str, address: Address, spec: Spec) -> bool:
        """Return True if neither the table of a builder nor the builder itself says that it cannot build an asset."""
        support = BUILDERS.load(str(self.config.builders[builder]["type"])).support
        if check_support(Asset(address, spec, ""), support, builder, "").problems:
            return False
        return not any(problem.is_certain for problem in self.builders[builder].check(spec))

    def backend(self, name: str) -> Backend:
        """Return a backend by its name in mlgit.yml; raises UserError ``backend-missing``."""
        return get_backend(self.backends, name)

    def resource_of(self, record: Record) -> Resource:
        """Return the provider that made what a record has, or was to make it, whatever its asset is bound to now.

        Raises UserError ``provider-missing``.
        """
        if not record.realised.get(BINDING):
            return self.resource(record.address, record.handle)
        backend = str(record.realised["backend"])
        if backend not in self.clusters:
            message = (
                f"{record.address} has a cluster of the backend {backend}, which makes none by mlgit.yml any longer"
            )
            hint = "restore its settings, with the secrets for its hosts, until the cluster is removed"
            raise user_error("provider-missing", message, hint)
        return self.clusters[backend]

    def resource(self, address: Address, handle: Handle | None) -> Resource:
        """Return the provider of an asset that one has made, or is to make; raises UserError ``provider-missing``."""
        bound = provider_of(self.config, address)
        if not bound or (handle is not None and handle.provider != bound):
            made = f"by the provider {handle.provider}" if handle else "by a provider"
            message = f"{address} was made {made}, which providers: in mlgit.yml does not name for {address.kind}"
            raise user_error("provider-missing", message, "name it again until what it has made is deleted")
        backend = self.config.backend_of(address.name)
        return self.clusters[backend] if cluster_settings(self.config, address) else self.resources[address.kind]
