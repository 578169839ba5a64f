"""Contents that are made of objects which a store has already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import BinaryIO

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX, Content, HashedFile, UploadFile
from reconciler.model.object_store import ObjectStore
from reconciler.storage.manifest import (
    MAX_LINK_BYTES,
    SYMLINK_MODE,
    ManifestEntry,
    check_link,
    check_mode,
    check_path,
    manifest_sha256,
)
from reconciler.storage.objects import is_object_key

_SHA256 = re.compile(r"[0-9a-f]{64}")


def make_entry(file: HashedFile) -> ManifestEntry:
    """Return the entry of a file in the manifest of its folder; raises UserError for digests that are none."""
    has_digests = is_object_key(file.digest) and not file.digest.endswith(FOLDER_SUFFIX)
    if not has_digests or not _SHA256.fullmatch(file.sha256) or file.size < 0:
        raise user_error("content-corrupt", f"{file.path} has no digests", "run the command again")
    return ManifestEntry(file.path, file.mode, file.digest, file.sha256, file.size)


def check_entries(entries: Iterable[ManifestEntry], open_object: Callable[[str], BinaryIO]) -> None:
    """Raise UserError for a path, a mode or a link that cannot be stored; the targets of links are read."""
    for entry in entries:
        check_path(entry.path)
        check_mode(entry.path, entry.mode)
        if entry.mode == SYMLINK_MODE:
            with open_object(entry.md5) as stream:
                check_link(entry.path, stream.read(MAX_LINK_BYTES + 1))


def content_of_file(name: str, entries: Iterable[ManifestEntry]) -> Content:
    """Return the content that the only file of a manifest is by itself, with a name."""
    check_path(name)
    (entry,) = entries
    return Content(entry.md5, entry.sha256, entry.size, 1, name)


def assemble_by_reading(store: ObjectStore, files: Iterable[HashedFile], name: str = "") -> Content:
    """Store a content of objects that a store has, of which all bytes are read: they are near.

    Raises UserError ``content-missing``, ``content-corrupt``.
    """
    files = tuple(files)
    entries = tuple(map(make_entry, files))
    if name:
        (file,) = files
        with store.open(file.digest) as stream:
            content, sha256 = store.put_file(name, stream), file.sha256
    else:
        content = store.put(UploadFile(file.path, file.mode, partial(store.open, file.digest)) for file in files)
        sha256 = manifest_sha256(entries)
    if content.sha256 != sha256 or content.size != sum(file.size for file in files):
        raise corrupt_error(store.location, name or "a file of the folder")
    return content


def corrupt_error(location: str, what: str) -> UserError:
    """Return the error of an object that is not as it is described."""
    message = f"{what} in the store at {location} has other bytes than it is said to have"
    return user_error("content-corrupt", message, "store it again from its source")
