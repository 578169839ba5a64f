"""Whether copies of a content have the sha256 that was recorded of it: a service that others write to knows only md5s.

Whoever writes to such a service can put other bytes with the same md5 there, or another list of modes. What was found
right is noted beside the stamps of the cache, and is read again once it is another file.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.content import Content, ContentFile
from reconciler.storage.digests import compute_digests
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import ManifestEntry, manifest_sha256
from reconciler.storage.stamps import stamp_of


def has_sha256(cache: FolderStore, content: Content, files: Sequence[ContentFile]) -> bool:
    """Return True if the files of a content, which the cache has all of, are together what its sha256 says."""
    stamps = {file.digest: stamp_of(cache.object_files.object_path(file.digest)) for file in files}
    known = cache.object_files.stamps.sha256
    right = known.find(stamps)
    digests = {digest: right.get(digest) or _sha256(cache, digest) for digest in stamps}
    entries = [ManifestEntry(file.path, file.mode, file.digest, digests[file.digest], 0) for file in files]
    found = manifest_sha256(entries) if content.is_folder else digests[content.digest]
    if found != content.sha256:
        return False
    known.record({digest: (*stamps[digest], digests[digest]) for digest in digests.keys() - right.keys()})
    known.flush()
    return True


def _sha256(cache: FolderStore, digest: str) -> str:
    with cache.open(digest) as stream:
        return compute_digests(stream).sha256
