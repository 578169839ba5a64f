"""The cache of a node: objects by digest, of inputs and of outputs, so that equal content is sent once.

It has no lists of folders, which mlgit writes as DVC does and a node has no library for: who asks for a content says
which files it has, and what is put into it returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from reconciler.backends._node_messages import Message, PartsStream, object_parts
from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX, Content, ContentFile, HashedFile, UploadFile
from reconciler.storage.digests import compute_digests
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import REGULAR_MODE, ManifestEntry, check_mode, check_path, manifest_sha256


class NodeStore(FolderStore):
    """A store whose folders are known as long as the process lives; ``manifests`` are those of a submission."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.manifests: dict[Content, tuple[ContentFile, ...]] = {}
        self.sha256: dict[str, str] = {}  # of objects that this process has read
        self.hashed: dict[Content, tuple[HashedFile, ...]] = {}

    def manifest(self, content: Content) -> tuple[ContentFile, ...]:
        return self.manifests[content] if content.is_folder else super().manifest(content)

    def put(self, files: Iterable[UploadFile]) -> Content:
        entries = tuple(map(self._put_file, files))
        self.object_files.stamps.flush()
        sha256 = manifest_sha256(entries)
        digest = f"{sha256[:32]}{FOLDER_SUFFIX}"  # a key of this process only: no list of the files is stored
        content = Content(digest, sha256, sum(entry.size for entry in entries), len(entries))
        self.manifests[content] = tuple(ContentFile(entry.path, entry.mode, entry.md5) for entry in entries)
        self.hashed[content] = tuple(_hashed(entry) for entry in entries)
        return content

    def hashed_files(self, content: Content) -> tuple[HashedFile, ...]:
        """Return the files of a content that was put here, with all digests."""
        if content.is_folder:
            return self.hashed[content]
        return (HashedFile(content.name, REGULAR_MODE, content.digest, content.sha256, content.size),)

    def receive(self, parts: Iterator[Message]) -> None:
        """Store the objects of a sequence; raises UserError ``content-corrupt`` if the bytes of one are others.

        The sequence is read to its end in any case, so that the next request is understood.
        """
        problem: UserError | None = None
        for first in parts:
            digest, stream = str(first.document["digest"]), PartsStream(first, parts)
            try:
                self.put_object(digest, cast("BinaryIO", stream))
            except UserError as error:
                problem = error
            stream.drain()
        self.object_files.stamps.flush()
        if problem is not None:
            raise problem

    def put_object(self, digest: str, stream: BinaryIO) -> None:
        """Store an object; raises UserError ``content-corrupt`` if its bytes are others."""
        digests = self.object_files.put_stream(stream, digest)
        if digests.md5 != digest:
            raise _changed_error(digest)
        self.sha256[digest] = digests.sha256

    def check(self, content: Content, files: Iterable[ContentFile]) -> None:
        """Check a content as a whole, of which objects came from a service that others may write to.

        Raises UserError ``content-corrupt``.
        """
        entries = tuple(ManifestEntry(*file, self._sha256_of(file.digest), 0) for file in files)
        sha256 = manifest_sha256(entries) if content.is_folder else entries[0].sha256
        if sha256 != content.sha256:
            raise _changed_error(content.digest)

    def _sha256_of(self, digest: str) -> str:
        if digest not in self.sha256:
            with self.open(digest) as stream:
                self.sha256[digest] = compute_digests(stream).sha256
        return self.sha256[digest]

    def send(self, digests: Iterable[str]) -> Iterator[Message]:
        """Yield the parts of objects; raises UserError ``content-missing``."""
        for digest in digests:
            with self.open(digest) as stream:
                yield from object_parts(digest, stream)

    def _put_file(self, file: UploadFile) -> ManifestEntry:
        check_path(file.path)
        check_mode(file.path, file.mode)
        with file.open() as stream:
            return ManifestEntry(file.path, file.mode, *self.object_files.put_stream(stream, file.path))


def _hashed(entry: ManifestEntry) -> HashedFile:
    return HashedFile(entry.path, entry.mode, entry.md5, entry.sha256, entry.size)


def _changed_error(digest: str) -> UserError:
    message = f"the bytes of {digest} are others than those that were sent"
    return user_error("content-corrupt", message, "run the command again; if it remains, check the disk of the node")
