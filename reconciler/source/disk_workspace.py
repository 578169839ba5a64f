"""A workspace on disk: its asset files as they are now, committed or not, and the addresses that they declare.

What a file declares is remembered in the local cache, so that checking one file of many reads that one and those that
it refers to.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import UserError
from reconciler.format.include import IncludeGlob
from reconciler.format.load import read_declared_addresses
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.git.command import GitError, run_git
from reconciler.model import Address, parse_address
from reconciler.source.cache import Cache, select_in
from reconciler.source.disk import YAML_SUFFIXES, DiskFiles, expand_paths
from reconciler.source.globs import load_file_globs
from reconciler.source.parsed_file import DECODE_ERRORS
from reconciler.source.policy_files import is_policy_file

_LIST_FILES = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
_INSERT = "INSERT OR REPLACE INTO declared_addresses VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class DeclaredAddresses:
    """The addresses of each file by path, and the names that files may declare which are not YAML."""

    by_path: Mapping[str, frozenset[Address]]
    unreadable_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class DiskWorkspace:
    """The files of a workspace by path from its folder, each with the glob that includes it."""

    files: DiskFiles
    globs: Mapping[str, IncludeGlob]

    def read_addresses(self, cache: Cache | None) -> DeclaredAddresses:
        """Return what the files declare; a file that cannot be read declares nothing."""
        keys = {path: f"{glob.kind}:{self.files.top}:{path}" for path, glob in self.globs.items()}
        remembered = dict(_load_rows(cache, keys.values())) if cache else {}
        rows: dict[str, tuple[str, str]] = {}
        for path, key in keys.items():
            stamp = self.files.stamp(path)
            row = remembered.get(key)
            rows[path] = row if row and stamp and stamp == row[0] else (stamp, self._read_row(path))
        added = [(keys[path], *row) for path, row in rows.items() if row[0] and remembered.get(keys[path]) != row]
        if cache and added:
            cache.write(lambda database: database.executemany(_INSERT, added))
        declared = {path: json.loads(text) for path, (_, text) in rows.items()}
        return DeclaredAddresses(
            {path: frozenset(map(parse_address, addresses)) for path, (addresses, _) in declared.items() if addresses},
            frozenset(name for _, names in declared.values() for name in names),
        )

    def _read_row(self, path: str) -> str:
        """Return what a file declares as JSON: its addresses, and the names that an unreadable file may declare."""
        addresses, names = read_declared_addresses(self.files, path, self.globs[path])
        return json.dumps([[str(address) for address in addresses], sorted(names)])


def open_disk_workspace(folder: Path, config: Config, cache: Cache | None) -> DiskWorkspace:
    """Return the workspace in a folder, without the files that Git ignores and those of workspaces inside it."""
    paths = list(_list_yaml_files(folder))
    nested = tuple(path.removesuffix(CONFIG_FILE) for path in paths if path.endswith(f"/{CONFIG_FILE}"))
    own = (path for path in sorted(paths) if not path.startswith(nested) and replace_invalid_utf8(path) == path)
    globs = load_file_globs(config, cache)
    assets = (path for path in own if path != CONFIG_FILE and not is_policy_file(path))
    included = {path: glob for path in assets if (glob := globs.find_include(path))}
    return DiskWorkspace(DiskFiles(folder, {}), included)


def _list_yaml_files(folder: Path) -> Iterable[str]:
    """Return the YAML files below a folder: those that Git does not ignore or, outside of a repository, all."""
    patterns = [f":(icase)*{suffix}" for suffix in YAML_SUFFIXES]
    with suppress(GitError, UserError):
        return dict.fromkeys(map(os.fsdecode, filter(None, run_git([*_LIST_FILES, *patterns], folder).split(b"\0"))))
    return expand_paths(DiskFiles(folder, {}).rooted, ["."])


def _load_rows(cache: Cache, keys: Iterable[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    database = cache.open()
    if database is None:
        return
    with suppress(sqlite3.Error), closing(database):
        query = "SELECT key, stamp, address FROM declared_addresses WHERE key IN"
        for key, stamp, declared in select_in(database, query, keys):
            with suppress(*DECODE_ERRORS):
                addresses, names = json.loads(declared)
                if all(isinstance(text, str) for text in (*addresses, *names)):
                    yield key, (stamp, declared)
