"""Outlines remembered between runs, by the digest of the file and of everything that reads it.

Nothing in here is ever out of date: a key names all that its value depends on. Deleting the file costs only time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from reconciler import format as reader
from reconciler.data import folder


class Memo:
    """A SQLite file; where it cannot be read or written, nothing is remembered and nothing fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = reader_digest()

    def load(self) -> Mapping[str, tuple[str, str]]:
        """Return what is remembered: by path, the digest of the file and its outline."""
        try:
            with closing(sqlite3.connect(self._path)) as database:
                rows = database.execute("SELECT path, digest, outline FROM outlines WHERE reader = ?", [self._reader])
                return {path: (digest, line) for path, digest, line in rows}
        except sqlite3.Error:
            return {}

    def save(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Remember outlines: path, digest of the file, outline. What another reader wrote is forgotten."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as database, database:
                database.execute(_TABLE)
                database.execute("DELETE FROM outlines WHERE reader != ?", [self._reader])
                keyed = ((path, self._reader, digest, line) for path, digest, line in rows)
                database.executemany("INSERT OR REPLACE INTO outlines VALUES (?, ?, ?, ?)", keyed)
        except (sqlite3.Error, OSError, UnicodeError):
            return  # a folder that cannot be written to, a full disk, a path that is no text: the next run reads again


_TABLE = """
CREATE TABLE IF NOT EXISTS outlines
    (path TEXT, reader TEXT, digest TEXT, outline TEXT, PRIMARY KEY (path)) WITHOUT ROWID
"""


def reader_digest() -> str:
    """Return the digest of all that reading depends on: the code of the format, and the schemas."""
    found = hashlib.sha1(usedforsecurity=False)
    sources = sorted(Path(str(reader.__file__)).parent.rglob("*.py"))
    for path in (*sources, *sorted(folder("schemas").rglob("*.json"))):
        found.update(path.read_bytes())
    return found.hexdigest()
