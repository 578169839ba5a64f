"""The object store `url`: contents on a storage service, in the layout of a remote of dvc, with a folder as its cache.

The layout is that of the store in a folder, too. What is stored goes into the cache first and is uploaded from there;
what is read is downloaded into it, checked by its digest, and read there. The modes of a folder are uploaded last, and
always: with them it is whole.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.content import (
    FOLDER_SUFFIX,
    Content,
    ContentFile,
    Damage,
    HashedFile,
    LocalObject,
    StoredObject,
    UploadFile,
)
from reconciler.model.grants import Access, Grant
from reconciler.model.object_store import StoreContext, check_entry_name, is_entry_name
from reconciler.storage._filesystems import open_filesystem
from reconciler.storage._remote_file import RemoteFile
from reconciler.storage._remote_files import RemoteFiles
from reconciler.storage._remote_modes import RemoteModes
from reconciler.storage._remote_objects import RemoteObjects, object_path
from reconciler.storage._remote_removal import RemovalNotices, UseMarks, is_old
from reconciler.storage._sha256 import has_sha256
from reconciler.storage.assembly import check_entries, content_of_file, make_entry
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.objects import is_object_key
from reconciler.storage.store_errors import missing_error
from reconciler.storage.store_url import SECRETS, parse_store_url
from reconciler.storage.temporary_files import ABANDONED_SECONDS

_DEFAULT_JOBS = 8
_STAMPS_FOLDER = "remotes"
_ID_FILE, _ENTRIES = "id", "entries"


def open_url_store(settings: Mapping[str, Json], context: StoreContext) -> UrlStore:
    """Return the store at the URL of settings; nothing is asked of it yet."""
    url, folder = parse_store_url(settings), Path(context.folder)
    own = {name: value for name, value in settings.items() if name not in {"cache", "jobs"}}
    connect = partial(open_filesystem, url, own, folder, context.read_secret)

    def read_secrets() -> tuple[str, ...]:
        return tuple(filter(None, map(context.read_secret, SECRETS)))

    remote = RemoteFiles(url.service.name, url.location, url.path, connect, read_secrets)
    cache = FolderStore(Path(os.path.realpath(folder / settings["cache"])))
    return UrlStore(remote, cache, settings.get("jobs", _DEFAULT_JOBS))


class UrlStore:
    """An object store on a service; several machines, each with a cache of its own, may use it at once."""

    def __init__(self, remote: RemoteFiles, cache: FolderStore, jobs: int) -> None:
        self.cache = cache
        self._remote = remote
        stamps = cache.root / _STAMPS_FOLDER / sha256(remote.location.encode()).hexdigest()[:32]
        self._objects = RemoteObjects(remote, cache, stamps, jobs)
        self._modes = RemoteModes(remote, cache)
        self._marks = UseMarks(remote, self._read_keys)
        self._notices = RemovalNotices(remote)

    @property
    def location(self) -> str:
        return self._remote.location

    @cached_property
    def id(self) -> str:
        if self._remote.create(_ID_FILE, uuid.uuid4().hex.encode()) and self._remote.create(_ID_FILE, b"replaced"):
            self._remote.delete(_ID_FILE)
            message = (
                f"the service at {self.location} replaces a file that it was asked to create only if there is none"
            )
            hint = "use a service or a version of it that has conditional writes (If-None-Match), or a folder"
            raise user_error("store-not-usable", message, hint)
        return self.find_id()

    def find_id(self) -> str:
        return (self._remote.read(_ID_FILE) or b"").decode("ascii", "replace").strip()

    def put(self, files: Iterable[UploadFile]) -> Content:
        content = self.cache.put(files)
        self._upload(content.digest, self.cache.read_listing(content.digest).values())
        self._modes.upload(content)
        return content

    def put_file(self, name: str, stream: BinaryIO) -> Content:
        content = self.cache.put_file(name, stream)
        self._upload(content.digest)
        return content

    def manifest(self, content: Content) -> tuple[ContentFile, ...]:
        if content.is_folder:
            self._objects.download([content.digest])
            self._modes.fetch(content)
        return self.cache.manifest(content)

    def open(self, digest: str) -> BinaryIO:
        self._objects.download([digest])
        return self.cache.open(digest)

    def local(self, digest: str) -> LocalObject | None:
        self._objects.use_copies([digest])
        return self.cache.local(digest)

    def fetch(self, digests: Iterable[str]) -> None:
        self._objects.download(filter(is_object_key, digests), strict=False)

    def grant(self, digests: Iterable[str], access: Access, seconds: int) -> Mapping[str, Grant] | None:
        return self._objects.grant(digests, access, seconds)

    def assemble(self, files: Iterable[HashedFile], name: str = "") -> Content:
        entries = tuple(map(make_entry, files))
        self._objects.check(entries)
        check_entries(entries, self.open)
        content = content_of_file(name, entries) if name else self.cache.put_entries(entries)
        if not name:
            self._upload(content.digest)
            self._modes.upload(content)
        if not self.keep(content):
            raise missing_error(content.digest, self.location)
        return content

    def missing(self, digests: Iterable[str]) -> frozenset[str]:
        wanted = dict.fromkeys(digests)
        found = self._objects.find(filter(is_object_key, wanted))
        listings = {digest: self._find_listing(digest) for digest in found if digest.endswith(FOLDER_SUFFIX)}
        keys = {key for listing in listings.values() for key in listing or ()}
        files = self._objects.find(keys)
        broken = {digest for digest, listing in listings.items() if listing is None or not listing <= files.keys()}
        return frozenset(digest for digest in wanted if digest not in found or digest in broken)

    def verify(self, content: Content, *, deep: bool = False) -> tuple[Damage, ...]:
        """Return what of a content is missing or not as it was stored, on the service.

        What it reports as it was when its bytes were last known to be right, or with their md5, is read only if
        ``deep``.
        """
        damaged = self._objects.find_damaged([content.digest], deep=deep)
        if content.digest in damaged:
            return (self._damage(content.name, content.digest, is_missing=damaged[content.digest]),)
        if not content.is_folder:
            return ()
        self._objects.download([content.digest])
        listing = self.cache.read_listing(content.digest)
        damaged = self._objects.find_damaged(listing.values(), deep=deep)
        if damaged:
            paths = sorted(path for path, key in listing.items() if key in damaged)
            return tuple(self._damage(path, listing[path], is_missing=damaged[listing[path]]) for path in paths)
        return self._modes.verify(content, listing, self._objects.sha256_of if deep else None)

    def has_recorded_sha256(self, content: Content) -> bool:
        files = self.manifest(content)
        self._objects.download(file.digest for file in files)
        return has_sha256(self.cache, content, files)

    def keep(self, content: Content) -> bool:
        found = self._find_whole(content)
        if found is None:
            return False
        has_old = any(map(is_old, found.values()))
        if has_old:
            self._marks.mark(content.digest)
        if not self._notices.wait() and not has_old:
            return True
        return self._find_whole(content) is not None

    def objects(self) -> Iterator[StoredObject]:
        used = self._marks.read_times()
        for key, file in self._objects.list_all():
            yield StoredObject(key, file.size, max(file.modified, used.get(key, 0.0)))

    def remove(self, digests: Iterable[str], before: float) -> frozenset[str]:
        self._remote.remove_abandoned(time.time() - ABANDONED_SECONDS)
        removed: set[str] = set()
        rest = list(dict.fromkeys(filter(is_object_key, digests)))
        while rest:
            with self._notices.announce() as may_send:
                used = self._marks.read_times(before)
                old = [key for key, file in self._objects.find(rest).items() if file.modified < before]
                gone = self._objects.remove([key for key in old if key not in used], may_send)
                self._marks.forget(gone)
            removed |= gone
            rest = [key for key in old if key not in used and key not in gone] if gone else []
        return frozenset(removed)

    def create(self, name: str, data: bytes) -> bool:
        check_entry_name(name)
        return self._remote.create(f"{_ENTRIES}/{name}", data)

    def replace(self, name: str, data: bytes) -> None:
        check_entry_name(name)
        self._remote.replace(f"{_ENTRIES}/{name}", data)

    def read(self, name: str) -> bytes | None:
        check_entry_name(name)
        return self._remote.read(f"{_ENTRIES}/{name}")

    def list(self, prefix: str) -> tuple[str, ...]:
        group, has_group, _ = prefix.partition("/")
        groups = [group] if has_group else [name for name, file in self._remote.list(_ENTRIES).items() if file is None]
        names = (f"{folder}/{name}" for folder in groups for name in self._remote.list(f"{_ENTRIES}/{folder}"))
        return tuple(sorted(name for name in names if name.startswith(prefix) and is_entry_name(name)))

    def delete(self, name: str) -> None:
        check_entry_name(name)
        self._remote.delete(f"{_ENTRIES}/{name}")

    def _upload(self, digest: str, files: Iterable[str] = ()) -> None:
        """Upload a content, its list last; what was there is used from now on, and is sent again if it was removed.

        If the list itself was removed meanwhile, the files that are left are marked one by one.
        """
        while True:
            files_done, list_done = self._objects.upload(files), self._objects.upload([digest])
            old = files_done.old | list_done.old
            if old:
                self._marks.mark(digest, () if list_done.old else old)
            if not self._notices.wait() and not old:
                return
            self._objects.upload(files)
            if digest not in self._objects.upload([digest]).sent or not list_done.old:
                return

    def _find_whole(self, content: Content) -> Mapping[str, RemoteFile] | None:
        """Return all objects of a content, None if one is missing, or the modes of a folder."""
        if not content.is_folder:
            return self._objects.find([content.digest]) or None
        listing = self._find_listing(content.digest)
        if listing is None or not self._modes.exists(content):
            return None
        found = self._objects.find({content.digest, *listing})
        return found if found.keys() >= {content.digest, *listing} else None

    def _read_keys(self, digest: str) -> set[str]:
        return self._find_listing(digest) or set()

    def _find_listing(self, digest: str) -> set[str] | None:
        """Return the keys of the files of a folder, None if its list is missing or cannot be read."""
        try:
            self._objects.download([digest])
            return set(self.cache.read_listing(digest).values())
        except UserError as error:
            if error.diagnostics[0].code not in {"content-missing", "content-corrupt"}:
                raise
            return None

    def _damage(self, file: str, digest: str, *, is_missing: bool) -> Damage:
        return Damage(file, f"{self.location}/{object_path(digest)}", is_missing)
