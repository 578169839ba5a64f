"""Output of a command remembered as it was printed: if nothing has changed, only names of Git's trees are computed.

For the commands whose output follows from the files, the live state and the history alone. This module loads no
third-party package; a command loads it before it knows whether it has to read anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from reconciler.diagnostics import UserError
from reconciler.git.command import GitError
from reconciler.git.repository import Repository, open_repository
from reconciler.regular_files import read_regular_file
from reconciler.source.cache import Cache, entry_key

_T = TypeVar("_T")

_CONFIG_FILE = "mlgit.yml"
_MAX_CONFIG_BYTES = 5_000_000
_CACHE_VARIABLES = ("MLGIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME")  # finished builds are there


class OutputSettings(NamedTuple):
    """What mlgit.yml says that must be known to look an output up: the ref of the live state, the folders of stores."""

    ref: str
    stores: tuple[str, ...]


class OutputKey(NamedTuple):
    """What an output follows from: the workspace's folder, its files, the live state, the history, the environment.

    ``state`` is "" without a live state. With the key goes the version of the cache, which is that of the code.
    """

    root: str
    tree: str
    state: str
    head: str
    environment_key: str

    def of_command(self, command: str) -> str:
        """Return the key of the output of a command with its options."""
        return entry_key(command, self.root, self.tree, self.state, self.head, self.environment_key)


@dataclass(slots=True)
class RenderedOutputCache:
    """The remembered outputs in one workspace; ``work_tree`` is the tree of its files, once an output is looked for."""

    repository: Repository
    root: str
    environment_key: str
    work_tree: str = ""

    def find(self, command: str, output_type: Callable[..., _T]) -> _T | None:
        """Return the output of a command for the files, the live state and the history as they are now."""
        settings = _from_json(OutputSettings, self._cache.find_entry(self._settings_key()))
        if settings is None:
            return None
        with suppress(GitError, UserError):
            self.work_tree = tree = self.repository.write_work_tree(*settings.stores)
            state, head = self.repository.resolve_objects([f"{settings.ref}^{{tree}}", "HEAD^{commit}"])
            key = OutputKey(self.root, tree, state, head, self.environment_key)
            return _from_json(output_type, self._cache.find_entry(key.of_command(command)))
        return None

    def store(self, command: str, key: OutputKey, settings: OutputSettings, output: Any) -> None:
        """Remember the output of a command, a named tuple of JSON values."""
        values = {self._settings_key(): settings._asdict(), key.of_command(command): output._asdict()}
        self._cache.store_entries({name: json.dumps(value) for name, value in values.items()})

    @property
    def _cache(self) -> Cache:
        return Cache(self.repository.common / "mlgit")

    def _settings_key(self) -> str:
        config = read_regular_file(self.repository.top / self.root / _CONFIG_FILE, _MAX_CONFIG_BYTES)
        return entry_key(self.root, hashlib.sha256(config).hexdigest())


def _from_json(cls: Callable[..., _T], value: str | None) -> _T | None:
    """Return an instance of a class from its fields as JSON; None if they are not those of the class."""
    with suppress(ValueError, TypeError):
        return cls(**json.loads(value)) if value else None
    return None


def open_output_cache(start: Path) -> RenderedOutputCache | None:
    """Open the remembered outputs of the workspace that a folder is in; None if there is no workspace."""
    with suppress(UserError, OSError, ValueError):
        repository = open_repository(start)
        folder = start.resolve()
        while not (folder / _CONFIG_FILE).is_file() and folder not in {repository.top, folder.parent}:
            folder = folder.parent
        if not (folder / _CONFIG_FILE).is_file():
            return None
        relative = folder.relative_to(repository.top.resolve()).as_posix()
        root = "" if relative == "." else f"{relative}/"
        # A remote, and where the history of a shallow clone ends, can change an output; so can where caches are.
        files = (_fileentry_key(repository.common / name) for name in ("config", "shallow"))
        folders = (os.environ.get(name, "") for name in _CACHE_VARIABLES)
        return RenderedOutputCache(repository, root, " ".join((*files, *folders)))
    return None


def _fileentry_key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
