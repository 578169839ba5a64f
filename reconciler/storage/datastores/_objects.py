"""Datastores of objects: blobs of Azure and objects of S3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from reconciler.model.datastores import Identity
from reconciler.storage.datastores._causes import NO_FILE
from reconciler.storage.datastores._errors import make_error
from reconciler.storage.datastores._fsspec import FILE, FsspecDatastore
from reconciler.storage.datastores._streams import copy_source, read_source

_BLOCK_SIZE = 8 << 20
_MAX_BLOCKS = 9000  # S3 takes 10,000 parts, Azure 50,000 blocks
_UNKNOWN_SIZE = 300 << 30


class ObjectDatastore(FsspecDatastore):
    """A datastore of objects, whose names have folders only in so far as they have slashes.

    An upload is there when it is complete. A file is read with the ETag that it had when it was opened.
    """

    def _list(self, full_path: str, *, recursive: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
        filesystem = self._filesystem()
        found = filesystem.find(full_path, detail=True) if recursive else self._children(filesystem, full_path)
        infos: Iterable[Mapping[str, Any]] = found.values() if isinstance(found, Mapping) else found
        for info in infos:
            name = str(info["name"])
            if not name.endswith("/"):  # an object that stands for a folder
                yield self._relative_path(name), info

    def _children(self, filesystem: AbstractFileSystem, full_path: str) -> list[Mapping[str, Any]]:
        try:
            return list(filesystem.ls(full_path, detail=True))
        except FileNotFoundError:
            return []

    def _open(self, path: str, full_path: str) -> tuple[BinaryIO, Identity]:
        file = self._filesystem().open(full_path, "rb", block_size=_BLOCK_SIZE, cache_type="readahead")
        entry = self._entry(path, file.details)
        if entry.is_folder:
            file.closed = True
            raise make_error(NO_FILE, self._place, path)
        return file, entry.identity

    def _write(self, full_path: str, stream: BinaryIO) -> Mapping[str, Any] | None:
        filesystem = self._filesystem()
        block_size = max(_BLOCK_SIZE, _find_size(stream) // _MAX_BLOCKS)
        start = read_source(stream, block_size)
        if len(start) < block_size:
            answer = filesystem.pipe_file(full_path, start)
            has_identity = isinstance(answer, Mapping) and "etag" in answer
            return {**answer, "type": FILE, "size": len(start)} if has_identity else None
        file = filesystem.open(full_path, "wb", block_size=block_size)
        try:
            file.write(start)
            del start
            copy_source(stream, file)
        except BaseException:
            file.closed = True  # else the end of the object would complete the upload
            if hasattr(file, "discard"):
                with suppress(Exception):
                    file.discard()
            raise
        file.close()
        return None


def _find_size(stream: BinaryIO) -> int:
    """Return how many bytes a stream has, a large number where that is not known."""
    try:
        here = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(here)
    except (OSError, AttributeError, ValueError):
        return _UNKNOWN_SIZE
    return end - here
