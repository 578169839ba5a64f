"""Files of the object store for the process that reads tables: as files of this machine, copied where they are not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.object_store import ObjectStore

MAX_COPY = 256 << 20
"""Bytes of a file that is copied out of a store that is not on this machine."""


class TooLargeError(Exception):
    """A file of a store elsewhere is too large to be copied."""


class LocalTables:
    """Files of a store by digest, each copied once at most."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def path(self, digest: str) -> str:
        """Return where a file is on this machine.

        Raises TooLargeError, and UserError of the store: ``content-missing``, ``store-unreachable``.
        """
        if local := self._store.local(digest):
            return local.path
        target = self._folder / digest
        if not target.exists():
            with self._store.open(digest) as source, target.open("xb") as file:
                while chunk := source.read(1 << 20):
                    file.write(chunk)
                    if file.tell() > MAX_COPY:
                        raise TooLargeError(f"it is not on this machine, and has more than {MAX_COPY >> 20} MiB")
        return str(target)


@contextmanager
def open_local_tables(store: ObjectStore) -> Iterator[LocalTables]:
    """Yield the files of a store as files of this machine; copies are deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mlgit-tables-"))
    try:
        yield LocalTables(store, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
