"""Streams of datastores: bytes that are read, with the errors of the service as errors for people."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_SIZE = 1 << 20


class SourceError(Exception):
    """What is written to a datastore could not be read; its cause is what the source raised."""


class DatastoreStream(io.RawIOBase):
    """The bytes of a file of a datastore.

    ``explain`` makes UserErrors of what the driver raises; ``check_end`` is called once, when all bytes were read.
    """

    def __init__(
        self, file: BinaryIO, explain: Callable[[], AbstractContextManager[None]], check_end: Callable[[], None]
    ) -> None:
        super().__init__()
        self._file = file
        self._explain = explain
        self._check_end: Callable[[], None] | None = check_end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with self._explain():
            data = self._file.read(len(view))
        if not data and len(view) and self._check_end is not None:
            check_end, self._check_end = self._check_end, None
            check_end()
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            try:
                with self._explain():
                    self._file.close()
            finally:
                super().close()


def read_source(stream: BinaryIO, size: int) -> bytes:
    """Return exactly so many bytes of what is to be written, fewer at its end; raises SourceError."""
    parts: list[bytes] = []
    missing = size
    while missing:
        try:
            part = stream.read(min(missing, CHUNK_SIZE))
        except Exception as error:
            raise SourceError from error
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts) if len(parts) != 1 else parts[0]


def iterate_source(stream: BinaryIO) -> Iterator[bytes]:
    """Yield all that a source has; raises SourceError for what the source raises."""
    while chunk := read_source(stream, CHUNK_SIZE):
        yield chunk


def copy_source(stream: BinaryIO, file: BinaryIO) -> None:
    """Write all that a source has; raises SourceError for what the source raises."""
    while chunk := read_source(stream, CHUNK_SIZE):
        file.write(chunk)
