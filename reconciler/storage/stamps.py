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
from typing import Any, Generic, TypeVar, cast

Row = TypeVar("Row", bound=tuple[Any, ...])
Stamp = tuple[int, int, int, int]
"""Inode, size, time of the last change of the bytes, time of the last change of anything, in nanoseconds."""

NO_FILE: Stamp = (0, 0, 0, 0)
_FILE, _SHA256_FILE = "verified.sqlite", "sha256.sqlite"
_COLUMNS = ("inode", "size", "modified", "changed")
_BATCH = 500  # keys of one query
_BUSY_SECONDS = 5.0


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file; `NO_FILE` if there is none."""
    try:
        status = path.stat()
    except OSError:
        return NO_FILE
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Table(Generic[Row]):
    """Rows in a file of a store, by key; of several threads, one at a time reads or writes."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path, self._columns = path, columns
        self._known: dict[str, Row] = {}
        self._pending: dict[str, Row] = {}
        self._mutex = threading.RLock()

    def read(self, keys: Iterable[str]) -> dict[str, Row]:
        """Return what is recorded of those of the keys that have a row."""
        wanted = tuple(dict.fromkeys(keys))
        with self._mutex:
            missing = [key for key in wanted if key not in self._known]
            for start in range(0, len(missing), _BATCH):
                self._known |= self._select(missing[start : start + _BATCH])
            return {key: self._known[key] for key in wanted if key in self._known}

    def record(self, rows: Mapping[str, Row]) -> None:
        """Record rows; they are on the disk after `flush`."""
        with self._mutex:
            self._known |= rows
            self._pending |= rows

    def flush(self) -> None:
        """Write what was recorded; if that is not possible, the files are read again when they are used."""
        with self._mutex:
            rows = [(key, *row) for key, row in self._pending.items()]
            if not rows or not self._path.parent.is_dir() or (self._path.exists() and not self._path.is_file()):
                return
            try:
                with closing(self._open()) as connection, connection:
                    marks = ", ".join("?" * len(rows[0]))
                    connection.executemany(f"INSERT OR REPLACE INTO stamps VALUES ({marks})", rows)  # noqa: S608 - only question marks
            except sqlite3.Error as error:
                self._discard_damaged(error)
            self._pending = {}

    def _select(self, keys: list[str]) -> dict[str, Row]:
        if not self._path.is_file():
            return {}
        query = f"SELECT * FROM stamps WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608 - only question marks
        try:
            with closing(self._open()) as connection:
                return {key: cast("Row", tuple(row)) for key, *row in connection.execute(query, keys)}
        except sqlite3.Error as error:
            self._discard_damaged(error)
            return {}

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA synchronous = OFF")  # after a crash of the machine, files are read once more
            columns = ", ".join(self._columns)
            connection.execute(f"CREATE TABLE IF NOT EXISTS stamps (key TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _discard_damaged(self, error: sqlite3.Error) -> None:
        """Remove the file if it is damaged, so that it is made again; one that is only locked or read-only stays."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


class Sha256Stamps(_Table[tuple[int, int, int, int, str]]):
    """The sha256 of objects that a content was right with, by key, each with the stamp that the object had then."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / _SHA256_FILE, (*_COLUMNS, "sha256"))

    def find(self, stamps: Mapping[str, Stamp]) -> dict[str, str]:
        """Return the sha256 of those objects that have the same stamps still."""
        return {key: row[-1] for key, row in self.read(stamps).items() if row[:-1] == stamps[key]}


class Stamps(_Table[Stamp]):
    """The stamps of a store, by key; ``sha256`` has those of objects whose sha256 is known."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / _FILE, _COLUMNS)
        self.sha256 = Sha256Stamps(root)

    def renew(self, key: str, old: Stamp, new: Stamp) -> None:
        """Record that an object has another stamp and the same bytes: what was known of it stays known."""
        if self.read([key]).get(key) == old:
            self.record({key: new})
        if sha256 := self.sha256.find({key: old}).get(key):
            self.sha256.record({key: (*new, sha256)})

    def flush(self) -> None:
        """Write what was recorded, of both."""
        super().flush()
        self.sha256.flush()
