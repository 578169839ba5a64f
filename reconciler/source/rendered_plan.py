"""Plans remembered as they were shown: where nothing changed, nothing is read again but the names of Git's trees.

Nothing in here is ever out of date: a key names all that its value depends on. Deleting the file costs only time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.diagnostics import UserError
from reconciler.git.command import GitError
from reconciler.git.repository import Repository, open_repository
from reconciler.package_files import code_digest

_T = TypeVar("_T")

_CONFIG_FILE = "mlgit.yml"
_MAX_PLANS = 30  # plans


@dataclass(frozen=True, slots=True)
class RenderedPlan:
    """A plan as it was shown: its text, what was said of the files, how to go on, and whether something is done now."""

    text: str
    said: str
    then: str
    now: bool


@dataclass(frozen=True, slots=True)
class PlanCacheSettings:
    """What must be known of mlgit.yml to tell whether a plan is known: the ref of the live state, the stores."""

    ref: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanCacheKey:
    """What a plan follows from: this code, the place of the workspace, its files, the live state, the history."""

    root: str
    tree: str
    state: str
    head: str
    environment_key: str

    def __str__(self) -> str:
        whole = json.dumps([code_digest(), self.root, self.tree, self.state, self.head, self.environment_key])
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(slots=True)
class RenderedPlanCache:
    """What is remembered of one workspace; where it cannot be read or written, nothing is remembered."""

    repository: Repository
    root: str
    environment_key: str
    key: PlanCacheKey | None = None

    def find_plan(self) -> RenderedPlan | None:
        """Return the plan of the work tree, if it was shown before."""
        settings = self._read_settings()
        if settings is None:
            return None
        with suppress(GitError, UserError):
            tree = self.repository.write_work_tree(*settings.stores)
            state, head = self.repository.resolve_objects([f"{settings.ref}^{{tree}}", "HEAD^{commit}"])
            self.key = PlanCacheKey(self.root, tree, state, head, self.environment_key)
            found = self._read_value("plans", str(self.key)) if state else None
            return _from_json(RenderedPlan, found)
        return None

    def store_plan(self, key: PlanCacheKey, settings: PlanCacheSettings, shown: RenderedPlan) -> None:
        """Remember a plan as it was shown."""
        path = self._database_path
        with suppress(sqlite3.Error, OSError, UnicodeError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=1)) as database, database:
                database.executescript(_SCHEMA)
                rows = (("settings", self._config_digest(), asdict(settings)), ("plans", str(key), asdict(shown)))
                for table, name, value in rows:
                    database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", [name, json.dumps(value)])  # noqa: S608
                    database.execute(
                        f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - {_MAX_PLANS}"
                    )

    @property
    def _database_path(self) -> Path:
        return self.repository.common / "mlgit" / "shown.sqlite"

    def _read_settings(self) -> PlanCacheSettings | None:
        found = self._read_value("settings", self._config_digest())
        return _from_json(PlanCacheSettings, found)

    def _config_digest(self) -> str:
        raw = (self.repository.top / self.root / _CONFIG_FILE).read_bytes()
        return hashlib.sha256(f"{code_digest()}\0{self.root}\0".encode() + raw).hexdigest()

    def _read_value(self, table: str, key: str) -> str | None:
        if self._database_path.exists():
            with suppress(sqlite3.Error), closing(sqlite3.connect(self._database_path)) as database:
                for (found,) in database.execute(f"SELECT value FROM {table} WHERE key = ?", [key]):  # noqa: S608
                    return str(found)
        return None


def _from_json(kind: Callable[..., _T], found: str | None) -> _T | None:
    """Read what `keep` wrote; what is no such thing is not remembered."""
    with suppress(ValueError, TypeError):
        return kind(**json.loads(found)) if found else None
    return None


_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT UNIQUE, value TEXT);
CREATE TABLE IF NOT EXISTS plans (key TEXT UNIQUE, value TEXT);
"""


def open_rendered_plan_cache(start: Path, packages: Path) -> RenderedPlanCache | None:
    """Find what is remembered of the workspace that a folder is in; None where there is none.

    ``packages`` is the folder of what is installed: a plug-in more or less may change what a plan says.
    """
    with suppress(UserError, OSError, ValueError):
        repository = open_repository(start)
        folder = start.resolve()
        while not (folder / _CONFIG_FILE).is_file() and folder not in {repository.top, folder.parent}:
            folder = folder.parent
        if not (folder / _CONFIG_FILE).is_file():
            return None
        inside = folder.relative_to(repository.top.resolve()).as_posix()
        root = "" if inside == "." else f"{inside}/"
        return RenderedPlanCache(repository, root, f"{packages.stat().st_mtime_ns} {_shallow_digest(repository)}")
    return None


def _shallow_digest(repository: Repository) -> str:
    """Return where the history of a shallow clone ends: what was there before may be known some day."""
    shallow = repository.common / "shallow"
    return hashlib.sha256(shallow.read_bytes()).hexdigest() if shallow.exists() else ""
