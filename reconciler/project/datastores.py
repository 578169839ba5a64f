"""Open the datastores of a workspace: those of its files, those that only mlgit.yml has, and those of every workspace.

The last are realised by the object store, unless a file or mlgit.yml declares one of that name.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from reconciler.config.config import Config
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.datastores import DatastoreResource
from reconciler.format.data_uris import DEFAULT_DATASTORES
from reconciler.format.kinds.datastore import KIND as DATASTORE
from reconciler.format.suggest import did_you_mean
from reconciler.model import EMPTY_MAPPING, Address, Spec, State
from reconciler.model.datastores import Datastore, DatastoreSettings, OpenDatastore
from reconciler.model.object_store import ObjectStore
from reconciler.model.secret_bindings import find_binding
from reconciler.planning.bindings import has_own_provider
from reconciler.project.state_session import StateSession
from reconciler.resources import Resource
from reconciler.secret_values import read_secret
from reconciler.storage.datastores import open_datastore
from reconciler.storage.datastores._masked import MaskedDatastore
from reconciler.storage.datastores._object_store import ObjectStoreDatastore

KIND = DATASTORE.name
OpenStore = Callable[[], ObjectStore]


class _Opened:
    """The datastores that were opened in a session, each once for what its file and mlgit.yml say; threads share it."""

    def __init__(self) -> None:
        self._datastores: dict[tuple[str, str], Datastore] = {}
        self._mutex = threading.Lock()

    def find(self, name: str, spec: Spec, open_: Callable[[str], Datastore]) -> Datastore:
        """Return a datastore as it was opened before, else open it; what could not be opened is tried again."""
        key = (name, json.dumps(spec, sort_keys=True, default=str))
        with self._mutex:
            if key not in self._datastores:
                self._datastores[key] = open_(name)
            return self._datastores[key]


def make_opener(
    config: Config,
    specs: Mapping[str, Spec],
    folder: Path,
    open_store: OpenStore | None = None,
    opened: _Opened | None = None,
) -> OpenDatastore:
    """Return what opens a datastore by its name; ``specs`` are those of the files, ``folder`` that of mlgit.yml.

    ``open_store`` opens the object store, for the datastores that every workspace has. Nothing that a datastore raises
    shows a value of a secret. A datastore is opened once, by all openers that share what they ``opened``.
    """
    known = opened or _Opened()

    def open_by_name(name: str) -> Datastore:
        spec, settings = specs.get(name, EMPTY_MAPPING), config.datastores.get(name, EMPTY_MAPPING)
        type_ = str(settings.get("type") or spec.get("type") or "").lower()
        if not type_:
            if open_store is not None and name in DEFAULT_DATASTORES:
                return ObjectStoreDatastore(open_store(), name)
            raise _unknown_error(name, config, (*specs, *(DEFAULT_DATASTORES if open_store else ())))
        address, values = str(Address(KIND, name)), set[str]()

        def read(pointer: str) -> str | None:
            binding = find_binding(config.secrets, address, pointer)
            value = read_secret(binding, folder) if binding else None
            values.update([value] if value else [])
            return value

        def find_name(pointer: str) -> str:
            binding = find_binding(config.secrets, address, pointer)
            return binding.name if binding else ""

        own = {key: value for key, value in settings.items() if key != "type"}
        opening = DatastoreSettings(name, type_, spec, own, read, find_name, str(folder))
        return MaskedDatastore(name, lambda: open_datastore(opening), lambda: values)

    return lambda name: known.find(name, specs.get(name, EMPTY_MAPPING), open_by_name)


def _unknown_error(name: str, config: Config, others: Iterable[str]) -> UserError:
    """Return why a datastore has no type: no file that declares it was applied, or there is none of that name."""
    if name in config.datastores:
        message = f"datastore/{name} was not applied yet, and datastores: {name}: in mlgit.yml has no type"
        hint = f"declare it in a file and run `mlgit apply`, or add `type:` to datastores: {name}: in mlgit.yml"
        return user_error("datastore-unknown", message, hint)
    names = sorted({*others, *(known for known, settings in config.datastores.items() if "type" in settings)})
    message = f"there is no datastore {name}; this workspace has {', '.join(names) or 'none'}"
    hint = "declare it under datastores: in mlgit.yml, or in a file; `mlgit apply` makes that of a file known"
    return user_error("datastore-unknown", message, did_you_mean(name, names) or hint)


def recorded_specs(state: State) -> dict[str, Spec]:
    """Return the specs of the datastores that are live, by name."""
    records = (record for record in state.current.values() if record.address.kind == KIND and not record.archived)
    return {record.address.name: record.spec for record in records}


def open_datastores(
    session: StateSession, open_store: OpenStore | None = None
) -> Callable[[Mapping[str, Spec]], OpenDatastore]:
    """Return what makes an opener of the datastores of a workspace, of the specs of those that its files declare."""
    return partial(make_opener, session.config, folder=session.shared_folder, open_store=open_store, opened=_Opened())


def open_datastore_resources(session: StateSession) -> dict[str, Resource]:
    """Return the provider of datastores by its kind; none if mlgit.yml binds the kind to another one."""
    if not has_own_provider(session.config, KIND):
        return {}

    def find_specs() -> Mapping[str, Spec]:
        return recorded_specs(session.state_store.read())

    return {KIND: DatastoreResource(DATASTORE.provider, open_datastores(session), find_specs)}
