"""Files in memory as what a store takes, and contents of a store as files in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial

from reconciler.model.content import Content, UploadFile
from reconciler.model.object_store import ObjectStore

Files = list[tuple[str, int, bytes]]


def source_files(files: Iterable[tuple[str, int, bytes]]) -> Iterator[UploadFile]:
    """Yield files of a path, a Git mode and bytes."""
    return (UploadFile(path, mode, partial(io.BytesIO, data)) for path, mode, data in files)


def put_files(store: ObjectStore, files: Iterable[tuple[str, int, bytes]]) -> Content:
    """Store a folder."""
    return store.put(source_files(files))


def put_bytes(store: ObjectStore, data: bytes, name: str = "file") -> Content:
    """Store a single file."""
    return store.put_file(name, io.BytesIO(data))


def read_object(store: ObjectStore, digest: str) -> bytes:
    """Return the bytes of an object."""
    with store.open(digest) as stream:
        return stream.read()


def read_files(store: ObjectStore, content: Content) -> Files:
    """Return the files of a content: path, mode and bytes."""
    return [(file.path, file.mode, read_object(store, file.digest)) for file in store.manifest(content)]
