"""Contents of datastores in the object store: each is brought there once for what its service said of it.

A file is an entry ``fetched/DIGEST`` of its datastore, its path and its identity, and so is a folder; a transfer that
was cut goes on with the files that it lacks.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.fetched import FETCHED, fetched_source
from reconciler.engine.locations import is_changed, list_place, stat_place, to_place
from reconciler.engine.staged import store_once
from reconciler.engine.transfer_locks import transfer_lock
from reconciler.model.builder import ReportProgress
from reconciler.model.content import Content, UploadFile
from reconciler.model.datastores import Datastore, DatastoreEntry, Identity, Location, folder_identity
from reconciler.model.object_store import ObjectStore
from reconciler.storage.transfers import Transfer, TransferPool

_PARALLEL_FILES = 8
_REGULAR_MODE = 0o100644


def bring(
    store: ObjectStore,
    datastore: Datastore,
    location: Location,
    local_folder: Path,
    report_progress: ReportProgress,
) -> Content:
    """Return the content of a location: as the store has it, or else read from its datastore.

    ``local_folder`` is that of the clone: of all that need the location there, the first brings it.
    Raises UserError of the datastore, ``datastore-file-changed`` if it changes while it is read.
    """
    source = fetched_source(location)
    with transfer_lock(local_folder, source, report_progress):
        return store_once(store, source, lambda: _read(store, datastore, location, report_progress), FETCHED)


def _read(store: ObjectStore, datastore: Datastore, location: Location, report_progress: ReportProgress) -> Content:
    if not location.is_folder:
        report_progress(f"reading {location.uri}, {location.identity.size:,} bytes")
        return _read_file(store, datastore, location.path, location.identity)
    place = to_place(location)
    files = list_place(datastore, place)
    identity = folder_identity(files, place.folder)
    if is_changed(location, location._replace(identity=identity)):
        raise _changed_error(location, identity)
    report_progress(f"reading {location.uri}, {pluralize(len(files), 'file')}, {identity.size:,} bytes")
    contents = _read_files(store, datastore, location.datastore, files)
    prefix = f"{place.folder}/" if place.folder else ""
    return store.put(
        UploadFile(file.path.removeprefix(prefix), _REGULAR_MODE, partial(store.open, content.digest))
        for file, content in zip(files, contents, strict=True)
    )


def _read_files(
    store: ObjectStore, datastore: Datastore, name: str, files: Sequence[DatastoreEntry]
) -> tuple[Content, ...]:
    """Return the contents of files, several read at once; those that the store has are not read again."""
    entries, contents = {file.path: file for file in files}, dict[str, Content]()

    def read(transfer: Transfer, _: int, on_bytes: Callable[[int], None]) -> None:
        file = entries[transfer.key]
        source = fetched_source(Location("", name, file.path, file.identity, root=datastore.location))
        put = partial(_read_file, store, datastore, file.path, file.identity)
        contents[file.path] = store_once(store, source, put, FETCHED)
        on_bytes(transfer.size)

    TransferPool(_PARALLEL_FILES).run(read, [Transfer(file.path, file.identity.size) for file in files], "reading")
    return tuple(contents[file.path] for file in files)


def _read_file(store: ObjectStore, datastore: Datastore, path: str, identity: Identity) -> Content:
    with datastore.open(path, identity) as stream:
        content = store.put_file(posixpath.basename(path), stream)
    location = Location(f"{datastore.location}/{path}", "", path, identity)
    if not identity.etag:  # no service has compared it while it was read
        now, _ = stat_place(datastore, to_place(location))
        if is_changed(location, location._replace(identity=now)):
            raise _changed_error(location, now)
    return content


def _changed_error(location: Location, now: Identity) -> UserError:
    message = f"{location.uri} has changed while it was read: it was {location.identity}, and is now {now}"
    return user_error("datastore-file-changed", message, "try again when nothing writes there")
