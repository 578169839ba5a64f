"""Transfers between a folder of the user and a datastore: several files at once, and again only those that lack.

What is known of both sides is kept with the other local files of the repository: of a download, which files are whole;
of uploads, which file of this machine a file of the datastore has the bytes of.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reconciler.abbreviation import join_some, pluralize
from reconciler.diagnostics import UserError, user_error
from reconciler.model.datastores import DatastoreEntry, Identity, check_names, ignores_case
from reconciler.project.data_files import DataPath
from reconciler.regular_files import open_regular_file
from reconciler.storage.counted_stream import CountedStream
from reconciler.storage.datastores._object_store import ObjectStoreDatastore
from reconciler.storage.digests import Digests, compute_digests
from reconciler.storage.stamps import Stamps, stamp_of
from reconciler.storage.target_folder import NewFile, write_files
from reconciler.storage.transfers import Transfer, TransferPool

OnProgress = Callable[[int, int], object]
"""Is called with the numbers of files and of bytes that are done."""

_JOBS = 8
_REQUEST_BYTES = 8 << 20
_FLUSHED_TOGETHER = 20  # uploads that are forgotten at most if the process is killed, and then compared
_REGULAR_MODE = 0o100644
_MISSING = "datastore-path-missing"
_RESUMED = "run the command again to go on: what is complete is not sent again"


class DataTransfer(NamedTuple):
    """Files to bring or to put: the path of each in the datastore, and its path in the folder of the user."""

    entries: tuple[tuple[DatastoreEntry, str], ...]

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self.entries)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(entry.identity.size for entry, _ in self.entries)


def find_download(place: DataPath) -> DataTransfer:
    """Return the files at a path with their paths in a folder: a file keeps its name, a folder gives its content.

    Raises UserError ``datastore-path-missing``.
    """
    entry = place.datastore.stat(place.path)
    if not entry.is_folder:
        return DataTransfer(((entry, entry.path.rpartition("/")[2]),))
    start = len(place.path) + 1 if place.path else 0
    return DataTransfer(tuple((file, file.path[start:]) for file in place.datastore.list(place.path)))


def download(place: DataPath, transfer: DataTransfer, folder: Path, on_progress: OnProgress, *, overwrite: bool) -> int:
    """Write files of a datastore into a folder and return how many; all are written, or none. See `write_files`.

    After a cut the next call reads only the files that are not whole. Raises UserError ``target-exists`` for a file
    that is there unless ``overwrite``, ``download-active``, and ``datastore-file-changed``.
    """
    files = [
        NewFile(
            path,
            _REGULAR_MODE,
            "",
            partial(place.datastore.open, entry.path, entry.identity),
            place.uri(place.path),
            "run the command again",
            _name_bytes(place, entry),
        )
        for entry, path in transfer.entries
    ]
    key = hashlib.sha256(json.dumps([place.datastore.location, place.path, str(folder)]).encode()).hexdigest()[:32]
    list_file = place.local_folder / "downloads" / f"{key}.jsonl"

    def verify(digests: Mapping[str, Digests]) -> None:
        for entry, path in transfer.entries:
            if digests[path].size != entry.identity.size:
                raise _incomplete_error(place, entry.path, digests[path].size, entry.identity.size)

    with _hinting():
        return write_files(
            files,
            folder,
            overwrite=overwrite,
            verify=verify,
            on_progress=on_progress,
            jobs=_JOBS,
            list_file=list_file,
        )


def find_upload(source: Path, place: DataPath, *, into_folder: bool) -> DataTransfer:
    """Return the files to put: a file at the path, or ``into_folder`` below it; of a folder its files, below the path.

    The path of each in the datastore comes first. Raises UserError ``path-missing``, ``not-a-file``, ``link-outside``.
    """
    if not os.path.lexists(source):
        raise user_error("path-missing", f"there is no {source}", "name a file or a folder")
    if not source.is_dir():
        is_below = into_folder or not place.path
        target = "/".join(filter(None, (place.path, source.name))) if is_below else place.path
        return DataTransfer(((_upload_entry(source, source, target), str(source)),))
    return DataTransfer(tuple(sorted(_walk(source, place.path))))


def _walk(source: Path, path: str) -> Iterator[tuple[DatastoreEntry, str]]:
    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(source, onerror=fail):
        for name in folders:
            if Path(folder, name).is_symlink():
                message = f"{Path(folder, name)} is a link to a folder"
                raise user_error("link-outside", message, "put a copy of what it points to in its place")
        for name in names:
            file = Path(folder, name)
            target = "/".join(filter(None, (path, file.relative_to(source).as_posix())))
            yield _upload_entry(source, file, target), str(file)


def _upload_entry(source: Path, file: Path, target: str) -> DatastoreEntry:
    if file.is_symlink() and file != source and not file.resolve().is_relative_to(source.resolve()):
        message = f"{file} is a link to {file.resolve()}, which is outside of {source}"
        raise user_error("link-outside", message, "put a copy of what it points to in its place")
    if not file.is_file():
        raise user_error("not-a-file", f"{file} is neither a file nor a folder", "put files")
    return DatastoreEntry(target, Identity(file.stat().st_size))


def upload(place: DataPath, transfer: DataTransfer, *, overwrite: bool) -> int:
    """Put files into a datastore and return how many it did not have already; each is complete or not there.

    A file that was put from this machine, and that neither side has changed since, is not sent again; another one of
    the same size is read from the datastore and compared, unless ``overwrite``. Raises UserError ``target-exists``
    before anything is put if the datastore has another file at one of the paths, unless ``overwrite``, and
    ``datastore-names-alike`` if two of the files would be one there.
    """
    check_names(place.datastore, [entry.path for entry, _ in transfer.entries])
    uploads = _Uploads(place, transfer)
    existing = _find_existing(place, [entry.path for entry, _ in transfer.entries])
    with _hinting():
        equal = uploads.find_equal(existing, compare=not overwrite)
    others = [path for path in existing if path not in equal]
    if others and not overwrite:
        message = f"datastore/{place.name} has {pluralize(len(others), 'other file')}: {join_some(others)}"
        raise user_error("target-exists", message, "use --overwrite to replace files, or name another path")
    with _hinting():
        return uploads.send(equal)


class _Uploads:
    """The files of an upload, and what is known of them from earlier ones."""

    def __init__(self, place: DataPath, transfer: DataTransfer) -> None:
        self._place = place
        self._sources = {entry.path: source for entry, source in transfer.entries}
        self._transfers = [Transfer(entry.path, entry.identity.size) for entry, _ in transfer.entries]
        self._pool = TransferPool(_JOBS, _REQUEST_BYTES)
        folder = place.local_folder / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        self._stamps = Stamps(folder)
        self._unsaved = 0

    def find_equal(self, existing: Mapping[str, DatastoreEntry], *, compare: bool) -> frozenset[str]:
        """Return those of the files of the datastore that have the bytes of their sources."""
        names = {path: _name_bytes(self._place, entry) for path, entry in existing.items()}
        recorded = self._stamps.read(names.values())
        sent = (path for path, name in names.items() if recorded.get(name) == stamp_of(Path(self._sources[path])))
        known = set(filter(self._is_intact, sent))
        sizes = {transfer.key: transfer.size for transfer in self._transfers}
        unknown = [path for path in existing if path not in known and existing[path].identity.size == sizes[path]]
        equal = set[str]()

        def compare_one(transfer: Transfer, _: int, on_bytes: Callable[[int], None]) -> None:
            if self._is_equal(existing[transfer.key], on_bytes):
                equal.add(transfer.key)

        if compare and unknown:
            self._pool.run(compare_one, [Transfer(path, sizes[path]) for path in unknown], "comparing")
            self._record({path: existing[path] for path in equal})
            self._stamps.flush()
        return frozenset(known | equal)

    def send(self, equal: frozenset[str]) -> int:
        """Send the files that the datastore does not have; return how many."""
        lacking = [transfer for transfer in self._transfers if transfer.key not in equal]

        def send_one(transfer: Transfer, _: int, on_bytes: Callable[[int], None]) -> None:
            self._send(transfer.key, on_bytes)

        try:
            self._pool.run(send_one, lacking, "uploading")
        finally:
            self._stamps.flush()
        return len(lacking)

    def _is_intact(self, path: str) -> bool:
        """Return False for a file whose bytes the object store has lost since; a service keeps what it has."""
        datastore = self._place.datastore
        return not isinstance(datastore, ObjectStoreDatastore) or datastore.is_intact(path)

    def _is_equal(self, entry: DatastoreEntry, on_bytes: Callable[[int], None]) -> bool:
        with open_regular_file(self._sources[entry.path]) as stream:
            wanted = compute_digests(stream)
        with self._place.datastore.open(entry.path, entry.identity) as stream:
            return compute_digests(stream, lambda chunk: on_bytes(len(chunk))) == wanted

    def _send(self, path: str, on_bytes: Callable[[int], None]) -> None:
        """Send a file, and check that the datastore has all of it."""
        stamp, sent = stamp_of(Path(self._sources[path])), 0

        def report(count: int) -> None:
            nonlocal sent
            on_bytes(count - sent)
            sent = count

        with open_regular_file(self._sources[path]) as stream, CountedStream(stream, report) as counted:
            entry = self._place.datastore.write(path, counted)
            size = counted.count
        if entry.identity.size != size:
            raise _incomplete_error(self._place, path, entry.identity.size, size)
        if stamp_of(Path(self._sources[path])) == stamp:
            self._record({path: entry})

    def _record(self, entries: Mapping[str, DatastoreEntry]) -> None:
        stamps = {
            _name_bytes(self._place, entry): stamp_of(Path(self._sources[path])) for path, entry in entries.items()
        }
        self._stamps.record(stamps)
        self._unsaved += len(stamps)
        if self._unsaved >= _FLUSHED_TOGETHER:
            self._unsaved = 0
            self._stamps.flush()


def _incomplete_error(place: DataPath, path: str, size: int, expected: int) -> UserError:
    message = f"{place.uri(path)}: {size:,} of {expected:,} bytes were transferred"
    return user_error("datastore-failed", message, "check that nothing else writes there")


def _name_bytes(place: DataPath, entry: DatastoreEntry) -> str:
    """Return a name of the bytes of a file of a datastore: another one after any change of it."""
    key = json.dumps([place.datastore.location, entry.path, *entry.identity])
    return hashlib.sha256(key.encode()).hexdigest()


def _find_existing(place: DataPath, paths: Sequence[str]) -> dict[str, DatastoreEntry]:
    """Return what the datastore has at some paths; one path is asked for, more are looked up in a list."""
    name_of = str.lower if ignores_case(place.datastore) else str
    try:
        found: Iterable[DatastoreEntry]
        found = [place.datastore.stat(paths[0])] if len(paths) == 1 else place.datastore.list(place.path)
        existing = {name_of(entry.path): entry for entry in found}
    except UserError as error:
        if error.diagnostics[0].code != _MISSING:
            raise
        return {}
    return {path: existing[name_of(path)] for path in paths if name_of(path) in existing}


@contextmanager
def _hinting() -> Iterator[None]:
    """Say of an error of the service that the transfer can go on."""
    try:
        yield
    except UserError as error:
        first, *others = error.diagnostics
        if not first.code.startswith("datastore-"):
            raise
        raise UserError(first._replace(hint=f"{first.hint}; then {_RESUMED}"), *others) from None
