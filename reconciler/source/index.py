"""The dependency index: what the last plan of a clean tree knew of each file, so that the next reads what has changed.

An index holds for one tree of files, one tree of the live state, one version of the code, and the settings in
mlgit.yml; it is used for what differs from those. The local cache has one for each workspace and live state of a
clone (its *slot*).
"""

from __future__ import annotations

import json
import posixpath
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.model import Address, parse_address
from reconciler.source.cache import Cache, select_in
from reconciler.source.parsed_file import DECODE_ERRORS, ParsedFile, decode_diagnostics, encode_diagnostics

_DELETE_FILE = (
    "DELETE FROM index_files WHERE id = ? AND path = ?",
    "DELETE FROM index_addresses WHERE id = ? AND path = ?",
    "DELETE FROM index_uses WHERE id = ? AND path = ?",
    "DELETE FROM index_deps WHERE id = ? AND path = ?",
)
_DELETE_INDEX = (
    "DELETE FROM indexes WHERE id = ?",
    "DELETE FROM index_files WHERE id = ?",
    "DELETE FROM index_addresses WHERE id = ?",
    "DELETE FROM index_uses WHERE id = ?",
    "DELETE FROM index_deps WHERE id = ?",
    "DELETE FROM index_undeclared WHERE id = ?",
)


class CacheKey(NamedTuple):
    """What an index holds for: the code and the settings, the tree of the files, the tree of the live state.

    ``nested_workspaces`` are the folders of the workspaces inside this one; they follow from the tree.
    """

    settings_key: str
    tree: str
    state_tree: str
    nested_workspaces: tuple[str, ...] = ()


class IndexEntry(NamedTuple):
    """One file: what it declares and depends on, the level of its asset in the graph, and whether it is clean.

    What is registered from outputs of its asset is one level below. A clean file needs no look until something that it
    depends on changes.
    """

    parsed: ParsedFile
    level: int
    clean: bool


class IndexContents(NamedTuple):
    """A whole index as a value: every file, and the addresses that are live and not declared."""

    cache_key: CacheKey
    entries: Sequence[IndexEntry]
    undeclared: Sequence[Address]


class IndexUpdate(NamedTuple):
    """How an index changes: the files and addresses that were looked at, and what is known of them now."""

    cache_key: CacheKey
    paths: AbstractSet[str]
    addresses: AbstractSet[Address]
    entries: Sequence[IndexEntry]
    undeclared: Iterable[Address]


