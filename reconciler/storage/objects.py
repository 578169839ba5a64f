"""The objects of the store by their md5, in the folder layout of DVC 3: one read-only file per object.

Objects are written by this module, not by dvc_objects, which reads a file once for each digest and moves it into
place in steps that other processes can observe. Here an object appears under its name when it is complete.
"""

from __future__ import annotations

import errno
import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.regular_files import open_regular_file
from reconciler.storage.stamps import NO_FILE, Stamp, Stamps, stamp_of

FOLDER_SUFFIX = ".dir"
"""What DVC appends to the md5 of the listing of a folder."""

_KEY_PATTERN = re.compile(r"[0-9a-f]{32}(\.dir)?")
_CHUNK_SIZE = 1 << 20
_READ_ONLY_MODE = 0o444
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Digests(NamedTuple):
    """The digests and the size of some bytes, computed in one pass."""

    md5: str
    sha256: str
    size: int


class ObjectFiles:
    """The objects below a root folder; several processes may store the same one at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "files" / "md5"
        self.stamps = Stamps(root)

    def object_path(self, key: str) -> Path:
        """Return the path of an object, whether it exists or not; raises UserError for an invalid key."""
        if not is_object_key(key):
            raise user_error("content-key-invalid", f"'{key}' is not a key of the store", "a key is an md5, or md5.dir")
        return self.folder / key[:2] / key[2:]

    def put_file(self, source: Path) -> Digests:
        """Store one file; if the object exists already, the file is only read."""
        with source.open("rb") as file:
            digests = _compute_digests(file)
            if self._has_object(digests):
                return digests
            file.seek(0)
            with self.translate_write_errors(), self.temporary_path() as temporary:
                with temporary.open("wb") as copy:
                    copied = _compute_digests(file, copy.write)
                if copied != digests:
                    message = f"{source} was modified while it was stored"
                    raise user_error("file-changed", message, "wait until it is complete, then try again")
                self._publish_object(temporary, digests.md5)
        return digests

    def find_damaged(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of the keys whose object is missing or changed; only those with another stamp are read."""
        stamps = {key: stamp_of(self.object_path(key)) for key in keys}
        recorded = self.stamps.read(stamps)
        damaged = frozenset(
            key
            for key, stamp in stamps.items()
            if stamp == NO_FILE or (recorded.get(key) != stamp and not self._has_its_bytes(key, stamp))
        )
        self.stamps.flush()
        return damaged

    def put_bytes(self, data: bytes, suffix: str = "") -> Digests:
        """Store bytes; the suffix is appended to the key."""
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        digests = Digests(md5 + suffix, hashlib.sha256(data).hexdigest(), len(data))
        if not self._has_object(digests):
            with self.translate_write_errors(), self.temporary_path() as temporary:
                temporary.write_bytes(data)
                self._publish_object(temporary, digests.md5)
        return digests

    @contextmanager
    def temporary_path(self) -> Iterator[Path]:
        """Yield a path on the disk of the store to write to; what is left there is removed afterwards."""
        path = self.root / "tmp" / uuid.uuid4().hex
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def translate_write_errors(self) -> Iterator[None]:
        """Raise a UserError for an error in using the store's own folder."""
        try:
            yield
        except OSError as error:
            raise store_unusable_error(error, self.root) from error

    def _has_object(self, digests: Digests) -> bool:
        """Return True if an object exists with its bytes; one that was cut short or changed is written again."""
        stamp = stamp_of(self.object_path(digests.md5))
        if stamp == NO_FILE or stamp[1] != digests.size:
            return False
        return self.stamps.read([digests.md5]).get(digests.md5) == stamp or self._has_its_bytes(digests.md5, stamp)

    def _has_its_bytes(self, key: str, stamp: Stamp) -> bool:
        """Return True if the bytes of an object match its key; then its stamp, read before, is recorded."""
        try:
            with open_regular_file(self.object_path(key)) as file:
                is_intact = _compute_digests(file).md5 == key.removesuffix(FOLDER_SUFFIX)
        except OSError:
            return False
        if is_intact:
            self.stamps.record({key: stamp})
        return is_intact

    def _publish_object(self, temporary: Path, key: str) -> None:
        temporary.chmod(_READ_ONLY_MODE)
        path = self.object_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        self.stamps.record({key: stamp_of(path)})


def is_object_key(key: object) -> bool:
    """Return True if a value has the form of a key."""
    return isinstance(key, str) and _KEY_PATTERN.fullmatch(key) is not None


def store_unusable_error(error: OSError, path: Path) -> UserError:
    """Return the error of a disk that is full, or of a folder that cannot be written to."""
    if error.errno in DISK_FULL_ERRNOS:
        message = f"no space left to write {path}: {error.strerror}"
        return user_error("store-full", message, "free some space, or choose a larger disk")
    message = f"the object store cannot use {path}: {error.strerror}"
    return user_error("store-not-usable", message, "check that it is a folder that you may write to")


def _compute_digests(file: BinaryIO, on_chunk: Callable[[bytes], object] = len) -> Digests:
    """Return the digests of a stream, read once; `on_chunk` is called with each chunk."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    while chunk := file.read(_CHUNK_SIZE):
        md5.update(chunk)
        sha256.update(chunk)
        on_chunk(chunk)
        size += len(chunk)
    return Digests(md5.hexdigest(), sha256.hexdigest(), size)
