"""The objects of a store on a service, and how they get there from the cache and back.

A stamp of an object is what the service said of it when its bytes were last known to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX
from reconciler.model.grants import Access, Grant
from reconciler.storage._filesystems import BLOCK_SIZE
from reconciler.storage._remote_file import RemoteFile
from reconciler.storage._remote_files import RemoteFiles
from reconciler.storage._remote_removal import is_old
from reconciler.storage.digests import Digests, compute_digests
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import ManifestEntry
from reconciler.storage.objects import is_object_key
from reconciler.storage.stamps import NO_FILE, Stamp, Stamps
from reconciler.storage.transfers import Transfer, TransferPool

OnBytes = Callable[[int], None]
MODES_FOLDER = "modes"
_FOLDER = "files/md5"
_FOLDERS = 256
_PAGE = 1000  # files of one answer of S3; of Azure it has five times as many
_MAX_PAGES = 32  # of one listing, which is held in memory
_ASKED_SINGLY = 4  # objects for each page of the listing that would tell the same


class Uploaded(NamedTuple):
    """The keys of what was sent, and of what was there and was not stored just now."""

    sent: frozenset[str]
    old: frozenset[str]


class RemoteObjects:
    """The objects of a store on a service by key; ``stamps`` is the folder for what is known of them here."""

    def __init__(self, remote: RemoteFiles, cache: FolderStore, stamps: Path, jobs: int) -> None:
        self._remote = remote
        self._cache = cache
        self._stamps_folder = stamps
        self._stamps = Stamps(stamps)
        self._pool = TransferPool(jobs, BLOCK_SIZE)
        self._sha256: dict[str, str] = {}

    def find(self, keys: Iterable[str]) -> Mapping[str, RemoteFile]:
        """Return what the service says of those of the objects that it has, in as few requests as it takes.

        Digests spread objects evenly over the folders, so one folder tells how many there are in all.
        """
        by_folder: dict[str, set[str]] = {}
        for key in keys:
            by_folder.setdefault(object_path(key).rpartition("/")[0], set()).add(key)
        wanted = set[str]().union(*by_folder.values())
        if len(wanted) <= _ASKED_SINGLY:
            return self._find_singly(wanted)
        fullest = max(by_folder, key=lambda folder: len(by_folder[folder]))
        found = self._list([fullest])
        pages_of_all = 1 + len(found) * _FOLDERS // _PAGE
        if self._remote.is_flat and pages_of_all < min(len(by_folder), _MAX_PAGES):
            found = {path.replace("/", ""): file for path, file in self._remote.list_below(_FOLDER).items()}
        else:
            enough = _ASKED_SINGLY * (1 + len(found) // _PAGE)
            listed = {folder for folder, names in by_folder.items() if len(names) > enough} | {fullest}
            found |= self._list(listed - {fullest})
            found |= self._find_singly(wanted.difference(*(by_folder[folder] for folder in listed)))
        return {key: found[key] for key in wanted if key in found}

    def _find_singly(self, keys: Iterable[str]) -> dict[str, RemoteFile]:
        wanted = list(keys)
        found = zip(wanted, self._pool.map(lambda key: self._remote.find(object_path(key)), wanted), strict=True)
        return {key: file for key, file in found if file is not None}

    def _list(self, folders: Iterable[str]) -> dict[str, RemoteFile]:
        """Return all objects of folders by key."""
        listed = list(folders)
        return {
            f"{folder.rpartition('/')[2]}{name}": file
            for folder, names in zip(listed, self._pool.map(self._remote.list, listed), strict=True)
            for name, file in names.items()
            if file is not None
        }

    def upload(self, keys: Iterable[str]) -> Uploaded:
        """Upload from the cache what the service does not have whole."""
        paths = {key: self._cache.object_files.object_path(key) for key in keys}
        transfers = [Transfer(key, path.stat().st_size) for key, path in paths.items()]
        recorded, found = self._stamps.read(paths), self.find(paths)
        lacking = [
            transfer
            for transfer in transfers
            if transfer.key not in found or not _is_whole(transfer, found[transfer.key], recorded.get(transfer.key))
        ]
        sent = frozenset(transfer.key for transfer in lacking)
        old = frozenset(key for key, file in found.items() if key not in sent and is_old(file))
        if not lacking:
            return Uploaded(sent, old)

        def upload_one(transfer: Transfer, concurrency: int, on_bytes: OnBytes) -> None:
            try:
                self._remote.upload(paths[transfer.key], object_path(transfer.key), concurrency, on_bytes)
            except FileNotFoundError as error:
                raise self._remote.missing_root_error() from error

        self._pool.run(upload_one, lacking, "uploading")
        self._check_uploaded(lacking)
        return Uploaded(sent, old)

    def list_all(self) -> Iterator[tuple[str, RemoteFile]]:
        """Yield all objects by key, with what the service says of each; other files in their folders are left out."""
        folders = [name for name, file in self._remote.list(_FOLDER).items() if file is None]
        listed = self._pool.map(lambda folder: self._remote.list(f"{_FOLDER}/{folder}"), folders)
        for folder, names in zip(folders, listed, strict=True):
            for name, file in names.items():
                if file is not None and is_object_key(folder + name):
                    yield folder + name, file

    def remove(self, keys: Iterable[str], may_send: Callable[[], bool]) -> frozenset[str]:
        """Remove objects, as long as a request may be sent; return those that were removed."""

        def remove_one(key: str) -> bool:
            if not may_send():
                return False
            if key.endswith(FOLDER_SUFFIX):  # its modes go first: without them it is not whole, and is stored again
                for name in self._remote.list(f"{MODES_FOLDER}/{key}"):
                    self._remote.delete(f"{MODES_FOLDER}/{key}/{name}")
            self._remote.delete(object_path(key))
            return True

        wanted = list(keys)
        results = zip(wanted, self._pool.map(remove_one, wanted), strict=True)
        return frozenset(key for key, is_removed in results if is_removed)

    def download(self, keys: Iterable[str], *, strict: bool = True) -> None:
        """Bring objects into the cache that it does not have intact; each is checked by its digest.

        What it has counts as used now, so that old copies can be removed.
        Raises UserError ``content-missing`` or ``content-corrupt``; unless ``strict`` such objects are left out.
        """
        wanted = dict.fromkeys(keys)
        lacking = self._cache.object_files.find_damaged(wanted)
        self.use_copies(wanted.keys() - lacking)
        if not lacking:
            return
        found = self.find(lacking)
        if strict and (missing := lacking - found.keys()):
            raise self._missing_error(min(missing))

        def download_one(transfer: Transfer, concurrency: int, on_bytes: OnBytes) -> None:
            def write(path: Path) -> bool:
                return self._remote.download(object_path(transfer.key), path, transfer.size, concurrency, on_bytes)

            outcome = self._cache.object_files.put_as(transfer.key, write)
            self._stamps.record({transfer.key: found[transfer.key].stamp if outcome else NO_FILE})
            if strict and not outcome:
                raise self._missing_error(transfer.key) if outcome is None else self._corrupt_error(transfer.key)

        transfers = [Transfer(key, file.size) for key, file in found.items()]
        try:
            self._pool.run(download_one, transfers, "downloading")
        finally:
            self._cache.object_files.stamps.flush()
            self._flush()

    def use_copies(self, keys: Iterable[str]) -> None:
        """Make the copies of objects in the cache as young as new ones."""
        for key in keys:
            self._cache.object_files.keep(key)
        self._cache.object_files.stamps.flush()

    def find_damaged(self, keys: Iterable[str], *, deep: bool = False) -> Mapping[str, bool]:
        """Return those of the objects that are not as they were stored, with whether they are missing.

        Unless ``deep``, one that is as it was when its bytes were right, or that the service has their md5 of, is not
        read, but for one that was found wrong before.
        """
        wanted = dict.fromkeys(keys)
        found = self.find(wanted)
        recorded = {} if deep else self._stamps.read(wanted)
        unknown = [key for key, file in found.items() if deep or not _is_known_right(key, file, recorded.get(key))]
        results = zip(unknown, self._pool.map(self._read_digests, unknown), strict=True)
        digests = {key: result for key, result in results if result is not None}
        self._sha256 |= {key: result.sha256 for key, result in digests.items()}
        right = {key for key, result in digests.items() if result.md5 == key.removesuffix(FOLDER_SUFFIX)}
        self._stamps.record({key: found[key].stamp if key in right else NO_FILE for key in unknown})
        self._flush()
        changed = {key: key not in digests for key in unknown if key not in right}
        return {**changed, **{key: True for key in wanted if key not in found}}

    def grant(self, keys: Iterable[str], access: Access, seconds: int) -> Mapping[str, Grant] | None:
        """Return a request for each object by its key; None if the service has no such."""
        wanted = list(dict.fromkeys(keys))
        md5s = {object_path(key): key.removesuffix(FOLDER_SUFFIX) for key in wanted}
        grants = self._remote.grant(md5s, access, seconds)
        return None if grants is None else dict(zip(wanted, grants, strict=True))

    def check(self, entries: Iterable[ManifestEntry]) -> None:
        """Check that the service has the objects of files, with their sizes and their bytes.

        Raises UserError ``content-missing`` or ``content-corrupt``.
        """
        by_key = {entry.md5: entry for entry in entries}
        found = self.find(by_key)
        if missing := by_key.keys() - found.keys():
            raise self._missing_error(min(missing))
        wrong = {key for key, entry in by_key.items() if found[key].size != entry.size}
        wrong = wrong or set(self.find_damaged(by_key))
        wrong = wrong or {key for key, entry in by_key.items() if self._sha256.get(key, entry.sha256) != entry.sha256}
        if wrong:
            raise self._corrupt_error(min(wrong))

    def sha256_of(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Return the sha256 of objects that `find_damaged` has read."""
        return {key: self._sha256[key] for key in keys}

    def _read_digests(self, key: str) -> Digests | None:
        try:
            with self._remote.open(object_path(key)) as stream:
                return compute_digests(stream)
        except FileNotFoundError:
            return None

    def _check_uploaded(self, transfers: list[Transfer]) -> None:
        """Check the sizes of what was uploaded, and note what the service says of it."""
        found = self.find(transfer.key for transfer in transfers)
        for transfer in transfers:
            if transfer.key not in found or found[transfer.key].size != transfer.size:
                raise self._incomplete_error(transfer.key)
        self._stamps.record({key: file.stamp for key, file in found.items()})
        self._flush()

    def _flush(self) -> None:
        self._stamps_folder.mkdir(parents=True, exist_ok=True)
        self._stamps.flush()

    def _incomplete_error(self, key: str) -> UserError:
        message = f"{self._remote.location}/{object_path(key)} is not complete after its upload"
        return user_error("store-not-usable", message, "run the command again: it uploads what is not there")

    def _missing_error(self, key: str) -> UserError:
        message = f"content {key} is missing or incomplete in the store at {self._remote.location}"
        return user_error("content-missing", message, "store it again from its source")

    def _corrupt_error(self, key: str) -> UserError:
        message = f"content {key} is not as it was stored: {self._remote.location}/{object_path(key)} has other bytes"
        return user_error("content-corrupt", message, "store it again from its source")


def object_path(key: str) -> str:
    """Return the path of an object from the root of a store."""
    return f"{_FOLDER}/{key[:2]}/{key[2:]}"


def _is_whole(transfer: Transfer, file: RemoteFile, recorded: Stamp | None) -> bool:
    """Return True if an object need not be uploaded.

    One that was changed since its bytes were right has to be, one that others have put there with other bytes, and one
    that was found wrong before.
    """
    is_unknown = recorded is None and not file.is_md5_sure
    return file.size == transfer.size and (is_unknown or _is_known_right(transfer.key, file, recorded))


def _is_known_right(key: str, file: RemoteFile, recorded: Stamp | None) -> bool:
    """Return True if an object has its bytes as far as is known without reading it.

    On Azure, the md5 is what its writer says: it does not count for one that had other bytes when it was read.
    """
    return recorded != NO_FILE and (recorded == file.stamp or file.md5 == key.removesuffix(FOLDER_SUFFIX))
