"""Regular files: read within a limit and without waiting for a named pipe, and counted; errors of the disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reconciler.diagnostics import Diagnostic

_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_BUG_ERRNOS = frozenset({errno.EBADF, errno.EFAULT, errno.EPIPE})  # nothing that is on a disk causes these
_HINTS = {
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "the machine has too many open files: close some programs",
    errno.EACCES: "make it accessible to you",
    errno.EPERM: "make it accessible to you",
    errno.EROFS: "the file system is read-only: mount it writable, or use another folder",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOENT: "restore it, and run the command again",
    errno.EISDIR: "remove the folder that is in the place of the file",
    errno.ENOTDIR: "remove the file that is in the place of the folder",
    errno.ELOOP: "replace the symbolic link with a file or a folder",
}
_CHUNK_BYTES = 1 << 16
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_regular_file(path: str | Path, max_bytes: int) -> bytes:
    """Return the content of a file, cut off beyond ``max_bytes`` by one byte. Raise OSError if it cannot be read."""
    descriptor = os.open(path, READ_FLAGS)
    try:
        check_regular(descriptor, path)
        return read_descriptor(descriptor, max_bytes)
    finally:
        os.close(descriptor)


def open_regular_file(path: str | Path) -> BinaryIO:
    """Open a file for reading. Raise OSError if it cannot be read."""
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - a Path takes no opener
    try:
        check_regular(file.fileno(), path)
    except OSError:
        file.close()
        raise
    return file


def read_last_text(path: str | Path, max_bytes: int) -> str:
    """Return the last bytes of a file as text; "" if it cannot be read."""
    try:
        with open_regular_file(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - max_bytes))
            return file.read(max_bytes).decode("utf-8", "replace")
    except OSError:
        return ""


def _open_without_waiting(path: str, _flags: int) -> int:
    return os.open(path, READ_FLAGS)


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


def describe_os_error(error: OSError) -> Diagnostic | None:
    """Return the diagnostic of an error of the disk or the machine; None if it can only be a bug."""
    path = error.filename2 or error.filename
    if error.errno in _DISK_FULL_ERRNOS:
        hint = "free some space, and run the command again: what was recorded is kept"
        return Diagnostic("disk-full", f"there is no room left to write {path or 'a file'}", hint=hint)
    if error.errno is None or error.errno in _BUG_ERRNOS or (error.errno == errno.EINVAL and path is None):
        return None
    hint = _HINTS.get(error.errno, "see what is at this path, and run the command again" if path else "")
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    message = f"{path} cannot be used: {error.strerror}" if path else str(error.strerror)
    return Diagnostic("file-unusable", message, hint=hint)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder; what cannot be read, or goes meanwhile, counts as none."""
    size, folders = 0, [str(folder)]
    while folders:  # `os.walk` calls itself for each folder, and a job can nest more of them than Python allows
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
    return size
