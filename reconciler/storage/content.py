"""Content of the object store as the live state records it. Pure, and loads no dvc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from reconciler.model import Json


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A file or a folder in the object store."""

    md5: str
    """The key in the store; ends with ``.dir`` for a folder."""
    sha256: str
    """Of the file; of the canonical manifest (path, mode, sha256) for a folder."""
    size: int
    """In bytes, of all files together."""
    file_count: int
    name: str = ""
    """The name of a single file; blank for a folder."""

    def to_json(self) -> dict[str, Json]:
        """Return the content as records and runs keep it."""
        document = {"md5": self.md5, "sha256": self.sha256, "size": self.size, "files": self.file_count}
        return {**document, "name": self.name} if self.name else document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the content that a record or a run keeps; other keys are ignored."""
        return cls(
            md5=document["md5"],
            sha256=document["sha256"],
            size=document["size"],
            file_count=document["files"],
            name=document.get("name", ""),
        )


class StoredFile(NamedTuple):
    """One file of a content: path within its folder, the object with its bytes and its md5, the mode as Git has it."""

    path: str
    object_path: Path
    mode: int
    md5: str


class Damage(NamedTuple):
    """A file of a content that the store lacks, or has with other bytes; ``file`` is blank for the list of a folder."""

    file: str
    path: Path
