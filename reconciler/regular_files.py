"""Read files within a limit of size and without waiting for a named pipe; add the path to an error of the disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK_BYTES = 1 << 20
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_regular_file(path: str | Path, max_bytes: int) -> bytes:
    """Return the content of a file, cut off beyond ``max_bytes`` by one byte. Raise OSError if it cannot be read."""
    descriptor = os.open(path, READ_FLAGS)
    try:
        check_regular(descriptor, path)
        return read_descriptor(descriptor, max_bytes)
    finally:
        os.close(descriptor)


def check_regular(descriptor: int, path: str | Path) -> None:
    """Raise OSError if an open file is a folder, a pipe, a socket or a device."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def read_descriptor(descriptor: int, max_bytes: int) -> bytes:
    """Return what an open file has, cut off beyond ``max_bytes`` by one byte, which tells that it is longer."""
    chunks, size = [], 0
    while size <= max_bytes and (chunk := os.read(descriptor, min(_CHUNK_BYTES, max_bytes + 1 - size))):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


@contextmanager
def naming_errors(path: str | Path) -> Iterator[None]:
    """Add the path to an error of the disk: a write to an open file names none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
