"""What the last plan found out, by file and by address, so that the next one looks only at what has changed.

It is kept in SQLite, beside the repository. It says for which tree, which state and which code it holds, and is used
for what differs from those; deleting it costs only time, and where it cannot be written nothing is remembered.
"""

from __future__ import annotations

import json
import posixpath
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.diagnostics import Diagnostic
from reconciler.model import Address, parse_address
from reconciler.source.diagnostics_codec import decode_diagnostic, encode_diagnostic

_MAX_SQL_VALUES = 500  # values in one question


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What an index holds for: the code and the settings, the tree of the files, the tree of the live state.

    ``nested`` are the workspaces inside this one.
    """

    settings_key: str
    tree: str
    state_tree: str
    nested_workspaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What is known of one file: what it declares and uses, what its reading saw, and what is wrong in it."""

    path: str
    address: Address | None
    level: int
    clean: bool
    uses: tuple[Address, ...]
    deps: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


class DependencyIndex(Mapping[Address, int]):
    """The index of one plan, open; as a mapping, the level in the graph of each address that a file declares."""

    def __init__(self, database: sqlite3.Connection, base: CacheKey) -> None:
        self._database = database
        self.base = base

    def __getitem__(self, address: Address) -> int:
        """Return the level of an address."""
        rows = self._database.execute("SELECT level FROM files WHERE address = ?", [str(address)]).fetchall()
        if not rows:
            raise KeyError(address)
        return int(rows[0][0])

    def __iter__(self) -> Iterator[Address]:
        """Go through the addresses."""
        rows = self._database.execute("SELECT address FROM files WHERE address IS NOT NULL")
        return (parse_address(row) for (row,) in rows)

    def __len__(self) -> int:
        """Count the files that are, or mean to be, assets."""
        return int(self._database.execute("SELECT count(*) FROM files").fetchone()[0])

    def files_depending_on(self, paths: Iterable[str]) -> AbstractSet[str]:
        """Return the asset files that would be read otherwise, had these paths changed."""
        places = {place for path in paths for place in (path, *_parent_folders(path))}
        return {path for (path,) in self._query("SELECT path FROM seen WHERE place IN", places)}

    def files_declaring(self, addresses: Iterable[Address]) -> AbstractSet[str]:
        """Return the files that declare addresses."""
        return {path for (path,) in self._query("SELECT path FROM files WHERE address IN", map(str, addresses))}

    def addresses_declared_in(self, paths: Iterable[str]) -> AbstractSet[Address]:
        """Return what files declare."""
        rows = self._query("SELECT address FROM files WHERE address IS NOT NULL AND path IN", paths)
        return {parse_address(row) for (row,) in rows}

    def dirty_files(self) -> AbstractSet[str]:
        """Return the files that are looked at each time."""
        return {path for (path,) in self._database.execute("SELECT path FROM files WHERE settled = 0")}

    def undeclared(self) -> AbstractSet[Address]:
        """Return what is live and not declared."""
        return {parse_address(each) for (each,) in self._database.execute("SELECT address FROM loose")}

    def dependents(self, addresses: AbstractSet[Address]) -> Mapping[str, Address]:
        """Return the files that use addresses, and what they declare."""
        question = "SELECT files.path, address FROM uses JOIN files ON files.path = uses.path WHERE upstream IN"
        return {
            path: parse_address(each) for path, each in self._query(question, map(str, addresses)) if each is not None
        }

    def files_declaring_ignoring_case(self, addresses: Iterable[Address]) -> AbstractSet[str]:
        """Return the files whose addresses are these, capitals aside."""
        return {path for (path,) in self._query("SELECT path FROM files WHERE folded IN", map(_case_folded, addresses))}

    def files_with_diagnostics(self) -> Iterator[tuple[str, tuple[Diagnostic, ...]]]:
        """Yield the files that have something to say, and what."""
        for path, problems in self._database.execute("SELECT path, problems FROM files WHERE problems != ''"):
            try:
                yield path, tuple(map(decode_diagnostic, json.loads(problems)))
            except (ValueError, TypeError) as error:
                raise sqlite3.DatabaseError(f"what is remembered of {path} cannot be read") from error

    def _query(self, question: str, values: Iterable[str]) -> Iterator[tuple[str, ...]]:
        left = iter(values)
        while some := list(islice(left, _MAX_SQL_VALUES)):
            yield from self._database.execute(f"{question} ({','.join('?' * len(some))})", some)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def load_index(path: Path, key: str) -> DependencyIndex | None:
    """Open the index in a file, if there is one and it is of this code and these settings."""
    if not path.exists():
        return None
    with suppress(sqlite3.Error):
        database = sqlite3.connect(path)
        with suppress(sqlite3.Error, ValueError, TypeError):
            ((found, tree, state, nested),) = database.execute("SELECT key, tree, state, nested FROM base")
            if found == key:
                return DependencyIndex(database, CacheKey(found, tree, state, tuple(map(str, json.loads(nested)))))
        database.close()
    return None


