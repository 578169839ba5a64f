"""Stamps: how each file of the store was when its bytes were last known to be right.

A file with another stamp was replaced, changed or copied since, and is read to find out. The stamps are in a SQLite
file of the store; without it, or where it cannot be used, files are read once more.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

Stamp = tuple[int, int, int, int]
"""Inode, size, time of the last change of the bytes, time of the last change of anything, in nanoseconds."""

NO_FILE: Stamp = (0, 0, 0, 0)
_FILE = "verified.sqlite"
_TABLE = "CREATE TABLE IF NOT EXISTS stamps (key TEXT PRIMARY KEY, inode, size, modified, changed) WITHOUT ROWID"
_BATCH = 500  # keys of one query
_BUSY_SECONDS = 5.0


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file; `NO_FILE` if there is none."""
    try:
        status = path.stat()
    except OSError:
        return NO_FILE
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Stamps:
    """The stamps of a store, by key; of several threads, one at a time reads or writes."""

    def __init__(self, root: Path) -> None:
        self._path = root / _FILE
        self._known: dict[str, Stamp] = {}
        self._pending: dict[str, Stamp] = {}
        self._mutex = threading.RLock()

    def read(self, keys: Iterable[str]) -> dict[str, Stamp]:
        """Return the recorded stamps of those of the keys that have one."""
        wanted = tuple(dict.fromkeys(keys))
        with self._mutex:
            missing = [key for key in wanted if key not in self._known]
            for start in range(0, len(missing), _BATCH):
                self._known |= self._select(missing[start : start + _BATCH])
            return {key: self._known[key] for key in wanted if key in self._known}

    def record(self, stamps: Mapping[str, Stamp]) -> None:
        """Record stamps; they are on the disk after `flush`."""
        with self._mutex:
            self._known |= stamps
            self._pending |= stamps

    def flush(self) -> None:
        """Write what was recorded; if that is not possible, the files are read again when they are used."""
        with self._mutex:
            rows = [(key, *stamp) for key, stamp in self._pending.items()]
            if not rows or not self._path.parent.is_dir() or (self._path.exists() and not self._path.is_file()):
                return
            try:
                with closing(self._open()) as connection, connection:
                    connection.executemany("INSERT OR REPLACE INTO stamps VALUES (?, ?, ?, ?, ?)", rows)
            except sqlite3.Error as error:
                self._discard_damaged(error)
            self._pending = {}

    def _select(self, keys: list[str]) -> dict[str, Stamp]:
        if not self._path.is_file():
            return {}
        query = f"SELECT * FROM stamps WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608 - only question marks
        try:
            with closing(self._open()) as connection:
                return {key: (inode, size, *times) for key, inode, size, *times in connection.execute(query, keys)}
        except sqlite3.Error as error:
            self._discard_damaged(error)
            return {}

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA synchronous = OFF")  # after a crash of the machine, files are read once more
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _discard_damaged(self, error: sqlite3.Error) -> None:
        """Remove the file if it is damaged, so that it is made again; one that is only locked or read-only stays."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