class DependencyIndex(Mapping[Address, int]):
    """An index that is open in one transaction; as a mapping, the level in the graph of each address."""

    def __init__(self, database: sqlite3.Connection, index_id: int, cache_key: CacheKey) -> None:
        self._database = database
        self._id = index_id
        self.cache_key = cache_key

    def __getitem__(self, address: Address) -> int:
        """Return the level of an address."""
        for (level,) in self._query("SELECT level FROM index_addresses WHERE id = ? AND address = ?", str(address)):
            if not isinstance(level, int):
                raise sqlite3.DatabaseError(f"the level of {address} is not a number")
            return level
        raise KeyError(address)

    def __iter__(self) -> Iterator[Address]:
        """Yield the addresses."""
        rows = self._query("SELECT address FROM index_addresses WHERE id = ?")
        return (parse_address(address) for (address,) in rows)

    def __len__(self) -> int:
        """Return the number of files."""
        ((count,),) = self._query("SELECT count(*) FROM index_files WHERE id = ?")
        return int(count)

    def files_depending_on(self, paths: Iterable[str]) -> AbstractSet[str]:
        """Return the files that would be parsed differently if these paths changed."""
        deps = {dep for path in paths for dep in (path, *_parent_folders(path))}
        return self._paths_in("SELECT path FROM index_deps WHERE id = ? AND dep IN", deps)

    def files_declaring(self, addresses: Iterable[Address]) -> AbstractSet[str]:
        """Return the files that declare addresses."""
        return self._paths_in("SELECT path FROM index_addresses WHERE id = ? AND address IN", map(str, addresses))

    def files_declaring_ignoring_case(self, addresses: Iterable[Address]) -> AbstractSet[str]:
        """Return the files that declare addresses, or addresses that differ from them only in case."""
        query = "SELECT path FROM index_addresses WHERE id = ? AND folded IN"
        return self._paths_in(query, map(_case_folded, addresses))

    def addresses_declared_in(self, paths: Iterable[str]) -> AbstractSet[Address]:
        """Return the addresses that files declare."""
        query = "SELECT address FROM index_addresses WHERE id = ? AND path IN"
        return {parse_address(address) for (address,) in select_in(self._database, query, paths, self._id)}

    def dirty_files(self) -> AbstractSet[str]:
        """Return the files that every plan looks at."""
        return {path for (path,) in self._query("SELECT path FROM index_files WHERE id = ? AND clean = 0")}

    def undeclared(self) -> AbstractSet[Address]:
        """Return the addresses that are live and not declared."""
        rows = self._query("SELECT address FROM index_undeclared WHERE id = ?")
        return {parse_address(address) for (address,) in rows}

    def dependents(self, addresses: AbstractSet[Address]) -> Mapping[str, AbstractSet[Address]]:
        """Return the files that refer to addresses, with all that they declare."""
        query = """SELECT path, index_addresses.address FROM index_uses JOIN index_addresses USING (id, path)
            WHERE id = ? AND index_uses.address IN"""
        declared: dict[str, set[Address]] = {}
        for path, address in select_in(self._database, query, map(str, addresses), self._id):
            declared.setdefault(path, set()).add(parse_address(address))
        return declared

    def files_with_diagnostics(self) -> Iterator[tuple[str, tuple[Diagnostic, ...]]]:
        """Yield the files with diagnostics; a sqlite3.DatabaseError if they cannot be decoded."""
        query = "SELECT path, diagnostics FROM index_files WHERE id = ? AND diagnostics != ''"
        for path, diagnostics in self._query(query):
            try:
                yield path, decode_diagnostics(json.loads(diagnostics))
            except DECODE_ERRORS as error:
                raise sqlite3.DatabaseError(f"the diagnostics of {path} cannot be decoded") from error

    def update(self, update: IndexUpdate) -> None:
        """Apply an update and commit it, unless another process writes to the cache."""
        with suppress(sqlite3.Error, UnicodeError):
            paths = [(self._id, path) for path in update.paths]
            for statement in _DELETE_FILE:
                self._database.executemany(statement, paths)
            addresses = [(self._id, str(address)) for address in update.addresses]
            self._database.executemany("DELETE FROM index_undeclared WHERE id = ? AND address = ?", addresses)
            key = update.cache_key
            self._database.execute(
                "UPDATE indexes SET tree = ?, state = ? WHERE id = ?", [key.tree, key.state_tree, self._id]
            )
            _insert_entries(self._database, self._id, update.entries, update.undeclared)
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file; what was not committed is rolled back."""
        self._database.close()

    def _query(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        return self._database.execute(query, [self._id, *values])

    def _paths_in(self, query: str, values: Iterable[str]) -> AbstractSet[str]:
        return {path for (path,) in select_in(self._database, query, values, self._id)}


def open_index(cache: Cache, slot: str, settings_key: str) -> DependencyIndex | None:
    """Open the index of a slot; None if there is none of these settings."""
    database = cache.open()
    if database is None:
        return None
    with suppress(sqlite3.Error, *DECODE_ERRORS):
        query = "SELECT id, tree, state, nested FROM indexes WHERE slot = ? AND settings = ?"
        for index_id, tree, state, nested in database.execute(query, [slot, settings_key]):
            key = CacheKey(settings_key, tree, state, tuple(map(str, json.loads(nested))))
            return DependencyIndex(database, index_id, key)
    database.close()
    return None


def save_index(cache: Cache, slot: str, contents: IndexContents) -> None:
    """Replace the index of a slot."""
    key = contents.cache_key

    def fill(database: sqlite3.Connection) -> None:
        for (index_id,) in database.execute("SELECT id FROM indexes WHERE slot = ?", [slot]).fetchall():
            for statement in _DELETE_INDEX:
                database.execute(statement, [index_id])
        nested = json.dumps(key.nested_workspaces)
        row = [slot, key.settings_key, key.tree, key.state_tree, nested]
        index_id = database.execute("INSERT INTO indexes VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid
        _insert_entries(database, index_id or 0, contents.entries, contents.undeclared)

    cache.write(fill)


def _insert_entries(
    database: sqlite3.Connection, index_id: int, entries: Sequence[IndexEntry], undeclared: Iterable[Address]
) -> None:
    files = [entry.parsed for entry in entries]
    files_rows = (_file_row(index_id, entry) for entry in entries)
    database.executemany("INSERT INTO index_files VALUES (?, ?, ?, ?)", files_rows)
    address_rows = (row for entry in entries for row in _address_rows(index_id, entry))
    database.executemany("INSERT OR IGNORE INTO index_addresses VALUES (?, ?, ?, ?, ?)", address_rows)
    uses = ((index_id, str(use.address), parsed.path) for parsed in files for use in parsed.references)
    database.executemany("INSERT OR IGNORE INTO index_uses VALUES (?, ?, ?)", uses)
    deps = ((index_id, dep, parsed.path) for parsed in files for dep in parsed.deps)
    database.executemany("INSERT INTO index_deps VALUES (?, ?, ?)", deps)
    undeclared_rows = ((index_id, str(address)) for address in undeclared)
    database.executemany("INSERT INTO index_undeclared VALUES (?, ?)", undeclared_rows)


def _file_row(index_id: int, entry: IndexEntry) -> tuple[int, str, bool, str]:
    parsed = entry.parsed
    diagnostics = json.dumps(encode_diagnostics(parsed.diagnostics)) if parsed.diagnostics else ""
    return index_id, parsed.path, entry.clean, diagnostics


def _address_rows(index_id: int, entry: IndexEntry) -> Iterator[tuple[int, str, str, str, int]]:
    parsed = entry.parsed
    for address in parsed.addresses:
        level = entry.level + (address != parsed.address)
        yield index_id, str(address), parsed.path, _case_folded(address), level


def _parent_folders(path: str) -> Iterator[str]:
    """Yield the folders above a path as they are recorded, ending in a slash; the topmost is the slash alone."""
    while path:
        path = posixpath.dirname(path)
        yield f"{path}/"


def _case_folded(address: Address) -> str:
    return str(address).casefold()
