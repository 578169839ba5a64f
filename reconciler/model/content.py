"""Contents: files and folders that an object store keeps by digest, and what goes into it and comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple, Self

from reconciler.model.assets import Json

FOLDER_SUFFIX = ".dir"
"""What ends the digest of a folder, as DVC has it."""


class Content(NamedTuple):
    """A file or a folder in an object store."""

    digest: str
    """Its key, the same in every store: md5 of the file or, with ``.dir``, of the list of its files as DVC has it."""
    sha256: str
    """Of the file; of the canonical manifest (path, mode, sha256) for a folder."""
    size: int
    """In bytes, of all files together."""
    files: int
    """How many there are."""
    name: str = ""
    """The name of a single file; blank for a folder."""

    @property
    def is_folder(self) -> bool:
        """True if the content is a folder."""
        return self.digest.endswith(FOLDER_SUFFIX)

    def to_json(self) -> dict[str, Json]:
        """Return the content as records and runs keep it."""
        document = {"md5": self.digest, "sha256": self.sha256, "size": self.size, "files": self.files}
        return {**document, "name": self.name} if self.name else document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the content that a record or a run keeps; other keys are ignored."""
        return cls(
            digest=document["md5"],
            sha256=document["sha256"],
            size=document["size"],
            files=document["files"],
            name=document.get("name", ""),
        )


class StoredObject(NamedTuple):
    """An object of a store: its key, its size in bytes, and when it was stored or kept last, in seconds since 1970."""

    digest: str
    size: int
    modified: float

    @property
    def name(self) -> str:
        """Its key."""
        return self.digest


class ContentFile(NamedTuple):
    """A file of a content: path within its folder, mode as Git has it, digest of its bytes; a link's are its target."""

    path: str
    mode: int
    digest: str


class UploadFile(NamedTuple):
    """A file to store: path within its folder, mode as Git has it, and how its bytes are read.

    ``open`` returns a new stream from the first byte, which the caller closes before the next file is opened.
    The bytes of a link are its target.
    """

    path: str
    mode: int
    open: Callable[[], BinaryIO]


class HashedFile(NamedTuple):
    """A file of a content with all that is known of its bytes: `ContentFile`, their sha256 and how many there are."""

    path: str
    mode: int
    digest: str
    sha256: str
    size: int


class LocalObject(NamedTuple):
    """An object that is a file of this machine, which nothing may change.

    ``stamp`` (inode, size, and the two times of a change in nanoseconds) is that of when its bytes were last known
    to be right, empty if that is not known: with another stamp they have to be read to know it.
    """

    path: str
    stamp: tuple[int, ...] = ()


class Damage(NamedTuple):
    """A file of a content that a store lacks, or has with other bytes; ``file`` is blank for the list of a folder."""

    file: str
    location: str
    """Where its bytes should be, for a person."""
    is_missing: bool


class VerifiedContent(NamedTuple):
    """A content that was compared with what was stored, whose it is, and what of it is damaged."""

    content: Content
    owners: tuple[str, ...]
    damages: tuple[Damage, ...]
