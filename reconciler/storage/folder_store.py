"""The object store `folder`: files and folders by content, in a folder that `dvc` can read as its own cache.

The modes of files, which dvc does not record, are kept beside the lists of folders under the sha256 of the content.
``dvc_listing`` is imported by name, when a folder is stored: most uses of a store write none.
"""

from __future__ import annotations

import importlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
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
from reconciler.model.grants import Access
from reconciler.model.object_store import StoreContext
from reconciler.regular_files import read_regular_file
from reconciler.storage.assembly import assemble_by_reading
from reconciler.storage.digests import compute_digests
from reconciler.storage.entries import NamedEntries
from reconciler.storage.manifest import (
    MAX_LINK_BYTES,
    REGULAR_MODE,
    SYMLINK_MODE,
    ManifestEntry,
    check_link,
    check_mode,
    check_path,
    check_path_conflicts,
    is_safe_relative_path,
    manifest_sha256,
    special_modes,
)
from reconciler.storage.objects import ObjectFiles, is_object_key
from reconciler.storage.stamps import stamp_of

_ID_FILE = "id"
_MAX_ID_BYTES = 1000


def open_folder_store(settings: Mapping[str, Json], context: StoreContext) -> FolderStore:
    """Return the store at the path that settings name."""
    return FolderStore(Path(os.path.realpath(Path(context.folder) / settings["path"])))