def save_index(path: Path, base: CacheKey, rows: Iterable[IndexEntry], loose: Iterable[Address]) -> None:
    """Write an index anew."""
    with suppress(sqlite3.Error, OSError, UnicodeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(new)) as database, database:
            database.execute("PRAGMA synchronous = OFF")  # a file that is not whole was never renamed
            database.executescript(_SCHEMA)
            _write_index(database, base, list(rows), loose)
        new.replace(path)


def update_index(  # noqa: PLR0913 - what is taken out and what is put in
    path: Path,
    before: CacheKey,
    base: CacheKey,
    *,
    gone: Iterable[str],
    asked: Iterable[Address],
    rows: Sequence[IndexEntry],
    loose: Iterable[Address],
) -> None:
    """Put what a plan found out into the index that it used, unless another did so meanwhile.

    ``gone`` are the files that were looked at, ``asked`` the addresses.
    """
    with (
        suppress(sqlite3.Error, OSError, UnicodeError),
        closing(sqlite3.connect(path, timeout=1)) as database,
        database,
    ):
        database.execute("BEGIN IMMEDIATE")
        if list(database.execute("SELECT key, tree, state FROM base")) != [
            (before.settings_key, before.tree, before.state_tree)
        ]:
            return
        files = [[each] for each in gone]
        for table in ("files", "uses", "seen"):
            database.executemany(f"DELETE FROM {table} WHERE path = ?", files)  # noqa: S608 - our own names
        database.executemany("DELETE FROM loose WHERE address = ?", [[str(address)] for address in asked])
        database.execute("DELETE FROM base")
        _write_index(database, base, rows, loose)


def _write_index(
    database: sqlite3.Connection, base: CacheKey, rows: Sequence[IndexEntry], loose: Iterable[Address]
) -> None:
    database.execute(
        "INSERT INTO base VALUES (?, ?, ?, ?)",
        [base.settings_key, base.tree, base.state_tree, json.dumps(base.nested_workspaces)],
    )
    database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", map(_file_row, rows))
    uses = ((str(address), row.path) for row in rows for address in set(row.uses))
    database.executemany("INSERT INTO uses VALUES (?, ?)", uses)
    database.executemany("INSERT INTO seen VALUES (?, ?)", ((dep, row.path) for row in rows for dep in row.deps))
    database.executemany("INSERT INTO loose VALUES (?)", ([str(address)] for address in loose))


_SCHEMA = """
CREATE TABLE base (key TEXT, tree TEXT, state TEXT, nested TEXT);
CREATE TABLE files (path TEXT PRIMARY KEY, address TEXT, folded TEXT, level INT, settled INT, problems TEXT)
    WITHOUT ROWID;
CREATE TABLE uses (upstream TEXT, path TEXT, PRIMARY KEY (upstream, path)) WITHOUT ROWID;
CREATE TABLE seen (place TEXT, path TEXT, PRIMARY KEY (place, path)) WITHOUT ROWID;
CREATE TABLE loose (address TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX by_address ON files (address);
CREATE INDEX by_folded ON files (folded);
CREATE INDEX by_settled ON files (settled) WHERE settled = 0;
CREATE INDEX by_problems ON files (path) WHERE problems != '';
CREATE INDEX uses_of ON uses (path);
CREATE INDEX seen_of ON seen (path);
"""


def _file_row(row: IndexEntry) -> tuple[str, str | None, str | None, int, bool, str]:
    address = str(row.address) if row.address else None
    folded = _case_folded(row.address) if row.address else None
    problems = json.dumps([encode_diagnostic(diagnostic) for diagnostic in row.diagnostics]) if row.diagnostics else ""
    return row.path, address, folded, row.level, row.clean, problems


def _parent_folders(path: str) -> Iterator[str]:
    """Yield the folders above a path as they are noted, with a slash; the topmost is the slash alone."""
    while path:
        path = posixpath.dirname(path)
        yield f"{path}/"


def _case_folded(address: Address) -> str:
    return str(address).casefold()
