"""Plans remembered as they were printed: if nothing has changed, only the names of Git's trees are computed again.

This module loads no third-party package; ``mlgit plan`` loads it before it knows whether it must plan.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.diagnostics import UserError
from reconciler.git.command import GitError
from reconciler.git.repository import Repository, open_repository
from reconciler.regular_files import read_regular_file
from reconciler.source.cache import Cache

_T = TypeVar("_T")

_CONFIG_FILE = "mlgit.yml"
_MAX_CONFIG_BYTES = 5_000_000
_MAX_ENTRIES = 60  # plans, and settings
_DELETE_OLDEST = "DELETE FROM rendered_plans WHERE rowid <= (SELECT max(rowid) FROM rendered_plans) - ?"


@dataclass(frozen=True, slots=True)
class RenderedPlan:
    """A plan as it was printed: its text, the diagnostics of the files, the hint how to apply it.

    ``has_changes`` is True if some action can be done at once: what ``--detailed-exitcode`` reports.
    """

    text: str
    diagnostics: str
    hint: str
    has_changes: bool


@dataclass(frozen=True, slots=True)
class PlanCacheSettings:
    """What mlgit.yml says that must be known to look a plan up: the ref of the live state, the folders of stores."""

    ref: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanCacheKey:
    """What a plan follows from: the folder of the workspace, its files, the live state, the history, the environment.

    With it goes the version of the cache, which is that of the code.
    """

    root: str
    tree: str
    state: str
    head: str
    environment_key: str

    def __str__(self) -> str:
        return _digest(self.root, self.tree, self.state, self.head, self.environment_key)


@dataclass(slots=True)
class RenderedPlanCache:
    """The remembered plans of one workspace."""

    repository: Repository
    root: str
    environment_key: str

    def find_plan(self) -> RenderedPlan | None:
        """Return the plan of the work tree, if it was printed before."""
        settings = _from_json(PlanCacheSettings, self._read_value(self._settings_key()))
        if settings is None:
            return None
        with suppress(GitError, UserError):
            tree = self.repository.write_work_tree(*settings.stores)
            state, head = self.repository.resolve_objects([f"{settings.ref}^{{tree}}", "HEAD^{commit}"])
            key = PlanCacheKey(self.root, tree, state, head, self.environment_key)
            return _from_json(RenderedPlan, self._read_value(str(key))) if state else None
        return None

    def store_plan(self, key: PlanCacheKey, settings: PlanCacheSettings, plan: RenderedPlan) -> None:
        """Remember a plan as it was printed."""
        entries = {self._settings_key(): json.dumps(asdict(settings)), str(key): json.dumps(asdict(plan))}

        def fill(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO rendered_plans VALUES (?, ?)", entries.items())
            database.execute(_DELETE_OLDEST, [_MAX_ENTRIES])

        self._cache.write(fill)

    @property
    def _cache(self) -> Cache:
        return Cache(self.repository.common / "mlgit")

    def _settings_key(self) -> str:
        config = read_regular_file(self.repository.top / self.root / _CONFIG_FILE, _MAX_CONFIG_BYTES)
        return _digest(self.root, hashlib.sha256(config).hexdigest())

    def _read_value(self, key: str) -> str | None:
        for (value,) in self._cache.read("SELECT value FROM rendered_plans WHERE key = ?", key):
            return str(value)
        return None


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _from_json(cls: Callable[..., _T], value: str | None) -> _T | None:
    """Return an instance of a class from its fields as JSON; None if they are not those of the class."""
    with suppress(ValueError, TypeError):
        return cls(**json.loads(value)) if value else None
    return None


def open_rendered_plan_cache(start: Path, packages: Path) -> RenderedPlanCache | None:
    """Open the remembered plans of the workspace that a folder is in; None if there is no workspace.

    ``packages`` is the folder of installed packages: a plug-in that is added or removed may change a plan.
    """
    with suppress(UserError, OSError, ValueError):
        repository = open_repository(start)
        folder = start.resolve()
        while not (folder / _CONFIG_FILE).is_file() and folder not in {repository.top, folder.parent}:
            folder = folder.parent
        if not (folder / _CONFIG_FILE).is_file():
            return None
        relative = folder.relative_to(repository.top.resolve()).as_posix()
        root = "" if relative == "." else f"{relative}/"
        return RenderedPlanCache(repository, root, f"{packages.stat().st_mtime_ns} {_shallow_digest(repository)}")
    return None


def _shallow_digest(repository: Repository) -> str:
    """Return a digest of where the history of a shallow clone ends; fetching more history can change a plan."""
    shallow = repository.common / "shallow"
    return hashlib.sha256(shallow.read_bytes()).hexdigest() if shallow.exists() else ""
