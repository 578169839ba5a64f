"""The objects of the store by their md5, in the folder layout of DVC 3: one read-only file per object.

Objects are written by this module, not by dvc_objects, which reads a file once for each digest and moves it into
place in steps that other processes can observe. Here an object appears under its name when it is complete.
"""

from __future__ import annotations

import io
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX, StoredObject
from reconciler.model.object_store import FRESH_SECONDS
from reconciler.regular_files import open_regular_file
from reconciler.storage.digests import CHUNK_SIZE, Digests, compute_digests, read_chunk
from reconciler.storage.removal import hold_removal_lock, list_objects, remove_if_old
from reconciler.storage.stamps import NO_FILE, Stamp, Stamps, stamp_of
from reconciler.storage.store_errors import missing_error, store_unusable_error
from reconciler.storage.temporary_files import TemporaryFiles

_KEY_PATTERN = re.compile(r"[0-9a-f]{32}(\.dir)?")
_LARGE_SIZE = 16 << 20  # from here on, what is written in vain costs less than reading twice
_READ_ONLY_MODE = 0o444


class ObjectFiles:
    """The objects below a root folder; several processes may store the same one at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "files" / "md5"
        self.modes = root / "modes"
        self.stamps = Stamps(root)
        self.written: dict[str, tuple[int, int]] = {}  # inode and size of the objects that this process has written
        self._temporary = TemporaryFiles(root)

    def object_path(self, key: str) -> Path:
        """Return the path of an object, whether it exists or not; raises UserError for an invalid key."""
        if not is_object_key(key):
            raise user_error("content-key-invalid", f"'{key}' is not a key of the store", "a key is an md5, or md5.dir")
        return self.folder / key[:2] / key[2:]

    def put_stream(self, stream: BinaryIO, name: str) -> Digests:
        """Store a stream from where it is to its end; if the object exists already, nothing is written to stay.

        One that is large or cannot be read twice is read once, and written aside meanwhile. ``name`` is for messages.
        """
        start = read_chunk(stream)
        if len(start) < CHUNK_SIZE:
            return self._put_seekable(io.BytesIO(start), name)
        if stream.seekable() and not _is_large(stream):
            stream.seek(-len(start), os.SEEK_CUR)
            return self._put_seekable(stream, name)
        before = _version_of(stream)
        with self._temporary_path() as temporary:
            digests = self._write(temporary, stream, start)
            if _version_of(stream) != before:
                raise _changed_error(name)
            if not self._has_object(digests):
                self._publish_object(temporary, digests.md5)
        return digests

    def put_bytes(self, data: bytes, suffix: str = "") -> Digests:
        """Store bytes; the suffix is appended to the key."""
        return self._put_seekable(io.BytesIO(data), "", suffix)

    def put_as(self, key: str, write: Callable[[Path], bool]) -> bool | None:
        """Store what a function writes to a path, if its bytes match a key; False if not, None if it returns False."""
        with self._temporary_path() as temporary:
            if not write(temporary):
                return None
            with open_regular_file(temporary) as file:
                if compute_digests(file).md5 != key.removesuffix(FOLDER_SUFFIX):
                    return False
            self._publish_object(temporary, key)
        return True

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

    def keep(self, key: str) -> bool:
        """Make an object as young as a new one; return False if there is none."""
        for _ in range(2):  # another process may do the same at this moment
            stamp = stamp_of(self.object_path(key))
            if stamp == NO_FILE or self._make_young(key, stamp):
                return stamp != NO_FILE
        return self._replace_by_copy(key)

    def _replace_by_copy(self, key: str) -> bool:
        """Make an object young whose times may not be set, because another user has stored it."""
        try:
            with self.open(key) as stream, self._temporary_path() as temporary:
                self._write(temporary, stream)
                self._publish_object(temporary, key, is_verified=False)
        except UserError as error:
            if error.diagnostics[0].code != "content-missing":
                raise
            return False
        return True

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield all objects; other files in their folders are passed over."""
        with self.translate_write_errors():
            yield from list_objects(self.folder, is_object_key)

    def remove(self, keys: Iterable[str], before: float) -> frozenset[str]:
        """Remove those of the objects that are older than a time, and the modes of folders; return what was removed."""
        self._temporary.remove_abandoned()  # what a process that was killed left in writing
        with self.translate_write_errors():
            return frozenset(
                key
                for key in keys
                if remove_if_old(
                    self.root, self.object_path(key), self.modes / key if key.endswith(FOLDER_SUFFIX) else None, before
                )
            )

    def _make_young(self, key: str, stamp: Stamp) -> bool:
        """Set the time of an object that has a stamp to now; return False if it is gone, changed, or of another user.

        What is known of its bytes stays known.
        """
        if time.time() - stamp[2] / 1e9 < FRESH_SECONDS:
            return True
        path = self.object_path(key)
        with self.translate_write_errors(), hold_removal_lock(self.root):
            if stamp_of(path) != stamp:
                return False
            try:
                os.utime(path)
            except (FileNotFoundError, PermissionError):
                return False
            self.stamps.renew(key, stamp, stamp_of(path))
        return True

    def publish_new(self, path: Path, data: bytes) -> bool:
        """Write a file that does not exist and return True; False if it exists. Of several callers, one gets True."""
        with self.translate_write_errors():
            if path.exists():
                return False
            with self._temporary_path() as temporary:
                _write_synced(temporary, data)
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(temporary, path)  # unlike a rename, this fails if another process was faster
                except FileExistsError:
                    return False
        return True

    def replace_file(self, path: Path, data: bytes) -> None:
        """Write a file, in place of the one that there may be."""
        with self.translate_write_errors(), self._temporary_path() as temporary:
            _write_synced(temporary, data)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)

    @contextmanager
    def _temporary_path(self) -> Iterator[Path]:
        """Yield a path on the disk of the store to write to; what is left there is removed afterwards."""
        with self.translate_write_errors():
            path = self._temporary.make_path()
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
                raise _changed_error(name)
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
        """Return True if an object exists with its bytes, young from now on; any other one is written again."""
        stamp = stamp_of(self.object_path(digests.md5))
        if stamp == NO_FILE or stamp[1] != digests.size:
            return False
        is_known = self.stamps.read([digests.md5]).get(digests.md5) == stamp
        return (is_known or self._has_its_bytes(digests.md5, stamp)) and self._make_young(digests.md5, stamp)

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

    def _publish_object(self, temporary: Path, key: str, *, is_verified: bool = True) -> None:
        path = self.object_path(key)
        with self.translate_write_errors():
            temporary.chmod(_READ_ONLY_MODE)
            self.written[key] = stamp_of(temporary)[:2]
            path.parent.mkdir(parents=True, exist_ok=True)
            with (
                hold_removal_lock(self.root) if path.exists() else nullcontext()
            ):  # one that is being removed is not replaced
                temporary.replace(path)
        self.stamps.record({key: stamp_of(path) if is_verified else NO_FILE})


def is_object_key(key: object) -> bool:
    """Return True if a value has the form of a key."""
    return isinstance(key, str) and _KEY_PATTERN.fullmatch(key) is not None


def _is_large(stream: BinaryIO) -> bool:
    """Return True if much is left of a stream that can be read twice."""
    position = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(position)
    return end - position > _LARGE_SIZE


def _version_of(stream: BinaryIO) -> tuple[int, ...]:
    """Return what changes with the regular file that a stream reads; nothing if it reads none."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return ()
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ()


def _changed_error(name: str) -> UserError:
    message = f"{name} was modified while it was stored"
    return user_error("file-changed", message, "wait until it is complete, then try again")


def _write_synced(path: Path, data: bytes) -> None:
    """Write a new file whose bytes are on the disk before it gets its name."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
