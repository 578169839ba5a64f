"""Outlines remembered between runs, by path and by the digest of everything that reads files.

An outline says itself what it depends on, so nothing in here is ever out of date. Deleting the file costs only time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from reconciler.package_files import code_digest


class ValidationCache:
    """A SQLite file; where it cannot be read or written, nothing is remembered and nothing fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = code_digest()

    def load(self) -> Mapping[str, str]:
        """Return what is remembered: outlines, as lines, by path."""
        try:
            with closing(sqlite3.connect(self._path)) as database:
                found = database.execute("SELECT path, outline FROM readings WHERE reader = ?", [self._reader])
                return dict(found.fetchall())
        except sqlite3.Error:
            return {}

    def save(self, rows: Iterable[tuple[str, str]]) -> None:
        """Remember outlines: path and outline. What another reader wrote is forgotten."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as database, database:
                database.execute("PRAGMA synchronous = OFF")  # all that a power cut can cost is this file
                database.execute(_SCHEMA)
                database.execute("DELETE FROM readings WHERE reader != ?", [self._reader])
                keyed = ((path, self._reader, line) for path, line in rows)
                database.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", keyed)
        except (sqlite3.OperationalError, OSError, UnicodeError):
            return  # a folder that cannot be written to, a full disk, a path that is no text: the next run reads again
        except sqlite3.DatabaseError:  # it is damaged, so the next run begins anew
            with suppress(OSError):
                self._path.unlink()


_SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (path TEXT PRIMARY KEY, reader TEXT, outline TEXT) WITHOUT ROWID
"""
