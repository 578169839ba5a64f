"""The local cache: the one SQLite file, ``.git/mlgit/cache.sqlite``, in which a clone remembers results.

Invariant: the key of an entry and the version of the file (``package_files.installation_stamp()``) together name
everything that the value depends on. So no entry is ever invalidated: it is looked up by another key, or replaced.
Deleting the file costs only time. A file that is missing, damaged, locked for long, or of another version holds
nothing; a file that cannot be written remembers nothing. Neither is an error.

Used by ``source.validation`` and ``source.cached_parse`` (parsed files), by ``source.config_cache`` (configurations),
``source.disk_workspace`` (declared addresses), ``source.rendered_output``, ``source.folder_cache`` (lists of runs) and
``source.index`` (dependency indexes).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from reconciler.package_files import installation_stamp
from reconciler.private_files import make_private_folder, touch_private_file

CACHE_FILE = "cache.sqlite"
_LOCK_TIMEOUT = 1  # seconds to wait for another process; then this one works without the cache
_MAX_SQL_VALUES = 500  # values in one query
_MAX_ENTRIES = 200  # configurations and rendered outputs; the oldest are deleted
_DELETE_OLDEST_ENTRIES = "DELETE FROM entries WHERE rowid <= (SELECT max(rowid) FROM entries) - ?"

_TABLES = (
    "CREATE TABLE version (code TEXT)",
    "CREATE TABLE parsed_files (path TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE declared_addresses (key TEXT PRIMARY KEY, stamp TEXT, address TEXT) WITHOUT ROWID",
    "CREATE TABLE entries (key TEXT UNIQUE, value TEXT)",
    """CREATE TABLE state_folders (ref TEXT, folder TEXT, tree TEXT, value TEXT, PRIMARY KEY (ref, folder))
        WITHOUT ROWID""",
    """CREATE TABLE indexes (id INTEGER PRIMARY KEY, slot TEXT UNIQUE, settings TEXT, tree TEXT, state TEXT,
        nested TEXT)""",
    "CREATE TABLE index_files (id INT, path TEXT, clean INT, diagnostics TEXT, PRIMARY KEY (id, path)) WITHOUT ROWID",
    """CREATE TABLE index_addresses (id INT, address TEXT, path TEXT, folded TEXT, level INT,
        PRIMARY KEY (id, address, path)) WITHOUT ROWID""",
    "CREATE TABLE index_uses (id INT, address TEXT, path TEXT, PRIMARY KEY (id, address, path)) WITHOUT ROWID",
    "CREATE TABLE index_deps (id INT, dep TEXT, path TEXT, PRIMARY KEY (id, dep, path)) WITHOUT ROWID",
    "CREATE TABLE index_undeclared (id INT, address TEXT, PRIMARY KEY (id, address)) WITHOUT ROWID",
    "CREATE INDEX addresses_by_path ON index_addresses (id, path)",
    "CREATE INDEX files_by_folded_address ON index_addresses (id, folded)",
    "CREATE INDEX dirty_files ON index_files (id) WHERE clean = 0",
    "CREATE INDEX files_with_diagnostics ON index_files (id) WHERE diagnostics != ''",
    "CREATE INDEX uses_by_path ON index_uses (id, path)",
    "CREATE INDEX deps_by_path ON index_deps (id, path)",
)


class Cache:
    """The cache file in a folder for local files, such as ``.git/mlgit``.

    A process that has it open for reading would wait for itself if it wrote over a second connection: see `read_only`.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / CACHE_FILE
        self.is_read_only = read_only

    def read_only(self) -> Cache:
        """Return the same cache for reading; it remembers nothing."""
        return Cache(self.path.parent, read_only=True)

    def open(self) -> sqlite3.Connection | None:
        """Open the cache for reading, in a transaction: all queries see the same entries. None if it holds nothing."""
        if not self.path.exists():
            return None
        with suppress(sqlite3.Error):
            database = _connect(self.path)
            with suppress(sqlite3.Error):
                database.execute("BEGIN")
                if _version(database) == installation_stamp():
                    return database
            database.close()
        return None

    def read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """Return the rows of one query; none if the cache holds nothing."""
        database = self.open()
        if database is not None:
            with suppress(sqlite3.Error), closing(database):
                return database.execute(query, values).fetchall()
        return []

    def find_entry(self, key: str) -> str | None:
        """Return the value of an entry, None if there is none."""
        rows = self.read("SELECT value FROM entries WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def store_entries(self, values_by_key: Mapping[str, str]) -> None:
        """Remember values by their keys; the oldest are forgotten if there are many."""

        def fill(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", values_by_key.items())
            database.execute(_DELETE_OLDEST_ENTRIES, [_MAX_ENTRIES])

        self.write(fill)

    def write(self, fill: Callable[[sqlite3.Connection], object]) -> None:
        """Write in one transaction. A damaged file is deleted, so that the next process begins a new one."""
        if self.is_read_only:
            return
        try:
            make_private_folder(self.path.parent)
            if not self.path.exists():
                touch_private_file(self.path)
            with closing(_connect(self.path)) as database:
                database.execute("BEGIN IMMEDIATE")
                _create_tables(database)
                fill(database)
                database.execute("COMMIT")
        except (sqlite3.OperationalError, OSError, UnicodeError):
            return  # no permission, a full disk, a lock that is held for long, a path that is not UTF-8
        except sqlite3.DatabaseError:
            with suppress(OSError):
                self.path.unlink()


def entry_key(*parts: object) -> str:
    """Return the key of an entry that depends on these JSON values; the first names what the entry is."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def select_in(
    database: sqlite3.Connection, query: str, values: Iterable[str], *fixed: str | int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query that ends in ``IN``, for any number of values; ``fixed`` are its other parameters."""
    remaining = iter(values)
    while chunk := list(islice(remaining, _MAX_SQL_VALUES)):
        yield from database.execute(f"{query} ({','.join('?' * len(chunk))})", [*fixed, *chunk])


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():  # SQLite waits for a named pipe
        raise sqlite3.OperationalError(f"{path} is not a file")
    database = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def _version(database: sqlite3.Connection) -> str:
    tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'version'").fetchone()
    ((code,),) = database.execute("SELECT code FROM version").fetchall() if tables[0] else [("",)]
    return str(code)


def _create_tables(database: sqlite3.Connection) -> None:
    """Create the tables, unless there are those of this version; those of another version are dropped."""
    if _version(database) == installation_stamp():
        return
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f'DROP TABLE "{table}"')
    for statement in _TABLES:
        database.execute(statement)
    database.execute("INSERT INTO version VALUES (?)", [installation_stamp()])
