"""What the local cache remembers of folders of the live state: of each folder of a ref, what its newest tree gave."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from sqlite3 import Error

from reconciler.source.cache import Cache, select_in


@dataclass(frozen=True, slots=True)
class FolderCache:
    """The remembered folders of one ref; a folder whose tree has changed is not remembered."""

    cache: Cache
    ref: str

    def find(self, trees: Mapping[str, str]) -> dict[str, str]:
        """Return what is remembered of folders, given the tree of each."""
        database = self.cache.open()
        if database is None:
            return {}
        query = "SELECT folder, tree, value FROM state_folders WHERE ref = ? AND folder IN"
        with suppress(Error), closing(database):
            rows = select_in(database, query, trees, self.ref)
            return {folder: value for folder, tree, value in rows if trees[folder] == tree}
        return {}

    def remember(self, trees: Mapping[str, str], values: Mapping[str, str]) -> None:
        """Remember what the trees of some folders gave."""
        rows = [(self.ref, folder, trees[folder], value) for folder, value in values.items()]
        statement = "INSERT OR REPLACE INTO state_folders VALUES (?, ?, ?, ?)"
        self.cache.write(lambda database: database.executemany(statement, rows))
