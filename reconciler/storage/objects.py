"""Bytes by their md5, in the folder layout of DVC 3: one read-only file per object.

Bytes go in by our own hand, not by dvc_objects: that reads a file once for each digest and moves it in with steps that
another process can see. Here an object appears under its name complete, or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.diagnostics import UserError, user_error

FOLDER_SUFFIX = ".dir"
"""What DVC writes after the md5 of a folder's listing."""

_KEY_PATTERN = re.compile(r"[0-9a-f]{32}(\.dir)?")
_CHUNK_SIZE = 1 << 20
_READ_ONLY_MODE = 0o444
_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Digests(NamedTuple):
    """What one pass over some bytes tells."""

    md5: str
    sha256: str
    size: int


class ObjectFiles:
    """The objects below a root folder; several processes may put the same one at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "files" / "md5"

    def object_path(self, key: str) -> Path:
        """Say where an object is, or would be; raises UserError for what is no key."""
        if not is_object_key(key):
            raise user_error("content-key-invalid", f"'{key}' is no key of the store", "a key is an md5, or md5.dir")
        return self.folder / key[:2] / key[2:]

    def put_file(self, source: Path) -> Digests:
        """Store one file; what is there already costs a reading, not a copy."""
        with source.open("rb") as file:
            digests = _compute_digests(file)
            if self._has_object(digests):
                return digests
            file.seek(0)
            with self.translate_write_errors(), self.temporary_path() as draft:
                with draft.open("wb") as copy:
                    copied = _compute_digests(file, copy.write)
                if copied != digests:
                    message = f"{source} was written to while it was stored"
                    raise user_error("file-changed", message, "wait until it is finished, then try again")
                self._publish_object(draft, digests.md5)
        return digests

    def put_bytes(self, data: bytes, suffix: str = "") -> Digests:
        """Store what is in memory; the suffix ends the key."""
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        digests = Digests(md5 + suffix, hashlib.sha256(data).hexdigest(), len(data))
        if not self._has_object(digests):
            with self.translate_write_errors(), self.temporary_path() as draft:
                draft.write_bytes(data)
                self._publish_object(draft, digests.md5)
        return digests

    @contextmanager
    def temporary_path(self) -> Iterator[Path]:
        """Give a path to write to, on the store's own disk, that is gone afterwards."""
        draft = self.root / "tmp" / uuid.uuid4().hex
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def translate_write_errors(self) -> Iterator[None]:
        """Turn what goes wrong with the store's own folder into a failure."""
        try:
            yield
        except OSError as error:
            raise store_unusable_error(error, self.root) from error

    def _has_object(self, digests: Digests) -> bool:
        """Tell whether an object is there in its full size; one cut short by a crash is written again."""
        try:
            return self.object_path(digests.md5).stat().st_size == digests.size
        except OSError:
            return False

    def _publish_object(self, draft: Path, key: str) -> None:
        draft.chmod(_READ_ONLY_MODE)
        place = self.object_path(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(place)


def is_object_key(text: object) -> bool:
    """Tell whether something can be the key of an object."""
    return isinstance(text, str) and _KEY_PATTERN.fullmatch(text) is not None


def store_unusable_error(error: OSError, place: Path) -> UserError:
    """Make the failure of a disk that is full, or of a folder that is not ours to write."""
    if error.errno in _DISK_FULL_ERRNOS:
        message = f"there is no room left to write {place}: {error.strerror}"
        return user_error("store-full", message, "free some space, or choose a larger disk")
    message = f"the object store cannot use {place}: {error.strerror}"
    return user_error("store-not-usable", message, "check that it is a folder that you may write to")


def _compute_digests(file: BinaryIO, also: Callable[[bytes], object] = len) -> Digests:
    """Digest a stream in one pass; `also` sees each piece."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    while piece := file.read(_CHUNK_SIZE):
        md5.update(piece)
        sha256.update(piece)
        also(piece)
        size += len(piece)
    return Digests(md5.hexdigest(), sha256.hexdigest(), size)
