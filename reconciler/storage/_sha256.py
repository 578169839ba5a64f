"""Whether copies of a content have the sha256 that was recorded of it: a service that others write to knows only md5s.

Whoever writes to such a service can put other bytes with the same md5 there, or another list of modes. What was found
right is noted in the cache, and read again once one of its files is another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from reconciler.model.content import Content, ContentFile
from reconciler.storage.digests import compute_digests
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import ManifestEntry, manifest_sha256
from reconciler.storage.stamps import stamp_of

_NOTES = "checked"


def has_sha256(cache: FolderStore, content: Content, files: Sequence[ContentFile]) -> bool:
    """Return True if the files of a content, which the cache has all of, are together what its sha256 says."""
    name = hashlib.sha256(f"{content.digest} {content.sha256}".encode()).hexdigest()
    note, seal = cache.root / _NOTES / name, _seal(cache, files)
    if note.exists() and note.read_text("utf-8") == seal:
        return True
    digests = {file.digest: _sha256(cache, file.digest) for file in files}
    entries = (ManifestEntry(file.path, file.mode, file.digest, digests[file.digest], 0) for file in files)
    found = manifest_sha256(entries) if content.is_folder else digests[content.digest]
    if found != content.sha256:
        return False
    cache.object_files.replace_file(note, seal.encode())
    return True


def _sha256(cache: FolderStore, digest: str) -> str:
    with cache.open(digest) as stream:
        return compute_digests(stream).sha256


def _seal(cache: FolderStore, files: Sequence[ContentFile]) -> str:
    """Return a digest of which files the copies are: by inode and size, as using a copy changes its times."""
    stamps = {file.digest: stamp_of(cache.object_files.object_path(file.digest))[:2] for file in files}
    rows = [[file.path, file.mode, file.digest, *stamps[file.digest]] for file in files]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