class FolderStore:
    """An object store in a folder, which is created when something is stored."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.object_files = ObjectFiles(self.root)
        self._entries = NamedEntries(self.object_files)

    @property
    def location(self) -> str:
        return str(self.root)

    @cached_property
    def id(self) -> str:
        self.object_files.publish_new(self.root / _ID_FILE, uuid.uuid4().hex.encode())
        store_id = self.find_id()
        if not store_id:
            message = f"the id of the object store cannot be read from {self.root / _ID_FILE}"
            hint = "restore the file from a copy of the store; records name the store by its id"
            raise user_error("store-not-usable", message, hint)
        return store_id

    def find_id(self) -> str:
        try:
            return read_regular_file(self.root / _ID_FILE, _MAX_ID_BYTES).decode("ascii").strip()
        except (OSError, ValueError):
            return ""

    def put(self, files: Iterable[UploadFile]) -> Content:
        return self.put_entries(tuple(map(self._put_source, files)))

    def put_entries(self, entries: Sequence[ManifestEntry]) -> Content:
        """Store the list of the files of a folder, and their modes; the files themselves need not be here."""
        check_path_conflicts(entry.path for entry in entries)
        encode_listing = importlib.import_module("reconciler.storage.dvc_listing").encode_listing
        listing: bytes = encode_listing({entry.path: entry.md5 for entry in entries})
        sha256 = manifest_sha256(entries)
        digest = self.object_files.put_bytes(listing, FOLDER_SUFFIX).md5
        self._write_modes(digest, sha256, special_modes(entries))
        self.object_files.stamps.flush()
        return Content(digest, sha256, sum(entry.size for entry in entries), len(entries))

    def put_file(self, name: str, stream: BinaryIO) -> Content:
        check_path(name)
        digests = self.object_files.put_stream(stream, name)
        self.object_files.stamps.flush()
        return Content(*digests, 1, name)

    def manifest(self, content: Content) -> tuple[ContentFile, ...]:
        if not content.is_folder:
            return (ContentFile(content.name or content.digest, REGULAR_MODE, content.digest),)
        modes = self._load_modes(content)
        return tuple(
            ContentFile(path, modes.get(path, REGULAR_MODE), key)
            for path, key in sorted(self.read_listing(content.digest).items())
        )

    def open(self, digest: str) -> BinaryIO:
        return self.object_files.open(digest)

    def local(self, digest: str) -> LocalObject | None:
        path = self.object_files.object_path(digest)
        stamp = self.object_files.stamps.read([digest]).get(digest, ())
        return LocalObject(str(path), stamp) if path.is_file() else None

    def fetch(self, digests: Iterable[str]) -> None:
        """Do nothing: the store is on this machine."""

    def grant(self, _digests: Iterable[str], _access: Access, _seconds: int) -> None:
        """Return None: no service serves the folder."""

    def assemble(self, files: Iterable[HashedFile], name: str = "") -> Content:
        return assemble_by_reading(self, files, name)

    def missing(self, digests: Iterable[str]) -> frozenset[str]:
        return frozenset(digest for digest in dict.fromkeys(digests) if not self._is_present(digest))

    def verify(self, content: Content, *, deep: bool = False) -> tuple[Damage, ...]:
        """Return what of a content is missing or not as it was stored.

        A file that has the stamp of when its bytes were last known to be right is read only if ``deep``.
        """
        if self.object_files.find_damaged([content.digest], deep=deep):
            return (_damage(content.name, self.object_files.object_path(content.digest)),)
        if not content.is_folder:
            return ()
        listing = self.read_listing(content.digest)
        damaged = self.object_files.find_damaged(listing.values(), deep=deep)
        if not damaged and not self._has_modes(content, listing):
            return (Damage("", str(self.modes_path(content)), is_missing=False),)
        paths = sorted(path for path, key in listing.items() if key in damaged)
        return tuple(_damage(path, self.object_files.object_path(listing[path])) for path in paths)

    def has_recorded_sha256(self, content: Content) -> bool:  # noqa: ARG002 - of the protocol
        """Return True, as no service has written its objects: a file that was changed has another stamp."""
        return True

    def keep(self, content: Content) -> bool:
        if not self.object_files.keep(content.digest):
            return False
        keys = frozenset(self.read_listing(content.digest).values()) if content.is_folder else ()
        is_complete = all(map(self.object_files.keep, keys))
        self.object_files.stamps.flush()
        return is_complete

    def objects(self) -> Iterator[StoredObject]:
        return self.object_files.list_objects()

    def remove(self, digests: Iterable[str], before: float) -> frozenset[str]:
        return self.object_files.remove(digests, before)

    def create(self, name: str, data: bytes) -> bool:
        return self._entries.create(name, data)

    def replace(self, name: str, data: bytes) -> None:
        self._entries.replace(name, data)

    def read(self, name: str) -> bytes | None:
        return self._entries.read(name)

    def list(self, prefix: str) -> tuple[str, ...]:
        return self._entries.list(prefix)

    def delete(self, name: str) -> None:
        self._entries.delete(name)

    def _put_source(self, file: UploadFile) -> ManifestEntry:
        check_path(file.path)
        check_mode(file.path, file.mode)
        with file.open() as stream:
            if file.mode != SYMLINK_MODE:
                return ManifestEntry(file.path, file.mode, *self.object_files.put_stream(stream, file.path))
            target = stream.read(MAX_LINK_BYTES + 1)
        check_link(file.path, target)
        return ManifestEntry(file.path, file.mode, *self.object_files.put_bytes(target))

    def _is_present(self, digest: str) -> bool:
        if not is_object_key(digest) or not self.object_files.object_path(digest).is_file():
            return False
        if not digest.endswith(FOLDER_SUFFIX):
            return True
        try:
            return all(self.object_files.object_path(key).is_file() for key in self.read_listing(digest).values())
        except UserError:  # a list that cannot be read counts as missing
            return False

    def read_listing(self, digest: str) -> dict[str, str]:
        """Return the list of the files of a folder: relative path to key.

        Raises UserError ``content-missing``, ``content-corrupt``.
        """
        try:
            with self.object_files.open(digest) as file:
                document = json.load(file)
            listing = {entry["relpath"]: entry["md5"] for entry in document}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._corrupt_error(digest) from error
        is_valid = isinstance(document, list) and all(
            isinstance(path, str) and is_safe_relative_path(path) and is_object_key(key)
            for path, key in listing.items()
        )
        if not is_valid:
            raise self._corrupt_error(digest)  # a listing must never make anyone write outside of a folder
        check_path_conflicts(listing)
        return listing

    def _write_modes(self, digest: str, sha256: str, modes: Mapping[str, int]) -> None:
        """Store the modes of a folder beside its list; no file if all of its files are regular."""
        path = self.modes_path(Content(digest, sha256, 0, 0))
        if modes:
            self.object_files.replace_file(path, json.dumps(modes, sort_keys=True).encode())
        else:
            with self.object_files.translate_write_errors():
                path.unlink(missing_ok=True)
        self.object_files.stamps.record({f"{digest}/{sha256}": stamp_of(path)})

    def modes_path(self, content: Content) -> Path:
        """Return the path of the modes of a folder, as JSON by relative path, whether they exist or not."""
        return self.object_files.modes / content.digest / f"{content.sha256}.json"

    def _has_modes(self, content: Content, listing: Mapping[str, str]) -> bool:
        """Return True if the stored modes of a folder are those of the content; the files must be intact."""
        key, stamp = f"{content.digest}/{content.sha256}", stamp_of(self.modes_path(content))
        if self.object_files.stamps.read([key]).get(key) == stamp:
            return True
        try:
            modes = self._load_modes(content)
        except UserError:
            return False
        entries = (
            ManifestEntry(path, modes.get(path, REGULAR_MODE), md5, self._object_sha256(md5), 0)
            for path, md5 in listing.items()
        )
        if manifest_sha256(entries) != content.sha256:
            return False
        self.object_files.stamps.record({key: stamp})
        self.object_files.stamps.flush()
        return True

    def _load_modes(self, content: Content) -> dict[str, int]:
        path = self.modes_path(content)
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        except (ValueError, OSError, RecursionError, TypeError) as error:  # TypeError: other JSON
            raise self._corrupt_error(content.digest) from error

    def _object_sha256(self, key: str) -> str:
        with self.object_files.open(key) as file:
            return compute_digests(file).sha256

    def _corrupt_error(self, digest: str) -> UserError:
        message = f"content {digest} in the store at {self.root} is corrupt"
        return user_error("content-corrupt", message, "remove that object and store the content again")


def _damage(file: str, path: Path) -> Damage:
    return Damage(file, str(path), not path.exists())
