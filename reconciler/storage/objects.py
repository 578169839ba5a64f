"""The objects of the store by their md5, in the folder layout of DVC 3: one read-only file per object.

Objects are written by this module, not by dvc_objects, which reads a file once for each digest and moves it into
place in steps that other processes can observe. Here an object appears under its name when it is complete.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX
from reconciler.regular_files import open_regular_file
from reconciler.storage.stamps import NO_FILE, Stamp, Stamps, stamp_of

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

    def put_stream(self, stream: BinaryIO, name: str) -> Digests:
        """Store a stream from where it is to its end; if the object exists already, the stream is only read.

        One that cannot be read twice is written aside meanwhile, unless it is short. ``name`` is for messages.
        """
        start = _read_chunk(stream)
        if len(start) < _CHUNK_SIZE:
            return self._put_seekable(io.BytesIO(start), name)
        if stream.seekable():
            stream.seek(-len(start), os.SEEK_CUR)
            return self._put_seekable(stream, name)
        with self._temporary_path() as temporary:
            digests = self._write(temporary, stream, start)
            if not self._has_object(digests):
                self._publish_object(temporary, digests.md5)
        return digests

    def put_bytes(self, data: bytes, suffix: str = "") -> Digests:
        """Store bytes; the suffix is appended to the key."""
        return self._put_seekable(io.BytesIO(data), "", suffix)

    def open(self, key: str) -> BinaryIO:
        """Return an object as a stream. Raises UserError ``content-missing``, ``store-not-usable``."""
        path = self.object_path(key)
        try:
            return open_regular_file(path)
        except FileNotFoundError as error:
            raise missing_error(key, self.root) from error
        except OSError as error:
            raise store_unusable_error(error, path) from error

    def find_damaged(self, keys: Iterable[str], *, deep: bool = False) -> frozenset[str]:
        """Return those of the keys whose object is missing or changed.

        Unless ``deep``, only those are read that have another stamp than when they were last known to be right.
        """
        stamps = {key: stamp_of(self.object_path(key)) for key in keys}
        recorded = {} if deep else self.stamps.read(stamps)
        damaged = frozenset(
            key
            for key, stamp in stamps.items()
            if stamp == NO_FILE or (recorded.get(key) != stamp and not self._has_its_bytes(key, stamp))
        )
        self.stamps.flush()
        return damaged

    def publish_new(self, path: Path, data: bytes) -> bool:
        """Write a file that does not exist and return True; False if it exists. Of several callers, one gets True."""
        with self.translate_write_errors():
            if path.exists():
                return False
            with self._temporary_path() as temporary:
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(temporary, path)  # unlike a rename, this fails if another process was faster
                except FileExistsError:
                    return False
        return True

    def replace_file(self, path: Path, data: bytes) -> None:
        """Write a file, in place of the one that there may be."""
        with self.translate_write_errors(), self._temporary_path() as temporary:
            temporary.write_bytes(data)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)

    @contextmanager
    def _temporary_path(self) -> Iterator[Path]:
        """Yield a path on the disk of the store to write to; what is left there is removed afterwards."""
        path = self.root / "tmp" / uuid.uuid4().hex
        with self.translate_write_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _put_seekable(self, stream: BinaryIO, name: str, suffix: str = "") -> Digests:
        """Store a stream that can be read twice: first to know whether it has to be written."""
        position = stream.tell()
        digests = compute_digests(stream)
        digests = digests._replace(md5=digests.md5 + suffix)
        if self._has_object(digests):
            return digests
        stream.seek(position)
        with self._temporary_path() as temporary:
            written = self._write(temporary, stream)
            if (written.sha256, written.size) != (digests.sha256, digests.size):
                message = f"{name} was modified while it was stored"
                raise user_error("file-changed", message, "wait until it is complete, then try again")
            self._publish_object(temporary, digests.md5)
        return digests

    def _write(self, path: Path, stream: BinaryIO, start: bytes = b"") -> Digests:
        """Write what was read of a stream and the rest of it to a new file: errors of each have their own messages."""
        with self.translate_write_errors():
            file = path.open("xb")

        def write(chunk: bytes) -> None:
            with self.translate_write_errors():
                file.write(chunk)

        try:
            return compute_digests(stream, write, start)
        finally:
            with self.translate_write_errors():
                file.close()

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
                is_intact = compute_digests(file).md5 == key.removesuffix(FOLDER_SUFFIX)
        except OSError:
            return False
        if is_intact:
            self.stamps.record({key: stamp})
        return is_intact

    def _publish_object(self, temporary: Path, key: str) -> None:
        path = self.object_path(key)
        with self.translate_write_errors():
            temporary.chmod(_READ_ONLY_MODE)
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


def missing_error(key: str, root: Path) -> UserError:
    """Return the error of an object or a content that the store does not have."""
    message = f"content {key} is missing or incomplete in the store at {root}"
    return user_error("content-missing", message, "store it again from its source")


def _read_chunk(stream: BinaryIO) -> bytes:
    """Return the next bytes of a stream; fewer than a chunk only at its end."""
    chunk = stream.read(_CHUNK_SIZE)
    while 0 < len(chunk) < _CHUNK_SIZE and (rest := stream.read(_CHUNK_SIZE - len(chunk))):
        chunk += rest
    return chunk


def compute_digests(stream: BinaryIO, on_chunk: Callable[[bytes], object] = len, start: bytes = b"") -> Digests:
    """Return the digests of a stream, read once; `on_chunk` is called with each chunk, first with ``start``."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    chunk = start or stream.read(_CHUNK_SIZE)
    while chunk:
        md5.update(chunk)
        sha256.update(chunk)
        on_chunk(chunk)
        size += len(chunk)
        chunk = stream.read(_CHUNK_SIZE)
    return Digests(md5.hexdigest(), sha256.hexdigest(), size)
