"""List the objects of a store in a folder, and remove old ones while others store the same.

Who makes an object younger holds the lock of removal shared, who removes one holds it alone, from looking how old it is
until it is gone. The system releases the lock if the process is killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.model.content import StoredObject

_LOCK_FILE = "removal.lock"


@contextmanager
def hold_removal_lock(root: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Hold the lock of a store; raises OSError.

    A disk without file locks is an error only for a process that removes: nothing is removed there.
    """
    flags, operation = (os.O_RDWR, fcntl.LOCK_EX) if exclusive else (os.O_RDONLY, fcntl.LOCK_SH)
    descriptor = os.open(root / _LOCK_FILE, flags | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, operation)
        except OSError:
            if exclusive:
                raise
        yield
    finally:
        os.close(descriptor)


def remove_if_old(root: Path, path: Path, modes: Path | None, before: float) -> bool:
    """Remove an object that was changed last before a time; return True if it did. Raises OSError.

    The ``modes`` of a folder go first: who stores it again writes them after its list.
    """
    with hold_removal_lock(root, exclusive=True), suppress(FileNotFoundError):
        if path.stat().st_mtime >= before:
            return False
        if modes is not None:
            shutil.rmtree(modes, ignore_errors=True)
        path.unlink()
        return True
    return False


def list_objects(folder: Path, is_key: Callable[[str], bool]) -> Iterator[StoredObject]:
    """Yield the objects in the folders of a folder; what has no key for a name is passed over. Raises OSError."""
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names only
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / name) as entries:
                yield from _stored_objects(name, (entry for entry in entries if is_key(name + entry.name)))


def _stored_objects(folder: str, entries: Iterable[os.DirEntry[str]]) -> Iterator[StoredObject]:
    for entry in entries:
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield StoredObject(folder + entry.name, status.st_size, status.st_mtime)
