"""The cache of a node: objects by digest, of inputs and of outputs, so that equal content is sent once.

It has no lists of folders, which mlgit writes as DVC does and a node has no library for: who asks for a content says
which files it has, and what is put into it returns them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from reconciler.backends._node_messages import Message, PartsStream, object_parts
from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import FOLDER_SUFFIX, Content, ContentFile, HashedFile, UploadFile
from reconciler.storage.digests import compute_digests
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import REGULAR_MODE, ManifestEntry, check_mode, check_path, manifest_sha256
from reconciler.storage.stamps import NO_FILE, Stamp, stamp_of

_Sha256 = tuple[int, int, int, int, str]


class NodeStore(FolderStore):
    """A store whose folders are known as long as the process lives; ``manifests`` are those of a submission.

    ``arrived`` has the sha256 of objects that this process has received, with their stamps; it goes on having them.
    """

    def __init__(self, root: Path, arrived: dict[str, _Sha256] | None = None) -> None:
        super().__init__(root)
        self.manifests: dict[Content, tuple[ContentFile, ...]] = {}
        self._arrived = {} if arrived is None else arrived
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
        stamp = self._stamp(digest)
        if stamp[:2] == self.object_files.written.get(digest):  # else another one with its md5 is there, and stays
            self._arrived[digest] = (*stamp, digests.sha256)

    def find_wrong(self, contents: Iterable[Content]) -> list[Content]:
        """Return those contents of a submission whose files have another sha256, together, than they say.

        Their objects are removed, as they came from where others may write: the next submission asks for them again.
        Those stay that a content was right with. What was found right is not read again while its file is the same.
        """
        contents = list(contents)
        digests = {content: {file.digest for file in self.manifests[content]} for content in contents}
        stamps = {digest: self._stamp(digest) for files in digests.values() for digest in files}
        known = self.object_files.stamps.sha256
        right = known.find(stamps)
        sha256 = {digest: right.get(digest) or self._sha256_of(digest, stamp) for digest, stamp in stamps.items()}
        wrong = [content for content in contents if self._manifest_sha256(content, sha256) != content.sha256]
        found_right = {digest for content in contents if content not in wrong for digest in digests[content]}
        known.record({digest: (*stamps[digest], sha256[digest]) for digest in found_right - right.keys()})
        known.flush()
        suspect = {digest for content in wrong for digest in digests[content]} - found_right - right.keys()
        self.object_files.remove(suspect, math.inf)
        return wrong

    def _manifest_sha256(self, content: Content, sha256: Mapping[str, str]) -> str:
        entries = tuple(ManifestEntry(*file, sha256[file.digest], 0) for file in self.manifests[content])
        return manifest_sha256(entries) if content.is_folder else entries[0].sha256

    def _sha256_of(self, digest: str, stamp: Stamp) -> str:
        """Return the sha256 of the bytes that the cache has: as they arrived if they still are what arrived."""
        *arrived, sha256 = self._arrived.get(digest, (*NO_FILE, ""))
        if sha256 and tuple(arrived) == stamp:
            return sha256
        with self.open(digest) as stream:
            return compute_digests(stream).sha256

    def _stamp(self, digest: str) -> Stamp:
        return stamp_of(self.object_files.object_path(digest))

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
