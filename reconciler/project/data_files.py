"""Files of datastores for the command line: found by URI, asked about, listed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.format.data_uris import DEFAULT_DATASTORES, find_datastore, parse_data_uri
from reconciler.model import State
from reconciler.model.datastores import Datastore, DatastoreEntry, folder_identity
from reconciler.project.datastores import KIND, open_datastores, recorded_specs
from reconciler.project.export import open_recorded_store
from reconciler.project.state_session import StateSession


class DataPath(NamedTuple):
    """A file or folder of an open datastore, "" for all of it.

    ``local_folder`` is for what this clone of the repository knows of it.
    """

    datastore: Datastore
    name: str
    path: str
    local_folder: Path

    def uri(self, path: str) -> str:
        """Return the URI of a path of the datastore."""
        return f"azureml://datastores/{self.name}/paths/{path}"


def known_datastores(session: StateSession, state: State) -> dict[str, str]:
    """Return the types of the datastores of a workspace by name, "" for those in the object store."""
    settings = session.config.datastores
    specs = recorded_specs(state)
    types = {name: str(spec.get("type", "")).lower() for name, spec in specs.items()}
    types |= {name: str(item["type"]).lower() for name, item in settings.items() if "type" in item}
    return {**dict.fromkeys(DEFAULT_DATASTORES, ""), **types}


def open_data_path(session: StateSession, state: State, argument: str) -> DataPath:
    """Return what an argument names: NAME/PATH, or the URI of a datastore or of a storage service.

    Raises UserError ``datastore-unknown``, ``path-outside``, and what opening the datastore raises.
    """
    specs = recorded_specs(state)
    uri = parse_data_uri(argument)
    if uri is not None:
        name, path = find_datastore(uri, specs.items()), uri.path
        if not name:
            message = f"no datastore of this workspace has {argument}"
            raise user_error("datastore-unknown", message, f"the datastores are {_names(session, state)}")
    elif "://" in argument or not argument.strip("/"):
        message = f"{argument or repr(argument)} is no path of a datastore"
        raise user_error("datastore-unknown", message, "write NAME/PATH or azureml://datastores/NAME/paths/PATH")
    else:
        name, _, path = argument.removeprefix(f"{KIND}/").partition("/")
    opener = open_datastores(session, partial(open_recorded_store, session, state))(specs)
    return DataPath(opener(name), name, path.strip("/"), session.workspace.local_folder)


def _names(session: StateSession, state: State) -> str:
    return ", ".join(sorted(known_datastores(session, state)))


def stat_path(place: DataPath) -> tuple[DatastoreEntry, int]:
    """Return the file or folder at a path, and the number of its files; the identity of a folder is that of its files.

    Raises UserError ``datastore-path-missing``.
    """
    entry = place.datastore.stat(place.path)
    if not entry.is_folder:
        return entry, 1
    files = list(place.datastore.list(place.path))
    return entry._replace(identity=folder_identity(files, place.path)), len(files)


def list_path(place: DataPath, *, recursive: bool) -> Iterator[DatastoreEntry]:
    """Yield the files and folders in a folder, or the one file at a path."""
    entry = place.datastore.stat(place.path)
    return place.datastore.list(place.path, recursive=recursive) if entry.is_folder else iter((entry,))
